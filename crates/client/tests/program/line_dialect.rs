//! Tests of the line dialect.

use crate::run::{Finished, finished, run, run_against};

#[tokio::test]
async fn the_line_dialect_prompts_for_a_name_and_prints_arriving_lines() {
    let dialogue = "
        > User1
        < Welcome User1! You can now chat.
        > User2: hi
        > User2: bye
        <| [User2] hel
        < lo \u{1b}[2J
        .";
    let expected = finished(0, "Enter username: Welcome User1! You can now chat.\n[User2] hello \\u{1b}[2J\n", "");
    assert_eq!(run_against(dialogue, &["--dialect", "line"], b"User1\nUser2: hi\nUser2: bye").await, expected);
    let expected = Finished { out: expected.out.replace("Enter username: ", ""), ..expected };
    let named = ["--dialect", "line", "--name", "User1"];
    assert_eq!(run_against(dialogue, &named, b"User2: hi\nUser2: bye\n").await, expected);
}

#[tokio::test]
async fn a_refusal_in_the_line_dialect_exits_with_1() {
    let cases: [(&str, &str); 2] = [
        ("> User1\n< Username already taken. Connection closing.", "Username already taken. Connection closing.\n"),
        (
            "> User1\n< Welcome User1! You can now chat.\n> ghost: hi\n< User not found.\n.",
            "Welcome User1! You can now chat.\nUser not found.\n",
        ),
    ];
    for (dialogue, out) in cases {
        let input: &[u8] = if out.starts_with("Welcome") { b"ghost: hi\n" } else { b"" };
        let output = run_against(dialogue, &["--dialect", "line", "--name", "User1"], input).await;
        assert_eq!(output, finished(1, out, ""), "given {dialogue:?}");
    }
}

#[tokio::test]
async fn an_invalid_name_is_not_sent() {
    let cases: [(&[u8], &str); 3] = [
        (b"\n", "A username cannot be empty."),
        (b"", "A username cannot be empty."),
        (b"Us:er\n", "A username cannot contain a colon."),
    ];
    for (input, why) in cases {
        // No server listens at this address. The program rejects the name before it connects.
        let output = run(&["127.0.0.1:1", "--dialect", "line"], input).await;
        assert_eq!(output, finished(2, "Enter username: ", &format!("switchboard: {why}\n")), "given {input:?}");
    }
    let output = run(&["127.0.0.1:1", "--dialect", "line", "--json"], b"").await;
    assert_eq!((output.code, &*output.out), (2, ""));
}

#[tokio::test]
async fn a_port_of_the_other_dialect_is_an_error() {
    let err =
        "switchboard: ADDR does not speak the line dialect (its first line is WELCOME): leave out --dialect line\n";
    let output = run_against("> User1\n< WELCOME", &["--dialect", "line", "--name", "User1"], b"").await;
    assert_eq!(output, finished(3, "", err));
    let err = "switchboard: ADDR accepted the connection but sent no WELCOME within 50ms. \
        It may be the port of a server that waits for a request, such as HTTP or redis, \
        or a port of the line dialect (to chat there: --dialect line)\n";
    assert_eq!(run_against(".", &["--timeout", "50ms"], b"").await, finished(4, "", err));
}
