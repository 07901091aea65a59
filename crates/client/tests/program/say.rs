//! Tests of the subcommands `say` and `listen --conversation`.

use crate::run::{finished, run_against};

#[tokio::test]
async fn options_may_stand_among_the_words_of_say() {
    let dialogue = "
        < WELCOME
        > HELLO 2
        < HELLO_OK 2 switchboard
        > REGISTER Eva
        < REGISTER_OK Eva
        > JOIN #open
        < JOIN_OK #open 1
        > SAY #open hi there
        < SAID #open 2
        .";
    let args = ["say", "ADDR", "--name", "Eva", "--join", "#open", "hi", "there"];
    assert_eq!(run_against(dialogue, &args, b"").await, finished(0, "", ""));
}

#[tokio::test]
async fn a_refusal_names_the_remedy_on_the_command_line() {
    const REGISTERED: &str = "
        < WELCOME
        > HELLO 2
        < HELLO_OK 2 switchboard
        > REGISTER Eva
        < REGISTER_OK Eva\n";
    let cases: [(&[&str], &str, &str); 4] = [
        (
            &["say", "#lab", "hi"],
            "> SAY #lab hi\n< ERROR NOT_A_MEMBER #lab\n.",
            "NOT_A_MEMBER: Only members of that room may do that: an account \
             becomes one by JOIN, if the room admits it. Here, --join does that.",
        ),
        (
            &["listen", "--conversation", "#lab"],
            "> OPEN #lab\n< ERROR NOT_A_MEMBER #lab\n.",
            "NOT_A_MEMBER: Only members of that room may do that: an account \
             becomes one by JOIN, if the room admits it. Here, --join does that.",
        ),
        (
            &["say", "lab", "hi"],
            "> SAY lab hi\n< ERROR NOT_LOGGED_IN lab\n.",
            "NOT_LOGGED_IN: That needs an account: LOGIN to yours, or CLAIM your name. \
             Here, `switchboard login --name NAME` does that. If lab is a room, write '#lab'.",
        ),
        (
            &["listen", "--conversation", "lab"],
            "> OPEN lab\n< ERROR NOT_LOGGED_IN lab\n.",
            "NOT_LOGGED_IN: That needs an account: LOGIN to yours, or CLAIM your name. \
             Here, `switchboard login --name NAME` does that. If lab is a room, write '#lab'.",
        ),
    ];
    for (args, answer, error) in cases {
        let dialogue = [REGISTERED, answer].concat().leak();
        let args = [args, &["--name", "Eva"]].concat();
        assert_eq!(run_against(dialogue, &args, b"").await, finished(1, "", &format!("switchboard: {error}\n")));
    }
}
