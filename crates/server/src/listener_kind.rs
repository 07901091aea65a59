//! The kinds of listeners, each with its setting and with its name for a service manager.

/// A kind of listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ListenerKind {
    /// Sessions of the commands dialect.
    Commands,
    /// Sessions of the line dialect.
    Line,
    /// Sessions of the commands dialect over TLS.
    Tls,
    /// Browsers: the page and WebSockets.
    Web,
}

impl ListenerKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Commands, Self::Line, Self::Tls, Self::Web];

    /// The name of a passed socket of this kind (`FileDescriptorName=` in a socket unit).
    #[must_use]
    pub const fn socket_name(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Line => "line",
            Self::Tls => "tls",
            Self::Web => "web",
        }
    }

    /// The setting with the addresses of this kind.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Commands => "listen",
            Self::Line => "listen-line",
            Self::Tls => "listen-tls",
            Self::Web => "listen-web",
        }
    }
}
