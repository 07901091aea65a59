//! The team: its accounts, their devices and their conversations, and how all of it is made and read by a plain client.

use std::net::SocketAddr;

use switchboard_protocol::version2::{RecordLine, Reply, parse_reply};
use switchboard_tests::test_client::TestClient;

use crate::ledger::{AccountIndex, ConversationIndex, Ledger};

/// Each account has two devices, is a member of all rooms, and has a direct conversation with its neighbour.
pub(crate) const ACCOUNTS: usize = 6;
pub(crate) const DEVICES: usize = 2 * ACCOUNTS;
const ROOMS: usize = 3;
pub(crate) const CONVERSATIONS: usize = ROOMS + ACCOUNTS / 2;

/// The password of all accounts.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Maximum records in the answer to one `HISTORY`.
const PAGE: u64 = 256;

/// How a device logs in.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) account: AccountIndex,
    pub(crate) device: &'static str,
    /// `None`: the device logs in with the password.
    token: Option<String>,
    /// Whether the device writes messages. All of them read.
    pub(crate) writes: bool,
}

impl Login {
    pub(crate) fn line(&self) -> String {
        let name = name(self.account);
        match &self.token {
            Some(token) => format!("LOGIN {name} {} token {token}", self.device),
            None => format!("LOGIN {name} {} password {PASSWORD}", self.device),
        }
    }
}

/// The name of an account.
pub(crate) fn name(account: AccountIndex) -> String {
    format!("member{account}")
}

/// The conversations of an account: their indices, and their targets.
pub(crate) fn conversations_of(account: AccountIndex) -> impl Iterator<Item = (ConversationIndex, String)> {
    let rooms = (0..ROOMS).map(|room| (room, format!("#room{room}")));
    let neighbour = account ^ 1;
    rooms.chain([(ROOMS + account / 2, name(neighbour))])
}

/// Makes the accounts and their conversations, and returns how the devices log in.
pub(crate) fn set_up(address: SocketAddr, ledger: &mut Ledger) -> Vec<Login> {
    let mut clients: Vec<_> =
        (0..ACCOUNTS).map(|account| TestClient::account(address, &name(account), PASSWORD)).collect();
    let mut logins = Vec::new();
    for (account, client) in clients.iter_mut().enumerate() {
        client.send("TOKEN");
        let token = client.expect_reply_prefix("TOKEN_OK ");
        for (id, target) in conversations_of(account) {
            if target.starts_with('#') {
                client.send(&format!("JOIN {target}"));
                client.expect_reply_prefix(&format!("JOIN_OK {target} "));
            }
            client.send(&format!("OPEN {target}"));
            let epoch = client.expect_reply_prefix(&format!("OPEN_OK {target} "));
            ledger.check_epoch(id, epoch.split(' ').next().expect("an epoch"));
            client.expect_reply_prefix(&format!("LIVE {target} "));
            client.send(&format!("CLOSE {target}"));
            client.expect_reply_prefix(&format!("CLOSE_OK {target}"));
        }
        // A device with a token, which writes. The other one has the password, and writes in every second account.
        logins.push(Login { account, device: "main", token: Some(token), writes: true });
        logins.push(Login { account, device: "desk", token: None, writes: account % 2 == 0 });
    }
    logins
}

/// Reads all records that are stored, in two ways, and checks them against the ledger.
pub(crate) fn check_stored(address: SocketAddr, ledger: &mut Ledger) {
    for account in 0..ACCOUNTS {
        let mut client = TestClient::version2(address);
        client.send(&format!("LOGIN {} auditor password {PASSWORD}", name(account)));
        client.expect_reply_prefix("LOGIN_OK ");
        for (id, target) in conversations_of(account) {
            let lines = replay(&mut client, &target, ledger.epoch(id));
            ledger.check_stored(id, &records(&lines));
            let pages = history(&mut client, &target);
            let is_same = records(&lines)
                .into_iter()
                .zip(records(&pages))
                .all(|(opened, paged)| paged.is_past && opened == RecordLine { is_past: false, ..paged });
            assert!(is_same && lines.len() == pages.len(), "OPEN and HISTORY show the same records of {target}");
        }
    }
}

/// Opens a conversation from its beginning, and returns the records as lines.
fn replay(client: &mut TestClient, target: &str, epoch: &str) -> Vec<String> {
    client.send(&format!("OPEN {target} {epoch} 0"));
    client.expect_reply_prefix(&format!("OPEN_OK {target} {epoch} 1 "));
    let mut lines = Vec::new();
    loop {
        let line = client.receive_reply();
        if line.starts_with("LIVE ") {
            return lines;
        }
        lines.push(line);
    }
}

/// Pages back through a conversation from its end, and returns the records as lines, oldest first.
fn history(client: &mut TestClient, target: &str) -> Vec<String> {
    let mut pages = Vec::new();
    let mut before = 1_000_000_000;
    loop {
        client.send(&format!("HISTORY {target} {before} {PAGE}"));
        let mut page = Vec::new();
        let first: u64 = loop {
            let line = client.receive_reply();
            if let Some(numbers) = line.strip_prefix(&format!("HISTORY_OK {target} ")) {
                break numbers.split(' ').next().expect("a number").parse().expect("a number");
            }
            page.push(line);
        };
        pages.push(page);
        if first <= 1 {
            pages.reverse();
            return pages.concat();
        }
        before = first;
    }
}

fn records(lines: &[String]) -> Vec<RecordLine<'_>> {
    let record = |line| match parse_reply(line).map(|tagged| tagged.reply) {
        Ok(Reply::Record(record)) => record,
        other => panic!("{line:?} is no record: {other:?}"),
    };
    lines.iter().map(|line| record(line)).collect()
}
