//! The conversations that go on, found by their two ends.

use std::collections::VecDeque;
use std::net::SocketAddr;

use hashbrown::HashMap;

use super::analyzer::ConversationSink;
use super::conversation::{FrameStamp, LiveConversation};
use super::endpoint::{EndpointPair, Transport};
use super::limits::{LINGERING_MAX, LIVE_MAX};
use crate::wire::SeqNumber;

/// What one makes room for at once, of [`LIVE_MAX`]: so that looking for the quietest costs little for each.
const MAKE_ROOM_FOR: usize = LIVE_MAX / 8;

/// Segments that pass at least until all conversations are weighed again.
const WEIGH_EVERY_LEAST: usize = 16_384;

/// Whether a segment opens a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opening {
    /// It is a client's SYN, with this number.
    Client(SeqNumber),
    /// It is a server's SYN, with ACK.
    Server,
    /// It does not.
    No,
}

/// The conversations that go on.
#[derive(Debug)]
pub(super) struct ConversationTable {
    places: HashMap<EndpointPair, usize>,
    slots: Vec<Option<(EndpointPair, LiveConversation)>>,
    free: Vec<usize>,
    /// Those that have ended, the earliest first; each with its transport and number, to tell it from a later one at its place.
    lingering: VecDeque<(usize, Transport, u64)>,
    /// The place of the conversation that was found last.
    current: usize,
    opened: [u64; 2],
    retired: u64,
    /// Segments until all are weighed again.
    until_weighed: usize,
    /// What all may take, in bytes of memory.
    bytes_max: usize,
}

impl ConversationTable {
    /// A table of no conversations, which may take so much memory.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            places: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            lingering: VecDeque::new(),
            current: 0,
            opened: [0; 2],
            retired: 0,
            until_weighed: 0,
            bytes_max,
        }
    }

    /// Conversations that there were.
    pub(super) fn opened(&self) -> u64 {
        self.opened.iter().sum()
    }

    /// Conversations that were closed for want of room.
    pub(super) const fn retired(&self) -> u64 {
        self.retired
    }

    /// The conversation of a segment or datagram, and whether it takes the place of an earlier one.
    pub(super) fn find(
        &mut self,
        transport: Transport,
        from: SocketAddr,
        to: SocketAddr,
        opening: Opening,
        at: FrameStamp,
        sink: &mut ConversationSink<'_>,
    ) -> (&mut LiveConversation, bool) {
        let pair = EndpointPair::new(transport, from, to);
        let known = self.places.get(&pair).copied();
        let reused = match (known, opening) {
            (Some(place), Opening::Client(seq)) => {
                self.slots[place].as_ref().is_some_and(|(_, live)| live.is_reopened_by(live.side(from), seq))
            }
            _ => false,
        };
        if let (Some(place), true) = (known, reused) {
            self.close(place, false, sink);
        }
        let place = match known.filter(|_| !reused) {
            Some(place) => place,
            None => self.open(pair, transport, ends(transport, from, to, opening), at, sink),
        };
        self.current = place;
        let Some((_, live)) = &mut self.slots[place] else { unreachable!("a place in the map is taken") };
        (live, reused)
    }

    /// If the conversation that was found last has ended, lets it linger, and closes the earliest if too many do.
    pub(super) fn settle(&mut self, sink: &mut ConversationSink<'_>) {
        if self.until_weighed == 0 {
            self.weigh(sink);
        }
        self.until_weighed -= 1;
        let Some((_, live)) = &mut self.slots[self.current] else { return };
        if live.lingers || !live.has_ended() {
            return;
        }
        live.lingers = true;
        self.lingering.push_back((self.current, live.transport(), live.number()));
        if self.lingering.len() > LINGERING_MAX
            && let Some((place, transport, number)) = self.lingering.pop_front()
            && self.slots[place]
                .as_ref()
                .is_some_and(|(_, live)| (live.transport(), live.number()) == (transport, number) && live.lingers)
        {
            self.close(place, false, sink);
        }
    }

    fn open(
        &mut self,
        pair: EndpointPair,
        transport: Transport,
        ends: (SocketAddr, SocketAddr),
        at: FrameStamp,
        sink: &mut ConversationSink<'_>,
    ) -> usize {
        if self.places.len() >= LIVE_MAX {
            self.make_room(sink);
        }
        let number = &mut self.opened[transport as usize];
        let live = LiveConversation::new(*number, transport, ends, at);
        *number += 1;
        let place = self.free.pop().unwrap_or(self.slots.len());
        if place == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[place] = Some((pair, live));
        self.places.insert(pair, place);
        place
    }

    /// Weighs all, as often as costs little for each segment, and makes room until they take no more than they may.
    #[cold]
    fn weigh(&mut self, sink: &mut ConversationSink<'_>) {
        self.until_weighed = self.slots.len().max(WEIGH_EVERY_LEAST);
        while self.places.len() > MAKE_ROOM_FOR && self.weight() > self.bytes_max {
            self.make_room(sink);
        }
    }

    /// What all take, in bytes of memory.
    fn weight(&self) -> usize {
        let slots = self.slots.len() * size_of::<Option<(EndpointPair, LiveConversation)>>();
        slots + self.slots.iter().flatten().map(|(_, live)| live.weight()).sum::<usize>()
    }

    /// Closes those that were quiet longest.
    fn make_room(&mut self, sink: &mut ConversationSink<'_>) {
        let mut by_age: Vec<(u64, usize)> =
            self.places.values().filter_map(|&place| Some((self.slots[place].as_ref()?.1.last_frame, place))).collect();
        by_age.select_nth_unstable(MAKE_ROOM_FOR);
        by_age.truncate(MAKE_ROOM_FOR);
        by_age.sort_unstable();
        for (_, place) in by_age {
            let ended = self.slots[place].as_ref().is_some_and(|(_, live)| live.has_ended());
            self.retired += u64::from(!ended);
            self.close(place, !ended, sink);
        }
    }

    fn close(&mut self, place: usize, retired: bool, sink: &mut ConversationSink<'_>) {
        if let Some((pair, live)) = self.slots[place].take() {
            self.places.remove(&pair);
            self.free.push(place);
            sink(live.summary(retired));
        }
    }

    /// Closes all, in the order of their first frames.
    pub(super) fn finish(self, sink: &mut ConversationSink<'_>) {
        let mut left: Vec<LiveConversation> = self.slots.into_iter().flatten().map(|(_, live)| live).collect();
        left.sort_unstable_by_key(LiveConversation::first_frame);
        for live in left {
            sink(live.summary(false));
        }
    }
}

/// Client and server, as far as can be known from the first segment.
fn ends(transport: Transport, from: SocketAddr, to: SocketAddr, opening: Opening) -> (SocketAddr, SocketAddr) {
    let from_client = match opening {
        Opening::Client(_) => true,
        Opening::Server => false,
        // Servers listen on low ports, as a rule.
        Opening::No => transport == Transport::Udp || from.port() >= to.port(),
    };
    if from_client { (from, to) } else { (to, from) }
}

#[cfg(test)]
mod tests {
    use super::super::Analyzer;
    use super::*;
    use crate::wire::{Frame, LinkType};

    /// A reset of one of many clients, which ends its conversation at once.
    fn reset_of(client: u16) -> [u8; 40] {
        let mut packet = [0; 40];
        packet[..20].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 0, 10, 255, 0, 1]);
        packet[14..16].copy_from_slice(&client.to_be_bytes());
        packet[20..].copy_from_slice(&[0x9c, 0x40, 0x1f, 0x90, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 4, 0, 0, 0, 0, 0, 0]);
        packet
    }

    #[test]
    fn who_lingers_is_told_from_who_came_to_its_place_with_its_number() {
        let mut udp = [0; 28];
        udp.copy_from_slice(&reset_of(0)[..28]);
        (udp[3], udp[9], udp[25]) = (28, 17, 8);
        let mut analyzer = Analyzer::default();
        let mut over = Vec::new();
        let mut sink = |conversation: crate::analyze::Conversation| over.push(conversation.transport);
        let mut take = |analyzer: &mut Analyzer, packet: &[u8]| {
            let frame = Frame::parse(LinkType::RAW, packet, u32::try_from(packet.len()).expect("it is short"));
            analyzer.frame(1, None, &frame, &mut sink);
        };
        // TCP 0 ends and is closed to make room; UDP 0 takes its place, and goes on.
        take(&mut analyzer, &reset_of(0));
        analyzer.table.close(0, false, &mut |_| {});
        take(&mut analyzer, &udp);
        for client in 1..u16::try_from(LINGERING_MAX + 10).expect("it is small") {
            take(&mut analyzer, &reset_of(client));
        }
        assert!(!over.is_empty() && !over.contains(&Transport::Udp), "{}", over.len());
    }
}
