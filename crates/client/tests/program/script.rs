//! Tests of scripts: lines from standard input, and replies to standard output.

use crate::fake_server::FakeServer;
use crate::run::{finished, run_against, run_against_server};

#[tokio::test]
async fn a_script_is_sent_unchanged_and_each_reply_is_printed() {
    // The step `>\u{20}` is an empty line. The escape keeps the space at the end.
    let dialogue = "
        < WELCOME
        > register Noy
        > CONNECT Elias
        > MSG   two  spaces
        >\u{20}
        > PING
        < REGISTER_OK Noy
        < CONNECT_OK Elias
        < MSG_SENT
        < FROM Elias: hi
        < PONG
        .";
    let expected = "WELCOME\nREGISTER_OK Noy\nCONNECT_OK Elias\nMSG_SENT\nFROM Elias: hi\nPONG\n";
    let input = b"register Noy\nCONNECT Elias\nMSG   two  spaces\n\nPING";
    assert_eq!(run_against(dialogue, &[], input).await, finished(0, expected, ""));
}

#[tokio::test]
async fn name_and_chat_options_are_sent_before_the_script() {
    let dialogue = "
        < WELCOME
        > REGISTER Noy
        > CONNECT Elias
        > MSG hi
        < REGISTER_OK Noy
        < CONNECT_OK Elias
        < MSG_SENT
        .";
    let expected = "WELCOME\nREGISTER_OK Noy\nCONNECT_OK Elias\nMSG_SENT\n";
    assert_eq!(
        run_against(dialogue, &["--name", "Noy", "--chat", "Elias"], b"MSG hi\n").await,
        finished(0, expected, "")
    );
}

#[tokio::test]
async fn a_refusal_is_printed_and_exits_with_1() {
    let dialogue = "
        < WELCOME
        > MSG hi
        > PING
        < ERROR NOT_REGISTERED
        < PONG
        .";
    let expected = finished(1, "WELCOME\nERROR NOT_REGISTERED\nPONG\n", "");
    assert_eq!(run_against(dialogue, &[], b"MSG hi\nPING\n").await, expected);
}

#[tokio::test]
async fn a_script_prints_json_with_the_json_option() {
    let dialogue = "
        < WELCOME
        > WHO
        > MSG hi
        > HELLO 2
        > HELLO 3
        < USERS Noy,Elias
        < FROM Elias: \u{9b}31m\u{202e}\"hi\"
        < ERROR NOT_CONNECTED
        < ERROR FUTURE_CODE
        < ERROR FUTURE_CODE with \u{9b}detail
        .";
    let expected = r#"{"reply":"WELCOME"}
{"reply":"USERS","names":["Noy","Elias"]}
{"event":"FROM","name":"Elias","text":"\u009b31m\u202e\"hi\""}
{"reply":"ERROR","code":"NOT_CONNECTED"}
{"reply":"ERROR","code":"FUTURE_CODE"}
{"reply":"ERROR","code":"FUTURE_CODE","detail":"with \u009bdetail"}
"#;
    assert_eq!(run_against(dialogue, &["--json"], b"WHO\nMSG hi\nHELLO 2\nHELLO 3\n").await, finished(1, expected, ""));
}

#[tokio::test]
async fn display_controls_are_escaped() {
    let dialogue = "
        < WELCOME
        > PING
        < FROM Elias: \u{1b}[2J\u{7f}\u{202e}olleh
        < PONG
        .";
    let expected = finished(0, "WELCOME\nFROM Elias: \\u{1b}[2J\\u{7f}\\u{202e}olleh\nPONG\n", "");
    assert_eq!(run_against(dialogue, &[], b"PING\n").await, expected);
}

#[tokio::test]
async fn a_lost_connection_exits_with_3() {
    let cases = [
        ("< WELCOME\n> PING", "the server closed the connection", "WELCOME\n"),
        ("< WELCOME\n> PING\n<| PO", "the connection was cut in the middle of a line", "WELCOME\n"),
    ];
    for (dialogue, why, out) in cases {
        let expected = finished(3, out, &format!("switchboard: {why}\n"));
        assert_eq!(run_against(dialogue, &[], b"PING\n").await, expected, "given {dialogue:?}");
    }
}

#[tokio::test]
async fn the_servers_reason_for_closing_is_printed() {
    let err = "switchboard: the server closed the connection: SERVER_FULL: The server is full: try again later.\n";
    for input in ["", "PING\n"] {
        let output = run_against("< ERROR SERVER_FULL", &[], input.as_bytes()).await;
        assert_eq!(output, finished(3, "ERROR SERVER_FULL\n", err), "given {input:?}");
    }
}

#[tokio::test]
async fn a_missing_reply_exits_with_4() {
    let expected = finished(
        4,
        "WELCOME\n",
        "switchboard: no answer within 50ms: the server may be busy; --timeout sets how long to wait\n",
    );
    assert_eq!(run_against("< WELCOME\n> DISCONNECT\n.", &["--timeout", "50ms"], b"DISCONNECT\n").await, expected);
}

#[tokio::test]
async fn a_long_script_gets_all_replies() {
    const MESSAGES: usize = 20_000;
    let server = FakeServer::spawn(async |mut connection| {
        connection.send(b"WELCOME\n").await;
        for message in 0..MESSAGES {
            connection.expect_line(&format!("MSG {message}")).await;
        }
        connection.send(&b"MSG_SENT\n".repeat(MESSAGES)).await;
        connection.expect_eof().await;
    });
    let script: String =
        (0..MESSAGES).flat_map(|message| ["MSG ".to_owned(), message.to_string(), "\n".to_owned()]).collect();
    let output = run_against_server(server, &[], script.as_bytes()).await;
    // `WELCOME` and the replies.
    assert_eq!((output.code, output.out.lines().count(), &*output.err), (0, 1 + MESSAGES, ""));
}
