//! Tests of the subcommands `ping`, `who` and `send`.

use crate::fake_server::{FakeServer, run_local};
use crate::run::{finish, finished, run_against, run_against_server, start};

#[tokio::test]
async fn ping_prints_the_round_trip_time() {
    let dialogue = "
        < WELCOME
        > PING
        < PONG
        > PING
        < PONG
        .";
    let output = run_against(dialogue, &["ping", "--count", "2", "--interval", "1ms"], b"").await;
    assert_eq!((output.code, &*output.err), (0, ""));
    for line in output.out.lines() {
        let time = line.strip_prefix("PONG from ADDR in ").and_then(|time| time.strip_suffix(" ms"));
        assert!(time.is_some_and(|time| time.parse::<f64>().is_ok()), "{line}");
    }
    assert_eq!(output.out.lines().count(), 2);
}

#[tokio::test]
async fn who_prints_one_name_per_line() {
    let dialogue = "
        < WELCOME
        > WHO
        < USERS Noy,El\u{202e}ias
        .";
    assert_eq!(run_against(dialogue, &["who"], b"").await, finished(0, "Noy\nEl\\u{202e}ias\n", ""));
    let json = "{\"reply\":\"USERS\",\"names\":[\"Noy\",\"El\\u202eias\"]}\n";
    assert_eq!(run_against(dialogue, &["who", "--json"], b"").await, finished(0, json, ""));
}

#[tokio::test]
async fn a_closed_output_ends_the_program_without_an_error() {
    run_local(async {
        let server = FakeServer::play(["
            < WELCOME
            > WHO
            < USERS Noy,Elias
            ."])
        .await;
        let mut child = start(&["who", &server.addr.to_string()]);
        drop(child.stdout.take());
        assert_eq!(finish(child).await, finished(0, "", ""));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn the_exit_code_of_send_tells_whether_the_message_was_accepted() {
    let accepted = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > CONNECT Elias
        < CONNECT_OK Elias
        > MSG dinner is ready
        < MSG_SENT
        > DISCONNECT
        < DISCONNECT_OK
        .";
    let args = ["send", "Elias", "dinner", "is ready", "--name", "Noy"];
    assert_eq!(run_against(accepted, &args, b"").await, finished(0, "", ""));
    let absent = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > CONNECT Elias
        < ERROR USER_NOT_FOUND
        .";
    let output = run_against(absent, &args, b"").await;
    assert_eq!((output.code, &*output.out), (1, ""));
    assert!(output.err.starts_with("switchboard: USER_NOT_FOUND: "), "{}", output.err);
}

#[tokio::test]
async fn send_waits_for_a_busy_user_until_the_timeout() {
    let busy = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > CONNECT Elias
        < ERROR USER_BUSY
        > DISCONNECT
        < DISCONNECT_OK
        > CONNECT Elias
        < ERROR USER_BUSY
        > DISCONNECT
        < DISCONNECT_OK
        > CONNECT Elias
        < CONNECT_OK Elias
        > MSG hi
        < MSG_SENT
        > DISCONNECT
        < DISCONNECT_OK
        .";
    assert_eq!(run_against(busy, &["send", "Elias", "hi", "--name", "Noy"], b"").await, finished(0, "", ""));
    let server = FakeServer::spawn(async |mut connection| {
        connection.play("< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy").await;
        while let Some(line) = connection.read_line().await {
            let answer: &[u8] = if line == "DISCONNECT" { b"DISCONNECT_OK\n" } else { b"ERROR USER_BUSY\n" };
            connection.send(answer).await;
        }
    });
    let output =
        run_against_server(server, &["send", "ADDR", "Elias", "hi", "--name", "Noy", "--timeout", "2s"], b"").await;
    let err = "switchboard: USER_BUSY: One of you is in a chat already: DISCONNECT first, or try again later.\n";
    assert_eq!(output, finished(1, "", err));
}

#[tokio::test]
async fn send_reports_success_only_for_a_message_to_its_user() {
    const REGISTERED: &str = "< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy\n";
    const SENT: &str = "> MSG hi\n< MSG_SENT\n> DISCONNECT\n< DISCONNECT_OK\n.";
    let args = ["send", "Elias", "hi", "--name", "Noy"];
    let again = "> DISCONNECT\n< DISCONNECT_OK\n> CONNECT Elias\n< CONNECT_OK Elias\n";
    let retried = [
        // Another user opens a chat before the message is sent.
        "> CONNECT Elias\n<| CONNECT_OK Elias\\nPEER_DISCONNECTED\\nINCOMING_CONNECTION Bob\\n\n",
        // The user leaves before the message is sent, and while it is on its way.
        "> CONNECT Elias\n<| CONNECT_OK Elias\\nPEER_DISCONNECTED\\n\n",
        "> CONNECT Elias\n< CONNECT_OK Elias\n> MSG hi\n<| PEER_DISCONNECTED\\nERROR NOT_CONNECTED\\n\n",
    ];
    for start in retried {
        let dialogue = [REGISTERED, start, again, SENT].concat().leak();
        assert_eq!(run_against(dialogue, &args, b"").await, finished(0, "", ""), "given {dialogue}");
    }
    // The message reaches the user, who then leaves.
    let left_later = "> CONNECT Elias\n< CONNECT_OK Elias\n> MSG hi\n<| MSG_SENT\\nPEER_DISCONNECTED\\n\n\
                      > DISCONNECT\n< DISCONNECT_OK\n.";
    let dialogue = [REGISTERED, left_later].concat().leak();
    assert_eq!(run_against(dialogue, &args, b"").await, finished(0, "", ""));
    // Another user opens a chat while the message is on its way.
    let other_peer = "> CONNECT Elias\n< CONNECT_OK Elias\n> MSG hi\n\
                      <| PEER_DISCONNECTED\\nINCOMING_CONNECTION Bob\\nMSG_SENT\\n\n.";
    let dialogue = [REGISTERED, other_peer].concat().leak();
    let err = "switchboard: Elias left the chat, and Bob opened one: the message may have reached Bob instead\n";
    assert_eq!(run_against(dialogue, &args, b"").await, finished(1, "", err));
}

#[tokio::test]
async fn a_guest_whose_name_is_taken_draws_another() {
    let server = FakeServer::spawn(async |mut connection| {
        connection.send(b"WELCOME\n").await;
        let first = connection.read_line().await.expect("a REGISTER");
        connection.send(b"ERROR NAME_TAKEN\n").await;
        let second = connection.read_line().await.expect("a REGISTER");
        assert!(first != second && second.starts_with("REGISTER guest-"), "{first}, {second}");
        let dialogue = "
            < REGISTER_OK guest
            > CONNECT Elias
            < CONNECT_OK Elias
            > MSG hi
            < MSG_SENT
            > DISCONNECT
            < DISCONNECT_OK
            .";
        connection.play(dialogue).await;
    });
    let output = run_against_server(server, &["send", "ADDR", "Elias", "hi"], b"").await;
    assert_eq!(output, finished(0, "", ""));
}
