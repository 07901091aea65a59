//! Which connections the rows need, and what goes over each.

use std::collections::HashMap;
use std::time::Duration;

use super::Speed;
use crate::rows::{App, Row, Transport};
use crate::side::Side;

/// The most connections at once: each takes two sockets, and a process may open 1,024 files where nobody raised that.
pub const CONNECTIONS_MAX: usize = 480;

/// The most that all rows together may weigh, in bytes: they are held until the last is sent.
pub const ROWS_MAX_BYTES: usize = 256 * 1024 * 1024;

/// What a row weighs beside its message, in bytes: itself, what becomes of it, and what is said of it.
const ROW_BYTES: usize = size_of::<Item>() + 256;

/// What a row weighs, in bytes of memory.
#[must_use]
pub fn weight(row: &Row) -> usize {
    ROW_BYTES + row.message.len()
}

/// The longest that rows may take: whoever wants to wait for a day has most likely forgotten the speed.
pub const PLAY_MAX: Duration = Duration::from_hours(1);

/// Two apps that talk to each other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connection {
    /// Who opens it.
    pub client: App,
    /// Who is there already.
    pub server: App,
    /// What carries it.
    pub transport: Transport,
}

/// A row in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// What is sent, and when.
    pub row: Row,
    /// The index of its connection.
    pub connection: usize,
    /// Who sends it.
    pub from: Side,
}

/// Why rows cannot be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Too many pairs of apps.
    #[error("line {line}: more than {CONNECTIONS_MAX} connections would be open at once: send the file in parts")]
    Connections {
        /// The row that would open one too many.
        line: u64,
    },
    /// Too much to hold.
    #[error("line {line}: all rows until here take more than {ROWS_MAX_BYTES} bytes of memory: send the file in parts")]
    Bytes {
        /// The row that is too much.
        line: u64,
    },
    /// Too slow.
    #[error("the rows take {} s, more than {} s: give a --speed, or max", .0.as_secs(), PLAY_MAX.as_secs())]
    TooLong(Duration),
}

/// Rows in the order of their times, each on the connection of its two apps.
#[derive(Clone, Debug)]
pub struct Plan {
    connections: Vec<Connection>,
    items: Vec<Item>,
}

/// An app, and its port where the file says one: other ports are another connection.
type End = (App, Option<u16>);

impl Plan {
    /// Puts rows in the order of their times, those of one time as they were, and finds the connections that they need.
    /// `transport` overrides what a row's protocol runs on.
    pub fn new(mut rows: Vec<Row>, transport: Option<Transport>) -> Result<Self, PlanError> {
        rows.sort_by_key(|row| row.time);
        let mut plan = Self { connections: Vec::new(), items: Vec::with_capacity(rows.len()) };
        let mut by_pair: HashMap<(End, End, Transport), (usize, End)> = HashMap::new();
        for row in rows {
            let transport = transport.unwrap_or_else(|| row.protocol.transport());
            let source = (row.source.clone(), row.source_port);
            let destination = (row.destination.clone(), row.destination_port);
            let pair = if source <= destination {
                (source.clone(), destination, transport)
            } else {
                (destination, source.clone(), transport)
            };
            let (connection, client) = match by_pair.get(&pair) {
                Some(known) => known,
                None if plan.connections.len() == CONNECTIONS_MAX => {
                    return Err(PlanError::Connections { line: row.line });
                }
                None => {
                    let (client, server) = (row.source.clone(), row.destination.clone());
                    plan.connections.push(Connection { client, server, transport });
                    by_pair.entry(pair).or_insert((plan.connections.len() - 1, source.clone()))
                }
            };
            let from = if source == *client { Side::Client } else { Side::Server };
            plan.items.push(Item { connection: *connection, from, row });
        }
        Ok(plan)
    }

    /// The connections, in the order in which they are opened.
    #[must_use]
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The rows.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// How long the rows take, if that is not longer than anybody waits.
    pub fn duration(&self, speed: Speed) -> Result<Duration, PlanError> {
        let takes = speed.scale(self.span());
        if takes > PLAY_MAX { Err(PlanError::TooLong(takes)) } else { Ok(takes) }
    }

    /// From the earliest row to the latest.
    #[must_use]
    pub fn span(&self) -> Duration {
        let time = |item: Option<&Item>| item.map(|item| item.row.time);
        time(self.items.last())
            .zip(time(self.items.first()))
            .and_then(|(last, first)| last.since(first))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Options, Reader};

    fn plan(rows: &str) -> Plan {
        let csv = format!("protocol,src,dst,src_port,dst_port,message,time\n{rows}");
        let rows = Reader::new(csv.as_bytes(), Options::default()).collect::<Result<_, _>>();
        Plan::new(rows.expect("good rows"), None).expect("few rows")
    }

    #[test]
    fn a_pair_of_apps_has_one_connection_whoever_speaks() {
        let plan = plan("CHAT,Noy,Elias,,,b,2\nCHAT,Elias,Noy,,,a,1\nCHAT,Noy,Dana,,,c,2\nDNS,Noy,Elias,,,d,3\n");
        let pairs: Vec<_> =
            plan.connections().iter().map(|c| format!("{} {} {:?}", c.client, c.server, c.transport)).collect();
        assert_eq!(pairs, ["Elias Noy Tcp", "Noy Dana Tcp", "Noy Elias Udp"]);
        let items: Vec<_> = plan.items().iter().map(|i| (i.row.message[0], i.connection, i.from)).collect();
        let expected =
            [(b'a', 0, Side::Client), (b'b', 0, Side::Server), (b'c', 1, Side::Client), (b'd', 2, Side::Client)];
        assert_eq!(items, expected);
        assert_eq!(plan.span(), Duration::from_secs(2));
    }

    #[test]
    fn a_row_weighs_something_even_if_it_says_nothing() {
        let plan = plan("CHAT,a,b,,,,1\nCHAT,a,b,,,four,1\n");
        let [empty, four] = [0, 1].map(|at: usize| weight(&plan.items()[at].row));
        assert!(empty >= size_of::<Item>() && four == empty + 4);
        assert!(1_500_000 * empty > ROWS_MAX_BYTES, "a million and a half of empty rows are too many");
    }

    #[test]
    fn other_ports_are_another_connection() {
        let plan = plan("HTTP,a,b,9001,80,x,1\nHTTP,b,a,80,9001,y,2\nHTTP,a,b,9002,80,z,3\n");
        assert_eq!(plan.connections().len(), 2);
        assert_eq!(plan.items().iter().map(|item| item.connection).collect::<Vec<_>>(), [0, 0, 1]);
    }
}
