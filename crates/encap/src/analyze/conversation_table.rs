//! The table of open conversations.

use std::collections::VecDeque;
use std::net::SocketAddr;

use hashbrown::HashMap;

use super::analyzer::ConversationSink;
use super::endpoint::{EndpointPair, Transport};
use super::limits::{LINGERING_MAX, LIVE_MAX};
use super::live_conversation::{FrameStamp, LiveConversation};
use crate::wire::SeqNumber;
use crate::wire::tcp::{Flags, Segment};

/// Number of conversations that are closed together when memory runs out or the table is full. Because many are closed
/// at once, the search for the longest idle ones is rare.
const CLOSED_AT_ONCE: usize = LIVE_MAX / 8;

/// Minimum number of segments between two checks of the memory.
const CHECK_MEMORY_EVERY: usize = 16_384;

/// Whether a segment opens a connection, and from which side.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opening {
    /// SYN of a client, with its sequence number.
    Client(SeqNumber),
    /// SYN-ACK of a server.
    Server,
    /// No SYN.
    None,
}

impl Opening {
    pub(super) fn from_segment(segment: &Segment<'_>) -> Self {
        let flags = segment.flags();
        match (flags.contains(Flags::SYN), flags.contains(Flags::ACK)) {
            (true, false) => Self::Client(segment.seq()),
            (true, true) => Self::Server,
            (false, _) => Self::None,
        }
    }
}

/// The open conversations, by their endpoints.
#[derive(Debug)]
pub(super) struct ConversationTable {
    /// The slot of each open conversation.
    index: HashMap<EndpointPair, usize>,
    slots: Vec<Option<(EndpointPair, LiveConversation)>>,
    /// The empty slots.
    free: Vec<usize>,
    /// Ended conversations, the earliest first: slot, transport and number. A later conversation in the same slot has
    /// another transport or number.
    lingering: VecDeque<(usize, Transport, u64)>,
    /// The slot of the conversation that [`Self::find`] returned last.
    current: usize,
    /// Number of conversations opened so far, by transport.
    opened: [u64; 2],
    /// Number of conversations closed before their end, to bound memory.
    retired: u64,
    /// Number of segments until the next check of the memory.
    until_check: usize,
    memory_max_bytes: usize,
}

impl ConversationTable {
    /// Creates an empty table whose conversations use at most `memory_max_bytes`.
    pub(super) fn new(memory_max_bytes: usize) -> Self {
        Self {
            index: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            lingering: VecDeque::new(),
            current: 0,
            opened: [0; 2],
            retired: 0,
            until_check: 0,
            memory_max_bytes,
        }
    }

    /// Number of conversations opened so far.
    pub(super) fn opened(&self) -> u64 {
        self.opened.iter().sum()
    }

    /// Number of conversations closed before their end, to bound memory.
    pub(super) const fn retired(&self) -> u64 {
        self.retired
    }

    /// Finds or opens the conversation of a segment or datagram. The boolean says whether this segment closed an
    /// earlier conversation of the same ports.
    pub(super) fn find(
        &mut self,
        transport: Transport,
        from: SocketAddr,
        to: SocketAddr,
        opening: Opening,
        stamp: FrameStamp,
        sink: &mut ConversationSink<'_>,
    ) -> (&mut LiveConversation, bool) {
        let pair = EndpointPair::new(transport, from, to);
        let known_slot = self.index.get(&pair).copied();
        let reuses_ports = match (known_slot, opening) {
            (Some(slot), Opening::Client(seq)) => {
                self.slots[slot].as_ref().is_some_and(|(_, live)| live.is_replaced_by(live.side(from), seq))
            }
            _ => false,
        };
        if let (Some(slot), true) = (known_slot, reuses_ports) {
            self.close(slot, false, sink);
        }
        let slot = match known_slot.filter(|_| !reuses_ports) {
            Some(slot) => slot,
            None => self.open(pair, transport, client_and_server(transport, from, to, opening), stamp, sink),
        };
        self.current = slot;
        let Some((_, live)) = &mut self.slots[slot] else { unreachable!("an indexed slot is in use") };
        (live, reuses_ports)
    }

    /// Updates the table after a segment of the conversation that was found last. If the conversation has ended, it
    /// lingers: it stays open for late segments. If too many linger, the one that ended first is closed.
    pub(super) fn after_segment(&mut self, sink: &mut ConversationSink<'_>) {
        if self.until_check == 0 {
            self.check_memory(sink);
        }
        self.until_check -= 1;
        let Some((_, live)) = &mut self.slots[self.current] else { return };
        if live.lingers || !live.has_ended() {
            return;
        }
        live.lingers = true;
        self.lingering.push_back((self.current, live.transport(), live.number()));
        // The slot may hold a later conversation now, or a conversation that a repeated SYN has reopened.
        if self.lingering.len() > LINGERING_MAX
            && let Some((slot, transport, number)) = self.lingering.pop_front()
            && self.slots[slot]
                .as_ref()
                .is_some_and(|(_, live)| (live.transport(), live.number()) == (transport, number) && live.lingers)
        {
            self.close(slot, false, sink);
        }
    }

    fn open(
        &mut self,
        pair: EndpointPair,
        transport: Transport,
        client_and_server: (SocketAddr, SocketAddr),
        stamp: FrameStamp,
        sink: &mut ConversationSink<'_>,
    ) -> usize {
        if self.index.len() >= LIVE_MAX {
            self.close_idle(sink);
        }
        let number = &mut self.opened[transport as usize];
        let live = LiveConversation::new(*number, transport, client_and_server, stamp);
        *number += 1;
        let slot = self.free.pop().unwrap_or(self.slots.len());
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[slot] = Some((pair, live));
        self.index.insert(pair, slot);
        slot
    }

    /// Closes idle conversations until the memory is within its bound. The interval between checks grows with the
    /// table, so that the cost for each segment stays small.
    #[cold]
    fn check_memory(&mut self, sink: &mut ConversationSink<'_>) {
        self.until_check = self.slots.len().max(CHECK_MEMORY_EVERY);
        while self.index.len() > CLOSED_AT_ONCE && self.memory_bytes() > self.memory_max_bytes {
            self.close_idle(sink);
        }
    }

    fn memory_bytes(&self) -> usize {
        let slots = self.slots.len() * size_of::<Option<(EndpointPair, LiveConversation)>>();
        slots + self.slots.iter().flatten().map(|(_, live)| live.heap_bytes()).sum::<usize>()
    }

    /// Closes the [`CLOSED_AT_ONCE`] conversations that have been idle for the longest time.
    fn close_idle(&mut self, sink: &mut ConversationSink<'_>) {
        let mut by_last_frame: Vec<(u64, usize)> =
            self.index.values().filter_map(|&slot| Some((self.slots[slot].as_ref()?.1.last_frame, slot))).collect();
        by_last_frame.select_nth_unstable(CLOSED_AT_ONCE);
        by_last_frame.truncate(CLOSED_AT_ONCE);
        by_last_frame.sort_unstable();
        for (_, slot) in by_last_frame {
            let has_ended = self.slots[slot].as_ref().is_some_and(|(_, live)| live.has_ended());
            self.retired += u64::from(!has_ended);
            self.close(slot, !has_ended, sink);
        }
    }

    /// Closes the conversation of a slot. `retired` says whether it is closed before its end, to bound memory.
    fn close(&mut self, slot: usize, retired: bool, sink: &mut ConversationSink<'_>) {
        if let Some((pair, live)) = self.slots[slot].take() {
            self.index.remove(&pair);
            self.free.push(slot);
            sink(live.summary(retired));
        }
    }

    /// Closes all conversations, in the order of their first frames.
    pub(super) fn finish(self, sink: &mut ConversationSink<'_>) {
        let mut open: Vec<LiveConversation> = self.slots.into_iter().flatten().map(|(_, live)| live).collect();
        open.sort_unstable_by_key(LiveConversation::first_frame);
        for live in open {
            sink(live.summary(false));
        }
    }
}

/// Determines client and server from the first segment.
fn client_and_server(
    transport: Transport,
    from: SocketAddr,
    to: SocketAddr,
    opening: Opening,
) -> (SocketAddr, SocketAddr) {
    let is_from_client = match opening {
        Opening::Client(_) => true,
        Opening::Server => false,
        // The SYN was not captured: servers usually listen on the lower port.
        Opening::None => transport == Transport::Udp || from.port() >= to.port(),
    };
    if is_from_client { (from, to) } else { (to, from) }
}

#[cfg(test)]
mod tests {
    use super::super::Analyzer;
    use super::*;
    use crate::wire::{Frame, LinkType};

    /// An IPv4 packet with an RST from the client of this number. It ends its conversation at once.
    fn reset_from(client: u16) -> [u8; 40] {
        let mut packet = [0; 40];
        packet[..20].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 0, 10, 255, 0, 1]);
        packet[14..16].copy_from_slice(&client.to_be_bytes());
        packet[20..].copy_from_slice(&[0x9c, 0x40, 0x1f, 0x90, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 4, 0, 0, 0, 0, 0, 0]);
        packet
    }

    #[test]
    fn closing_a_lingering_conversation_spares_a_later_one_in_its_slot() {
        let mut udp = [0; 28];
        udp.copy_from_slice(&reset_from(0)[..28]);
        // Total length, protocol (UDP) and length of the datagram.
        (udp[3], udp[9], udp[25]) = (28, 17, 8);
        let mut analyzer = Analyzer::default();
        let mut closed = Vec::new();
        let mut sink = |conversation: crate::analyze::Conversation| closed.push(conversation.transport);
        let mut analyze = |analyzer: &mut Analyzer, packet: &[u8]| {
            let frame = Frame::parse(LinkType::RAW, packet, u32::try_from(packet.len()).expect("it is short"));
            analyzer.frame(1, None, &frame, &mut sink);
        };
        // TCP 0 ends and is closed; UDP 0 takes its slot and stays open.
        analyze(&mut analyzer, &reset_from(0));
        analyzer.table.close(0, false, &mut |_| {});
        analyze(&mut analyzer, &udp);
        for client in 1..u16::try_from(LINGERING_MAX + 10).expect("it is small") {
            analyze(&mut analyzer, &reset_from(client));
        }
        assert!(!closed.is_empty(), "too many conversations linger, so some are closed");
        assert!(!closed.contains(&Transport::Udp), "the UDP conversation stays open");
    }
}
