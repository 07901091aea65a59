//! The codes of Close frames.

/// Why a WebSocket ends (RFC 6455 §7.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The session has ended as intended.
    pub const NORMAL: Self = Self(1000);
    /// The server is stopping, or the page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The frames break RFC 6455.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The message has a type that is not accepted: only text is.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// The reason in a Close frame is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// The message breaks a rule of this server.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// The message is too long.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);

    /// The number, as in the frame.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The code with this number, if a Close frame may hold it: a registered one, or one for libraries and applications
    /// (RFC 6455 §7.4.2).
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        let is_allowed = matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999);
        is_allowed.then_some(Self(number))
    }
}
