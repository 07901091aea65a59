//! The chat page in a real browser: people in a page and people at a terminal in one room, losses of the connection, and
//! several windows.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::json;
use switchboard_protocol::Dialect;
use switchboard_tests::browser::Browser;
use switchboard_tests::chat_page::ChatPage;
use switchboard_tests::namespace::{ADDRESS, WITH_ADDRESS, in_namespace, is_inside};
use switchboard_tests::process::{EmbeddedServer, ServerProcess, program};
use switchboard_tests::relay::Relay;
use switchboard_tests::test_client::TestClient;

/// A guest at a terminal who has a room open.
fn guest_in(address: SocketAddr, name: &str, room: &str) -> TestClient {
    let mut guest = TestClient::guest(address, name);
    guest.send(&format!("JOIN {room}"));
    guest.expect_reply_prefix("JOIN_OK ");
    guest.send(&format!("OPEN {room}"));
    guest.expect_reply_prefix("OPEN_OK ");
    guest.expect_reply_prefix("LIVE ");
    guest
}

#[test]
fn link_and_name_are_enough_to_talk() {
    let server = EmbeddedServer::start();
    let mut dana = guest_in(server.address(Dialect::Commands), "Dana", "#lab");
    let noy = ChatPage::open(server.web_address(), "#lab");
    noy.enter("Noy");
    noy.say("hello from a page");
    assert!(dana.receive_reply().ends_with(" FROM Noy: hello from a page"));
    dana.send("SAY #lab hello from a terminal");
    noy.wait_for(".message .body", "hello from a terminal");

    let elias = ChatPage::open(server.web_address(), "#lab");
    elias.enter("Elias");
    elias.wait_for(".message .body", "hello from a page");
    elias.say("שלום");
    noy.wait_for(".message .body", "שלום");
    noy.wait_for_state("hello from a page", "stored");
    assert_eq!(noy.bodies(), ["hello from a page", "hello from a terminal", "שלום"]);
}

#[test]
fn taken_name_is_explained() {
    let server = EmbeddedServer::start();
    let _dana = TestClient::guest(server.address(Dialect::Commands), "Dana");
    let page = ChatPage::open(server.web_address(), "#lab");
    page.try_name("dana");
    page.wait_for("#entry-reason", "Somebody else has that name");
    page.enter("Elias");
    page.wait_for("#my-name", "Elias");
}

#[test]
fn unsent_messages_survive_a_kill_of_the_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_str().expect("a path in UTF-8");
    let mut server = ServerProcess::start(&["--data", path, "--listen-web", "127.0.0.1:0"]);
    let web = server.web_address();
    let mut dana = TestClient::account(server.commands, "Dana", "open sesame");
    dana.send("JOIN #lab");
    dana.expect_reply_prefix("JOIN_OK ");
    let noy = ChatPage::open(web, "#lab");
    noy.enter("Noy");
    noy.claim("mellon");
    noy.say("before");
    noy.wait_for_state("before", "stored");

    server.signal("KILL");
    server.wait();
    noy.wait_for("#connection", "No connection");
    for text in ["first", "second"] {
        noy.say(text);
        noy.wait_for_state(text, "waiting");
    }
    // The same port, so that the page finds the server again.
    let server = ServerProcess::start(&["--data", path, "--listen-web", &web.to_string()]);
    noy.wait_for_state("second", "stored");
    noy.say("after");
    noy.wait_for_state("after", "stored");
    assert_eq!(noy.bodies(), ["before", "first", "second", "after"]);

    let mut dana = TestClient::version2(server.commands);
    dana.send("LOGIN Dana main password open sesame");
    dana.expect_reply_prefix("LOGIN_OK ");
    dana.send("SEARCH #lab first");
    assert!(dana.receive_reply().ends_with(" FROM Noy: first"));
    dana.expect_reply("SEARCH_OK #lab 1");
    // The token of the page brings it in again, with its draft and its place.
    noy.type_text("a draft");
    let _ = noy.browser().run("location.reload()", &[]);
    noy.wait("return document.readyState === 'complete' && document.querySelector('#text')?.value === 'a draft'", &[]);
    noy.wait_for(".message .body", "after");
}

#[test]
fn message_whose_answer_is_lost_is_stored_once() {
    for is_account in [true, false] {
        let server = EmbeddedServer::start();
        let relay = Relay::start(server.web_address());
        let mut dana = guest_in(server.address(Dialect::Commands), "Dana", "#lab");
        let noy = ChatPage::open(relay.address(), "#lab");
        noy.enter("Noy");
        if is_account {
            noy.claim("open sesame");
            dana.expect_reply_prefix("@in=#lab;");
        }
        noy.say("before");
        noy.wait_for_state("before", "stored");
        assert!(dana.receive_reply().ends_with(" FROM Noy: before"));
        relay.lose_answers();
        noy.say("answer lost");
        assert!(dana.receive_reply().ends_with(" FROM Noy: answer lost"));
        noy.wait_for_state("answer lost", "sent, not stored yet");
        relay.cut();
        noy.wait_for("#connection", "No connection");
        relay.restore();
        noy.wait_for_state("answer lost", "stored");
        noy.say("after");
        // The next record is not the lost message again.
        assert!(dana.receive_reply().ends_with(" FROM Noy: after"));
        noy.wait_for_state("after", "stored");
        assert_eq!(noy.bodies(), ["before", "answer lost", "after"]);
    }
}

#[test]
fn removed_member_is_told_and_sees_its_later_messages() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut dana = TestClient::account(address, "Dana", "open sesame");
    drop(TestClient::account(address, "Noy", "mellon mellon"));
    dana.send("JOIN #lab");
    dana.expect_reply_prefix("JOIN_OK ");
    let page = ChatPage::open(server.web_address(), "#lab");
    page.log_in("Noy", "mellon mellon");
    page.say("a member");
    page.wait_for_state("a member", "stored");
    dana.send("KICK #lab Noy");
    dana.expect_reply_prefix("KICK_OK ");
    page.wait_for("#notice", "Dana has removed you from #lab.");
    page.say("a stranger");
    page.wait_for_state("a stranger", "stored");
    dana.send("BAN #lab Noy");
    dana.expect_reply_prefix("BAN_OK ");
    page.wait_for("#notice", "Dana has banned you from #lab.");
    page.say("nobody");
    page.wait_for_state("nobody", "Not sent");
    assert_eq!(page.bodies(), ["a member", "a stranger", "nobody"]);
}

#[test]
fn commands_keep_texts_and_leave_the_room_that_they_name() {
    let server = EmbeddedServer::start();
    let page = ChatPage::open(server.web_address(), "#lab");
    page.enter("Noy");
    page.claim("open sesame");
    page.say("hi");
    page.wait_for_state("hi", "stored");
    page.say("/usr/bin/x is broken");
    page.wait_for("#notice", "There is no such command");
    page.wait("return document.querySelector('#text').value === '/usr/bin/x is broken'", &[]);
    let _ = page.browser().run("document.querySelector('#text').select()", &[]);
    page.type_text("/join #other");
    page.press("Enter");
    page.wait("return document.querySelector('#title').textContent === '#other'", &[]);
    page.say("/leave #lab");
    page.wait("return document.querySelectorAll('#list .entry').length === 1", &[]);
    page.wait("return document.querySelector('#title').textContent === '#other'", &[]);
    page.say("still in #other");
    page.wait_for_state("still in #other", "stored");
    page.click(".message .more");
    page.wait_for("#menu button", "See the wire");
    page.press("Escape");
    page.wait("return !document.querySelector('#menu').matches(':popover-open')", &[]);
    // Nothing takes the place of the last conversation.
    page.say("/leave");
    page.wait("return document.querySelector('#title').textContent === '' && document.querySelectorAll('#list .entry').length === 0", &[]);
}

#[test]
fn guest_comes_back_after_a_loss_and_keeps_its_place() {
    let server = EmbeddedServer::start();
    let relay = Relay::start(server.web_address());
    let mut dana = guest_in(server.address(Dialect::Commands), "Dana", "#lab");
    let noy = ChatPage::open(relay.address(), "#lab");
    noy.enter("Noy");
    noy.say("before");
    noy.wait_for_state("before", "stored");
    dana.receive_reply();
    relay.cut();
    noy.wait_for("#connection", "No connection");
    noy.say("written without a connection");
    noy.wait_for_state("written without a connection", "waiting");
    dana.send("SAY #lab meanwhile");
    dana.expect_reply_prefix("@in=#lab;");
    dana.expect_reply_prefix("SAID #lab ");
    relay.restore();
    assert!(dana.receive_reply().ends_with(" FROM Noy: written without a connection"));
    noy.wait_for_state("written without a connection", "stored");
    // A new message is drawn in the next frame.
    noy.wait_for(".message .body", "meanwhile");
    assert_eq!(noy.bodies(), ["before", "meanwhile", "written without a connection"]);
}

#[test]
fn long_absence_leaves_a_hole_that_a_click_fills() {
    let server = EmbeddedServer::start();
    let mut dana = TestClient::account(server.address(Dialect::Commands), "Dana", "open sesame");
    dana.send("JOIN #lab");
    dana.expect_reply_prefix("JOIN_OK ");
    let relay = Relay::start(server.web_address());
    let noy = ChatPage::open(relay.address(), "#lab");
    noy.enter("Noy");
    noy.say("before");
    noy.wait_for_state("before", "stored");
    relay.cut();
    noy.wait_for("#connection", "No connection");
    for number in 1..=800 {
        dana.send(&format!("SAY #lab missed {number}"));
    }
    for _ in 1..=800 {
        dana.expect_reply_prefix("SAID #lab ");
    }
    relay.restore();
    noy.wait_for(".message .body", "missed 800");
    let _ = noy.browser().run("document.querySelector('#log').scrollTop = 0", &[]);
    noy.wait_for(".gap", "700 messages are not loaded");
    noy.click(".gap button");
    noy.wait_for(".message .body", "missed 20");
    assert_eq!(noy.bodies()[..3], ["before", "missed 1", "missed 2"]);
}

#[test]
fn second_window_takes_the_device_over() {
    let server = EmbeddedServer::start();
    let one = ChatPage::open(server.web_address(), "#lab");
    one.enter("Noy");
    one.claim("open sesame");
    one.say("from the first window");
    one.wait_for_state("from the first window", "stored");
    let window = one.open_window();
    one.wait("return !document.querySelector('#elsewhere').hidden", &[]);
    one.click("#use-here");
    one.wait_for(".message .body", "from the first window");
    one.say("from the second window");
    one.wait_for_state("from the second window", "stored");
    one.switch_to(&window);
    one.wait("return !document.querySelector('#elsewhere').hidden", &[]);
    one.click("#use-here");
    one.wait_for(".message .body", "from the second window");
    one.say("from the first window again");
    one.wait_for_state("from the first window again", "stored");
    assert_eq!(one.bodies(), ["from the first window", "from the second window", "from the first window again"]);
}

#[test]
fn account_hears_of_news_in_other_conversations() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut dana = TestClient::account(address, "Dana", "open sesame");
    let mut noy = TestClient::account(address, "Noy", "mellon mellon");
    for client in [&mut dana, &mut noy] {
        client.send("JOIN #lab");
        client.expect_reply_prefix("JOIN_OK ");
    }
    drop(noy);
    let page = ChatPage::open(server.web_address(), "#other");
    page.log_in("Noy", "mellon mellon");
    dana.send("SAY #lab news");
    dana.expect_reply_prefix("SAID ");
    dana.send("SAY Noy for you alone");
    dana.expect_reply_prefix("SAID ");
    page.wait_for("#list .is-unread", "#lab");
    page.wait_for("#list .is-unread", "Dana");
    let _ = page.browser().run("location.hash = '#@Dana'", &[]);
    page.wait_for(".message .body", "for you alone");
    page.say("hello Dana");
    page.wait_for_state("hello Dana", "stored");
    dana.send("READ Noy 2");
    dana.expect_reply_prefix("READ_OK ");
    page.wait_for_state("hello Dana", "read by Dana");
}

/// Takes the place of the browser's notifications. Records whether the user had just done something when the page asked
/// for the permission, and each notification.
const RECORD_NOTIFICATIONS: &str = "
    [window.asked, window.shown] = [[], []];
    window.Notification = class {
        static permission = 'default';
        static async requestPermission() {
            window.asked.push(navigator.userActivation.isActive);
            return (this.permission = 'granted');
        }
        constructor(title, { body }) {
            window.shown.push(`${title}: ${body}`);
        }
        close() {}
    };";

/// Hides the page: a browser without a screen hides none by itself.
const HIDE: &str = "
    Object.defineProperty(document, 'hidden', { value: true });
    document.hasFocus = () => false;
    document.dispatchEvent(new Event('visibilitychange'));";

#[test]
fn hidden_page_counts_messages_and_notifies_of_those_to_its_user() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut dana = TestClient::account(address, "Dana", "open sesame");
    drop(TestClient::account(address, "Noy", "mellon mellon"));
    let browser = Browser::start(1200, 800);
    let _ = browser.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": RECORD_NOTIFICATIONS }));
    let noy = ChatPage::open_in(browser, server.web_address(), "#lab");
    noy.log_in("Noy", "mellon mellon");
    dana.send("JOIN #lab");
    dana.expect_reply_prefix("JOIN_OK ");
    noy.wait_for(".event", "Dana has joined");

    assert_eq!(noy.browser().run("return window.asked", &[]), json!([]), "the page asks before a click");
    noy.click_with_pointer("#me");
    noy.wait("return document.querySelector('#notify') !== null", &[]);
    noy.click_with_pointer("#notify");
    noy.wait("return window.asked.length > 0", &[]);
    assert_eq!(noy.browser().run("return window.asked", &[]), json!([true]));
    noy.press("Escape");

    // Nobody is notified of a message that is on the screen.
    dana.send("SAY #lab Noy, you see this");
    dana.expect_reply_prefix("SAID ");
    noy.wait_for(".message .body", "you see this");
    noy.wait("return document.title === '#lab · Switchboard'", &[]);
    let _ = noy.browser().run(HIDE, &[]);
    for line in ["SAY #lab for all", "SAY #lab is noy here?", "SAY Noy for you alone"] {
        dana.send(line);
        dana.expect_reply_prefix("SAID ");
    }
    noy.wait("return document.title === '(3) #lab · Switchboard'", &[]);
    let expected = json!(["Dana in #lab: is noy here?", "Dana: New messages"]);
    assert_eq!(noy.browser().run("return window.shown", &[]), expected);
}

#[test]
fn page_over_tls_shows_the_fingerprint_that_the_server_logs() {
    if !is_inside() {
        let _ = program("switchboard-server");
    }
    in_namespace("page_over_tls_shows_the_fingerprint_that_the_server_logs", WITH_ADDRESS, || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().to_str().expect("a path in UTF-8");
        let mut server = ServerProcess::start(&["--data", path, "--listen-web", &format!("{ADDRESS}:0")]);
        let origin = format!("https://{}", server.web_address());
        let page = ChatPage::open_link(Browser::start(1200, 800), &format!("{origin}/#lab"));
        page.enter("Noy");
        page.say("hello over TLS");
        page.wait_for_state("hello over TLS", "stored");
        page.click("#link-open");
        page.wait_for("#dialog-body .mono", server.fingerprint());
        let link = page.browser().run("return document.querySelector('#dialog-body input').value", &[]);
        assert_eq!(link, json!(format!("{origin}/#lab")));
        assert_eq!(openssl_fingerprint(origin.trim_start_matches("https://")), server.fingerprint());
    });
}

/// The fingerprint of the certificate at an address, according to OpenSSL.
fn openssl_fingerprint(address: &str) -> String {
    let script = "openssl s_client -connect \"$0\" < /dev/null | openssl x509 -noout -fingerprint -sha256";
    let output = Command::new("sh").args(["-c", script, address]).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().split_once('=').expect("a fingerprint").1.to_owned()
}

#[test]
fn guests_have_private_chats() {
    let server = EmbeddedServer::start();
    let mut dana = TestClient::guest(server.address(Dialect::Commands), "Dana");
    let page = ChatPage::open(server.web_address(), "#lab");
    page.enter("Noy");
    let _ = page.browser().run("location.hash = '#@Dana'", &[]);
    dana.expect_reply("INCOMING_CONNECTION Noy");
    page.wait_for("#topic", "stored nowhere");
    page.say("psst");
    dana.expect_reply("FROM Noy: psst");
    dana.send("MSG yes?");
    dana.expect_reply("MSG_SENT");
    page.wait_for(".message .body", "yes?");
}

#[test]
fn message_shows_its_line_and_a_typed_line_its_answer() {
    let server = EmbeddedServer::start();
    let page = ChatPage::open(server.web_address(), "#lab");
    page.enter("Noy");
    page.say("hi");
    page.wait_for_state("hi", "stored");
    page.click(".message .more");
    page.wait_for("#menu button", "See the wire");
    page.click("#menu button");
    page.wait_for("#dialog-body pre", " FROM Noy: hi");
    page.wait_for("#dialog-body td", "2 bytes of UTF-8");
    page.wait_for("#dialog-body td", "1 in #lab");
    page.wait_for("#dialog-body pre", "WIRE_");
    page.press("Escape");
    page.say("/raw WHO");
    page.wait_for(".wire-log div", "< USERS Noy");
    page.press("Escape");
    page.say("/topic Wires & waves");
    page.wait_for("#notice", "That needs an account");
}
