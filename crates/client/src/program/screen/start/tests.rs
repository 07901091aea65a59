use super::rows::RowKind;
use super::*;

fn name(text: &str) -> Username {
    Username::new(text).expect("a name")
}

fn known(addr: &str, user: Option<&str>) -> KnownServer {
    KnownServer { addr: addr.to_owned(), name: user.map(name) }
}

fn found(id: &str, title: &str, addr: &str) -> DiscoveryEvent {
    DiscoveryEvent::Found(FoundServer { id: id.to_owned(), name: title.to_owned(), addr: addr.to_owned() })
}

fn press(screen: &mut StartScreen, code: KeyCode) -> Option<Outcome> {
    screen.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn control(screen: &mut StartScreen, key: char) -> Option<Outcome> {
    screen.key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL))
}

fn type_keys(screen: &mut StartScreen, text: &str) {
    for c in text.chars() {
        assert_eq!(press(screen, KeyCode::Char(c)), None);
    }
}

/// The addresses of the rows. The selected one is in brackets.
fn list(screen: &StartScreen) -> String {
    let rows = screen.rows().into_iter();
    let rows: Vec<_> =
        rows.map(|row| if row.is_selected { format!("[{}]", row.address) } else { row.address }).collect();
    rows.join(" ")
}

#[test]
fn the_last_used_server_and_its_name_need_one_key() {
    let mut screen = StartScreen::new(vec![known("a:1", Some("Noy")), known("switchboard://b:2/", None)], None);
    assert_eq!(list(&screen), "[a:1] b:2 127.0.0.1:12345");
    let outcome = Outcome::Chosen { addr: "a:1".to_owned(), name: name("Noy") };
    assert_eq!(press(&mut screen, KeyCode::Enter), Some(outcome));
}

#[test]
fn an_announcement_does_not_say_how_a_known_server_is_reached() {
    let mut screen = StartScreen::new(vec![known("switchboard://b:2/", None)], None);
    screen.discovery(found("1", "Lab", "b:2"));
    screen.discovery(found("2", "Den", "c:3"));
    assert_eq!(list(&screen), "[b:2] c:3 127.0.0.1:12345");
}

#[test]
fn the_first_start_asks_for_a_name_and_nothing_else() {
    let mut screen = StartScreen::new(Vec::new(), None);
    screen.discovery(DiscoveryEvent::ThisMachine { answers: true });
    assert_eq!(screen.rows()[0].kind, RowKind::ThisMachine { answers: Some(true) });
    assert_eq!(press(&mut screen, KeyCode::Enter), None);
    assert_eq!(screen.question(), Question::Name { server: "This machine" });
    assert_eq!((screen.input(), screen.problem()), ("", None));
    assert_eq!(press(&mut screen, KeyCode::Enter), None);
    assert_eq!(screen.problem(), Some("name is empty: send 1 to 32 characters"));
    type_keys(&mut screen, "No y");
    let problem = "name has ' ' at character 3: use letters, digits, '_', '-' or '.'";
    assert_eq!(screen.problem(), Some(problem));
    assert_eq!(press(&mut screen, KeyCode::Enter), None);
    control(&mut screen, 'w');
    assert_eq!(screen.input(), "No ");
    press(&mut screen, KeyCode::Backspace);
    type_keys(&mut screen, "y");
    assert_eq!(screen.problem(), None);
    let outcome = Outcome::Chosen { addr: THIS_MACHINE.to_owned(), name: name("Noy") };
    assert_eq!(press(&mut screen, KeyCode::Enter), Some(outcome));
}

#[test]
fn a_machine_without_a_server_is_not_chosen_by_itself() {
    let mut screen = StartScreen::new(Vec::new(), Some(name("Noy")));
    assert_eq!(list(&screen), "[127.0.0.1:12345]");
    screen.discovery(DiscoveryEvent::ThisMachine { answers: false });
    screen.discovery(found("1", "Lab", "a:1"));
    assert_eq!((press(&mut screen, KeyCode::Enter), &*list(&screen)), (None, "a:1 127.0.0.1:12345"));
    assert_eq!(screen.problem(), Some("No server is selected. Choose one with the arrow keys."));
    press(&mut screen, KeyCode::Down);
    assert_eq!(list(&screen), "[a:1] 127.0.0.1:12345");
}

#[test]
fn a_given_name_is_not_asked_for() {
    let mut screen = StartScreen::new(vec![known("a:1", Some("Noy"))], Some(name("Elias")));
    let outcome = |addr: &str| Outcome::Chosen { addr: addr.to_owned(), name: name("Elias") };
    assert_eq!(press(&mut screen, KeyCode::Enter), Some(outcome("a:1")));
    let (_, chosen) = StartScreen::with_server(Vec::new(), Some(name("Elias")), "switchboard://h:1/#lab");
    assert_eq!(chosen, Some(outcome("switchboard://h:1/#lab")));
}

#[test]
fn a_given_server_asks_only_for_the_name() {
    let servers = vec![known("switchboard://h:1/", Some("Noy")), known("b:2", None)];
    let (_, chosen) = StartScreen::with_server(servers.clone(), None, "switchboard://h:1/#lab");
    assert_eq!(chosen, Some(Outcome::Chosen { addr: "switchboard://h:1/#lab".to_owned(), name: name("Noy") }));
    let (mut screen, chosen) = StartScreen::with_server(servers, None, "c:3");
    assert_eq!((chosen, screen.question()), (None, Question::Name { server: "c:3" }));
    let key = "DBFVjrSVh7diZMF4UEuujerdq6qIuhRZuMzvzJ-rqFg";
    let (link, _) = StartScreen::with_server(Vec::new(), None, &format!("switchboard://h:1/?key={key}"));
    assert_eq!(link.question(), Question::Name { server: "h:1 (TLS)" });
    // The name of another server is a proposal.
    assert_eq!(screen.input(), "Noy");
    control(&mut screen, 'u');
    type_keys(&mut screen, "Ada");
    let outcome = Outcome::Chosen { addr: "c:3".to_owned(), name: name("Ada") };
    assert_eq!(press(&mut screen, KeyCode::Enter), Some(outcome));
}

#[test]
fn news_never_move_the_selection_to_another_server() {
    let mut screen = StartScreen::new(vec![known("k:1", None)], Some(name("Noy")));
    screen.discovery(found("1", "Beta", "b:1"));
    screen.discovery(found("2", "Alpha", "a:1"));
    assert_eq!(list(&screen), "[k:1] a:1 b:1 127.0.0.1:12345");
    press(&mut screen, KeyCode::Down);
    press(&mut screen, KeyCode::Down);
    assert_eq!(list(&screen), "k:1 a:1 [b:1] 127.0.0.1:12345");
    screen.discovery(DiscoveryEvent::ThisMachine { answers: true });
    assert_eq!(list(&screen), "127.0.0.1:12345 k:1 a:1 [b:1]");
    screen.discovery(DiscoveryEvent::Gone { id: "2".to_owned() });
    assert_eq!(list(&screen), "127.0.0.1:12345 k:1 [b:1]");
    // The server under the selection leaves, or changes its address: Enter chooses nothing.
    screen.discovery(found("1", "Beta", "evil:1"));
    assert_eq!(list(&screen), "127.0.0.1:12345 k:1 evil:1");
    assert_eq!(screen.problem(), Some("The selected server has left the network. Choose another one."));
    assert_eq!(press(&mut screen, KeyCode::Enter), None);
    press(&mut screen, KeyCode::Down);
    assert_eq!(list(&screen), "[127.0.0.1:12345] k:1 evil:1");
    assert_eq!(screen.problem(), None);
}

#[test]
fn typed_text_filters_or_is_an_address() {
    let servers = vec![known("10.0.0.12:12345", None), known("switchboard://chat.example:12346/", Some("Noy"))];
    let cases = [
        ("noy", "[chat.example:12346] noy:12345"),
        ("EXAMPLE", "[chat.example:12346] EXAMPLE:12345"),
        // A part of a known address is no other server until it is complete.
        ("10.0.0", "[10.0.0.12:12345] 10.0.0:12345"),
        ("10.0.0.1", "[10.0.0.1:12345] 10.0.0.12:12345"),
        ("10.0.0.12", "[10.0.0.12:12345]"),
        ("chat.example:12346", "[chat.example:12346]"),
        ("::1", "[[::1]:12345]"),
        ("switchboard://h:1/#lab", "[h:1]"),
        ("no such server", ""),
    ];
    for (typed, expected) in cases {
        let mut screen = StartScreen::new(servers.clone(), None);
        type_keys(&mut screen, typed);
        assert_eq!(list(&screen), expected, "{typed}");
    }
    // The known server has TLS, and stays so if its address is typed.
    let mut screen = StartScreen::new(servers, None);
    type_keys(&mut screen, "chat.example:12346");
    let outcome = Outcome::Chosen { addr: "switchboard://chat.example:12346/".to_owned(), name: name("Noy") };
    assert_eq!(press(&mut screen, KeyCode::Enter), Some(outcome));
}

#[test]
fn a_text_that_is_no_address_shows_why_at_once() {
    for (typed, reason) in [
        ("http://chat.example", "write HOST:PORT"),
        ("switchboard://", "in the link"),
        ("a b", "\"a b\""),
        ("h:99999", "99999"),
    ] {
        let mut screen = StartScreen::new(Vec::new(), None);
        type_keys(&mut screen, typed);
        let problem = screen.problem().unwrap_or_else(|| panic!("{typed}: {}", list(&screen))).to_owned();
        assert!(problem.contains(reason), "{typed}: {problem}");
        assert_eq!(press(&mut screen, KeyCode::Enter), None);
        assert_eq!(screen.problem(), Some(&*problem));
        // The first Esc clears the input, and the second one ends.
        assert_eq!(press(&mut screen, KeyCode::Esc), None);
        assert_eq!((screen.input(), screen.problem()), ("", None));
        assert_eq!(press(&mut screen, KeyCode::Esc), Some(Outcome::Quit));
    }
}

#[test]
fn esc_goes_back_from_the_name_to_the_servers() {
    let mut screen = StartScreen::new(Vec::new(), None);
    type_keys(&mut screen, "h:1");
    press(&mut screen, KeyCode::Enter);
    assert_eq!(screen.question(), Question::Name { server: "h:1" });
    assert_eq!(press(&mut screen, KeyCode::Esc), None);
    assert_eq!((screen.question(), &*list(&screen)), (Question::Server, "[h:1]"));
    for key in ['c', 'q'] {
        assert_eq!(control(&mut screen, key), Some(Outcome::Quit));
    }
    assert_eq!(control(&mut screen, 'd'), None);
    control(&mut screen, 'u');
    assert_eq!(control(&mut screen, 'd'), Some(Outcome::Quit));
}

#[test]
fn input_is_bounded_and_has_no_controls() {
    let mut screen = StartScreen::new(Vec::new(), None);
    screen.paste("  h:1\u{1b}[2J\u{202e}\nquit");
    assert_eq!(screen.input(), "h:1[2J");
    control(&mut screen, 'u');
    screen.paste(&"x".repeat(10_000));
    assert_eq!(screen.input().len(), INPUT_MAX_CHARS);
    // A character with a combining mark is one.
    control(&mut screen, 'u');
    screen.paste("xe\u{301}");
    press(&mut screen, KeyCode::Backspace);
    assert_eq!(screen.input(), "x");
}

#[test]
fn the_number_of_found_servers_is_bounded() {
    let mut screen = StartScreen::new(Vec::new(), None);
    for n in 0..10_000 {
        screen.discovery(found(&n.to_string(), "x", &format!("h{n}:1")));
    }
    assert_eq!(screen.rows().len(), FOUND_MAX + 1);
    // Two announcements of one address are one row.
    screen.discovery(DiscoveryEvent::Gone { id: "0".to_owned() });
    screen.discovery(found("other", "y", "h1:1"));
    assert_eq!(screen.rows().len(), FOUND_MAX);
}

#[test]
fn arrows_stop_at_the_ends() {
    let mut screen = StartScreen::new(vec![known("a:1", None), known("b:1", None)], None);
    for (key, expected) in [
        (KeyCode::Up, "[a:1] b:1 127.0.0.1:12345"),
        (KeyCode::End, "a:1 b:1 [127.0.0.1:12345]"),
        (KeyCode::Down, "a:1 b:1 [127.0.0.1:12345]"),
        (KeyCode::Home, "[a:1] b:1 127.0.0.1:12345"),
    ] {
        press(&mut screen, key);
        assert_eq!(list(&screen), expected, "{key:?}");
    }
}
