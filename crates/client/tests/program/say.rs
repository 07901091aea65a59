//! Tests of the subcommands `say` and `listen --conversation`.

use crate::fake_server::{FakeServer, run_local};
use crate::run::{command, finish, finished, run_against};

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

#[tokio::test]
async fn without_a_device_the_one_that_has_logged_in_here_is_used() {
    run_local(async {
        let server = FakeServer::play([
            "< WELCOME\n> HELLO 2\n< HELLO_OK 2 s\n> LOGIN Noy laptop token t0k\n< LOGIN_OK Noy laptop\n\
             > ROOMS\n< ROOMS_OK 0\n.",
        ])
        .await;
        let addr = server.addr.to_string();
        let state = tempfile::tempdir().expect("a directory");
        let directory = state.path().join("switchboard/accounts").join(addr.replace('.', "%2e").replace(':', "%3a"));
        let device = directory.join("noy/laptop");
        std::fs::create_dir_all(&device).expect("directories");
        std::fs::write(device.join("token"), "t0k\n").expect("a file");
        let mut command = command(&["rooms", &addr, "--name", "Noy"]);
        let child = command.env("XDG_STATE_HOME", state.path()).spawn().expect("the program starts");
        assert_eq!(finish(child).await, finished(0, "", ""));
        server.finish().await;
    })
    .await;
}
