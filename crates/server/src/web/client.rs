//! The client of an HTTP request: where it is, and how its bytes travel.

use std::net::SocketAddr;

use crate::identity::secure_transport::Transport;

/// The client of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    /// The client speaks HTTPS.
    pub(super) is_https: bool,
}

impl Client {
    pub(super) fn transport(self) -> Transport {
        if self.is_https { Transport::Tls(self.address) } else { Transport::Tcp(self.address) }
    }

    /// Whether nobody between the two ends can read or change the page.
    pub(super) fn is_private(self) -> bool {
        self.transport().is_secure()
    }
}
