//! What the system knows about a TCP connection, and about the bytes that its peer has not acknowledged.
//!
//! A socket takes bytes long before the peer has them: the kernel may hold megabytes. So progress is measured by the
//! peer's acknowledgements (RFC 9293 §3.4), which only the kernel sees.

use std::time::Duration;

use tokio::net::TcpStream;

/// Whether this system reports acknowledgements.
pub(crate) const IS_AVAILABLE: bool = cfg!(target_os = "linux");

/// The state of the sending direction of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SendState {
    /// Bytes that the peer has acknowledged since the connection opened.
    pub(crate) acked_bytes: u64,
    /// Whether the kernel holds bytes that the peer has not acknowledged.
    pub(crate) has_unacked_bytes: bool,
    /// Whether the kernel may send no byte until the peer opens its receive window.
    pub(crate) is_window_closed: bool,
    /// Whether the peer answers zero-window probes (RFC 9293 §3.8.6.1) and retransmissions. One probe may be lost.
    pub(crate) is_answered: bool,
    /// Time since the peer's last acknowledgement. An answer to a probe counts.
    pub(crate) silence: Duration,
}

/// What the kernel reports of a connection.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
pub(crate) struct TcpInfo {
    info: libc::tcp_info,
    /// The kernel has reported so many bytes of `info`. The rest is zero.
    len: usize,
}

#[cfg(target_os = "linux")]
impl TcpInfo {
    /// Asks the kernel. `None` if it does not answer, for example because the connection has ended.
    #[expect(unsafe_code, reason = "std, socket2 and rustix do not read TCP_INFO")]
    pub(crate) fn read(socket: &TcpStream) -> Option<Self> {
        use std::os::fd::AsRawFd as _;

        // SAFETY: `tcp_info` is a struct of integers, so all zeros are a valid value. An older kernel writes a shorter
        // struct, and leaves the rest as it is.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut len = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
        let fd = socket.as_raw_fd();
        // SAFETY: the pointers come from live, exclusive local variables, and `getsockopt` writes at most `len` bytes.
        let result =
            unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut len) };
        (result == 0).then(|| Self { info, len: usize::try_from(len).unwrap_or_default() })
    }

    /// The fields. Those that the kernel has not reported are zero.
    pub(crate) fn fields(&self) -> &libc::tcp_info {
        &self.info
    }

    /// The number of bytes of the fields that the kernel has reported.
    pub(crate) fn reported_bytes(&self) -> usize {
        self.len
    }
}

/// The time since the peer's last byte of data. `None` if the system does not report it.
#[cfg(target_os = "linux")]
pub(crate) fn idle(socket: &TcpStream) -> Option<Duration> {
    TcpInfo::read(socket).map(|TcpInfo { info, .. }| Duration::from_millis(info.tcpi_last_data_recv.into()))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn idle(_socket: &TcpStream) -> Option<Duration> {
    None
}

/// The state of the sending direction. `None` if the system does not report it.
#[cfg(target_os = "linux")]
pub(crate) fn send_state(socket: &TcpStream) -> Option<SendState> {
    TcpInfo::read(socket).map(|TcpInfo { info, len }| interpret(&info, len))
}

/// Number of unanswered zero-window probes that shows a silent peer. One probe may be lost, and the next may follow
/// only two minutes later.
#[cfg(target_os = "linux")]
const SILENT_PROBES: u8 = 2;

/// The state that a kernel has reported in the first `len` bytes of `info`.
#[cfg(target_os = "linux")]
fn interpret(info: &libc::tcp_info, len: usize) -> SendState {
    // Linux reports the window since version 5.4.
    let has_window = len >= std::mem::offset_of!(libc::tcp_info, tcpi_snd_wnd) + size_of_val(&info.tcpi_snd_wnd);
    SendState {
        acked_bytes: info.tcpi_bytes_acked,
        has_unacked_bytes: info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0,
        // A receiver that shrinks its window may leave bytes in flight. If the window is too small for the next
        // segment, no byte is in flight.
        is_window_closed: (has_window && info.tcpi_snd_wnd == 0)
            || (info.tcpi_unacked == 0 && info.tcpi_notsent_bytes > 0),
        is_answered: info.tcpi_probes < SILENT_PROBES
            && (info.tcpi_unacked == 0 || info.tcpi_last_ack_recv <= info.tcpi_last_data_sent),
        silence: Duration::from_millis(info.tcpi_last_ack_recv.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn send_state(_socket: &TcpStream) -> Option<SendState> {
    None
}

#[cfg(all(test, target_os = "linux"))]
impl TcpInfo {
    /// The report of a kernel that knows the first `len` bytes of these fields.
    pub(crate) fn sample(fields: impl FnOnce(libc::tcp_info) -> libc::tcp_info, len: usize) -> Self {
        // SAFETY: `tcp_info` is a struct of integers, so all zeros are a valid value.
        #[expect(unsafe_code, reason = "`tcp_info` has no default value")]
        let zero: libc::tcp_info = unsafe { std::mem::zeroed() };
        Self { info: fields(zero), len }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// What a kernel reports that has sent all bytes but not received their acknowledgements.
    fn info() -> libc::tcp_info {
        let fields = |zero| libc::tcp_info { tcpi_unacked: 1, tcpi_snd_wnd: 1000, ..zero };
        TcpInfo::sample(fields, 0).info
    }

    #[test]
    fn one_lost_probe_is_no_silence() {
        for (probes, is_answered) in [(0, true), (1, true), (2, false), (9, false)] {
            let info = libc::tcp_info { tcpi_probes: probes, tcpi_snd_wnd: 0, ..info() };
            let state = interpret(&info, size_of::<libc::tcp_info>());
            assert_eq!((state.is_answered, state.is_window_closed), (is_answered, true), "{probes} unanswered probes");
        }
    }

    #[test]
    fn window_that_an_old_kernel_does_not_report_counts_as_open() {
        let window = std::mem::offset_of!(libc::tcp_info, tcpi_snd_wnd);
        let info = libc::tcp_info { tcpi_snd_wnd: 0, ..info() };
        assert!(!interpret(&info, window).is_window_closed, "the window is not reported");
        assert!(interpret(&info, window + size_of::<u32>()).is_window_closed);
        let info = libc::tcp_info { tcpi_unacked: 0, tcpi_notsent_bytes: 1, ..info };
        assert!(interpret(&info, window).is_window_closed, "unsent bytes, and none in flight");
    }
}
