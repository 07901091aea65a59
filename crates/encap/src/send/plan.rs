//! The connections that the rows need, and the rows of each connection.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Speed;
use crate::build::{self, Clues, Content, Matcher, Roles, TransportChoice};
use crate::rows::{App, Row, Transport};
use crate::side::Side;

/// Maximum number of simultaneous connections. Each needs two sockets, and a process may usually have 1,024 open files.
pub const CONNECTIONS_MAX: usize = 480;

/// Maximum memory for all rows, in bytes. Each row stays in memory until the last row is sent.
pub const ROWS_MAX_BYTES: usize = 256 * 1024 * 1024;

/// Memory of a row without its message, in bytes: the planned row, its outcome and its entry in the report.
const ROW_BYTES: usize = size_of::<PlannedRow>() + 256;

/// Memory of a row, in bytes.
#[must_use]
pub fn weight(row: &Row) -> usize {
    ROW_BYTES + row.message.len()
}

/// Maximum duration of a play. A file that takes longer probably needs a `--speed`.
pub const PLAY_MAX: Duration = Duration::from_hours(1);

/// Settings of a plan.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// TCP, UDP, or the usual transport of each protocol.
    pub transport: TransportChoice,
    /// Whether messages are completed.
    pub content: Content,
    /// Apps that the user named as servers. This overrides all clues in the rows.
    pub servers: Vec<App>,
    /// Whether one running server receives all rows. Each client then has one connection, on which it sends its rows to
    /// all apps.
    pub to_one_server: bool,
}

/// A connection between two apps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connection {
    /// The app that opens the connection.
    pub client: App,
    /// The app that accepts the connection.
    pub server: App,
    /// TCP or UDP.
    pub transport: Transport,
}

/// A row, and its connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedRow {
    /// The row. Its message is completed if the options ask for that.
    pub row: Row,
    /// Index into [`SendPlan::connections`].
    pub connection: usize,
    /// The sending side.
    pub from: Side,
}

/// Why rows cannot be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// More than [`CONNECTIONS_MAX`].
    #[error("line {line}: more than {CONNECTIONS_MAX} connections would be open at once: send the file in parts")]
    Connections {
        /// Line of the row that needs another connection.
        line: u64,
    },
    /// More than [`ROWS_MAX_BYTES`].
    #[error(
        "line {line}: the rows up to this line take more than {ROWS_MAX_BYTES} bytes of memory: send the file in parts"
    )]
    Bytes {
        /// Line of the row that exceeds the limit.
        line: u64,
    },
    /// Longer than [`PLAY_MAX`].
    #[error("the rows take {} s, more than {} s: give a --speed, or max", .0.as_secs(), PLAY_MAX.as_secs())]
    TooLong(Duration),
}

/// Rows in the order of the file, each on the connection of its two apps. [`build`] finds the same connections and
/// servers.
#[derive(Clone, Debug)]
pub struct SendPlan {
    connections: Vec<Connection>,
    rows: Vec<PlannedRow>,
}

impl SendPlan {
    /// Finds the connections that `rows` need.
    ///
    /// # Errors
    ///
    /// [`PlanError::Connections`] above [`CONNECTIONS_MAX`].
    pub fn new(rows: Vec<Row>, options: &PlanOptions) -> Result<Self, PlanError> {
        let mut matcher = Matcher::default();
        let mut clues: Vec<(Clues, [u32; 2], Transport)> = Vec::new();
        let mut flow_matches = Vec::with_capacity(rows.len());
        for row in &rows {
            let line = row.line;
            let too_many = || PlanError::Connections { line };
            let transport = options.transport.of(&row.protocol);
            let row = &row.into();
            let flow_match = matcher.match_row(row, transport).ok_or_else(too_many)?;
            if flow_match.is_new {
                if clues.len() == CONNECTIONS_MAX {
                    return Err(too_many());
                }
                clues.push((Clues::new(row, flow_match), matcher.pair(flow_match.flow).0, transport));
            }
            clues[flow_match.flow as usize].0.add_row(row, flow_match);
            flow_matches.push(flow_match);
        }
        let apps = matcher.apps();
        let mut roles = Roles::new(options.servers.clone());
        let servers = clues.iter().zip(matcher.ports()).map(|((clues, pair, _), ports)| {
            let pair = pair.map(|app| &apps[app as usize]);
            roles.decide_server(clues, pair, ports)
        });
        let servers: Vec<usize> = servers.collect();
        let connections = clues.iter().zip(&servers).map(|((_, pair, transport), server)| {
            let app = |index: usize| apps[pair[index] as usize].clone();
            Connection { client: app(1 - server), server: app(*server), transport: *transport }
        });
        let mut plan = Self { connections: connections.collect(), rows: Vec::with_capacity(rows.len()) };
        for (mut row, flow_match) in rows.into_iter().zip(flow_matches) {
            if let std::borrow::Cow::Owned(completed) = build::payload(&(&row).into(), options.content) {
                row.message = completed;
            }
            let connection = flow_match.flow as usize;
            let from = if flow_match.sender == servers[connection] { Side::Server } else { Side::Client };
            plan.rows.push(PlannedRow { row, connection, from });
        }
        if options.to_one_server {
            plan.move_to_one_server(&options.servers)?;
        }
        Ok(plan)
    }

    /// Gives each client one connection for all its rows, or one for each of its ports if the rows give ports.
    ///
    /// The apps in `named` are servers. Without such apps, each app that never is a client is a server.
    fn move_to_one_server(&mut self, named: &[App]) -> Result<(), PlanError> {
        let pair_connections = std::mem::take(&mut self.connections);
        let clients: HashSet<&App> = pair_connections.iter().map(|connection| &connection.client).collect();
        let is_server = |app: &App| if named.is_empty() { !clients.contains(app) } else { named.contains(app) };
        let first_server = pair_connections.iter().map(|connection| &connection.server).find(|app| is_server(app));
        let default_server = named.first().or(first_server);
        let mut connection_indices = HashMap::new();
        for planned in &mut self.rows {
            let transport = pair_connections[planned.connection].transport;
            let Row { source, destination, source_port, destination_port, line, .. } = &planned.row;
            let (client, client_port, peer) = if is_server(source) {
                planned.from = Side::Server;
                (destination, destination_port, source)
            } else {
                planned.from = Side::Client;
                (source, source_port, destination)
            };
            // A row from one client to another goes to the server, too.
            let server = if is_server(peer) { peer } else { default_server.unwrap_or(peer) };
            let key = (client.clone(), *client_port, transport);
            planned.connection = *connection_indices.entry(key).or_insert_with(|| {
                self.connections.push(Connection { client: client.clone(), server: server.clone(), transport });
                self.connections.len() - 1
            });
            if self.connections.len() > CONNECTIONS_MAX {
                return Err(PlanError::Connections { line: *line });
            }
        }
        Ok(())
    }

    /// The connections, in the order in which they are opened.
    #[must_use]
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The rows, in the order of the file.
    #[must_use]
    pub fn rows(&self) -> &[PlannedRow] {
        &self.rows
    }

    /// Duration of the play at a speed.
    ///
    /// # Errors
    ///
    /// [`PlanError::TooLong`] above [`PLAY_MAX`].
    pub fn duration(&self, speed: Speed) -> Result<Duration, PlanError> {
        let duration = speed.scale(self.span());
        if duration > PLAY_MAX { Err(PlanError::TooLong(duration)) } else { Ok(duration) }
    }

    /// Duration of the play at speed 1: from the time of the first row to the latest time of a row.
    #[must_use]
    pub fn span(&self) -> Duration {
        let first = self.rows.first().map(|planned| planned.row.time);
        let latest = self.rows.iter().map(|planned| planned.row.time).max();
        latest.zip(first).and_then(|(latest, first)| latest.since(first)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{RowOptions, RowReader};

    fn plan_with(rows: &str, options: &PlanOptions) -> SendPlan {
        let csv = format!("protocol,src,dst,src_port,dst_port,message,time\n{rows}");
        let rows = RowReader::new(csv.as_bytes(), RowOptions::default()).collect::<Result<_, _>>();
        SendPlan::new(rows.expect("the rows have no errors"), options).expect("the rows exceed no limit")
    }

    fn plan(rows: &str) -> SendPlan {
        plan_with(rows, &PlanOptions::default())
    }

    /// The client and the server of each connection, separated by a space; for each row, its connection and whether the
    /// client sends the row.
    fn shape(plan: &SendPlan) -> (Vec<String>, Vec<(usize, bool)>) {
        let pairs = plan.connections().iter().map(|connection| format!("{} {}", connection.client, connection.server));
        let rows = plan.rows().iter().map(|planned| (planned.connection, planned.from == Side::Client));
        (pairs.collect(), rows.collect())
    }

    #[test]
    fn each_pair_of_apps_and_transport_has_one_connection_and_rows_keep_their_order() {
        let plan = plan("CHAT,Noy,Elias,,,b,2\nCHAT,Elias,Noy,,,a,1\nCHAT,Noy,Dana,,,c,2\nDNS,Noy,Elias,,,d,3\n");
        let (pairs, rows) = shape(&plan);
        assert_eq!(pairs, ["Noy Elias", "Noy Dana", "Noy Elias"]);
        assert_eq!(plan.connections()[2].transport, Transport::Udp);
        assert_eq!(rows, [(0, true), (0, false), (1, true), (2, true)]);
        assert_eq!(plan.span(), Duration::from_secs(1));
    }

    #[test]
    fn weight_includes_memory_besides_the_message() {
        let plan = plan("CHAT,a,b,,,,1\nCHAT,a,b,,,four,1\n");
        let [empty, four] = [0, 1].map(|at: usize| weight(&plan.rows()[at].row));
        assert!(empty >= size_of::<PlannedRow>() && four == empty + 4);
        assert!(1_500_000 * empty > ROWS_MAX_BYTES, "1,500,000 empty rows exceed the limit");
    }

    #[test]
    fn rows_with_different_ports_use_different_connections() {
        let plan = plan("HTTP,a,b,9001,80,x,1\nHTTP,b,a,80,9001,y,2\nHTTP,a,b,9002,80,z,3\n");
        assert_eq!(shape(&plan).1, [(0, true), (0, false), (1, true)]);
    }

    /// A chat through a server, as people write it down: the last two rows name the two users instead of the server.
    const CHAT: &str = "CHAT,Noy,Server,,,hello,1\nCHAT,Server,Elias,,,Noy is here,2\nCHAT,Elias,Server,,,ok,3\n\
                        CHAT,Noy,Elias,,,hi,4\nCHAT,Elias,Noy,,,hi Noy,5\n";

    #[test]
    fn servers_are_those_that_build_finds() {
        let plan = plan(CHAT);
        assert_eq!(shape(&plan).0, ["Noy Server", "Elias Server", "Noy Elias"]);
        let response_first = plan_with("HTTP,web,pc,,,200 OK,1\nHTTP,pc,web,,,GET /,2\n", &PlanOptions::default());
        assert_eq!(shape(&response_first), (vec!["pc web".to_owned()], vec![(0, false), (0, true)]));
        let named = PlanOptions { servers: vec!["Noy".parse().expect("a name")], ..PlanOptions::default() };
        assert_eq!(shape(&plan_with(CHAT, &named)).0, ["Server Noy", "Server Elias", "Elias Noy"]);
    }

    #[test]
    fn to_one_server_each_app_has_one_connection() {
        let options = PlanOptions { to_one_server: true, ..PlanOptions::default() };
        let (pairs, rows) = shape(&plan_with(CHAT, &options));
        assert_eq!(pairs, ["Noy Server", "Elias Server"]);
        assert_eq!(rows, [(0, true), (1, false), (1, true), (0, true), (1, true)]);
        // If an app is named, only this app is a server.
        let named = PlanOptions { servers: vec!["Elias".parse().expect("a name")], ..options.clone() };
        let (pairs, rows) = shape(&plan_with(CHAT, &named));
        assert_eq!(pairs, ["Noy Elias", "Server Elias"]);
        assert_eq!(rows, [(0, true), (1, true), (1, false), (0, true), (0, false)]);
        // If the rows give ports, a client has a connection for each of its ports.
        let rows = "HTTP,a,b,9001,80,x,1\nHTTP,b,a,80,9001,y,2\nHTTP,a,b,9002,80,z,3\n";
        assert_eq!(shape(&plan_with(rows, &options)).0, ["a b", "a b"]);
    }

    #[test]
    fn planned_message_is_completed_on_request() {
        let options = PlanOptions { content: Content::Complete, ..PlanOptions::default() };
        assert_eq!(plan_with("CHAT,a,b,,,hi,1\n", &options).rows()[0].row.message, b"hi\n");
    }
}
