use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake};
use std::thread;

use super::*;
use crate::outbox::TaskState;

#[derive(Default)]
struct WokenFlag(AtomicBool);

impl Wake for WokenFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn sessions_are_woken_although_the_turn_panics() {
    let hub = Hub::new(Settings::default());
    let (id, outbox) = hub.admit(Dialect::Commands, tokio::io::empty(), Instant::now());
    let woken = Arc::<WokenFlag>::default();
    let waker = Waker::from(Arc::clone(&woken));
    let (_, ending) = outbox.flush(&mut Context::from_waker(&waker), hub.watermarks);
    assert!(outbox.sleep(&waker, ending, TaskState::Idle, hub.watermarks), "the task may sleep");
    let turn = || {
        hub.with_effects(|_, effects| {
            effects.close(id, CloseReason::Reset);
            assert!(!woken.0.load(Ordering::Relaxed), "the task is woken only after the lock is released");
            panic!("a turn that panics");
        })
    };
    catch_unwind(AssertUnwindSafe(turn)).expect_err("the turn panics");
    assert!(woken.0.load(Ordering::Relaxed), "the task is woken");
}

#[test]
fn lists_of_sessions_contain_each_session_once() {
    let hub = Hub::new(Settings::default());
    let admit = || hub.admit(Dialect::Commands, tokio::io::empty(), Instant::now()).0;
    let mut sessions: Vec<_> = (0..10).map(|_| admit()).collect();
    // A later session reuses the slot of a removed session.
    for slot in [7, 2, 4] {
        hub.remove(sessions[slot]);
    }
    (sessions[4], sessions[2]) = (admit(), admit());
    sessions.remove(7);
    for max in 1..=sessions.len() {
        let (mut listed, mut last) = (Vec::new(), None);
        loop {
            let next = hub.sessions_after(last, max);
            assert!(next.len() <= max);
            let Some(&last_listed) = next.last() else { break };
            last = Some(last_listed);
            listed.extend(next);
        }
        sessions.sort_unstable();
        assert_eq!(listed, sessions, "lists of {max}");
    }
}

#[test]
fn nobody_waits_for_a_slow_reader_of_who_comes_and_goes() {
    let hub = Hub::new(Settings { outbox_soft_bytes: 20, ..Settings::default() });
    let admit = || {
        let (session, outbox) = hub.admit(Dialect::Commands, tokio::io::empty(), Instant::now());
        outbox.flush(&mut Context::from_waker(Waker::noop()), hub.watermarks);
        (Speaker::new(session, Dialect::Commands, hub.settings.line_bytes), outbox)
    };
    let turn =
        |speaker: &mut Speaker, line: &str| hub.turn(speaker, &mut ReceivedBytes::new(line.as_bytes()), 1, None, None);
    let (mut watcher, outbox) = admit();
    for line in ["HELLO 2\n", "REGISTER Noy\n", "WATCH\n"] {
        turn(&mut watcher, line);
    }
    assert!(!outbox.is_below_soft_mark(hub.watermarks), "the watcher does not read");
    let (mut user, _) = admit();
    assert!(turn(&mut user, "REGISTER Elias\n").congested.is_none(), "the user need not wait for the watcher");
}

#[test]
fn session_that_opens_while_the_server_stops_ends_at_once() {
    let hub = Hub::new(Settings::default());
    hub.stop();
    let (id, outbox) = hub.admit(Dialect::Commands, tokio::io::empty(), Instant::now());
    let lines = String::from_utf8(outbox.queued_bytes()).expect("lines are UTF-8");
    let verbs: Vec<_> = lines.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>()).collect();
    assert_eq!(verbs, [vec!["WELCOME"], vec!["ERROR", "SERVER_SHUTDOWN"]]);
    let (_, ending) = outbox.flush(&mut Context::from_waker(Waker::noop()), hub.watermarks);
    assert_eq!(ending, Some(Ending::Drain(CloseReason::Shutdown)));
    let mut speaker = Speaker::new(id, Dialect::Commands, hub.settings.line_bytes);
    let turn = hub.turn(&mut speaker, &mut ReceivedBytes::new(b"PING\n"), 1, None, None);
    assert_eq!(turn.closed, Some(CloseReason::Shutdown), "the server still takes no lines");
}

#[test]
fn answer_to_wire_comes_before_the_answers_to_later_requests() {
    let hub = Hub::new(Settings::default());
    let (session, outbox) = hub.admit(Dialect::Commands, tokio::io::empty(), Instant::now());
    let mut speaker = Speaker::new(session, Dialect::Commands, hub.settings.line_bytes);
    let mut unread = ReceivedBytes::new(b"HELLO 2\nWIRE\nPING\nWIRE\nWIRE\n");
    let mut turns = Vec::new();
    while !unread.as_bytes().is_empty() {
        turns.push(hub.turn(&mut speaker, &mut unread, usize::MAX, None, None).lines);
    }
    assert_eq!(turns, [2, 2, 1], "a WIRE ends its turn");
    let lines = String::from_utf8(outbox.queued_bytes()).expect("lines are UTF-8");
    let verbs: Vec<_> = lines.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(verbs, ["WELCOME", "HELLO_OK", "WIRE_OK", "PONG", "WIRE_OK", "WIRE_OK"]);
}

#[test]
fn lines_set_aside_for_a_session_reach_no_later_session_of_its_name() {
    let hub = Hub::new(Settings::default());
    let turn = |session, lines: &str, set_aside_for| {
        let mut speaker = Speaker::new(session, Dialect::Line, hub.settings.line_bytes);
        hub.turn(&mut speaker, &mut ReceivedBytes::new(lines.as_bytes()), 1, None, set_aside_for);
    };
    let admit = |name_line| {
        let (session, outbox) = hub.admit(Dialect::Line, tokio::io::empty(), Instant::now());
        turn(session, name_line, None);
        outbox.flush(&mut Context::from_waker(Waker::noop()), hub.watermarks);
        (session, outbox)
    };
    let (author, author_outbox) = admit("Noy\n");
    let (reader, _) = admit("Elias\n");
    turn(author, "Elias: in time\n", Some(reader));
    assert!(!author_outbox.has_unsent_bytes(), "an accepted line has no reply");
    hub.close(reader, CloseReason::Quit);
    let _later_reader = admit("Elias\n");
    turn(author, "Elias: too late\n", Some(reader));
    assert!(author_outbox.has_unsent_bytes(), "the line is refused");
}

/// A runtime's thread may drop connections while it destroys its thread-local values.
#[test]
fn session_can_be_removed_while_its_thread_ends() {
    struct RemoveOnDrop(Arc<Hub>, Vec<SessionId>);

    impl Drop for RemoveOnDrop {
        fn drop(&mut self) {
            self.1.iter().for_each(|&id| self.0.remove(id));
        }
    }

    thread_local! {
        static DESTROYED_LAST: Cell<Option<RemoveOnDrop>> = const { Cell::new(None) };
    }

    let hub = Arc::new(Hub::new(Settings::default()));
    let thread_hub = Arc::clone(&hub);
    let thread = thread::spawn(move || {
        // On most platforms, the thread-local value that was used first is destroyed last.
        DESTROYED_LAST.set(None);
        let admit = |lines: &str| {
            let (id, outbox) = thread_hub.admit(Dialect::Commands, tokio::io::empty(), Instant::now());
            let mut speaker = Speaker::new(id, Dialect::Commands, thread_hub.settings.line_bytes);
            let lines_max = 2;
            thread_hub.turn(&mut speaker, &mut ReceivedBytes::new(lines.as_bytes()), lines_max, None, None);
            outbox.flush(&mut Context::from_waker(Waker::noop()), thread_hub.watermarks);
            id
        };
        let ids = vec![admit("REGISTER Noy\n"), admit("REGISTER Elias\nCONNECT Noy\n")];
        // When Noy is removed, Elias receives `PEER_DISCONNECTED`, which needs a buffer.
        DESTROYED_LAST.set(Some(RemoveOnDrop(thread_hub, ids)));
    });
    thread.join().expect("the thread does not panic");
    assert!(hub.lock().outboxes.is_empty());
}
