//! Names, passwords, and the way back to the chat without them.

use super::super::super::overlay::Overlay;
use super::super::super::sentences::PASSWORD_IS_READABLE;
use super::*;

fn refused(needs_login: bool) -> NetworkEvent {
    NetworkEvent::NameRefused { name: "Noy".to_owned(), reason: "NAME_TAKEN: choose another.".to_owned(), needs_login }
}

#[test]
fn names_that_are_asked_again_do_not_lose_the_chat() {
    let mut chat = Chat::of_guest(2);
    chat.network(refused(false));
    assert!(matches!(chat.app.overlay, Some(Overlay::Name(_))));
    chat.write("2");
    chat.enter();
    assert_eq!(chat.requests(), ["REGISTER Noy2"]);
}

#[test]
fn the_name_may_be_that_of_an_account_of_the_user() {
    let mut chat = Chat::of_guest(2);
    chat.network(refused(false));
    chat.key(KeyCode::Tab, KeyModifiers::NONE);
    assert!(matches!(chat.app.overlay, Some(Overlay::Password(_))));
    chat.write("wrong");
    chat.enter();
    assert_eq!(chat.requests(), ["LOGIN Noy"]);
    chat.network(refused(true));
    chat.write("hunter2");
    chat.enter();
    assert_eq!(chat.requests(), ["LOGIN Noy"]);
}

#[test]
fn a_wrong_password_is_asked_for_again_while_the_session_goes_on() {
    let mut chat = Chat::of_guest(2);
    let refused = || NetworkEvent::PasswordRefused { name: "Noy".to_owned(), reason: "LOGIN_FAILED: no.".to_owned() };
    chat.network(refused());
    let Some(Overlay::Password(form)) = &chat.app.overlay else { panic!("no form for the password") };
    assert_eq!(form.message.as_deref(), Some("LOGIN_FAILED: no."));
    chat.write("hunter2");
    chat.enter();
    assert_eq!(chat.requests(), ["LOGIN Noy"]);
    // The user does something else meanwhile.
    chat.key(KeyCode::F(1), KeyModifiers::NONE);
    chat.network(refused());
    assert!(matches!(chat.app.overlay, Some(Overlay::Help { .. })));
    assert_eq!(chat.last_notice(), "LOGIN_FAILED: no.");
}

#[test]
fn escape_leads_from_the_windows_back_to_the_chat() {
    for needs_login in [false, true] {
        let mut chat = Chat::of_guest(2);
        chat.network(refused(needs_login));
        chat.key(KeyCode::Esc, KeyModifiers::NONE);
        assert!(chat.app.overlay.is_none() && matches!(chat.app.link, Link::Ended { .. }));
        assert!(chat.last_notice().contains("/login NAME logs in"), "{}", chat.last_notice());
        assert!(chat.effects.is_empty(), "{:?}", chat.effects);
        chat.key(KeyCode::Char('r'), KeyModifiers::CONTROL);
        assert_eq!(chat.requests(), ["connect now"]);
        chat.type_line("/nick Noy2");
        assert_eq!(chat.requests().last().map(String::as_str), Some("REGISTER Noy2"));
    }
}

#[test]
fn the_form_for_a_password_warns_on_a_connection_without_encryption() {
    for (security, warning) in [(Security::Plain, Some(PASSWORD_IS_READABLE)), (Security::Loopback, None)] {
        for command in ["/login Elias", "/claim"] {
            let mut chat = Chat::of_guest(2);
            chat.app.server.as_mut().expect("a connection").security = security;
            chat.type_line(command);
            let Some(Overlay::Password(form)) = &chat.app.overlay else { panic!("no form for {command}") };
            assert_eq!(form.message.as_deref(), warning, "{command}");
        }
    }
}
