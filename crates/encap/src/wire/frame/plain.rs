//! The frame that most captures are full of: a whole TCP segment, in IPv4 without options, on Ethernet, and nothing else.
//!
//! Whether a frame is one takes a handful of comparisons, and then its outline is all but known. The walk, which is ready
//! for everything at each step, would come to the same by a longer way (decision 10).

use super::{Layer, LayerKind, Outline};
use crate::wire::ethernet::{self, TypeOrLength};
use crate::wire::{EtherType, IpProtocol, LinkType, ipv4, tcp};

/// Where its headers begin.
const IPV4_AT: usize = ethernet::HEADER_LEN;
const TCP_AT: usize = IPV4_AT + ipv4::HEADER_LEN;

/// The outline that the walk would come to, if it is such a frame.
#[inline]
pub(super) fn outline(link_type: LinkType, bytes: &[u8], original_len: u32) -> Option<Outline> {
    let header = ethernet::Header::new_checked(bytes).ok()?;
    let packet = ipv4::Packet::new_checked(bytes.get(IPV4_AT..)?).ok()?;
    let segment = tcp::Segment::new_checked(bytes.get(TCP_AT..)?).ok()?;
    let is_plain = link_type == LinkType::ETHERNET
        && original_len as usize == bytes.len()
        && header.type_or_length() == TypeOrLength::EtherType(EtherType::IPV4)
        && packet.header_len() == ipv4::HEADER_LEN
        && usize::from(packet.total_len()) == bytes.len() - IPV4_AT
        && packet.fragment_offset() == 0
        && !packet.more_fragments()
        && packet.protocol() == IpProtocol::TCP;
    let layer = |kind, start: usize, len: usize| {
        // The packet's length has 16 bits.
        let [start, end] = [start, start + len].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        Layer { kind, start, end }
    };
    let network = layer(LayerKind::Ipv4, IPV4_AT, ipv4::HEADER_LEN);
    let transport = layer(LayerKind::Tcp, TCP_AT, segment.header_len());
    is_plain.then(|| Outline {
        network: Some(network),
        transport: Some(transport),
        protocol: IpProtocol::TCP,
        segment_end: original_len,
        payload: (transport.end, original_len),
        ..Outline::default()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::wire::frame::walk;

    /// The headers of a plain frame, with timestamps, but for its lengths.
    const HEADERS: [u8; 66] = {
        let mut headers = [0; 66];
        (headers[12], headers[14]) = (0x08, 0x45);
        (headers[20], headers[22], headers[23]) = (0x40, 64, 6);
        (headers[46], headers[47]) = (0x80, 0x18);
        headers
    };

    fn frame(payload: &[u8]) -> (Vec<u8>, u32) {
        let mut frame = [&HEADERS, payload].concat();
        let len = u16::try_from(frame.len()).expect("a packet's length");
        frame[16..18].copy_from_slice(&(len - 14).to_be_bytes());
        (frame, len.into())
    }

    #[test]
    fn a_whole_segment_on_ethernet_is_plain() {
        let (frame, len) = frame(b"MSG hi\n");
        let outline = outline(LinkType::ETHERNET, &frame, len).expect("a plain frame");
        assert_eq!(outline, walk::outline(LinkType::ETHERNET, &frame, len));
        assert_eq!(outline.payload, (66, 73));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Headers are damaged, frames cut or followed by something, and captured of other links: where it is still plain, the
        /// walk comes to the same.
        #[test]
        fn the_walk_comes_to_the_same(
            payload in prop::collection::vec(any::<u8>(), 0..80),
            damage in prop::collection::vec((0..HEADERS.len(), any::<u8>()), 0..3),
            end in prop::option::weighted(0.2, any::<Index>()),
            after in prop::option::weighted(0.2, 1..8_usize),
            more in prop::option::weighted(0.2, -3..3_i32),
            link_type in prop_oneof![9 => Just(LinkType::ETHERNET), 1 => Just(LinkType::RAW)],
        ) {
            let (mut frame, len) = frame(&payload);
            for (at, byte) in damage {
                frame[at] = byte;
            }
            frame.truncate(end.map_or(frame.len(), |end| end.index(frame.len())));
            frame.resize(frame.len() + after.unwrap_or_default(), 0);
            let original_len = len.saturating_add_signed(more.unwrap_or_default());
            if let Some(outline) = outline(link_type, &frame, original_len) {
                prop_assert_eq!(outline, walk::outline(link_type, &frame, original_len));
            }
        }
    }
}
