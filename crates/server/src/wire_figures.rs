//! The figures of a connection that `WIRE` shows: its transport, and what the system knows of its TCP (`protocol.md`
//! §15.7).

use std::fmt::Write as _;

use crate::socket::Socket;
#[cfg(target_os = "linux")]
use crate::tcp_info::TcpInfo;

/// The figures of a socket, as words of `WIRE_OK`. A word is left out if the system does not report its value.
pub(crate) fn of(socket: &dyn Socket) -> String {
    let mut words = String::new();
    if let Some(transport) = socket.transport() {
        let _ = write!(words, "transport={}", transport.word());
    }
    #[cfg(target_os = "linux")]
    if let Some(info) = socket.tcp().and_then(TcpInfo::read) {
        append(&info, &mut words);
    }
    words
}

/// Declares each word with the field of `tcp_info` that has its value.
#[cfg(target_os = "linux")]
macro_rules! append_fields {
    ($info:expr, $words:expr, $($word:literal: $field:ident;)*) => {
        $(
            let end = std::mem::offset_of!(libc::tcp_info, $field) + size_of_val(&$info.fields().$field);
            if end <= $info.reported_bytes() {
                let _ = write!($words, concat!(" ", $word, "={}"), $info.fields().$field);
            }
        )*
    };
}

/// Appends the words of the fields that the kernel has reported.
#[cfg(target_os = "linux")]
fn append(info: &TcpInfo, words: &mut String) {
    append_fields! { info, words,
        "rtt_us": tcpi_rtt;
        "rttvar_us": tcpi_rttvar;
        "rto_us": tcpi_rto;
        "mss": tcpi_snd_mss;
        "cwnd": tcpi_snd_cwnd;
        "unacked": tcpi_unacked;
        "retransmitted": tcpi_total_retrans;
        "sent_bytes": tcpi_bytes_sent;
        "acked_bytes": tcpi_bytes_acked;
        "received_bytes": tcpi_bytes_received;
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn fields_that_an_old_kernel_does_not_report_are_left_out() {
        let fields = |zero| libc::tcp_info {
            tcpi_rtt: 41,
            tcpi_rttvar: 7,
            tcpi_rto: 204_000,
            tcpi_snd_mss: 1448,
            tcpi_snd_cwnd: 10,
            tcpi_unacked: 2,
            tcpi_total_retrans: 3,
            tcpi_bytes_sent: 500,
            tcpi_bytes_acked: 400,
            tcpi_bytes_received: 300,
            ..zero
        };
        let words_of = |reported_bytes| {
            let mut words = String::new();
            append(&TcpInfo::sample(fields, reported_bytes), &mut words);
            words
        };
        let all = " rtt_us=41 rttvar_us=7 rto_us=204000 mss=1448 cwnd=10 unacked=2 retransmitted=3 sent_bytes=500 \
            acked_bytes=400 received_bytes=300";
        assert_eq!(words_of(size_of::<libc::tcp_info>()), all);
        // Linux reports the sent bytes since version 4.19.
        let sent_bytes = std::mem::offset_of!(libc::tcp_info, tcpi_bytes_sent);
        assert_eq!(words_of(sent_bytes + 7), all.replace(" sent_bytes=500", ""));
        assert_eq!(words_of(0), "");
    }
}
