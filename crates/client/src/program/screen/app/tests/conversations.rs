//! Nothing is missed: unread counts, marks, history and reconnects.

use super::*;
use crate::program::screen::conversation::{Scroll, Status};
use crate::program::screen::timeline::Place;

#[test]
fn a_session_begins_with_the_conversations_of_the_account() {
    let mut chat = Chat::of_account();
    chat.network(NetworkEvent::Conversations(vec![info("#lab", 9, 9), info("Elias", 5, 3)]));
    assert_eq!(chat.requests(), ["OPEN Elias", "OPEN #lab"], "those with unread records come first");
    let elias = &chat.app.conversations[&ConversationId::of_target("Elias")];
    assert_eq!((elias.n_unread, elias.has_mention), (2, true));
}

#[test]
fn unread_messages_are_counted_and_marked_until_they_are_seen() {
    let mut chat = Chat::of_account();
    chat.network(NetworkEvent::Conversations(vec![info("#lab", 3, 1)]));
    chat.opened("#lab", 3, vec![message(1, "one"), message(2, "two"), message(3, "Noy: three")]);
    let lab = ConversationId::of_target("#lab");
    let unread = |chat: &Chat| (chat.app.conversations[&lab].n_unread, chat.app.conversations[&lab].has_mention);
    assert_eq!(unread(&chat), (2, true));
    chat.items("#lab", vec![message(4, "four"), own_message(5, "five")]);
    assert_eq!(unread(&chat), (3, true));
    chat.requests();

    chat.key(KeyCode::Char('a'), KeyModifiers::ALT);
    assert_eq!((chat.app.current.clone(), unread(&chat)), (lab.clone(), (0, false)));
    let line = chat.app.current().unread_line.and_then(Place::seq);
    assert_eq!(line, Some(2), "the line stands above the first unread message");
    chat.wait(Duration::from_secs(1));
    assert_eq!(chat.requests(), ["READ #lab 5", "READERS #lab 5"]);

    // Another device has read on.
    chat.key(KeyCode::Up, KeyModifiers::ALT);
    chat.items("#lab", vec![message(6, "six")]);
    assert_eq!(unread(&chat), (1, false));
    chat.network(NetworkEvent::ReadMoved { target: "#lab".to_owned(), seq: 6 });
    assert_eq!(unread(&chat), (0, false));
}

#[test]
fn without_focus_nothing_counts_as_seen() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    chat.event(Event::Focus(false));
    chat.effects.clear();
    chat.items("#lab", vec![message(1, "hi"), message(2, "hi Noy")]);
    assert!(chat.effects.iter().any(|effect| matches!(effect, Effect::Bell)));
    let notified = chat.effects.iter().find_map(|effect| match effect {
        Effect::Notify { title, body } => Some((title.as_str(), body.as_str())),
        _ => None,
    });
    assert_eq!(notified, Some(("#lab", "Elias: hi Noy")));
    assert_eq!(chat.app.current().n_unread, 2);
    chat.wait(Duration::from_secs(1));
    assert!(!chat.requests().iter().any(|request| request.starts_with("READ ")));
    chat.event(Event::Focus(true));
    assert_eq!(chat.app.current().n_unread, 0);
    chat.wait(Duration::from_secs(1));
    assert!(chat.requests().contains(&"READ #lab 2".to_owned()));
}

#[test]
fn gaps_and_holes_are_shown_and_holes_are_filled() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 2, vec![message(1, "one"), message(2, "two")]);
    chat.network(NetworkEvent::Older {
        target: "#lab".to_owned(),
        before: 9,
        items: vec![message(7, "seven"), message(8, "eight")],
    });
    assert_eq!(chat.shown(), ["Elias: one", "Elias: two", "hole 3-6", "Elias: seven", "Elias: eight"]);
    chat.requests();
    chat.wait(Duration::from_secs(1));
    assert!(chat.requests().contains(&"HISTORY #lab 7".to_owned()), "a hole on the screen is filled");
    chat.network(NetworkEvent::Older {
        target: "#lab".to_owned(),
        before: 7,
        items: (3..=6).map(|seq| message(seq, "m")).collect(),
    });
    assert_eq!(chat.shown().len(), 8);
    assert!(!chat.shown().iter().any(|line| line.starts_with("hole")));
}

#[test]
fn a_lost_connection_is_told_and_messages_wait() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    let reason = "the server has closed the connection".to_owned();
    chat.network(NetworkEvent::Lost { reason: reason.clone(), retry_in: Duration::from_secs(4) });
    assert_eq!(chat.app.link, Link::Lost { reason, retry_at: Duration::from_secs(5) });
    chat.type_line("while away");
    assert_eq!(chat.shown(), ["[waiting] while away"]);
    chat.requests();
    chat.key(KeyCode::Char('r'), KeyModifiers::CONTROL);
    assert_eq!(chat.requests(), ["connect now"]);
}

#[test]
fn a_refused_room_is_over_and_says_why() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #closed");
    chat.network(NetworkEvent::Closed { target: "#closed".to_owned(), reason: "NOT_ALLOWED".to_owned() });
    assert_eq!(chat.app.current().status, Status::Over("NOT_ALLOWED".to_owned()));
    assert_eq!(chat.last_notice(), "#closed: NOT_ALLOWED");
}

#[test]
fn an_incoming_chat_does_not_take_the_screen_from_a_draft() {
    let mut chat = Chat::of_guest(2);
    chat.write("/jo");
    chat.network(NetworkEvent::ChatBegan { name: "Ada".to_owned(), is_incoming: true });
    assert_eq!((chat.app.current.clone(), chat.draft()), (ConversationId::Server, "/jo"));
    assert!(chat.effects.iter().any(|effect| matches!(effect, Effect::Bell)));
}

#[test]
fn a_conversation_that_was_asked_for_by_its_id_has_its_name() {
    let mut chat = Chat::of_account();
    chat.type_line("/query @2");
    assert_eq!(chat.requests(), ["OPEN @2"]);
    chat.network(NetworkEvent::Opened(OpenedConversation {
        asked: "@2".to_owned(),
        target: "Elias".to_owned(),
        epoch: "e2".to_owned(),
        last: 0,
        items: Vec::new(),
    }));
    assert_eq!(chat.app.current().target, "Elias");
    assert_eq!(chat.app.conversations.len(), 2);
}

#[test]
fn scrolling_up_reads_older_records() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 500, (401..=500).map(|seq| message(seq, "m")).collect());
    chat.key(KeyCode::Home, KeyModifiers::CONTROL);
    assert!(matches!(chat.app.current().scroll, Scroll::At { .. }));
    assert_eq!(chat.requests(), ["HISTORY #lab 401"]);
    chat.key(KeyCode::PageUp, KeyModifiers::NONE);
    assert!(chat.requests().is_empty(), "it is asked for once");
    let items = (201..=400).map(|seq| message(seq, "m")).collect();
    chat.network(NetworkEvent::Older { target: "#lab".to_owned(), before: 401, items });
    assert_eq!(chat.app.current().timeline.len(), 300);
    chat.key(KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!(chat.app.current().scroll, Scroll::End);
}

#[test]
fn a_guest_who_becomes_an_account_is_a_member_of_the_rooms() {
    let mut chat = Chat::of_guest(2);
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    chat.network(NetworkEvent::Connected(ServerInfo {
        device: Some("main".to_owned()),
        ..chat.app.server.clone().expect("a server")
    }));
    assert_eq!(chat.requests(), ["JOIN #lab, OPEN #lab", "ROOMS", "WHO"]);
    chat.opened("#lab", 0, Vec::new());
    // An open room is joined by a line of its own.
    chat.type_line("/join #LAB");
    assert_eq!(chat.requests(), ["line JOIN #LAB"]);
}

#[test]
fn a_room_that_is_made_anew_begins_anew() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 9, (1..=9).map(|seq| message(seq, "old")).collect());
    chat.network(NetworkEvent::Closed { target: "#lab".to_owned(), reason: "you have left it".to_owned() });
    chat.type_line("/join #lab");
    chat.network(NetworkEvent::Opened(OpenedConversation {
        asked: "#lab".to_owned(),
        target: "#lab".to_owned(),
        epoch: "e2".to_owned(),
        last: 1,
        items: vec![message(1, "new")],
    }));
    chat.type_line("hello");
    chat.items("#lab", vec![own_message(2, "hello"), message(3, "welcome")]);
    assert_eq!(chat.shown()[9..], ["Elias: new", "Noy: hello", "Elias: welcome"]);
    assert_eq!(chat.app.current().last, 3);
}
