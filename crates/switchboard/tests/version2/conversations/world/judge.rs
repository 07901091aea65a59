//! The check of each line that a client hears, and of the end.

use std::mem;

use switchboard_core::change::{ConversationKind, Snapshot, StoredConversation};
use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{DoneVerb, Reply, parse_reply};

use super::{CONVERSATIONS, Client, DEVICES, Request, World, target};

impl World {
    /// Lets the clients read all lines.
    pub(super) fn hear(&mut self) {
        while let Some((session, line)) = self.shell.lines.pop_front() {
            if let Some(device) = self.clients.iter().position(|client| client.session == Some(session)) {
                self.hear_line(device, &line);
            }
        }
        for device in 0..DEVICES.len() {
            if self.clients[device].session.is_some_and(|session| self.shell.closed.contains_key(&session)) {
                self.clients[device].forget_session();
            }
        }
    }

    fn hear_line(&mut self, device: usize, line: &str) {
        let reply = parse_reply(line).unwrap_or_else(|_| panic!("{:?} hears {line:?}", DEVICES[device]));
        let conversation = |name: &str| {
            let found = (0..CONVERSATIONS).find(|&conversation| target(device, conversation) == Some(name));
            found.unwrap_or_else(|| panic!("{:?} hears of {name}: {line:?}", DEVICES[device]))
        };
        match &reply.reply {
            Reply::Record(record) => {
                let conversation = conversation(&record.target);
                self.check_stored(conversation, record.seq, line);
                if record.redacted_by.is_none() {
                    let meaning = format!("{:?} {} {}", record.verb, record.author, record.text);
                    let known = self.heard.entry((conversation, record.seq)).or_insert_with(|| meaning.clone());
                    assert_eq!(*known, meaning, "number {} of {conversation} means two records", record.seq);
                }
                if !record.is_past {
                    self.clients[device].advance(conversation, record.seq, record.seq, line);
                }
            }
            Reply::Gap { target, from, to, .. } => {
                let conversation = conversation(target);
                // A gap in the answer to HISTORY is not one of the open conversation.
                if (*from, *to) != (0, 0) && !line.starts_with("@past=1 ") {
                    self.clients[device].advance(conversation, *from, *to, line);
                }
            }
            Reply::OpenOk { target, epoch, last, .. } => {
                let conversation = conversation(target);
                self.check_stored(conversation, *last, line);
                let client = &mut self.clients[device];
                let request = client.requests.pop_front();
                let Some(Request::Open(opened, after)) = request else { panic!("{line:?} for {request:?}") };
                assert_eq!(opened, conversation, "at {line:?}");
                // Without a position, the device hears new records only, unless the conversation was open already.
                let was_open = mem::replace(&mut client.is_open[conversation], true);
                if after.is_some() || !was_open {
                    client.positions[conversation] = Some((epoch.to_string(), after.unwrap_or(*last)));
                }
            }
            Reply::Live { target, last } => {
                let conversation = conversation(target);
                let client = &self.clients[device];
                assert_eq!(client.heard(conversation), *last, "{:?} at {line:?}", DEVICES[device]);
            }
            Reply::Said { target, seq } => {
                let conversation = conversation(target);
                self.check_stored(conversation, *seq, line);
                let request = self.clients[device].requests.pop_front();
                let Some(Request::Say { conversation: said_in, n, text }) = request else {
                    panic!("{:?} hears {line:?}, which answers another request", DEVICES[device])
                };
                assert_eq!((said_in, n), (conversation, reply.n), "at {line:?}");
                let client = &self.clients[device];
                let has_heard = !client.is_open[conversation] || client.heard(conversation) >= *seq;
                assert!(has_heard, "{:?} hears {line:?} before the record", DEVICES[device]);
                if let Some(n) = n {
                    let known = *self.clients[device].said.entry((conversation, n)).or_insert(*seq);
                    assert_eq!(known, *seq, "{:?}: n={n} has two numbers", DEVICES[device]);
                } else if let Some(stored) = self.stored_text(conversation, *seq) {
                    assert!(
                        stored == text || stored.is_empty(),
                        "{line:?} acknowledges {text}, but {stored} is stored"
                    );
                }
            }
            Reply::Error { code, .. } => self.hear_error(device, *code, reply.n, line),
            Reply::CloseOk { target } => {
                let conversation = conversation(target);
                assert_eq!(self.clients[device].requests.pop_front(), Some(Request::Close(conversation)));
                self.clients[device].is_open[conversation] = false;
            }
            Reply::HistoryOk { target, .. } => self.take(device, &Request::History(conversation(target)), line),
            Reply::ReadOk { target, .. } => self.take(device, &Request::Read(conversation(target)), line),
            Reply::MembersOk { target, .. } => self.take(device, &Request::Members(conversation(target)), line),
            Reply::Done { verb, target, seq } => {
                let conversation = conversation(target);
                self.check_stored(conversation, *seq, line);
                self.take(device, &Request::Done(*verb, conversation), line);
            }
            Reply::BlockOk { .. } | Reply::UnblockOk { .. } => self.take(device, &Request::Block, line),
            Reply::Conversation { target, last, .. } => self.check_stored(conversation(target), *last, line),
            Reply::HelloOk { .. }
            | Reply::LoginOk { .. }
            | Reply::Member { .. }
            | Reply::Read { .. }
            | Reply::Version1(_) => {}
            other => panic!("{:?} hears {other:?}", DEVICES[device]),
        }
    }

    /// The next reply of a device must be for this request.
    fn take(&mut self, device: usize, request: &Request, line: &str) {
        let next = self.clients[device].requests.pop_front();
        assert_eq!(next.as_ref(), Some(request), "{:?} hears {line:?}", DEVICES[device]);
    }

    fn hear_error(&mut self, device: usize, code: ErrorCode, n: Option<u64>, line: &str) {
        if code == ErrorCode::Displaced {
            return;
        }
        let Some(request) = self.clients[device].requests.pop_front() else {
            // The login itself: it may need a place in the store.
            assert_eq!(code, ErrorCode::Unavailable, "{line:?} answers nothing");
            return;
        };
        match (&request, code) {
            (Request::Say { conversation, n: Some(sent), .. }, _) => {
                assert_eq!(n, Some(*sent), "{line:?} for {request:?}");
                if code == ErrorCode::Stale {
                    assert!(!self.is_stored(device, *conversation, *sent), "{line:?}, but it is stored");
                    let acknowledged = self.clients[device].said.get(&(*conversation, *sent));
                    let has_expired = |&seq: &u64| seq < self.first(*conversation);
                    assert!(acknowledged.is_none_or(has_expired), "{line:?}, but it was acknowledged");
                }
            }
            (Request::Mistake, ErrorCode::RoomNotFound)
            | (Request::Done(DoneVerb::Redact, _), ErrorCode::NotAllowed | ErrorCode::RecordNotFound)
            | (Request::Done(DoneVerb::Topic | DoneVerb::Mute | DoneVerb::Unmute, 2), ErrorCode::InvalidRoom)
            // Elias and Dana are no moderators.
            | (Request::Done(DoneVerb::Mute | DoneVerb::Unmute, 0 | 1), ErrorCode::NotAllowed)
            | (Request::Done(DoneVerb::Unmute, 0 | 1), ErrorCode::UserNotFound)
            | (_, ErrorCode::Unavailable) => {}
            (Request::Say { conversation: 0 | 1, .. } | Request::Done(DoneVerb::Topic, 0 | 1), ErrorCode::Muted)
                if DEVICES[device].0 == "Elias" => {}
            _ => panic!("{line:?} for {request:?}"),
        }
    }

    /// Nobody hears of a number before its record is stored.
    fn check_stored(&self, conversation: usize, seq: u64, line: &str) {
        let last = self.stored(conversation).map_or(0, |stored| stored.last);
        assert!(seq <= last, "{line:?}, but only {last} records are stored");
    }

    fn first(&self, conversation: usize) -> u64 {
        self.stored(conversation).map_or(1, |stored| stored.first)
    }

    fn stored(&self, conversation: usize) -> Option<StoredConversation> {
        let Snapshot { conversations, .. } = self.shell.home.snapshot();
        conversations.into_iter().find(|stored| match &stored.kind {
            ConversationKind::Room { name } => target(0, conversation) == Some(name),
            ConversationKind::Direct(_) => conversation == 2,
        })
    }

    fn stored_text(&self, conversation: usize, seq: u64) -> Option<String> {
        let id = self.stored(conversation)?.conversation;
        let mut records = self.shell.home.records(id);
        records.find(|record| record.seq == seq).map(|record| record.text.to_string())
    }

    /// Whether a record of the device has this number.
    fn is_stored(&self, device: usize, conversation: usize, n: u64) -> bool {
        let Some(stored) = self.stored(conversation) else { return false };
        let (name, device_name) = DEVICES[device];
        let accounts = self.shell.home.snapshot().accounts;
        let devices = accounts.iter().filter(|account| account.name == name).flat_map(|account| &account.devices);
        let Some(id) = devices.into_iter().find(|device| device.name == device_name).map(|device| device.device) else {
            return false;
        };
        let mut numbers = self.shell.home.records(stored.conversation).filter_map(|record| record.sent);
        numbers.any(|sent| sent.device == id && sent.n == n)
    }

    /// Lets everything that was begun come to its end, and checks that nothing is missing.
    pub(crate) fn finish(&mut self) {
        self.recover();
        for _ in 0..4 {
            for device in 0..DEVICES.len() {
                self.read_on(device);
                if self.clients[device].session.is_none() {
                    self.log_in(device);
                }
            }
            while !self.events.is_empty() || !self.shell.questions.is_empty() || self.board.has_work() {
                self.commit_events(usize::MAX);
                self.answer(0, true);
                self.work();
            }
            self.board.tick(&mut self.shell);
            self.end_event();
        }
        self.hear();
        for session in self.clients.iter().filter_map(|client| client.session) {
            let is_resumed = self.shell.resumed.contains(&session);
            assert!(is_resumed || !self.paused.contains(&session), "{session} stays paused");
        }
        for (device, client) in self.clients.iter().enumerate() {
            assert_eq!(client.requests, [], "{:?} has no reply", DEVICES[device]);
            for conversation in 0..CONVERSATIONS {
                let last = self.stored(conversation).map_or(0, |stored| stored.last);
                if client.is_open[conversation] {
                    assert_eq!(client.heard(conversation), last, "{:?} misses records", DEVICES[device]);
                }
                for ((_, n), &seq) in client.said.range((conversation, 0)..(conversation, u64::MAX)) {
                    assert!(seq <= last, "{:?}: n={n} was acknowledged as {seq}, and is gone", DEVICES[device]);
                    let id = self.stored(conversation).expect("it has records").conversation;
                    let stored = self.shell.home.records(id).find(|record| record.seq == seq);
                    let stored_n = stored.and_then(|record| record.sent).map(|sent| sent.n);
                    assert!(stored_n == Some(*n) || seq < self.first(conversation), "n={n} is stored as {stored_n:?}");
                }
            }
        }
    }
}

impl Client {
    pub(super) fn forget_session(&mut self) {
        self.session = None;
        self.requests.clear();
        self.is_open = Default::default();
    }

    /// The number up to which it has heard a conversation.
    fn heard(&self, conversation: usize) -> u64 {
        self.positions[conversation].as_ref().map_or(0, |&(_, heard)| heard)
    }

    /// It hears the records `from` to `to`, or a gap over them.
    fn advance(&mut self, conversation: usize, from: u64, to: u64, line: &str) {
        assert!(self.is_open[conversation], "{line:?} of a conversation that is not open");
        let (_, heard) = self.positions[conversation].as_mut().expect("an open conversation has a position");
        assert_eq!(from, *heard + 1, "{line:?} after {heard}");
        *heard = to;
    }
}
