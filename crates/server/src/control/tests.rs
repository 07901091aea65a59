//! Each verb of the control socket, with its refusals, as dialogues with a server without listeners.

use std::sync::Arc;

use switchboard_protocol::{Dialect, ReceivedBytes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::{ControlledServer, RunningServer, service};
use crate::admission::Admission;
use crate::hub::Hub;
use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::speaker::Speaker;

fn server(is_running: bool) -> ControlledServer {
    let hub = Arc::new(Hub::new(Settings::default()));
    let running = is_running.then(|| {
        let admission = Admission::new(&hub.settings);
        Arc::new(RunningServer::new(&[], &[], admission, None))
    });
    ControlledServer { hub, running }
}

/// Sends a line, and returns the whole answer.
async fn ask(server: &ControlledServer, line: &str) -> String {
    let (mut client, other_end) = UnixStream::pair().expect("a pair of sockets");
    let exchange = async {
        client.write_all(line.as_bytes()).await.expect("the server reads");
        client.write_all(b"\n").await.expect("the server reads");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("the server answers in UTF-8");
        answer
    };
    tokio::join!(exchange, service::serve_connection(other_end, server)).0
}

/// Opens a session that sends these lines.
fn open(hub: &Arc<Hub>, dialect: Dialect, lines: &str) -> Arc<Outbox> {
    let (id, outbox) = hub.admit(dialect, tokio::io::empty(), Instant::now());
    let mut speaker = Speaker::new(id, dialect, hub.settings.line_bytes);
    hub.turn(&mut speaker, &mut ReceivedBytes::new(lines.as_bytes()), usize::MAX, None, None);
    outbox
}

/// The last line that waits for a session.
fn last_line(outbox: &Outbox) -> String {
    let lines = String::from_utf8(outbox.queued_bytes()).expect("lines are UTF-8");
    lines.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn operator_speaks_to_people_and_closes_sessions() {
    let server = server(true);
    let noy = open(&server.hub, Dialect::Commands, "HELLO 2\nREGISTER Noy\n");
    let elias = open(&server.hub, Dialect::Commands, "REGISTER Elias\n");
    let line = open(&server.hub, Dialect::Line, "Dana\n");

    assert_eq!(ask(&server, "ANNOUNCE back at 18:00").await, "ANNOUNCE_OK 1\n");
    assert_eq!(last_line(&noy), "NOTICE back at 18:00");
    assert_eq!(last_line(&elias), "REGISTER_OK Elias", "version 1 has no such line");

    assert_eq!(ask(&server, "KICK noy no spam, please").await, "KICK_OK Noy 1\n");
    assert_eq!(last_line(&noy), "ERROR KICKED no spam, please");
    assert_eq!(ask(&server, "KICK Elias").await, "KICK_OK Elias 1\n");
    assert_eq!(last_line(&elias), "ERROR KICKED");
    assert_eq!(ask(&server, "KICK 3v1 no spam").await, "KICK_OK Dana 1\n");
    assert_eq!(last_line(&line), "The operator has closed this session: no spam");
    for gone in ["KICK Noy", "KICK 3v1", "KICK nobody"] {
        let answer = ask(&server, gone).await;
        assert!(answer.starts_with("ERROR USER_NOT_FOUND ") && answer.contains("`ctl sessions`"), "{answer}");
    }

    let why = ask(&server, "WHY NOY").await;
    let [closing, end] = why.lines().collect::<Vec<_>>()[..] else { panic!("{why}") };
    assert!(
        closing.starts_with("CLOSING 20") && closing.contains("Z reason=kicked name=Noy unsent_bytes="),
        "{closing}"
    );
    assert_eq!(end, "WHY_OK 1");
    assert_eq!(ask(&server, "WHY nobody").await, "WHY_OK 0\n");

    // The client hears it once.
    let noy = open(&server.hub, Dialect::Commands, "HELLO 2\nREGISTER Noy\n");
    let notice = last_line(&noy);
    assert!(notice.starts_with("NOTICE Your last session here ended at 20"), "{notice}");
    assert!(notice.ends_with("Z: the operator has closed it."), "{notice}");
    assert_eq!(ask(&server, "KICK Noy").await, "KICK_OK Noy 1\n");
    let old = open(&server.hub, Dialect::Commands, "REGISTER Elias\n");
    assert_eq!(last_line(&old), "REGISTER_OK Elias", "version 1 has no such line");
}

#[tokio::test]
async fn sessions_and_state_are_lines() {
    let server = server(true);
    let _noy = open(&server.hub, Dialect::Commands, "HELLO 2\nREGISTER Noy\n");
    let _unnamed = open(&server.hub, Dialect::Line, "");
    let sessions = ask(&server, "SESSIONS").await;
    let expected = "SESSION 1v1 name=Noy dialect=commands version=2 open_s=0 outbox_bytes=48 lag=0\n\
                    SESSION 2v1 dialect=line version=1 open_s=0 outbox_bytes=0 lag=0\n\
                    SESSIONS_OK 2\n";
    assert_eq!(sessions, expected);
    let status = ask(&server, "STATUS").await;
    for fact in
        ["sessions_guest=1", "sessions_unregistered=1", "sessions_account=0", "store=writable", "records=0", "ended="]
    {
        assert!(status.contains(&format!("STATUS {fact}\n")), "{fact} is not in {status}");
    }
    assert!(status.ends_with("STATUS_OK\n"), "{status}");
}

#[tokio::test]
async fn embedded_server_has_no_configuration_to_change() {
    let server = server(true);
    for line in ["RELOAD", "LOG-LEVEL debug"] {
        assert!(ask(&server, line).await.starts_with("ERROR NOT_SUPPORTED "), "{line}");
    }
}

#[tokio::test]
async fn stopped_server_refuses_what_needs_a_running_one() {
    let server = server(false);
    for line in ["STATUS", "SESSIONS", "KICK Noy", "ANNOUNCE x", "WHY Noy", "RELOAD", "LOG-LEVEL debug"] {
        assert!(ask(&server, line).await.starts_with("ERROR NOT_RUNNING "), "{line}");
    }
    assert_eq!(ask(&server, "ACCOUNT LIST").await, "ACCOUNT_LIST_OK 0\n");
    assert!(ask(&server, "HELP").await.starts_with("ERROR UNKNOWN_COMMAND the commands are ACCOUNT "));
}

#[tokio::test(start_paused = true)]
async fn operator_plans_the_end_and_takes_it_back() {
    let server = server(true);
    let planned_stop = &server.running.as_ref().expect("a running server").planned_stop;
    let noy = open(&server.hub, Dialect::Commands, "HELLO 2\nREGISTER Noy\n");

    assert!(ask(&server, "DRAIN OFF").await.starts_with("ERROR NOT_FOUND no end is planned"));
    assert_eq!(ask(&server, "DRAIN 30").await, "DRAIN_OK 1 30\n");
    assert!(last_line(&noy).starts_with("NOTICE The server stops in 30 s."), "{}", last_line(&noy));
    assert_eq!(ask(&server, "DRAIN OFF").await, "DRAIN_OK 1 OFF\n");
    assert_eq!(last_line(&noy), "NOTICE The server goes on.");
    assert_eq!(planned_stop.remaining(), None);

    assert_eq!(ask(&server, "DRAIN 60 new cables").await, "DRAIN_OK 1 60\n");
    assert_eq!(last_line(&noy), "NOTICE new cables");
    assert!(ask(&server, "STATUS").await.contains("\nSTATUS stops_in_s=60\n"));
    let start = Instant::now();
    planned_stop.due().await;
    assert_eq!(start.elapsed().as_secs(), 60);
}
