//! A server without listeners, which polls its connections in the order of their wake-ups.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use switchboard_protocol::Dialect;
use tokio::time::Instant;

use super::super::Connection;
use super::mock_socket::MockSocket;
use crate::admission::Admission;
use crate::hub::Hub;
use crate::settings::Settings;
use crate::speaker::Speaker;

/// A server without listeners.
pub(super) struct TestServer {
    pub(super) hub: Arc<Hub>,
    admission: Arc<Admission>,
    dialect: Dialect,
    pub(super) connections: Vec<Option<Connection>>,
    pub(super) run_queue: RunQueue,
}

impl TestServer {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self::with_settings(dialect, Settings::default())
    }

    pub(super) fn with_settings(dialect: Dialect, settings: Settings) -> Self {
        let admission = Admission::new(&settings);
        let hub = Arc::new(Hub::new(settings));
        Self { hub, admission, dialect, connections: Vec::new(), run_queue: RunQueue::default() }
    }

    /// A server and two sessions that can send messages to each other.
    pub(super) fn with_two_users(dialect: Dialect) -> (Self, MockSocket, MockSocket) {
        let mut server = Self::new(dialect);
        let (noy, elias) = (server.admit(), server.admit());
        let input: [(&MockSocket, &[&str]); 2] = match dialect {
            Dialect::Commands => [(&elias, &["REGISTER Elias\n"]), (&noy, &["REGISTER Noy\n", "CONNECT Elias\n"])],
            Dialect::Line => [(&elias, &["Elias\n"]), (&noy, &["Noy\n"])],
        };
        for (socket, lines) in input {
            socket.send(lines.iter().map(ToString::to_string));
            server.run();
        }
        noy.take_calls();
        elias.take_calls();
        (server, noy, elias)
    }

    pub(super) fn admit(&mut self) -> MockSocket {
        let socket = MockSocket::default();
        let permit = self.admission.admit((Ipv4Addr::LOCALHOST, 0).into()).expect("there is room");
        let (id, outbox) = self.hub.admit(self.dialect, socket.clone(), Instant::now());
        let speaker = Speaker::new(id, self.dialect, self.hub.settings.line_bytes);
        let index = self.connections.len();
        self.connections.push(Some(Connection::new(Arc::clone(&self.hub), speaker, outbox, permit)));
        self.run_queue.lock().expect("no holder of the lock panics").push_back(index);
        socket
    }

    /// Polls woken connections until none is left.
    pub(super) fn run(&mut self) {
        while self.step() {}
    }

    /// Polls the connection that was woken first. Returns false if none was woken.
    pub(super) fn step(&mut self) -> bool {
        let Some(index) = self.run_queue.lock().expect("no holder of the lock panics").pop_front() else {
            return false;
        };
        if let Some(connection) = &mut self.connections[index] {
            let waker = Waker::from(Arc::new(TaskWaker { index, run_queue: Arc::clone(&self.run_queue) }));
            if Pin::new(connection).poll(&mut Context::from_waker(&waker)).is_ready() {
                self.connections[index] = None;
            }
        }
        true
    }
}

/// Indices of woken connections, in order and without duplicates.
pub(super) type RunQueue = Arc<Mutex<VecDeque<usize>>>;

struct TaskWaker {
    index: usize,
    run_queue: RunQueue,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut run_queue = self.run_queue.lock().expect("no holder of the lock panics");
        if !run_queue.contains(&self.index) {
            run_queue.push_back(self.index);
        }
    }
}
