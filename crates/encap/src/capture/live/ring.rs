//! The packet socket and its ring: the only module that calls the system with unsafe code.
//!
//! The ring is memory that the kernel shares with the program, in blocks of frames. Three invariants keep the unsafe
//! code sound:
//!
//! - Each offset is checked against the bounds of its block before a read, although the kernel wrote the offset.
//! - A block is read only while its status assigns it to this program. The program returns the block when it wants the
//!   next one. The borrow of the last [`RingFrame`] has then ended.
//! - The mapping lives until `Ring` is dropped. All borrows have then ended.
#![expect(unsafe_code, reason = "std has no packet sockets and no shared memory")]

use std::ffi::{c_int, c_uint, c_void};
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::{sockaddr_ll, tpacket_block_desc, tpacket_hdr_v1, tpacket_req3, tpacket_stats_v3, tpacket3_hdr};

use super::frame::{Framing, StrippedTag};
use super::{LiveCapture, LiveError, LiveOptions, filter};
use crate::time::Timestamp;

/// Maximum time from "interface down" to "interface deleted" while the kernel deletes an interface.
const DELETION_TIME: Duration = Duration::from_millis(100);

/// Block size in bytes: fits the longest frame of any interface, or thousands of short ones.
const BLOCK_BYTES: u32 = 1024 * 1024;

/// Frame size for the ring request, in bytes. The kernel requires a value, but packs frames of any length.
const FRAME_BYTES: u32 = 2048;

/// A frame as stored in the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct RingFrame<'a> {
    pub(super) time: Timestamp,
    pub(super) bytes: &'a [u8],
    pub(super) original_len: u32,
    pub(super) checksum_offloaded: bool,
    pub(super) tag: Option<StrippedTag>,
    /// `EtherType` of the payload, after a stripped tag.
    pub(super) protocol: u16,
    pub(super) interface_index: u32,
    /// `ARPHRD_` number of the interface type.
    pub(super) hardware_type: u16,
    /// Direction of the packet, such as `PACKET_OUTGOING`.
    pub(super) packet_type: u8,
    pub(super) address_len: u8,
    pub(super) address: [u8; 8],
}

/// A packet socket with its ring.
#[derive(Debug)]
pub(super) struct Ring {
    socket: OwnedFd,
    /// Start of the mapping.
    memory: NonNull<u8>,
    /// Number of blocks in the mapping.
    blocks: usize,
    /// Index of the current block: the block being read, or the next one to read.
    block: usize,
    /// Number of unread frames in the block.
    frames_left: u32,
    /// Offset of the next unread frame in the block.
    next_frame: usize,
    /// Whether the status of the block assigns it to this program.
    is_block_held: bool,
    /// Whether this program skips outgoing frames, because the kernel has no `PACKET_IGNORE_OUTGOING`.
    skips_outgoing: bool,
    interface: String,
}

// SAFETY: only this value uses the mapping, and the mapping may be accessed from any thread.
unsafe impl Send for Ring {}

impl Ring {
    /// Opens a packet socket with a filter and a ring, and binds it to the interface.
    pub(super) fn open(interface: &str, options: &LiveOptions) -> Result<(Self, Framing), LiveError> {
        let fail = |doing| {
            move |source: io::Error| match source.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => LiveError::NoCapability,
                Some(libc::ENETDOWN) => LiveError::Down(interface.to_owned()),
                _ => LiveError::Io { doing, interface: interface.to_owned(), source },
            }
        };
        let blocks = options.buffer_bytes / BLOCK_BYTES;
        if blocks < 2 {
            return Err(LiveError::BufferTooSmall { bytes: options.buffer_bytes, least: 2 * BLOCK_BYTES });
        }
        let (index, hardware_type) = look_up_interface(interface)?;
        let is_loopback = hardware_type == libc::ARPHRD_LOOPBACK;
        let framing = match hardware_type {
            libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Framing::Ethernet,
            _ => Framing::Cooked,
        };
        let (socket_type, network_at) = match framing {
            Framing::Ethernet => (libc::SOCK_RAW, 14),
            Framing::Cooked => (libc::SOCK_DGRAM, 0),
        };
        // Protocol 0: the socket receives nothing until it has its filter and is bound.
        let socket = new_socket(libc::AF_PACKET, socket_type).map_err(fail("open a packet socket"))?;
        let program = filter::program(options.port, network_at, options.snap_len);
        attach_filter(&socket, &program).map_err(fail("attach a filter"))?;
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        set_packet_option(&socket, libc::PACKET_VERSION, &version).map_err(fail("use TPACKET_V3"))?;
        let skips_outgoing = is_loopback
            && match set_packet_option(&socket, libc::PACKET_IGNORE_OUTGOING, &1_i32) {
                Ok(()) => false,
                // Linux before 4.20 does not know the option.
                Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => true,
                Err(error) => return Err(fail("ignore outgoing frames")(error)),
            };
        let request = tpacket_req3 {
            tp_block_size: BLOCK_BYTES,
            tp_block_nr: blocks,
            tp_frame_size: FRAME_BYTES,
            tp_frame_nr: BLOCK_BYTES / FRAME_BYTES * blocks,
            tp_retire_blk_tov: c_uint::try_from(LiveCapture::BLOCK_TIMEOUT.as_millis()).unwrap_or(c_uint::MAX),
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set_packet_option(&socket, libc::PACKET_RX_RING, &request).map_err(fail("make a ring"))?;
        let blocks = blocks as usize;
        let memory = map_ring(&socket, blocks * BLOCK_BYTES as usize).map_err(fail("share the ring's memory"))?;
        let ring = Self {
            socket,
            memory,
            blocks,
            block: 0,
            frames_left: 0,
            next_frame: 0,
            is_block_held: false,
            skips_outgoing,
            interface: interface.to_owned(),
        };
        bind(&ring.socket, index).map_err(fail("listen"))?;
        // Binding to an interface that is down succeeds; the error appears here.
        ring.socket_error().map_err(fail("listen"))?;
        Ok((ring, framing))
    }

    /// Waits for the next frame. Returns `None` after `timeout` or a signal.
    pub(super) fn next_frame(&mut self, timeout: Duration) -> Result<Option<RingFrame<'_>>, LiveError> {
        let Some(at) = self.next_offset(timeout)? else { return Ok(None) };
        // SAFETY: `next_offset` checked the offset, and the block is returned only after this borrow has ended.
        Ok(Some(unsafe { self.frame_at(at) }))
    }

    /// Offset of the next frame in the current block, which this program then holds. Waits for a block if necessary.
    /// Returns `None` after `timeout` or a signal.
    fn next_offset(&mut self, timeout: Duration) -> Result<Option<usize>, LiveError> {
        loop {
            if self.frames_left == 0 {
                if self.is_block_held {
                    self.return_block();
                }
                let is_ready = self.take_block() || (self.wait(timeout)? && self.take_block());
                if !is_ready {
                    return Ok(None);
                }
            }
            let Some(at) = self.advance() else { continue };
            // SAFETY: `advance` checked the offset, and the borrow ends in this statement.
            let packet_type = unsafe { self.frame_at(at) }.packet_type;
            if !(self.skips_outgoing && packet_type == libc::PACKET_OUTGOING) {
                return Ok(Some(at));
            }
        }
    }

    /// Reads and resets the kernel's counters: frames received, and frames dropped.
    pub(super) fn take_counts(&self) -> Result<(u32, u32), LiveError> {
        let mut counts = tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
        get_option(&self.socket, libc::SOL_PACKET, libc::PACKET_STATISTICS, &mut counts)
            .map_err(|source| self.io_error("read the kernel's counts", source))?;
        Ok((counts.tp_packets, counts.tp_drops))
    }

    fn io_error(&self, doing: &'static str, source: io::Error) -> LiveError {
        LiveError::Io { doing, interface: self.interface.clone(), source }
    }

    /// Waits for a block. Returns `false` after `timeout` or a signal.
    fn wait(&self, timeout: Duration) -> Result<bool, LiveError> {
        let mut poll = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // Rounded up, so that a timeout below 1 ms still waits.
        let millis = c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX);
        // SAFETY: the pointer refers to one `pollfd`, which outlives the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, millis) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted {
                Ok(false)
            } else {
                Err(self.io_error("wait for frames", error))
            };
        }
        if poll.revents & libc::POLLERR != 0 {
            self.socket_error().map_err(|source| match source.raw_os_error() {
                Some(libc::ENETDOWN) if self.is_gone() => LiveError::Gone(self.interface.clone()),
                Some(libc::ENETDOWN) => LiveError::Down(self.interface.clone()),
                _ => self.io_error("wait for frames", source),
            })?;
        }
        Ok(ready > 0)
    }

    /// Whether the interface, which is down, is being deleted. An interface goes down before its deletion, so this
    /// method waits before it looks.
    fn is_gone(&self) -> bool {
        std::thread::sleep(DELETION_TIME);
        matches!(look_up_interface(&self.interface), Err(LiveError::NoInterface(_)))
    }

    fn socket_error(&self) -> io::Result<()> {
        let mut error: c_int = 0;
        get_option(&self.socket, libc::SOL_SOCKET, libc::SO_ERROR, &mut error)?;
        if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
    }

    /// Start of the current block.
    fn block(&self) -> NonNull<u8> {
        // SAFETY: `block < blocks`, and the mapping holds `blocks` blocks.
        unsafe { self.memory.add(self.block * BLOCK_BYTES as usize) }
    }

    /// Status of the current block.
    fn status(&self) -> &AtomicU32 {
        const OFFSET: usize = offset_of!(tpacket_block_desc, hdr) + offset_of!(tpacket_hdr_v1, block_status);
        // SAFETY: the field is inside the block and aligned as in the kernel's structure. Kernel and program access it
        // only atomically.
        unsafe { AtomicU32::from_ptr(self.block().add(OFFSET).as_ptr().cast()) }
    }

    /// Takes the current block if the kernel has filled it. Returns whether it has.
    fn take_block(&mut self) -> bool {
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return false;
        }
        // SAFETY: a block starts with its descriptor, and its status assigns it to this program.
        let head = unsafe { self.block().cast::<tpacket_block_desc>().read().hdr.bh1 };
        self.is_block_held = true;
        self.frames_left = head.num_pkts;
        self.next_frame = head.offset_to_first_pkt as usize;
        true
    }

    /// Returns the current block to the kernel. The next block becomes the current one.
    fn return_block(&mut self) {
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.is_block_held = false;
        self.block = (self.block + 1) % self.blocks;
    }

    /// Returns the offset of the next frame and steps past the frame. If the frame is not inside the block, returns
    /// `None` and skips the rest of the block.
    fn advance(&mut self) -> Option<usize> {
        let at = self.next_frame;
        let head_len = HEADER_BYTES + size_of::<sockaddr_ll>();
        if self.frames_left == 0
            || at + head_len > BLOCK_BYTES as usize
            || !at.is_multiple_of(align_of::<tpacket3_hdr>())
        {
            self.frames_left = 0;
            return None;
        }
        // SAFETY: the bounds and the alignment of `at` were checked above, and this program holds the block.
        let head = unsafe { self.block().add(at).cast::<tpacket3_hdr>().read() };
        let end = at + usize::from(head.tp_mac) + head.tp_snaplen as usize;
        if end > BLOCK_BYTES as usize {
            self.frames_left = 0;
            return None;
        }
        self.frames_left -= 1;
        self.next_frame = at + head.tp_next_offset as usize;
        Some(at)
    }

    /// Reads the frame at offset `at` of the held block.
    ///
    /// # Safety
    ///
    /// `at` must come from `advance`, and the block must not be returned while the frame is borrowed.
    unsafe fn frame_at(&self, at: usize) -> RingFrame<'_> {
        // SAFETY: the caller guarantees an offset from `advance`, which checked that header, address and frame bytes
        // are inside the block.
        let (head, address, bytes) = unsafe {
            let frame = self.block().add(at);
            let head = frame.cast::<tpacket3_hdr>().read();
            let address = frame.add(HEADER_BYTES).cast::<sockaddr_ll>().read();
            let bytes = frame.add(usize::from(head.tp_mac)).as_ptr();
            (head, address, std::slice::from_raw_parts(bytes, head.tp_snaplen as usize))
        };
        let has_status = |status| head.tp_status & status != 0;
        let tag = has_status(libc::TP_STATUS_VLAN_VALID).then(|| StrippedTag {
            protocol: has_status(libc::TP_STATUS_VLAN_TPID_VALID).then_some(head.hv1.tp_vlan_tpid),
            control: u16::try_from(head.hv1.tp_vlan_tci & 0xffff).unwrap_or_default(),
        });
        RingFrame {
            // 32-bit seconds in nanoseconds fit 63 bits, so the sum does not overflow.
            time: Timestamp::from_nanos(i64::from(head.tp_sec) * 1_000_000_000 + i64::from(head.tp_nsec)),
            bytes,
            original_len: head.tp_len,
            checksum_offloaded: has_status(libc::TP_STATUS_CSUMNOTREADY),
            tag,
            protocol: u16::from_be(address.sll_protocol),
            interface_index: address.sll_ifindex.cast_unsigned(),
            hardware_type: address.sll_hatype,
            packet_type: address.sll_pkttype,
            address_len: address.sll_halen,
            address: address.sll_addr,
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: `map_ring` returned this pointer for this length, and no borrow of the mapping is left.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.blocks * BLOCK_BYTES as usize) };
    }
}

/// Length of a frame's header in the ring, in bytes. The link-layer address follows the header.
const HEADER_BYTES: usize = size_of::<tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);

/// Looks up an interface's index and hardware type.
fn look_up_interface(interface: &str) -> Result<(c_int, u16), LiveError> {
    let no_interface = || LiveError::NoInterface(interface.to_owned());
    // SAFETY: all-zero bytes are a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = interface.as_bytes();
    // The last byte stays zero and terminates the name.
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains(&0) {
        return Err(no_interface());
    }
    for (target, byte) in request.ifr_name.iter_mut().zip(name) {
        *target = byte.cast_signed();
    }
    let fail = |source: io::Error| match source.raw_os_error() {
        Some(libc::ENODEV) => no_interface(),
        _ => LiveError::Io { doing: "look up the kind of hardware", interface: interface.to_owned(), source },
    };
    let socket = new_socket(libc::AF_INET, libc::SOCK_DGRAM).map_err(fail)?;
    ioctl(&socket, libc::SIOCGIFINDEX, &mut request).map_err(fail)?;
    // SAFETY: SIOCGIFINDEX initialises this member.
    let index = unsafe { request.ifr_ifru.ifru_ifindex };
    ioctl(&socket, libc::SIOCGIFHWADDR, &mut request).map_err(fail)?;
    // SAFETY: SIOCGIFHWADDR initialises this member.
    let hardware_type = unsafe { request.ifr_ifru.ifru_hwaddr.sa_family };
    Ok((index, hardware_type))
}

fn new_socket(family: c_int, socket_type: c_int) -> io::Result<OwnedFd> {
    // SAFETY: `socket` takes no pointers. A non-negative result is a new descriptor without another owner.
    unsafe {
        let fd = libc::socket(family, socket_type | libc::SOCK_CLOEXEC, 0);
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(fd)) }
    }
}

fn ioctl(socket: &OwnedFd, request: libc::Ioctl, argument: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: both requests used here take an `ifreq`.
    check_result(unsafe { libc::ioctl(socket.as_raw_fd(), request, ptr::from_mut(argument)) })
}

fn attach_filter(socket: &OwnedFd, program: &[filter::Instruction]) -> io::Result<()> {
    let mut instructions: Vec<libc::sock_filter> = program
        .iter()
        .map(|i| libc::sock_filter { code: i.code, jt: i.jump_true, jf: i.jump_false, k: i.operand })
        .collect();
    let len = u16::try_from(instructions.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    // The kernel copies the program during the call.
    let program = libc::sock_fprog { len, filter: instructions.as_mut_ptr() };
    set_socket_option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn set_packet_option<T>(socket: &OwnedFd, name: c_int, value: &T) -> io::Result<()> {
    set_socket_option(socket, libc::SOL_PACKET, name, value)
}

fn set_socket_option<T>(socket: &OwnedFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let value: *const c_void = ptr::from_ref(value).cast();
    // SAFETY: pointer and length describe a whole `T`.
    check_result(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, len_of::<T>()) })
}

/// Reads a socket option: a C structure of integers. The kernel may write only a part of it.
fn get_option<T: Copy>(socket: &OwnedFd, level: c_int, name: c_int, value: &mut T) -> io::Result<()> {
    let mut len = len_of::<T>();
    let value: *mut c_void = ptr::from_mut(value).cast();
    // SAFETY: the kernel writes at most `len` bytes of `value`, and the types used here are valid for any bits.
    check_result(unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, value, &raw mut len) })
}

fn len_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or_default()
}

fn map_ring(socket: &OwnedFd, len: usize) -> io::Result<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the kernel chooses a free address for the new mapping of the socket's ring.
    let memory = unsafe { libc::mmap(ptr::null_mut(), len, protection, libc::MAP_SHARED, socket.as_raw_fd(), 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(memory.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
}

#[expect(clippy::cast_possible_truncation, reason = "both constants are small: the C structure has them as u16")]
fn bind(socket: &OwnedFd, index: c_int) -> io::Result<()> {
    let address = sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: pointer and length describe a whole `sockaddr_ll`.
    check_result(unsafe { libc::bind(socket.as_raw_fd(), ptr::from_ref(&address).cast(), len_of::<sockaddr_ll>()) })
}

fn check_result(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens a packet socket for tests. Each write to it sends a raw frame.
#[cfg(test)]
pub(super) fn open_sender(interface: &str) -> Result<std::fs::File, LiveError> {
    let (index, _) = look_up_interface(interface)?;
    let socket = new_socket(libc::AF_PACKET, libc::SOCK_RAW);
    let socket = socket.and_then(|socket| bind(&socket, index).map(|()| socket));
    socket.map(Into::into).map_err(|source| LiveError::Io { doing: "send", interface: interface.to_owned(), source })
}
