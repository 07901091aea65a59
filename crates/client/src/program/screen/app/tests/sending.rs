//! Words go where they were meant to go.

use switchboard_protocol::version2::Standing;

use super::*;

#[test]
fn a_text_for_a_peer_who_left_never_reaches_the_next_one() {
    let mut chat = Chat::of_guest(1);
    chat.type_line("/connect Elias");
    assert_eq!(chat.requests(), ["CONNECT Elias"]);
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: false });
    chat.write("for Elias only");
    chat.network(NetworkEvent::ChatEnded { by_peer: true });
    chat.network(NetworkEvent::ChatBegan { name: "Ada".to_owned(), is_incoming: true });
    assert_eq!(chat.draft(), "for Elias only", "the draft stays with Elias");

    chat.enter();
    assert!(chat.question().starts_with("Elias is not in a chat with you."), "{}", chat.question());
    assert_eq!(chat.requests(), [""; 0]);
    chat.key(KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!((chat.question(), chat.draft()), ("", "for Elias only"));
    chat.key(KeyCode::Down, KeyModifiers::ALT);
    chat.key(KeyCode::Up, KeyModifiers::ALT);
    chat.enter();
    assert!(chat.requests().is_empty());
}

#[test]
fn another_person_of_the_same_name_gets_a_text_only_after_a_question() {
    let mut chat = Chat::of_guest(2);
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.write("for the first Elias");
    chat.network(NetworkEvent::ChatEnded { by_peer: true });
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.requests();
    chat.enter();
    assert!(chat.question().contains("has left since you began this text"), "{}", chat.question());
    assert!(chat.requests().is_empty());
    chat.enter();
    assert_eq!(chat.requests(), ["MSG for the first Elias"]);
    chat.type_line("for the second Elias");
    assert_eq!(chat.requests(), ["MSG for the second Elias"], "a new text needs no question");
}

#[test]
fn a_confirmed_text_for_a_peer_who_left_opens_the_chat_first() {
    let mut chat = Chat::of_guest(2);
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.network(NetworkEvent::ChatEnded { by_peer: true });
    chat.requests();
    chat.type_line("are you there?");
    chat.enter();
    assert_eq!(chat.requests(), ["CONNECT Elias"]);
    assert_eq!(chat.shown(), ["[waiting] are you there?"]);
    chat.network(NetworkEvent::Refused { request: "CONNECT Elias".to_owned(), reason: "USER_NOT_FOUND".to_owned() });
    assert_eq!(chat.shown(), ["[refused] are you there?"]);
    // Somebody else may have the name now.
    chat.key(KeyCode::F(5), KeyModifiers::NONE);
    assert!(chat.requests().is_empty() && chat.question().starts_with("Elias has left since you wrote this"));
    chat.enter();
    assert_eq!(chat.requests(), ["CONNECT Elias"]);
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: false });
    assert_eq!(chat.requests(), ["MSG are you there?"]);
}

#[test]
fn a_message_to_another_person_never_goes_to_the_chat() {
    let mut chat = Chat::of_guest(1);
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.requests();
    chat.type_line("/msg User1 hi");
    assert!(chat.requests().is_empty());
    assert_eq!(chat.app.hint.as_deref(), Some("Not sent: you are in a chat with Elias. /disconnect leaves it."));
    chat.type_line("/msg elias hi");
    assert_eq!(chat.requests(), ["MSG hi"]);
}

#[test]
fn pasted_text_is_never_a_command() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    for text in ["DISCONNECT", "/quit", "/part", "WHO\n", "/msg Elias hi"] {
        chat.paste(text);
        chat.enter();
        // A text that looks like a command may have been meant for another person: it asks first.
        if text.starts_with('/') {
            assert!(chat.question().starts_with("This begins like a command"), "{text:?}: {}", chat.question());
            assert_eq!((chat.requests().len(), chat.draft()), (0, text));
            chat.enter();
        }
        assert_eq!(chat.requests(), [format!("SAY #lab {}", text.trim())], "{text:?}");
    }
    chat.write("/msg Elias one");
    chat.key(KeyCode::Enter, KeyModifiers::ALT);
    chat.write("two");
    chat.enter();
    assert!(chat.question().starts_with("This begins like a command"), "{}", chat.question());
    chat.key(KeyCode::Esc, KeyModifiers::NONE);
    assert!(chat.requests().is_empty());
    chat.key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    // Typed words of the protocol are texts, too.
    chat.type_line("DISCONNECT");
    assert_eq!(chat.requests(), ["SAY #lab DISCONNECT"]);
    chat.type_line("//quit");
    assert_eq!(chat.requests(), ["SAY #lab /quit"]);
    // The name of a room may be pasted into a command.
    chat.write("/join ");
    chat.paste("#den");
    chat.enter();
    assert_eq!(chat.requests(), ["JOIN #den, OPEN #den"]);
}

#[test]
fn a_long_paste_asks_first() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    chat.paste("one\ntwo\nthree");
    chat.enter();
    assert_eq!(chat.requests(), ["SAY #lab one", "SAY #lab two", "SAY #lab three"]);

    let paste = "one\n\ntwo\nthree\nfour\n";
    chat.paste(paste);
    chat.enter();
    assert_eq!(
        chat.question(),
        "Send 4 lines to #lab? Enter: as one message, with ⏎ for line ends · Alt-Enter: as 4 messages · Esc: back"
    );
    chat.key(KeyCode::Esc, KeyModifiers::NONE);
    assert_eq!((chat.question(), chat.draft()), ("", paste));
    chat.enter();
    chat.enter();
    assert_eq!(chat.requests(), ["SAY #lab one ⏎ two ⏎ three ⏎ four"]);

    chat.paste(paste);
    chat.enter();
    chat.key(KeyCode::Enter, KeyModifiers::ALT);
    assert_eq!(chat.requests(), ["SAY #lab one", "SAY #lab two", "SAY #lab three", "SAY #lab four"]);

    // A way back keeps a paste a paste.
    chat.paste("/quit\n2\n3\n4");
    chat.enter();
    chat.key(KeyCode::Esc, KeyModifiers::NONE);
    chat.enter();
    chat.key(KeyCode::Enter, KeyModifiers::ALT);
    assert_eq!(chat.requests(), ["SAY #lab /quit", "SAY #lab 2", "SAY #lab 3", "SAY #lab 4"]);
}

#[test]
fn a_text_that_is_too_long_is_split_after_a_question() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    let word = "x".repeat(99);
    chat.paste(&vec![word; 50].join(" "));
    chat.enter();
    assert!(chat.question().contains("as 2 messages"), "{}", chat.question());
    chat.enter();
    let requests = chat.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.len() <= "SAY #lab ".len() + 3840 && request.ends_with("xx")));
}

#[test]
fn a_question_about_another_conversation_is_gone_after_a_jump() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    chat.paste("1\n2\n3\n4");
    chat.enter();
    chat.key(KeyCode::Up, KeyModifiers::ALT);
    assert_eq!(chat.question(), "");
    chat.enter();
    assert!(chat.requests().is_empty());
    chat.key(KeyCode::Down, KeyModifiers::ALT);
    assert_eq!(chat.draft(), "1\n2\n3\n4");
}

#[test]
fn a_message_has_honest_marks() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    chat.type_line("first");
    chat.type_line("second");
    assert_eq!(chat.shown(), ["[waiting] first", "[waiting] second"]);
    // The record comes first, the answer later.
    chat.items("#lab", vec![own_message(1, "first")]);
    assert_eq!(chat.shown(), ["Noy: first", "[waiting] second"]);
    chat.network(NetworkEvent::Said { local: 1, seq: 1 });
    // The answer comes first.
    chat.network(NetworkEvent::Said { local: 2, seq: 2 });
    assert_eq!(chat.shown(), ["Noy: first", "[stored] second"]);
    chat.items("#lab", vec![own_message(2, "second")]);
    assert_eq!(chat.shown(), ["Noy: first", "Noy: second"]);
    // Two equal messages are two messages.
    chat.type_line("ok");
    chat.type_line("ok");
    chat.items("#lab", vec![own_message(3, "ok")]);
    assert_eq!(chat.shown(), ["Noy: first", "Noy: second", "Noy: ok", "[waiting] ok"]);
    chat.network(NetworkEvent::NotSaid { local: 4, reason: "QUOTA_FULL".to_owned(), is_unknown: false });
    assert_eq!(chat.shown()[3], "[refused] ok");
    chat.requests();
    chat.key(KeyCode::F(5), KeyModifiers::NONE);
    assert_eq!(chat.requests(), ["SAY #lab ok"]);
}

#[test]
fn unknown_commands_are_not_sent_and_stay_in_the_input() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    chat.type_line("/jion #den");
    assert!(chat.requests().is_empty());
    assert!(chat.app.hint.is_some());
    assert_eq!(chat.draft(), "/jion #den");
}

#[test]
fn commands_are_lines_of_the_protocol() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    let cases = [
        ("/kick Ada", "line KICK #lab Ada"),
        ("/topic Wires and waves", "line TOPIC #lab Wires and waves"),
        ("/room guests none", "line ROOM #lab guests none"),
        ("/raw SEARCH * x", "line SEARCH * x"),
        ("/devices", "line DEVICES"),
        ("/me waves", "SAY #lab * Noy waves"),
        ("/msg Elias hi there", "SAY Elias hi there"),
        ("/msg #den hi", "SAY #den hi"),
        ("/join den", "JOIN #den, OPEN #den"),
        ("/query Elias", "OPEN Elias"),
    ];
    for (typed, request) in cases {
        chat.type_line(typed);
        assert_eq!(chat.requests(), [request], "{typed}");
    }
}

#[test]
fn the_up_key_recalls_commands_and_no_messages() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    chat.type_line("a secret");
    chat.type_line("/names");
    chat.type_line("/msg Elias a secret");
    let recalled: Vec<_> = (0..3)
        .map(|_| {
            chat.key(KeyCode::Up, KeyModifiers::NONE);
            chat.draft().to_owned()
        })
        .collect();
    assert_eq!(recalled, ["/names", "/join #lab", "/join #lab"]);
    chat.key(KeyCode::Down, KeyModifiers::NONE);
    chat.key(KeyCode::Down, KeyModifiers::NONE);
    assert_eq!(chat.draft(), "");
}

#[test]
fn a_message_that_crossed_the_change_of_the_partner_is_told() {
    let mut chat = Chat::of_guest(1);
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.type_line("for Elias");
    chat.network(NetworkEvent::ChatEnded { by_peer: true });
    chat.network(NetworkEvent::ChatBegan { name: "Ada".to_owned(), is_incoming: true });
    chat.network(NetworkEvent::Said { local: 1, seq: 0 });
    assert_eq!(chat.shown(), ["Noy: for Elias"]);
    assert_eq!(chat.last_notice(), "The partner changed while this message was on its way: perhaps Ada has it.");
}

#[test]
fn an_account_leaves_a_room_only_after_a_question() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    let members = vec![("Noy".to_owned(), Standing::Owner), ("Elias".to_owned(), Standing::Member)];
    chat.network(NetworkEvent::Members { target: "#lab".to_owned(), members });
    chat.type_line("/part");
    assert!(chat.question().contains("another member becomes the owner"), "{}", chat.question());
    chat.key(KeyCode::Esc, KeyModifiers::NONE);
    assert!(chat.requests().is_empty());
    chat.type_line("/part #lab");
    chat.enter();
    assert_eq!(chat.requests(), ["LEAVE #lab"]);
}

#[test]
fn the_end_asks_if_messages_are_lost() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    let quits = |chat: &mut Chat| std::mem::take(&mut chat.effects).iter().any(|effect| matches!(effect, Effect::Quit));
    // A message of an account waits in the outbox file.
    chat.type_line("kept");
    chat.type_line("/quit");
    assert!(quits(&mut chat));
    let reason = "QUOTA_FULL".to_owned();
    chat.network(NetworkEvent::NotSaid { local: 1, reason, is_unknown: false });
    chat.type_line("/quit");
    assert!(!quits(&mut chat));
    assert!(chat.question().starts_with("One message was not sent, and will be lost."), "{}", chat.question());
    chat.key(KeyCode::Esc, KeyModifiers::NONE);
    chat.key(KeyCode::Char('d'), KeyModifiers::CONTROL);
    assert!(!quits(&mut chat));
    chat.enter();
    assert!(quits(&mut chat));
}

#[test]
fn a_message_elsewhere_that_fails_is_told_here() {
    let mut chat = Chat::of_account();
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    chat.type_line("/msg Nobody hi");
    let reason = "USER_NOT_FOUND".to_owned();
    chat.network(NetworkEvent::NotSaid { local: 1, reason, is_unknown: false });
    assert_eq!(chat.last_notice(), "A message to Nobody was not sent: USER_NOT_FOUND");
    chat.key(KeyCode::Char('/'), KeyModifiers::ALT);
    assert_eq!(chat.shown(), ["[refused] hi"]);
}

#[test]
fn a_page_of_another_person_is_shown_also_while_a_chat_goes_on() {
    let mut chat = Chat::of_guest(2);
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.requests();
    chat.type_line("/query Ada");
    assert_eq!(chat.app.current().target, "Ada");
    chat.type_line("for Ada");
    assert!(chat.requests().is_empty() && chat.question().starts_with("Ada is not in a chat with you"));
}

#[test]
fn a_message_to_a_guest_does_not_wait_for_the_connection() {
    let mut chat = Chat::of_guest(2);
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.network(NetworkEvent::Lost { reason: "reset".to_owned(), retry_in: Duration::from_secs(1) });
    chat.requests();
    chat.type_line("for this Elias");
    chat.enter();
    assert_eq!(chat.shown(), ["[refused] for this Elias"]);
    assert!(chat.requests().is_empty());
}

#[test]
fn an_account_that_asks_for_a_guest_gets_a_chat() {
    let mut chat = Chat::of_account();
    chat.network(NetworkEvent::Users(vec!["Zoe".to_owned()]));
    chat.type_line("/query Zoe");
    assert_eq!(chat.requests(), ["OPEN Zoe"]);
    chat.network(NetworkEvent::NoAccount { target: "Zoe".to_owned(), reason: "USER_NOT_FOUND".to_owned() });
    assert_eq!(chat.requests(), ["CONNECT Zoe"]);
    assert_eq!(chat.app.current, ConversationId::of_chat("Zoe"));
}

#[test]
fn a_reconnect_does_not_close_the_form_of_a_password() {
    let mut chat = Chat::of_guest(2);
    chat.type_line("/join #lab");
    chat.opened("#lab", 0, Vec::new());
    chat.type_line("/claim");
    chat.write("open ");
    let server = chat.app.server.clone().expect("a server");
    chat.network(NetworkEvent::Lost { reason: "reset".to_owned(), retry_in: Duration::from_secs(1) });
    chat.network(NetworkEvent::Connected(server));
    chat.requests();
    chat.write("sesame");
    chat.enter();
    assert_eq!((chat.requests(), chat.draft()), (Vec::new(), ""));
}

#[test]
fn a_question_asks_again_if_the_person_changes_meanwhile() {
    let mut chat = Chat::of_guest(2);
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.requests();
    chat.paste("1\n2\n3\n4");
    chat.enter();
    assert!(chat.question().starts_with("Send 4 lines to Elias?"));
    chat.network(NetworkEvent::ChatEnded { by_peer: true });
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.requests();
    chat.enter();
    assert!(chat.requests().is_empty() && chat.question().contains("is another person now"), "{}", chat.question());
    // A message of the command /me asks, too.
    chat.key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    chat.key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    chat.write("/me misses you");
    chat.network(NetworkEvent::ChatEnded { by_peer: true });
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.requests();
    chat.enter();
    assert!(chat.requests().is_empty() && chat.question().contains("is another person now"), "{}", chat.question());
}

#[test]
fn texts_for_a_guest_do_not_survive_a_lost_connection() {
    let mut chat = Chat::of_guest(2);
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    chat.network(NetworkEvent::ChatEnded { by_peer: true });
    chat.type_line("hi");
    chat.enter();
    assert_eq!(chat.shown(), ["[waiting] hi"]);
    chat.network(NetworkEvent::Lost { reason: "reset".to_owned(), retry_in: Duration::from_secs(1) });
    assert_eq!(chat.shown(), ["[refused] hi"]);
    chat.requests();
    chat.network(NetworkEvent::ChatBegan { name: "Elias".to_owned(), is_incoming: true });
    assert!(!chat.requests().contains(&"MSG hi".to_owned()));
}
