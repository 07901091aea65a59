//! Why a kernel's packets are not the ones that were made up.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// Why something is not the same: what a kernel is known to do, or a program that sends.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Reason {
    /// Initial numbers.
    #[error("its beginning is random, so that nobody can guess it: what follows is compared relative to it")]
    Random,
    /// Loopback's zeros.
    #[error("loopback has no hardware, so no address of it: both are zero")]
    LoopbackHasNoMac,
    /// Real interfaces.
    #[error("the captured one is that of a real interface; the synthesised one is made up")]
    Interface,
    /// Another link type.
    #[error("the capture is from an interface of another kind; `encap build --link` makes several")]
    LinkKind,
    /// No padding on loopback.
    #[error("only Ethernet has a least length, up to which it pads: nothing is padded on loopback")]
    NotPadded,
    /// Both ends on one machine.
    #[error(
        "both ends were on one machine, at its loopback address; an app without an address is given one of its own"
    )]
    Loopback,
    /// Other machines.
    #[error("an app without an address is given one that is made up")]
    MadeUpAddress,
    /// IPv4 instead of IPv6, or the other way round.
    #[error("the rows were sent over another version of IP than was asked for here")]
    OtherVersion,
    /// The client's port.
    #[error("the kernel gives a client whichever port is free")]
    EphemeralPort,
    /// The server's port.
    #[error(
        "`encap send` listens on a port that is free, as it may not be a server's own, and disturbs no other program"
    )]
    FreePort,
    /// Its hop limit.
    #[error(
        "each system begins with a number of its own (Linux and macOS 64, Windows 128), and each router takes one off"
    )]
    HopLimit,
    /// A socket with several peers has no counter.
    #[error(
        "a socket that serves several peers counts none of them: its packets have numbers of a common counter that goes on by chance"
    )]
    NotCounted,
    /// It does not count at all.
    #[error("a packet that is not to be fragmented needs no number (RFC 6864 §4.1), and this system gives it none")]
    NotNumbered,
    /// It counts its own packets.
    #[error("it counts the packets of its connection, and there were more before it, or fewer")]
    PacketCount,
    /// IPv6 flow labels.
    #[error("it is a random number for each flow (RFC 6437)")]
    FlowLabel,
    /// The MSS of another MTU.
    #[error("it is the MTU of the interface, here {mtu} bytes, without the headers of IP and TCP (RFC 9293 §3.7.1)")]
    Mtu {
        /// In bytes.
        mtu: u32,
    },
    /// The MSS of loopback.
    #[error(
        "loopback has an MTU of 65,536, more than an IP packet may have: 65,535, without the headers of IP and TCP"
    )]
    LoopbackMtu,
    /// Receive buffers.
    #[error(
        "it follows the receive buffer, which the kernel sizes by its settings (net.ipv4.tcp_rmem), the interface's MSS and what it learns"
    )]
    ReceiveBuffer,
    /// A zero window.
    #[error("the receive buffer was full: all that had been offered was sent, and no program had read it yet")]
    WindowUsedUp,
    /// `--options none`.
    #[error("the synthesised ones were asked to have no options")]
    WithoutOptions,
    /// A clock of milliseconds.
    #[error("it is a clock, in milliseconds: it tells that this was sent at another time, as its time does")]
    Clock,
    /// What the clock of the other side showed.
    #[error("it echoes the clock of the last segment that the other side had sent")]
    EchoOfClock,
    /// Offload.
    #[error(
        "the sum was left to the network card, which loopback has none of: the field has the pseudo-header's part of it"
    )]
    Offload,
    /// Offload of IPv4's.
    #[error("the sum of the header, too, was left to the network card by this system, and is zero")]
    HeaderOffload,
    /// Cut by another MSS.
    #[error("segments are cut by the MSS, and a kernel cuts also where its buffer or the other's window ends")]
    Cut,
    /// Coalesced.
    #[error("rows are not packets: what waits in a kernel's buffer leaves together")]
    Joined,
    /// PSH before the end.
    #[error("a kernel pushes also where the buffer that it was given ended, or half a window is reached")]
    PushedEarlier,
    /// The acknowledgment waited for data.
    #[error("its number went along with what that side sent next, before the clock for a bare one (40 ms) ran out")]
    AckRode,
    /// One for more.
    #[error("one acknowledgment is for all that has arrived, and here more had, or less")]
    AckMerged,
    /// Quick acknowledgments.
    #[error(
        "a kernel acknowledges at once at the beginning of a connection and after a pause (quick acknowledgments), and does not wait for data to go with"
    )]
    AckAtOnce,
    /// The clock of a delayed acknowledgment ran out.
    #[error("that side sent nothing for longer than an acknowledgment waits for data to go with (40 ms)")]
    AckDelayed,
    /// Of the FIN.
    #[error("the kernel acknowledged the FIN by itself, before its program closed its own side")]
    AckOfFin,
    /// A FIN that carries data.
    #[error("the program closed before the kernel had sent its last data: they went together")]
    FinWithData,
    /// The window opened.
    #[error("it says that the window is another one now, as a program has read, or the buffer has grown")]
    WindowUpdate,
    /// Retransmission.
    #[error("it was sent again: no acknowledgment had come in time")]
    Again,
    /// Crossed on the way.
    #[error("what the other side had just sent was not taken in yet")]
    Crossed,
    /// Connections are held open.
    #[error(
        "`encap send` ends all connections after the last row of all; the synthesised one ends after its own last row"
    )]
    HeldOpen,
    /// Connections open early.
    #[error("a synthesised connection is open when its first row is due; `encap send` opens it then")]
    OpensEarlier,
    /// A message leaves late.
    #[error(
        "both times count from their first row: a program that sleeps until a row is due wakes a little later, the first time too, and a handshake takes its time"
    )]
    Woken,
    /// Another speed.
    #[error("the rows were played at another speed, or the machine was busy")]
    OtherSpeed,
    /// Snap length.
    #[error("the capture kept only the beginning of the frame")]
    CutShort,
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// By how much the time of a message may differ where nobody asked for another speed.
pub(super) const WOKEN_MAX: Duration = Duration::from_millis(20);
