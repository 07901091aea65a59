//! The reasons for differences between synthesised and captured frames.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// Known behaviour of a kernel, or of a sending program, that explains a difference.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Reason {
    /// Initial sequence numbers, timestamps and identifications are random.
    #[error(
        "it starts at a random value, so that nobody can guess it; later values are compared relative to the start"
    )]
    RandomStart,
    /// The MAC addresses of loopback are zero.
    #[error("loopback has no hardware, so both MAC addresses are zero")]
    LoopbackHasNoMac,
    /// The MAC address of a real interface.
    #[error("the captured address is that of a real interface; the synthesised address is invented")]
    Interface,
    /// The link types differ.
    #[error("the capture is from an interface of another kind; `encap build --link` selects a kind")]
    LinkType,
    /// The captured frame is not padded.
    #[error("only Ethernet pads short frames to a minimum length; loopback pads nothing")]
    NotPadded,
    /// The captured conversation used loopback addresses.
    #[error("both ends were on one machine, at its loopback address; the build gives each app its own address")]
    Loopback,
    /// The synthesised address is invented.
    #[error("the build invents an address for an app that has none")]
    InventedAddress,
    /// IPv4 and IPv6 differ.
    #[error("the rows were sent over another version of IP than the build used")]
    IpVersion,
    /// The client has an ephemeral port.
    #[error("the kernel gives each client a free port")]
    EphemeralPort,
    /// `encap send` listens on a free port.
    #[error("`encap send` listens on a free port, so that it disturbs no other program")]
    FreePort,
    /// Initial hop limits differ between systems.
    #[error("each system starts with its own value (Linux and macOS 64, Windows 128), and each router subtracts one")]
    HopLimit,
    /// A socket with several peers has no identification counter of its own.
    #[error(
        "a socket that serves several peers has no counter of its own: its packets take numbers from a shared counter, \
         which grows by random steps"
    )]
    SharedCounter,
    /// Packets with DF set have no identification (RFC 6864 §4.1).
    #[error(
        "a packet that must not be fragmented needs no identification (RFC 6864 §4.1), and this system sets it to 0"
    )]
    NoIdentification,
    /// The sender counts the packets of its connection.
    #[error(
        "this number counts the packets of the connection, and the two recordings have different numbers of \
         packets before this one"
    )]
    PacketCount,
    /// IPv6 flow labels are random (RFC 6437).
    #[error("each flow has a random label (RFC 6437)")]
    FlowLabel,
    /// The MSS follows the MTU of the interface.
    #[error("it is the MTU of the interface, here {mtu} bytes, minus the headers of IP and TCP (RFC 9293 §3.7.1)")]
    Mtu {
        /// The MTU, in bytes.
        mtu: u32,
    },
    /// The MSS follows the MTU of loopback.
    #[error(
        "the MTU of loopback exceeds the longest IP packet; the MSS is 65,535 bytes minus the headers of IP and TCP"
    )]
    LoopbackMtu,
    /// The window follows the receive buffer.
    #[error(
        "it follows the receive buffer, whose size depends on the kernel's settings (net.ipv4.tcp_rmem), on the MSS of \
         the interface, and on the traffic so far"
    )]
    ReceiveBuffer,
    /// The receive buffer was full: a zero window.
    #[error(
        "the receive buffer was full: the peer had filled the offered window, and the program had not read the data yet"
    )]
    ZeroWindow,
    /// The build had `--options none`.
    #[error("the build was asked to set no options (`--options none`)")]
    WithoutOptions,
    /// The timestamp follows the clock of the kernel, in milliseconds.
    #[error("it is a clock, in milliseconds, and the segment was sent at another time")]
    Clock,
    /// The timestamp echo repeats a timestamp of the peer.
    #[error("it echoes the clock of an earlier segment from the other side")]
    EchoOfClock,
    /// TCP or UDP checksum offload.
    #[error(
        "the kernel left the checksum to the network card (loopback has none): the field holds only the sum of the \
         pseudo-header"
    )]
    Offload,
    /// IPv4 header checksum offload.
    #[error("this system left the checksum of the IPv4 header to the network card, too, so the field is zero")]
    HeaderOffload,
    /// The segments are cut at other places.
    #[error("the MSS limits each segment, and a kernel also cuts where its buffer or the window of the peer ends")]
    Segmentation,
    /// The kernel coalesced the data of several rows.
    #[error("rows are not packets: a kernel sends all data in its buffer together")]
    Coalesced,
    /// The kernel set PSH before the end of a message.
    #[error("a kernel also sets PSH at the end of each write of the program, and after half a window")]
    PushedEarlier,
    /// A data segment carried the delayed acknowledgment.
    #[error("the next data of this side carried the acknowledgment, before the timer for a bare one (40 ms) expired")]
    AckWithData,
    /// One acknowledgment covers several segments.
    #[error("one acknowledgment covers all bytes that have arrived, and here a different number of bytes had arrived")]
    AckMerged,
    /// The kernel sent a quick acknowledgment.
    #[error(
        "at the start of a connection and after a pause, a kernel acknowledges at once (quick acknowledgments), \
         without waiting for data that can carry the acknowledgment"
    )]
    QuickAck,
    /// The timer of a delayed acknowledgment expired.
    #[error("an acknowledgment waits up to 40 ms for data to carry it, and this side sent no data in this time")]
    DelayedAck,
    /// The kernel acknowledged the FIN before its program closed the other direction.
    #[error("the kernel acknowledged the FIN before its program closed the other direction")]
    AckOfFin,
    /// The FIN carries data.
    #[error("the program closed before the kernel had sent the last data, so the FIN and the data left together")]
    FinWithData,
    /// A window update.
    #[error("it announces a new window: the program has read data, or the buffer has grown")]
    WindowUpdate,
    /// A retransmission.
    #[error("it was sent again, because no acknowledgment came in time")]
    Retransmission,
    /// The acknowledgment and newer data of the peer crossed each other on the way.
    #[error("the latest data of the other side was still on its way")]
    Crossed,
    /// `encap send` keeps connections open until the last row.
    #[error(
        "`encap send` closes every connection after the last row of the file; the build closes each one after its own \
         last row"
    )]
    HeldOpen,
    /// A synthesised connection opens before its first row is due.
    #[error("the build opens a connection before its first row is due; `encap send` opens it when the row is due")]
    OpensEarlier,
    /// The sender woke up late.
    #[error(
        "a sleeping program wakes a little late, and a handshake takes time; this can also delay the first row, from \
         which all times count"
    )]
    LateWakeup,
    /// The rows were sent at another speed.
    #[error("the rows were sent at another speed, or the machine was busy")]
    OtherSpeed,
    /// The snapshot length truncated the captured frame.
    #[error("the capture kept only the beginning of the frame")]
    Truncated,
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Up to this difference between its two times, a message counts as late because of a late wakeup. Above it, the rows
/// were sent at another speed.
pub(super) const LATENESS_MAX: Duration = Duration::from_millis(20);
