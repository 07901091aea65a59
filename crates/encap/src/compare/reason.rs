//! The reasons for differences between synthesised and captured frames.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// Known behaviour of a kernel, or of a sending program, that explains a difference.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Reason {
    /// Initial sequence numbers, timestamps and identifications are random.
    #[error("its beginning is random, so that nobody can guess it: what follows is compared relative to it")]
    RandomStart,
    /// The MAC addresses of loopback are zero.
    #[error("loopback has no hardware, so no address of it: both are zero")]
    LoopbackHasNoMac,
    /// The MAC address of a real interface.
    #[error("the captured one is that of a real interface; the synthesised one is made up")]
    Interface,
    /// The link types differ.
    #[error("the capture is from an interface of another kind; `encap build --link` makes several")]
    LinkType,
    /// The captured frame is not padded.
    #[error("only Ethernet has a least length, up to which it pads: nothing is padded on loopback")]
    NotPadded,
    /// The captured conversation used loopback addresses.
    #[error(
        "both ends were on one machine, at its loopback address; an app without an address is given one of its own"
    )]
    Loopback,
    /// The synthesised address is invented.
    #[error("an app without an address is given one that is made up")]
    InventedAddress,
    /// IPv4 and IPv6 differ.
    #[error("the rows were sent over another version of IP than was asked for here")]
    IpVersion,
    /// The client has an ephemeral port.
    #[error("the kernel gives a client whichever port is free")]
    EphemeralPort,
    /// `encap send` listens on a free port.
    #[error(
        "`encap send` listens on a port that is free, as it may not be a server's own, and disturbs no other program"
    )]
    FreePort,
    /// Initial hop limits differ between systems.
    #[error(
        "each system begins with a number of its own (Linux and macOS 64, Windows 128), and each router takes one off"
    )]
    HopLimit,
    /// A socket with several peers has no identification counter.
    #[error(
        "a socket that serves several peers counts none of them: its packets have numbers of a common counter that \
         goes on by chance"
    )]
    SharedCounter,
    /// Packets with DF set have no identification (RFC 6864 §4.1).
    #[error("a packet that is not to be fragmented needs no number (RFC 6864 §4.1), and this system gives it none")]
    NoIdentification,
    /// The sender counts the packets of its connection.
    #[error("it counts the packets of its connection, and there were more before it, or fewer")]
    PacketCount,
    /// IPv6 flow labels are random (RFC 6437).
    #[error("it is a random number for each flow (RFC 6437)")]
    FlowLabel,
    /// The MSS follows the MTU of the interface.
    #[error("it is the MTU of the interface, here {mtu} bytes, without the headers of IP and TCP (RFC 9293 §3.7.1)")]
    Mtu {
        /// The MTU, in bytes.
        mtu: u32,
    },
    /// The MSS follows the MTU of loopback.
    #[error(
        "loopback has an MTU of 65,536, more than an IP packet may have: 65,535, without the headers of IP and TCP"
    )]
    LoopbackMtu,
    /// The window follows the receive buffer.
    #[error(
        "it follows the receive buffer, which the kernel sizes by its settings (net.ipv4.tcp_rmem), the interface's \
         MSS and what it learns"
    )]
    ReceiveBuffer,
    /// The receive buffer was full: a zero window.
    #[error("the receive buffer was full: all that had been offered was sent, and no program had read it yet")]
    ZeroWindow,
    /// The build had `--options none`.
    #[error("the synthesised ones were asked to have no options")]
    WithoutOptions,
    /// The timestamp follows the clock of the kernel, in milliseconds.
    #[error("it is a clock, in milliseconds: it tells that this was sent at another time, as its time does")]
    Clock,
    /// The timestamp echo repeats a timestamp of the peer.
    #[error("it echoes the clock of the last segment that the other side had sent")]
    EchoOfClock,
    /// TCP or UDP checksum offload.
    #[error(
        "the sum was left to the network card, which loopback has none of: the field has the pseudo-header's part of it"
    )]
    Offload,
    /// IPv4 header checksum offload.
    #[error("the sum of the header, too, was left to the network card by this system, and is zero")]
    HeaderOffload,
    /// The segments are cut at other places.
    #[error("segments are cut by the MSS, and a kernel cuts also where its buffer or the other's window ends")]
    Segmentation,
    /// The kernel coalesced the data of several rows.
    #[error("rows are not packets: what waits in a kernel's buffer leaves together")]
    Coalesced,
    /// The kernel set PSH before the end of a message.
    #[error("a kernel pushes also where the buffer that it was given ended, or half a window is reached")]
    PushedEarlier,
    /// A data segment carried the delayed acknowledgment.
    #[error("its number went along with what that side sent next, before the clock for a bare one (40 ms) ran out")]
    AckWithData,
    /// One acknowledgment covers several segments.
    #[error("one acknowledgment is for all that has arrived, and here more had, or less")]
    AckMerged,
    /// A quick acknowledgment.
    #[error(
        "a kernel acknowledges at once at the beginning of a connection and after a pause (quick acknowledgments), \
         and does not wait for data to go with"
    )]
    QuickAck,
    /// The timer of a delayed acknowledgment expired.
    #[error("that side sent nothing for longer than an acknowledgment waits for data to go with (40 ms)")]
    DelayedAck,
    /// The kernel acknowledged the FIN before its program closed the connection.
    #[error("the kernel acknowledged the FIN by itself, before its program closed its own side")]
    AckOfFin,
    /// The FIN carries data.
    #[error("the program closed before the kernel had sent its last data: they went together")]
    FinWithData,
    /// A window update.
    #[error("it says that the window is another one now, as a program has read, or the buffer has grown")]
    WindowUpdate,
    /// A retransmission.
    #[error("it was sent again: no acknowledgment had come in time")]
    Retransmission,
    /// The acknowledgment and newer data of the peer crossed on the way.
    #[error("what the other side had just sent was not taken in yet")]
    Crossed,
    /// `encap send` keeps connections open until the last row.
    #[error(
        "`encap send` ends all connections after the last row of all; the synthesised one ends after its own last row"
    )]
    HeldOpen,
    /// A synthesised connection opens before its first row is due.
    #[error("a synthesised connection is open when its first row is due; `encap send` opens it then")]
    OpensEarlier,
    /// The sender woke up late.
    #[error(
        "both times count from their first row: a program that sleeps until a row is due wakes a little later, the \
         first time too, and a handshake takes its time"
    )]
    LateWakeup,
    /// The rows were sent at another speed.
    #[error("the rows were played at another speed, or the machine was busy")]
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

/// Maximum difference between message times at the same speed.
pub(super) const LATENESS_MAX: Duration = Duration::from_millis(20);
