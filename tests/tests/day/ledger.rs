//! The model of the day: every session and every message, and the checks across sessions.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;
use tokio::time::{Duration, Instant};

/// Index of a session in the ledger.
pub(crate) type SessionIndex = usize;

/// Index of a person. Each person keeps one name for the whole day.
pub(crate) type Person = usize;

/// Maximum number of violations that are kept for the report.
const VIOLATIONS_MAX: usize = 10;

/// Maximum time from the moment at which a name is free to the moment at which its person has it again. The server
/// frees a name at once; the rest is the time of a busy machine.
const NAME_BACK_MAX: Duration = Duration::from_secs(15);

/// The cause of a session's end, as its client knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The client closed its sending direction, and read until the server closed.
    Left,
    /// The server refused the name, and closed as its dialect requires.
    Refused,
    /// The client reset the connection.
    Aborted,
    /// The server closed without a reason in a line.
    ClosedByServer,
    /// The server announced that it stops.
    Stopped,
}

/// The fate of a message, as its author learned it.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// `MSG_SENT`. `reader` is the peer at that point of the author's lines.
    Accepted {
        reader: Person,
        at: Instant,
    },
    Refused,
}

#[derive(Debug)]
struct Message {
    intended: Person,
    sent: Instant,
    /// `None` in the line dialect, where no reply names its message.
    outcome: Option<Outcome>,
    delivered_to: Option<SessionIndex>,
}

#[derive(Debug)]
struct Session {
    person: Person,
    port: u16,
    opened: Instant,
    /// Whether any line of the server arrived.
    has_answer: bool,
    registered: Option<Instant>,
    /// Latest time at which the session provably existed: a request queued at this time was answered.
    proven: Option<Instant>,
    ended: Option<(Instant, End)>,
    /// Whether the client stopped reading for a while, or read slowly.
    has_been_slow: bool,
    messages: Vec<Message>,
    /// Number of `User not found.` in the line dialect.
    refused_lines: usize,
    /// Whether the server's log names the session. A client that resets may not read that it has its name.
    has_logged_name: bool,
    /// Reason in the server's log.
    logged_end: Option<String>,
}

impl Session {
    fn is_slow_consumer(&self) -> bool {
        self.logged_end.as_deref() == Some("slow consumer")
    }

    /// Whether queued lines may have been lost with this session.
    fn is_lossy(&self) -> bool {
        self.is_slow_consumer() || matches!(self.ended, Some((_, End::Aborted | End::ClosedByServer)))
    }

    /// Whether the session provably had its name during the whole time from `start` to `end`.
    fn held_name(&self, start: Instant, end: Instant) -> bool {
        self.registered.is_some_and(|since| since <= start) && self.proven.is_some_and(|until| until >= end)
    }
}

/// A reply about names, which the end of the day checks against all sessions.
#[derive(Debug)]
enum Claim {
    NotFound(Person),
    Roster(Vec<String>),
}

/// Counts of the day, for the report.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) lines_received: usize,
    pub(crate) chats: usize,
    pub(crate) rosters: usize,
    pub(crate) names_taken: usize,
    pub(crate) actions: HashMap<&'static str, usize>,
    pub(crate) name_back_max: Duration,
    /// Longest delay of a timer of the test itself: how busy the machine was.
    pub(crate) stall_max: Duration,
}

/// All sessions and messages of a day.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    sessions: Vec<Session>,
    sessions_of: HashMap<Person, Vec<SessionIndex>>,
    claims: Vec<(Claim, Instant, Instant)>,
    pub(crate) violations: Vec<String>,
    pub(crate) counts: Counts,
}

/// The listener of a session, as whether it is the one of the line dialect, and the port of the client. The system may
/// use one port for connections to both listeners.
type Origin = (bool, u16);

/// The origin of a session in a log line about its opening.
fn origin(line: &Value) -> Origin {
    let port = line["peer"].as_str().and_then(|peer| peer.rsplit(':').next()?.parse().ok());
    (line["dialect"] == "line", port.unwrap_or_default())
}

/// The name of a person. The name tells the dialect.
pub(crate) fn name(person: Person) -> String {
    format!("{}-{person:03}", if is_line(person) { "line" } else { "user" })
}

/// The person who has a name.
pub(crate) fn person(name: &str) -> Option<Person> {
    let (_, digits) = name.rsplit_once('-')?;
    digits.parse().ok().filter(|&person| self::name(person) == name)
}

/// Whether a person uses the line dialect: every third one.
pub(crate) fn is_line(person: Person) -> bool {
    person % 3 == 2
}

/// The text of a message: author's session, number, reader, and filling of a length that depends on the text before it.
fn text(author: SessionIndex, number: usize, reader: Person, filling_len: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(number % 26).unwrap_or_default());
    let filling: String = std::iter::repeat_n(letter, filling_len).collect();
    format!("{author} {number} {reader} {filling_len} {filling}.")
}

impl Ledger {
    pub(crate) fn violation(&mut self, violation: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }

    pub(crate) fn open(&mut self, person: Person, port: u16) -> SessionIndex {
        self.sessions.push(Session {
            person,
            port,
            opened: Instant::now(),
            has_answer: false,
            registered: None,
            proven: None,
            ended: None,
            has_been_slow: false,
            messages: Vec::new(),
            refused_lines: 0,
            has_logged_name: false,
            logged_end: None,
        });
        let index = self.sessions.len() - 1;
        self.sessions_of.entry(person).or_default().push(index);
        index
    }

    /// The sessions of a person before `index`. A person opens a session only after the one before is closed or
    /// abandoned.
    fn earlier_sessions(&self, person: Person, index: SessionIndex) -> impl Iterator<Item = &Session> {
        let indices = self.sessions_of.get(&person).into_iter().flatten();
        indices.filter(move |&&earlier| earlier < index).map(|&earlier| &self.sessions[earlier])
    }

    pub(crate) fn line_arrived(&mut self, session: SessionIndex) {
        self.counts.lines_received += 1;
        self.sessions[session].has_answer = true;
    }

    pub(crate) fn is_slow(&mut self, session: SessionIndex) {
        self.sessions[session].has_been_slow = true;
    }

    /// A request that was queued at `queued` has its reply.
    pub(crate) fn answered(&mut self, session: SessionIndex, queued: Instant) {
        let session = &mut self.sessions[session];
        if session.registered.is_some() && session.proven.is_none_or(|proven| proven < queued) {
            session.proven = Some(queued);
        }
    }

    /// The person has its name. Checks the time that this took.
    pub(crate) fn registered(&mut self, index: SessionIndex) {
        let now = Instant::now();
        let session = &mut self.sessions[index];
        session.registered = Some(now);
        session.proven = Some(now);
        let (person, opened) = (session.person, session.opened);
        let free_since = self.name_is_free_since(person, index).unwrap_or(now).max(opened);
        let wait = now - free_since;
        self.counts.name_back_max = self.counts.name_back_max.max(wait);
        if wait > NAME_BACK_MAX {
            self.violation(format!("{} waited {wait:?} for its name", name(person)));
        }
    }

    /// The name of a person is refused to its session `index`. This is right only if an earlier session may hold it.
    pub(crate) fn name_taken(&mut self, index: SessionIndex, requested: Instant) {
        self.counts.names_taken += 1;
        let person = self.sessions[index].person;
        // The server notices a reset or a close when it reads, so a name may be held a little longer than its session.
        let may_hold = |session: &Session| match session.ended {
            None => true,
            Some((at, End::Aborted)) => requested < at + NAME_BACK_MAX,
            // The client has read the end, so the server had freed the name before.
            Some((at, _)) => requested < at,
        };
        if !self.earlier_sessions(person, index).any(may_hold) {
            self.violation(format!("session {index}: {} is taken, but no session can have it", name(person)));
        }
    }

    /// The time at which the last earlier session of a person ended. `None` if one is still open.
    fn name_is_free_since(&self, person: Person, before: SessionIndex) -> Option<Instant> {
        let ends = self.earlier_sessions(person, before).map(|session| session.ended.map(|(at, _)| at));
        ends.collect::<Option<Vec<_>>>()?.into_iter().max().or_else(|| Some(self.sessions[before].opened))
    }

    pub(crate) fn end(&mut self, session: SessionIndex, end: End) {
        self.sessions[session].ended.get_or_insert((Instant::now(), end));
    }

    /// Notes a new message, and returns its number and text.
    pub(crate) fn write(&mut self, author: SessionIndex, intended: Person, filling_len: usize) -> (usize, String) {
        let messages = &mut self.sessions[author].messages;
        let number = messages.len();
        messages.push(Message { intended, sent: Instant::now(), outcome: None, delivered_to: None });
        (number, text(author, number, intended, filling_len))
    }

    pub(crate) fn accepted(&mut self, author: SessionIndex, number: usize, reader: Person) {
        self.sessions[author].messages[number].outcome = Some(Outcome::Accepted { reader, at: Instant::now() });
    }

    pub(crate) fn refused(&mut self, author: SessionIndex, number: usize) {
        self.sessions[author].messages[number].outcome = Some(Outcome::Refused);
    }

    /// A message of a line dialect session was refused. The reply does not tell which one.
    pub(crate) fn refused_line(&mut self, author: SessionIndex) {
        self.sessions[author].refused_lines += 1;
    }

    /// A text arrived. Returns its author's session and its number, or the reason why it must not have arrived here.
    pub(crate) fn deliver(
        &mut self,
        reader: SessionIndex,
        author_name: &str,
        received: &str,
    ) -> Result<(SessionIndex, usize), String> {
        let reading_person = self.sessions[reader].person;
        let mut fields = received.splitn(5, ' ').map(|field| field.parse::<usize>().ok());
        let mut field = || fields.next().flatten().ok_or_else(|| format!("a text that nobody wrote: {received}"));
        let (author, number, intended, filling_len) = (field()?, field()?, field()?, field()?);
        if received != text(author, number, intended, filling_len) {
            return Err(format!("a changed text: {received}"));
        }
        let session = self.sessions.get_mut(author).ok_or("an unknown author")?;
        if author_name != name(session.person) {
            return Err(format!("words of {} in the name of {author_name}", name(session.person)));
        }
        let is_line_author = is_line(session.person);
        let message = session.messages.get_mut(number).ok_or("an unknown number")?;
        if let Some(first) = message.delivered_to.replace(reader) {
            return Err(format!("a second delivery; the first was to session {first}"));
        }
        if intended != message.intended || (is_line_author && intended != reading_person) {
            return Err(format!("words for {}", name(intended)));
        }
        Ok((author, number))
    }

    /// `USER_NOT_FOUND` for a request between `queued` and now.
    pub(crate) fn not_found(&mut self, target: Person, queued: Instant) {
        self.claims.push((Claim::NotFound(target), queued, Instant::now()));
    }

    /// The reply to a `WHO` between `queued` and now.
    pub(crate) fn roster(&mut self, names: &str, queued: Instant) {
        self.counts.rosters += 1;
        let names = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        self.claims.push((Claim::Roster(names), queued, Instant::now()));
    }

    /// The names in the latest reply to a `WHO`.
    pub(crate) fn last_roster(&self) -> Vec<String> {
        let names = self.claims.iter().rev().find_map(|(claim, ..)| match claim {
            Claim::Roster(names) => Some(names.clone()),
            Claim::NotFound(_) => None,
        });
        names.unwrap_or_default()
    }

    /// Explains every line of the server's log by a session of this ledger, and the figures of the last line by counts.
    /// Returns these figures.
    pub(crate) fn explain(&mut self, log: &[String]) -> String {
        let log: Vec<Value> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut candidates = self.candidates(&log);
        let mut sessions: HashMap<String, SessionIndex> = HashMap::new();
        let (mut opened, mut slow_consumers) = (0, 0);
        let mut last_line = Value::Null;
        for line in &log {
            let field = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            let known = sessions.get(&field("session")).copied();
            match field("message").as_str() {
                "opened" => {
                    opened += 1;
                    match candidates.get_mut(&origin(line)).and_then(VecDeque::pop_front) {
                        Some(index) => drop(sessions.insert(field("session"), index)),
                        None => self.violation(format!("a session that no client opened: {line}")),
                    }
                }
                "registered" => match known.filter(|&index| name(self.sessions[index].person) == field("name")) {
                    Some(index) => self.sessions[index].has_logged_name = true,
                    None => self.violation(format!("a name that its session did not ask for: {line}")),
                },
                "left" => {
                    let why = field("why");
                    slow_consumers += usize::from(why == "slow consumer");
                    match known {
                        Some(index) => {
                            self.sessions[index].logged_end = Some(why);
                            self.check_logged_end(index);
                        }
                        None => self.violation(format!("the end of an unknown session: {line}")),
                    }
                }
                "stopped" => last_line.clone_from(line),
                _ => {}
            }
        }
        let figure = |key: &str| last_line[key].as_u64().and_then(|figure| usize::try_from(figure).ok());
        let figures = [figure("sessions"), figure("slow_consumers"), figure("abandoned")];
        let answered = self.sessions.iter().filter(|session| session.has_answer).count();
        // A connection that its client resets at once may be gone before the server opens a session.
        if figures != [Some(opened), Some(slow_consumers), Some(0)]
            || !(answered..=self.sessions.len()).contains(&opened)
        {
            self.violation(format!(
                "the last line differs from the day: {last_line}; {opened} sessions logged, {answered} answered, {} \
                 connected, {slow_consumers} slow consumers logged, all clients read at the end",
                self.sessions.len()
            ));
        }
        format!("sessions={opened} slow_consumers={slow_consumers} abandoned=0")
    }

    /// The sessions of each dialect and port, in the order in which the server opened them.
    fn candidates(&self, log: &[Value]) -> HashMap<Origin, VecDeque<SessionIndex>> {
        let mut opened: HashMap<Origin, usize> = HashMap::new();
        for line in log.iter().filter(|line| line["message"] == "opened") {
            *opened.entry(origin(line)).or_default() += 1;
        }
        let mut candidates: HashMap<Origin, VecDeque<SessionIndex>> = HashMap::new();
        for (index, session) in self.sessions.iter().enumerate() {
            candidates.entry((is_line(session.person), session.port)).or_default().push_back(index);
        }
        for (origin, sessions) in &mut candidates {
            // The server opens no session for a connection that was reset early.
            let is_unopened = |&index: &SessionIndex| !self.sessions[index].has_answer;
            while sessions.len() > opened.get(origin).copied().unwrap_or_default()
                && let Some(unopened) = sessions.iter().position(is_unopened)
            {
                sessions.remove(unopened);
            }
        }
        candidates
    }

    /// Compares the end of a session in the log with the end that its client saw.
    fn check_logged_end(&mut self, index: SessionIndex) {
        let session = &self.sessions[index];
        let (why, ended) = (session.logged_end.as_deref().unwrap_or_default(), session.ended.map(|(_, end)| end));
        let is_explained = match why {
            "quit" => matches!(ended, Some(End::Left | End::Aborted)),
            "reset" => ended == Some(End::Aborted),
            "slow consumer" => session.has_been_slow || self.counts.stall_max > Duration::from_secs(1),
            "refused" => matches!(ended, Some(End::Refused | End::Aborted)),
            "shutdown" => ended == Some(End::Stopped),
            _ => false,
        };
        if !is_explained {
            let violation = format!(
                "session {index} of {} ended: the log says {why:?}, the client {ended:?}, has been slow: {}",
                name(session.person),
                session.has_been_slow
            );
            self.violation(violation);
        }
    }

    /// Checks all messages and all replies about names. Call [`Self::explain`] first: the log tells the slow consumers.
    pub(crate) fn check(&mut self) {
        let mut violations = self.unexplained_ends();
        violations.extend(self.doubled_names());
        violations.extend(self.wrong_claims());
        violations.extend(self.wrong_outcomes());
        violations.extend(self.lost_messages());
        for violation in violations {
            self.violation(violation);
        }
    }

    fn unexplained_ends(&self) -> Vec<String> {
        let is_odd = |session: &Session| match session.ended {
            None => true,
            Some((_, end)) => end == End::ClosedByServer && !session.is_slow_consumer(),
        };
        let odd = self.sessions.iter().enumerate().filter(|(_, session)| is_odd(session));
        odd.map(|(index, session)| {
            format!("session {index} of {}: {:?}, {:?}", name(session.person), session.ended, session.logged_end)
        })
        .collect()
    }

    /// Two sessions never have one name at the same time.
    fn doubled_names(&self) -> Vec<String> {
        let mut latest: HashMap<Person, (SessionIndex, Instant)> = HashMap::new();
        let mut named: Vec<_> = self.sessions.iter().enumerate().filter(|(_, s)| s.registered.is_some()).collect();
        named.sort_by_key(|(_, session)| session.registered);
        let mut doubled = Vec::new();
        for (index, session) in named {
            let (Some(since), Some(until)) = (session.registered, session.proven) else { continue };
            if let Some((other, _)) = latest.insert(session.person, (index, until)).filter(|(_, end)| *end > since) {
                doubled.push(format!("sessions {other} and {index} both had the name {}", name(session.person)));
            }
        }
        doubled
    }

    fn wrong_claims(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (claim, start, end) in &self.claims {
            let held = || self.sessions.iter().filter(|session| session.held_name(*start, *end));
            match claim {
                Claim::NotFound(target) => {
                    if held().any(|session| session.person == *target) {
                        wrong.push(format!("{} was not found, but had its name all the time", name(*target)));
                    }
                }
                Claim::Roster(names) => {
                    let mut sorted = names.clone();
                    sorted.sort_unstable();
                    sorted.dedup();
                    if sorted.len() != names.len() {
                        wrong.push(format!("WHO has a name twice: {names:?}"));
                    }
                    let missing = held().map(|s| name(s.person)).filter(|name| sorted.binary_search(name).is_err());
                    wrong.extend(missing.map(|name| format!("WHO lacks {name}, who was there all the time")));
                    let gone = names.iter().filter(|name| !self.may_be_named(name, *start, *end));
                    wrong.extend(gone.map(|name| format!("WHO has {name}, who was not there")));
                }
            }
        }
        wrong
    }

    /// Whether a session may have had this name at some time from `start` to `end`.
    fn may_be_named(&self, name: &str, start: Instant, end: Instant) -> bool {
        let may_hold = |session: &Session| {
            session.opened <= end
                && session.ended.is_none_or(|(at, end)| match end {
                    End::Aborted => start <= at + NAME_BACK_MAX,
                    _ => start <= at,
                })
        };
        person(name).is_some_and(|person| self.earlier_sessions(person, self.sessions.len()).any(may_hold))
    }

    /// A refused message is not delivered, and an accepted one goes to the peer at that point of the author's lines.
    fn wrong_outcomes(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (index, session) in self.sessions.iter().enumerate() {
            for (number, message) in session.messages.iter().enumerate() {
                let Some(reader) = message.delivered_to.map(|reader| self.sessions[reader].person) else { continue };
                let is_right = match message.outcome {
                    Some(Outcome::Accepted { reader: peer, .. }) => peer == reader,
                    Some(Outcome::Refused) => false,
                    // The author's session ended before the reply arrived.
                    None => is_line(session.person) || session.is_lossy(),
                };
                if !is_right {
                    let outcome = message.outcome;
                    wrong.push(format!("message {number} of session {index}: {outcome:?}, read by {}", name(reader)));
                }
            }
        }
        wrong
    }

    /// Each accepted message was read, or its reader's session ended without reading to its end.
    fn lost_messages(&self) -> Vec<String> {
        let mut lost = Vec::new();
        for (author, session) in self.sessions.iter().enumerate() {
            let missing = self.unexplained_messages(session);
            if !is_line(session.person) {
                lost.extend(missing.into_iter().map(|(number, reader)| {
                    format!("message {number} of session {author} was accepted, but {} lacks it", name(reader))
                }));
                continue;
            }
            // The replies do not name their messages, so only the counts can be compared. After a reset, some replies
            // are missing.
            let unread = session.messages.iter().filter(|message| message.delivered_to.is_none()).count();
            let refused = session.refused_lines;
            let is_complete = matches!(session.ended, Some((_, End::Left)));
            if refused > unread || (is_complete && missing.len() > refused) {
                lost.push(format!(
                    "session {author} of {}: {refused} messages refused, {unread} not read, of which {} had a reader",
                    name(session.person),
                    missing.len()
                ));
            }
        }
        lost
    }

    /// The messages of a session that were accepted, or not refused by name, and that no lossy session of their reader
    /// explains. A lossy session loses lines at its end only: not between two lines that arrived.
    fn unexplained_messages(&self, author: &Session) -> Vec<(usize, Person)> {
        let mut by_reader: HashMap<Person, Vec<(usize, &Message, Instant)>> = HashMap::new();
        let (end, _) = author.ended.unwrap_or((Instant::now(), End::Stopped));
        for (number, message) in author.messages.iter().enumerate() {
            match message.outcome {
                Some(Outcome::Accepted { reader, at }) => {
                    by_reader.entry(reader).or_default().push((number, message, at));
                }
                None if is_line(author.person) => {
                    by_reader.entry(message.intended).or_default().push((number, message, end));
                }
                _ => {}
            }
        }
        let mut unexplained = Vec::new();
        for (reader, messages) in by_reader {
            let named = |session: &SessionIndex| self.sessions[*session].has_logged_name;
            let readers = self.sessions_of.get(&reader).into_iter().flatten().copied().filter(named);
            let readers: Vec<_> = readers.collect();
            let place = |session| readers.iter().position(|&reader| reader == session);
            // From the last message to the first: the place of the session that read the next message.
            let mut next_place = readers.len();
            for (position, &(number, message, accepted)) in messages.iter().enumerate().rev() {
                if let Some(read_by) = message.delivered_to.and_then(place) {
                    next_place = read_by;
                    continue;
                }
                let mut earlier = messages[..position].iter().rev();
                let first = earlier.find_map(|(_, m, _)| m.delivered_to.and_then(place)).unwrap_or(0);
                let is_explained =
                    readers.get(first..next_place).unwrap_or_default().iter().enumerate().any(|(n, &s)| {
                        let successor = readers.get(first + n + 1).and_then(|&s| self.sessions[s].registered);
                        self.sessions[s].is_lossy()
                            && self.sessions[s].opened <= accepted
                            && successor.is_none_or(|successor| successor >= message.sent)
                    });
                if !is_explained {
                    unexplained.push((number, reader));
                }
            }
        }
        unexplained
    }

    /// A summary of the day, in one line for each kind of figure.
    pub(crate) fn summary(&self) -> String {
        let messages = || self.sessions.iter().flat_map(|session| &session.messages);
        let accepted = messages().filter(|m| matches!(m.outcome, Some(Outcome::Accepted { .. }))).count();
        let refused = messages().filter(|m| matches!(m.outcome, Some(Outcome::Refused))).count()
            + self.sessions.iter().map(|session| session.refused_lines).sum::<usize>();
        let delivered = messages().filter(|m| m.delivered_to.is_some()).count();
        let ended = |end| self.sessions.iter().filter(|s| s.ended.is_some_and(|(_, kind)| kind == end)).count();
        let slow = self.sessions.iter().filter(|session| session.is_slow_consumer()).count();
        let mut actions: Vec<_> = self.counts.actions.iter().collect();
        actions.sort_unstable();
        let counts = &self.counts;
        format!(
            "sessions: {} ({} left, {} aborted, {} refused, {slow} slow consumers, {} at the end)\n\
             messages: {} written, {accepted} acknowledged, {refused} refused, {delivered} delivered; \
             {} lines received\n\
             names: {} times taken, back after at most {:?}; {} chats, {} rosters\nactions: {actions:?}\n\
             longest delay of a timer of the test: {:?}",
            self.sessions.len(),
            ended(End::Left),
            ended(End::Aborted),
            ended(End::Refused),
            ended(End::Stopped),
            messages().count(),
            counts.lines_received,
            counts.names_taken,
            counts.name_back_max,
            counts.chats,
            counts.rosters,
            counts.stall_max,
        )
    }
}
