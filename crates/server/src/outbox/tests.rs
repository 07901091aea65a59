use super::*;

#[test]
fn bytes_count_as_unsent_while_queued_lent_or_in_flight() {
    let watermarks = Watermarks { soft_bytes: 10, hard_bytes: 100 };
    let outbox: Arc<Outbox> = Arc::new(Outbox::new(Dialect::Commands, 0, tokio::io::empty()));
    let append = |writer: &mut OutboxWriter| {
        let appended = writer.append(watermarks, |_, queue| {
            queue.extend_from_slice(b"twenty bytes of text");
            AfterReply::KeepOpen
        });
        appended.expect("there is room");
    };
    let open = || outbox.open(true).expect("the session goes on");
    let mut writer = open();
    append(&mut writer);
    assert!(writer.close().is_none(), "the task is awake");

    let mut writer = open();
    let counted_bytes = || {
        let congestion = outbox.pause_sender(SessionId::default(), Waker::noop(), watermarks);
        congestion.map(|congestion| congestion.unsent_bytes)
    };
    assert_eq!(counted_bytes(), Some(20), "the queue is lent");
    let (empty, _) = outbox.exchange(Vec::new(), 0, watermarks);
    assert_eq!((empty.len(), outbox.lock().paused_senders.len()), (0, 1), "while the queue is lent, no sender resumes");
    append(&mut writer);
    assert!(writer.close().is_none(), "the task is awake");
    assert_eq!(counted_bytes(), Some(40), "the queue is given back");
    let (in_flight, _) = outbox.exchange(Vec::new(), 0, watermarks);
    assert_eq!((in_flight.len(), counted_bytes()), (40, Some(40)), "the queue is in flight");
    outbox.exchange(in_flight, 0, watermarks);
    assert_eq!((counted_bytes(), outbox.lock().paused_senders.len()), (None, 0), "the queue is sent");
}

/// Another session's direct write ends after the task has found no room, and before the task sleeps.
#[test]
fn task_does_not_sleep_as_congested_if_there_is_room() {
    let watermarks = Watermarks { soft_bytes: 10, hard_bytes: 100 };
    let outbox: Arc<Outbox> = Arc::new(Outbox::new(Dialect::Commands, 0, tokio::io::empty()));
    let sleeps = || outbox.sleep(Waker::noop(), None, TaskState::Congested, watermarks);
    let mut writer = outbox.open(true).expect("the session goes on");
    let appended = writer.append(watermarks, |_, queue| {
        queue.extend_from_slice(b"twenty bytes of text");
        AfterReply::KeepOpen
    });
    assert_eq!(appended.expect("there is room").unsent_bytes, 20);
    assert!(writer.close().is_none(), "the task is awake");

    let (in_flight, _) = outbox.exchange(Vec::new(), 0, watermarks);
    assert!(!outbox.is_below_soft_mark(watermarks), "the bytes are in flight");
    assert!(sleeps(), "there is no room yet");
    outbox.set_awake();
    outbox.exchange(in_flight, 0, watermarks);
    assert!(!sleeps(), "there is room, because the bytes are sent");
}
