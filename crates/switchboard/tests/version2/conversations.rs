//! Random requests of several devices, with commits, answers and failures of the store at random moments.
//!
//! Each client checks what it hears against what is stored at that moment: nobody hears of a record that is not stored,
//! no number means two records, no record is missing between two others, and replies come in the order of the requests.

mod world;

use proptest::prelude::*;

use self::world::{CONVERSATIONS, DEVICES, World};

/// A step of the world. The first value is the number of a device, the second that of a conversation.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Says something new, with a number or without.
    Say(usize, usize, bool),
    /// Sends a numbered message again. The last value is its age: 0 is the newest.
    SayAgain(usize, usize, usize),
    /// Opens a conversation at the device's position.
    Open(usize, usize),
    /// Opens a conversation from now on.
    OpenNow(usize, usize),
    Close(usize, usize),
    History(usize, usize),
    Read(usize, usize),
    Topic(usize, usize),
    Redact(usize, usize, u64),
    Members(usize, usize),
    /// A request that is refused.
    Mistake(usize),
    Ping(usize),
    Block(usize, bool),
    /// Mutes Elias for a second or without an end, or lets him write again. Only the owner may.
    Mute(usize, usize, bool),
    Unmute(usize, usize),
    /// The device loses its connection, and logs in again.
    Reconnect(usize),
    /// The device logs in a second time, which ends the first session.
    Displace(usize),
    /// The outbox of the device is full.
    StopReading(usize),
    ReadOn(usize),
    /// The store commits the changes of so many events.
    Commit(usize),
    /// The store answers a question. The value chooses which.
    Answer(usize),
    /// The store cannot answer a question.
    AnswerFailed(usize),
    /// The core does a part of the work that other events have left.
    Work,
    /// A second passes.
    Tick,
    /// The store fails. Whether the waiting changes are stored all the same.
    Fail(bool),
    Recover,
    /// The server is killed and starts again. Whether the waiting changes are stored.
    Restart(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let (device, conversation) = (0..DEVICES.len(), 0..CONVERSATIONS);
    let place = (device.clone(), conversation);
    prop_oneof![
        10 => (place.clone(), any::<bool>()).prop_map(|((d, c), numbered)| Op::Say(d, c, numbered)),
        6 => (place.clone(), 0_usize..4).prop_map(|((d, c), back)| Op::SayAgain(d, c, back)),
        5 => place.clone().prop_map(|(d, c)| Op::Open(d, c)),
        1 => place.clone().prop_map(|(d, c)| Op::OpenNow(d, c)),
        1 => place.clone().prop_map(|(d, c)| Op::Close(d, c)),
        2 => place.clone().prop_map(|(d, c)| Op::History(d, c)),
        1 => place.clone().prop_map(|(d, c)| Op::Read(d, c)),
        1 => place.clone().prop_map(|(d, c)| Op::Topic(d, c)),
        1 => (place.clone(), 1_u64..12).prop_map(|((d, c), seq)| Op::Redact(d, c, seq)),
        1 => (place.clone(), any::<bool>()).prop_map(|((d, c), has_end)| Op::Mute(d, c, has_end)),
        1 => place.clone().prop_map(|(d, c)| Op::Unmute(d, c)),
        1 => place.prop_map(|(d, c)| Op::Members(d, c)),
        1 => device.clone().prop_map(Op::Mistake),
        1 => device.clone().prop_map(Op::Ping),
        1 => (device.clone(), any::<bool>()).prop_map(|(d, is_on)| Op::Block(d, is_on)),
        2 => device.clone().prop_map(Op::Reconnect),
        1 => device.clone().prop_map(Op::Displace),
        2 => device.clone().prop_map(Op::StopReading),
        3 => device.prop_map(Op::ReadOn),
        8 => (0_usize..6).prop_map(Op::Commit),
        8 => (0_usize..4).prop_map(Op::Answer),
        1 => (0_usize..4).prop_map(Op::AnswerFailed),
        8 => Just(Op::Work),
        1 => Just(Op::Tick),
        1 => any::<bool>().prop_map(Op::Fail),
        3 => Just(Op::Recover),
        1 => any::<bool>().prop_map(Op::Restart),
    ]
}

#[test]
fn the_last_1024_numbers_of_a_device_are_known() {
    let mut world = World::new();
    let session = world.clients[0].session.expect("it is connected");
    let mut said = |n: u64| {
        world.shell.lines.clear();
        world.run(0, &format!("@n={n} SAY #lab hi"));
        world.shell.lines.iter().filter(|(to, _)| *to == session).map(|(_, line)| line.clone()).collect::<Vec<_>>()
    };
    for n in 1..=1030 {
        // The three members have joined before.
        assert_eq!(said(n), [format!("@n={n} SAID #lab {}", n + 3)]);
    }
    assert_eq!(said(1030), ["@n=1030 SAID #lab 1033"]);
    assert_eq!(said(7), ["@n=7 SAID #lab 10"]);
    assert_eq!(said(6), ["@n=6 ERROR STALE #lab"]);
}

#[test]
fn session_with_1024_waiting_replies_is_paused() {
    let mut world = World::new();
    let session = world.clients[0].session.expect("it is connected");
    for _ in 0..1023 {
        world.send_line(0, "SAY #lab hi");
    }
    assert!(!world.board.is_paused(session));
    world.send_line(0, "SAY #lab hi");
    assert!(world.board.is_paused(session));
    assert_eq!(world.shell.resumed, []);
    world.commit_events(1);
    assert_eq!(world.shell.resumed, [session]);
    assert!(!world.board.is_paused(session));
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn promises_hold_for_random_requests_and_failures(ops in proptest::collection::vec(op(), 1..150)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        world.finish();
    }
}
