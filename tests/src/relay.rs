//! A relay between a client and a server, which a test can cut as a failing network does.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Passes bytes between each connection that it accepts and one of its own to the server.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<Mutex<RelayState>>,
    /// Whether bytes of the server are dropped.
    loses_answers: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct RelayState {
    is_cut: bool,
    streams: Vec<TcpStream>,
}

impl Relay {
    /// Starts a relay to a server.
    ///
    /// # Panics
    ///
    /// If no port is free.
    #[must_use]
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Arc::<Mutex<RelayState>>::default();
        let loses_answers = Arc::<AtomicBool>::default();
        let (shared, loses) = (Arc::clone(&state), Arc::clone(&loses_answers));
        // The thread lives as long as the test, whose process ends it.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
                // Dropping the connection closes it.
                if !state.is_cut
                    && let Ok(streams) = connect(client, server, &loses)
                {
                    state.streams.extend(streams);
                }
            }
        });
        Self { address, state, loses_answers }
    }

    /// The address for clients.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Drops all bytes of the server from now on, as a network that fails in one direction. The server still gets those
    /// of its clients. Lasts until `restore`.
    pub fn lose_answers(&self) {
        self.loses_answers.store(true, Ordering::SeqCst);
    }

    /// Ends all connections, and refuses others.
    pub fn cut(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_cut = true;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Accepts connections again.
    pub fn restore(&self) {
        self.loses_answers.store(false, Ordering::SeqCst);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_cut = false;
    }
}

/// Connects a client with the server. Returns both connections, by which they can be ended.
fn connect(client: TcpStream, server: SocketAddr, loses_answers: &Arc<AtomicBool>) -> io::Result<[TcpStream; 2]> {
    let server = TcpStream::connect(server)?;
    let ends = [client.try_clone()?, server.try_clone()?];
    pass(client.try_clone()?, server.try_clone()?, Arc::default());
    pass(server, client, Arc::clone(loses_answers));
    Ok(ends)
}

/// Passes bytes in one direction until it ends, or drops them.
fn pass(mut from: TcpStream, mut to: TcpStream, is_lossy: Arc<AtomicBool>) {
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if !is_lossy.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
