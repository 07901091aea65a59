//! A simulated client: its requests, the answers that it expects, and its knowledge.
//!
//! It behaves as `docs/protocol.md` asks a client to: it numbers messages, sends one again as long as it has no definite
//! answer, keeps its positions, and checks every line.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fastrand::Rng;
use switchboard_core::SessionId;
use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{DoneVerb, RecordLine, RecordVerb, Reply, parse_reply};

use crate::ledger::Ledger;
use crate::team::{
    CONVERSATIONS, ConversationIndex, DEVICES, DeviceIndex, KEPT_MIN, SHORT, conversation, is_room, target,
};

/// Maximum requests without an answer.
const REQUESTS_MAX: usize = 12;

/// A request whose answer has not come.
#[derive(Clone, Debug)]
enum Request {
    Login,
    Register,
    Claim,
    Say {
        conversation: ConversationIndex,
        n: Option<u64>,
        text: String,
    },
    /// The number after which it opens. `None`: from now on.
    Open(ConversationIndex, Option<u64>),
    Close(ConversationIndex),
    History(History),
    Read(ConversationIndex),
    Done(DoneVerb, ConversationIndex),
    Members,
    Conversations,
    Block,
}

/// A `HISTORY`, and the knowledge of the client when it asked.
#[derive(Clone, Debug)]
struct History {
    conversation: ConversationIndex,
    before: u64,
    count: u64,
    /// The last record that it has heard.
    heard: u64,
    redacted: BTreeSet<u64>,
}

/// Whether a conversation is open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum View {
    #[default]
    Closed,
    Open,
    /// The account was no member any more, and may be one again.
    Unsure,
}

/// A numbered message without a definite answer.
#[derive(Clone, Debug)]
struct Unsettled {
    text: String,
    /// Whether a request with it waits for its answer.
    is_asked: bool,
    is_resent: bool,
}

/// The knowledge of a client about a conversation.
#[derive(Debug, Default)]
struct Place {
    last_n: u64,
    unsettled: BTreeMap<u64, Unsettled>,
    view: View,
    /// The number up to which it has heard the records. It lasts longer than the view.
    heard: Option<u64>,
    /// Its own messages that are stored.
    own: Vec<u64>,
    redacted: BTreeSet<u64>,
    /// The last number of a `CONVERSATION` line of this session.
    news: u64,
}

#[derive(Debug)]
pub(crate) struct Client {
    index: DeviceIndex,
    pub(crate) session: Option<SessionId>,
    is_logged_in: bool,
    requests: VecDeque<Request>,
    pings: usize,
    places: [Place; CONVERSATIONS],
    /// The records of the present answer to `HISTORY`: each a range of numbers.
    page: Vec<(u64, u64)>,
    page_records: u64,
    /// Whether it reads seldom.
    pub(crate) is_slow: bool,
}

impl Client {
    pub(crate) fn new(index: DeviceIndex) -> Self {
        Self {
            index,
            session: None,
            is_logged_in: false,
            requests: VecDeque::new(),
            pings: 0,
            places: Default::default(),
            page: Vec::new(),
            page_records: 0,
            is_slow: false,
        }
    }

    /// The connection is lost.
    pub(crate) fn disconnect(&mut self) {
        self.session = None;
        self.is_logged_in = false;
        self.requests.clear();
        self.pings = 0;
        self.page.clear();
        self.page_records = 0;
        for place in &mut self.places {
            place.view = View::Closed;
            place.news = 0;
            place.unsettled.values_mut().for_each(|message| message.is_asked = false);
        }
    }

    /// Whether it has all its answers, and has heard everything up to `last` wherever it listens.
    pub(crate) fn is_settled(&self, ledger: &Ledger) -> bool {
        self.is_logged_in
            && self.requests.is_empty()
            && self.pings == 0
            && self.places.iter().enumerate().all(|(id, place)| {
                place.unsettled.is_empty() && (place.view != View::Open || place.heard >= Some(ledger.last(id)))
            })
    }

    /// The first lines of a session, but for `HELLO`.
    pub(crate) fn log_in(&mut self, ledger: &Ledger, rng: &mut Rng) -> Vec<String> {
        let (name, device) = DEVICES[self.index];
        if ledger.has_account(self.index) || rng.bool() {
            self.requests.push_back(Request::Login);
            vec![format!("LOGIN {name} {device} password x")]
        } else {
            self.requests.extend([Request::Register, Request::Claim]);
            vec![format!("REGISTER {name}"), "CLAIM password x".to_owned()]
        }
    }

    /// Sends again each message without a definite answer, or a new request.
    pub(crate) fn act(&mut self, ledger: &mut Ledger, texts: &mut u64, rng: &mut Rng) -> Vec<String> {
        if !self.is_logged_in {
            return Vec::new();
        }
        let id = rng.usize(..CONVERSATIONS);
        let Some(target) = target(self.index, id) else { return Vec::new() };
        let again = self.resend(id, target, ledger);
        if !again.is_empty() || self.requests.len() >= REQUESTS_MAX {
            return again;
        }
        let (request, line) = match rng.u8(..64) {
            0..30 => {
                *texts += 1;
                let words = if rng.u8(..8) == 0 { " and more".repeat(rng.usize(..200)) } else { String::new() };
                return vec![self.say(id, target, rng.u8(..4) > 0, format!("t{texts}{words}"))];
            }
            30..36 => return vec![self.open(id, target, ledger, rng)],
            36 => (Request::Close(id), format!("CLOSE {target}")),
            37..40 => return vec![self.history(id, target, ledger, rng)],
            40 => {
                let seq = self.places[id].heard.unwrap_or_default();
                (Request::Read(id), format!("READ {target} {seq}"))
            }
            41..44 if is_room(id) => (Request::Done(DoneVerb::Join, id), format!("JOIN {target}")),
            44 if is_room(id) => {
                ledger.may_leave(id, DEVICES[self.index].0);
                (Request::Done(DoneVerb::Leave, id), format!("LEAVE {target}"))
            }
            45 if is_room(id) => {
                let other = DEVICES[rng.usize(..DEVICES.len())].0;
                ledger.may_leave(id, other);
                (Request::Done(DoneVerb::Kick, id), format!("KICK {target} {other}"))
            }
            46..48 if is_room(id) => {
                *texts += 1;
                (Request::Done(DoneVerb::Topic, id), format!("TOPIC {target} topic {texts}"))
            }
            48..50 if id == SHORT => {
                let kept = rng.u64(KEPT_MIN..KEPT_MIN + 4);
                (Request::Done(DoneVerb::Room, id), format!("ROOM {target} keep {kept}"))
            }
            50..53 => {
                let Some(seq) = rng.choice(&self.places[id].own) else { return Vec::new() };
                (Request::Done(DoneVerb::Redact, id), format!("REDACT {target} {seq}"))
            }
            53 => (Request::Members, format!("MEMBERS {target}")),
            54 => (Request::Conversations, "CONVERSATIONS".to_owned()),
            55 => {
                let (own, other) = (DEVICES[self.index].0, DEVICES[rng.usize(..DEVICES.len())].0);
                ledger.block(own, other);
                (Request::Block, format!("{} {other}", if rng.bool() { "BLOCK" } else { "UNBLOCK" }))
            }
            56..58 => {
                self.pings += 1;
                return vec!["PING".to_owned()];
            }
            _ => return Vec::new(),
        };
        self.requests.push_back(request);
        vec![line]
    }

    /// The messages of a conversation that have to be sent again, if no request in it waits for its answer.
    fn resend(&mut self, id: ConversationIndex, target: &str, ledger: &mut Ledger) -> Vec<String> {
        let place = &mut self.places[id];
        if place.unsettled.values().any(|message| message.is_asked) {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for (&n, message) in &mut place.unsettled {
            (message.is_asked, message.is_resent) = (true, true);
            ledger.counts.resent += 1;
            lines.push(format!("@n={n} SAY {target} {}", message.text));
            self.requests.push_back(Request::Say { conversation: id, n: Some(n), text: message.text.clone() });
        }
        lines
    }

    /// Sends messages without a definite answer again, and opens all conversations, at the end of a run.
    pub(crate) fn wind_up(&mut self, ledger: &mut Ledger, rng: &mut Rng) -> Vec<String> {
        let mut lines = Vec::new();
        for id in 0..CONVERSATIONS {
            if let (true, Some(target)) = (self.is_logged_in, target(self.index, id)) {
                lines.extend(self.resend(id, target, ledger));
                let is_asked =
                    self.requests.iter().any(|request| matches!(request, Request::Open(open, _) if *open == id));
                if self.places[id].view != View::Open && ledger.epoch(id).is_some() && !is_asked {
                    lines.push(self.open(id, target, ledger, rng));
                }
            }
        }
        lines
    }

    fn say(&mut self, id: ConversationIndex, target: &str, is_numbered: bool, text: String) -> String {
        let place = &mut self.places[id];
        let n = is_numbered.then(|| {
            place.last_n += 1;
            place.unsettled.insert(place.last_n, Unsettled { text: text.clone(), is_asked: true, is_resent: false });
            place.last_n
        });
        let tag = n.map(|n| format!("@n={n} ")).unwrap_or_default();
        let line = format!("{tag}SAY {target} {text}");
        self.requests.push_back(Request::Say { conversation: id, n, text });
        line
    }

    fn open(&mut self, id: ConversationIndex, target: &str, ledger: &Ledger, rng: &mut Rng) -> String {
        let position = ledger.epoch(id).filter(|_| rng.u8(..4) > 0).map(|epoch| {
            // Sometimes it hears some records again.
            let heard = self.places[id].heard.unwrap_or_default();
            (epoch, if rng.u8(..4) > 0 { heard } else { rng.u64(..=heard) })
        });
        let (after, line) = match position {
            Some((epoch, after)) => (Some(after), format!("OPEN {target} {epoch} {after}")),
            None => (None, format!("OPEN {target}")),
        };
        self.requests.push_back(Request::Open(id, after));
        line
    }

    fn history(&mut self, id: ConversationIndex, target: &str, ledger: &Ledger, rng: &mut Rng) -> String {
        let place = &self.places[id];
        let (before, count) = (rng.u64(1..ledger.last(id) + 5), rng.u64(1..10));
        self.requests.push_back(Request::History(History {
            conversation: id,
            before,
            count,
            heard: place.heard.unwrap_or_default(),
            redacted: place.redacted.clone(),
        }));
        format!("HISTORY {target} {before} {count}")
    }

    /// Reads a line. Returns false if the connection ends with it.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of line")]
    pub(crate) fn hear(&mut self, line: &str, ledger: &mut Ledger, has_faults: bool, was_full: bool) -> bool {
        let parsed = parse_reply(line).unwrap_or_else(|_| panic!("an unknown line"));
        let who = self.index;
        let find = |name: &str| conversation(who, name).expect("a conversation of the device");
        match &parsed.reply {
            Reply::Record(record) => self.hear_record(find(&record.target), record, ledger),
            Reply::Gap { target, from, to, reason, .. } => {
                let id = find(target);
                ledger.hear_gap(id, who, *from, *to, *reason);
                if line.starts_with("@past=1 ") {
                    self.page.push((*from, *to));
                    self.page_records += 1;
                } else if (*from, *to) != (0, 0) {
                    self.advance(id, *from, *to);
                }
            }
            Reply::OpenOk { target, epoch, last, .. } => {
                let id = find(target);
                ledger.name_epoch(id, epoch, *last);
                ledger.name(id, *last);
                let Some(Request::Open(opened, after)) = self.requests.pop_front() else { panic!("not asked for") };
                assert_eq!(opened, id, "another conversation is opened");
                let place = &mut self.places[id];
                match (after, std::mem::replace(&mut place.view, View::Open)) {
                    (Some(after), _) => place.heard = Some(after),
                    (None, View::Closed) => place.heard = Some(*last),
                    // It goes on where it is.
                    (None, View::Open) => {}
                    (None, View::Unsure) => place.view = View::Unsure,
                }
            }
            Reply::Live { target, last } => {
                let id = find(target);
                ledger.name(id, *last);
                let place = &mut self.places[id];
                if place.view == View::Unsure {
                    (place.view, place.heard) = (View::Open, Some(*last));
                }
                assert_eq!(place.heard, Some(*last), "not all records came before LIVE");
            }
            Reply::Said { target, seq } => {
                let id = find(target);
                let Some(Request::Say { conversation, n, text }) = self.requests.pop_front() else {
                    panic!("answers another request")
                };
                assert_eq!((conversation, n), (id, parsed.n), "answers another message");
                ledger.acknowledge(id, who, n, &text, *seq);
                let place = &mut self.places[id];
                assert!(place.view != View::Open || place.heard >= Some(*seq), "comes before its record");
                place.own.push(*seq);
                let message = n.and_then(|n| place.unsettled.remove(&n));
                ledger.counts.resent_and_stored += u64::from(message.is_some_and(|message| message.is_resent));
            }
            Reply::CloseOk { target } => {
                let id = find(target);
                // If it is not the answer to CLOSE, the account may no longer read the conversation.
                self.requests.pop_front_if(|request| matches!(request, Request::Close(closed) if *closed == id));
                self.places[id].view = View::Closed;
            }
            Reply::HistoryOk { target, first, last } => self.end_page(find(target), *first, *last),
            Reply::ReadOk { target, seq } => {
                let id = find(target);
                let request = self.requests.pop_front();
                assert!(matches!(request, Some(Request::Read(read)) if read == id), "answers {request:?}");
                ledger.mark_read(id, who, *seq);
            }
            Reply::Read { target, seq } => ledger.name(find(target), *seq),
            Reply::Done { verb, target, seq } => {
                let id = find(target);
                let request = self.requests.pop_front();
                let is_asked = matches!(request, Some(Request::Done(asked, of)) if (asked, of) == (*verb, id));
                assert!(is_asked, "answers {request:?}");
                ledger.done(id, who, *verb, *seq);
                if *verb == DoneVerb::Leave && self.places[id].view == View::Open {
                    // A JOIN that came before the LEFT was stored keeps the view open.
                    self.places[id].view = View::Unsure;
                }
            }
            Reply::Conversation { target, epoch, last, .. } => {
                let id = find(target);
                ledger.name_epoch(id, epoch, *last);
                ledger.name(id, *last);
                let news = &mut self.places[id].news;
                assert!(*last >= *news, "{last} after {news}");
                *news = *last;
            }
            Reply::ConversationsOk { .. } => self.take(line, |request| matches!(request, Request::Conversations)),
            Reply::MembersOk { .. } => self.take(line, |request| matches!(request, Request::Members)),
            Reply::BlockOk { .. } | Reply::UnblockOk { .. } => {
                self.take(line, |request| matches!(request, Request::Block));
            }
            Reply::LoginOk { .. } => {
                self.take(line, |request| matches!(request, Request::Login));
                self.is_logged_in = true;
                ledger.logged_in(who);
            }
            Reply::ClaimOk { .. } => {
                self.take(line, |request| matches!(request, Request::Claim));
                self.is_logged_in = true;
                ledger.logged_in(who);
            }
            Reply::Error { code: ErrorCode::Displaced, .. } => return false,
            Reply::Error { code, .. } => return self.hear_error(*code, parsed.n, ledger, has_faults, was_full),
            Reply::Version1(switchboard_protocol::Reply::Pong) => {
                self.pings = self.pings.checked_sub(1).expect("answers no PING");
            }
            Reply::Version1(switchboard_protocol::Reply::RegisterOk { .. }) => {
                self.take(line, |request| matches!(request, Request::Register));
            }
            Reply::HelloOk { .. } | Reply::Member { .. } | Reply::Version1(switchboard_protocol::Reply::Welcome) => {}
            other => panic!("nobody asked for {other:?}"),
        }
        true
    }

    fn take(&mut self, line: &str, is_asked: impl FnOnce(&Request) -> bool) {
        let request = self.requests.pop_front();
        assert!(request.as_ref().is_some_and(is_asked), "{line:?} answers {request:?}");
    }

    fn hear_record(&mut self, id: ConversationIndex, record: &RecordLine<'_>, ledger: &mut Ledger) {
        ledger.hear(id, record);
        let seq = record.seq;
        if record.is_past {
            self.page.push((seq, seq));
            self.page_records += 1;
            if let Some(Request::History(asked)) = self.requests.front() {
                let is_known = asked.redacted.contains(&seq);
                assert!(!is_known || record.redacted_by.is_some(), "the redacted text of {seq} comes back");
            }
            return;
        }
        self.advance(id, seq, seq);
        let own_name = DEVICES[self.index].0;
        match record.verb {
            RecordVerb::Redacted => drop(self.places[id].redacted.insert(record.text.parse().expect("a number"))),
            RecordVerb::Left if record.author == own_name => self.places[id].view = View::Unsure,
            RecordVerb::Kicked if record.text == own_name => self.places[id].view = View::Unsure,
            _ => {}
        }
    }

    /// The records of an open conversation come without a hole, each once.
    fn advance(&mut self, id: ConversationIndex, from: u64, to: u64) {
        let place = &mut self.places[id];
        assert_ne!(place.view, View::Closed, "the conversation is not open");
        let next = place.heard.map_or(1, |heard| heard + 1);
        assert!(place.view == View::Unsure || from == next, "{next} is missing or comes twice");
        place.heard = Some(to);
    }

    /// `HISTORY_OK`.
    fn end_page(&mut self, id: ConversationIndex, first: u64, last: u64) {
        let request = self.requests.pop_front();
        let Some(Request::History(asked)) = request else { panic!("answers {request:?}") };
        assert_eq!(asked.conversation, id, "answers another HISTORY");
        let (page, records) = (std::mem::take(&mut self.page), std::mem::take(&mut self.page_records));
        let ends = (page.first().map_or(0, |range| range.0), page.last().map_or(0, |range| range.1));
        assert_eq!((first, last), ends, "names other records");
        assert!(page.is_sorted_by(|left, right| left.1 + 1 == right.0), "the page has a hole: {page:?}");
        assert!(records <= asked.count && last < asked.before, "more than was asked for");
        let newest = asked.heard.min(asked.before - 1);
        assert!(last >= newest || id == SHORT, "{newest} is missing");
        let is_whole = records == asked.count || first <= 1 || id == SHORT;
        assert!(is_whole, "the page ends at {first}, with {records} of {} records", asked.count);
    }

    /// Returns false if the client gives the connection up.
    fn hear_error(
        &mut self,
        code: ErrorCode,
        n: Option<u64>,
        ledger: &mut Ledger,
        has_faults: bool,
        was_full: bool,
    ) -> bool {
        let request = self.requests.pop_front();
        match code {
            ErrorCode::Unavailable => {
                ledger.counts.unavailable += 1;
                assert!(has_faults, "the store has not failed");
            }
            ErrorCode::StoreFull => {
                ledger.counts.full += 1;
                assert!(was_full, "the disk has not been full");
            }
            _ => {}
        }
        let is_outage = matches!(code, ErrorCode::Unavailable | ErrorCode::StoreFull);
        match (&request, code) {
            (Some(Request::Say { conversation, n: Some(asked), .. }), _) => {
                assert_eq!(n, Some(*asked), "answers another message");
                let place = &mut self.places[*conversation];
                if is_outage {
                    place.unsettled.get_mut(asked).expect("it has no answer").is_asked = false;
                } else if code == ErrorCode::Stale {
                    ledger.refuse_as_stale(*conversation, self.index, *asked);
                    place.unsettled.remove(asked);
                } else {
                    let is_unknown = matches!(code, ErrorCode::RoomNotFound | ErrorCode::UserNotFound);
                    assert!(is_unknown, "answers {request:?}");
                    place.unsettled.remove(asked);
                }
            }
            (Some(Request::Login), ErrorCode::LoginFailed) => {
                assert!(!ledger.has_account(self.index), "the account or its password is gone");
                return false;
            }
            // Its last session may still have the name, as a guest, or an earlier attempt was stored.
            (
                Some(Request::Register | Request::Claim | Request::Login),
                ErrorCode::NameTaken | ErrorCode::NotRegistered,
            ) => return false,
            (Some(Request::Login | Request::Register | Request::Claim), _) if is_outage => return false,
            (Some(Request::History(_)), _) if is_outage => {
                self.page.clear();
                self.page_records = 0;
            }
            (Some(Request::Done(DoneVerb::Leave, id)), _) if is_outage => {
                // The outcome is unknown: the view may have ended.
                let view = &mut self.places[*id].view;
                *view = if *view == View::Open { View::Unsure } else { *view };
            }
            (Some(_), _) if is_outage => {}
            (
                Some(_),
                ErrorCode::RoomNotFound
                | ErrorCode::UserNotFound
                | ErrorCode::NotAMember
                | ErrorCode::NotAllowed
                | ErrorCode::RecordNotFound
                | ErrorCode::SelfConnect,
            ) => {}
            _ => panic!("answers {request:?}"),
        }
        true
    }
}
