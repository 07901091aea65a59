//! The kernel's packet filter, a classic BPF program (Linux `Documentation/networking/filter.rst`).

/// A BPF instruction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) jump_true: u8,
    pub(super) jump_false: u8,
    pub(super) operand: u32,
}

/// Load two bytes of the frame (`BPF_LD | BPF_H | BPF_ABS`).
pub(super) const LOAD_HALF: u16 = 0x28;
/// Load one byte of the frame (`BPF_LD | BPF_B | BPF_ABS`).
pub(super) const LOAD_BYTE: u16 = 0x30;
/// Load two bytes at operand plus index (`BPF_LD | BPF_H | BPF_IND`).
pub(super) const LOAD_HALF_INDEXED: u16 = 0x48;
/// Load the index with four times the low half of a byte: the IPv4 header length (`BPF_LDX | BPF_B | BPF_MSH`).
pub(super) const LOAD_HEADER_LEN: u16 = 0xb1;
/// Load the index with the operand (`BPF_LDX | BPF_IMM`).
pub(super) const LOAD_INDEX: u16 = 0x01;
/// Skip `operand` instructions (`BPF_JMP | BPF_JA`).
pub(super) const JUMP: u16 = 0x05;
/// Jump if the accumulator equals the operand (`BPF_JMP | BPF_JEQ`).
pub(super) const IF_EQUAL: u16 = 0x15;
/// Jump if accumulator and operand share a bit (`BPF_JMP | BPF_JSET`).
pub(super) const IF_ANY_BIT: u16 = 0x45;
/// Return: keep `operand` bytes of the frame, or drop the frame if 0 (`BPF_RET`).
pub(super) const KEEP: u16 = 0x06;

/// Special offset that loads the frame's `EtherType`, the one after any VLAN tags (`SKF_AD_OFF + SKF_AD_PROTOCOL`).
pub(super) const ETHER_TYPE: u32 = 0xffff_f000;

const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const TCP: u32 = 6;
const UDP: u32 = 17;
/// Mask of the fragment offset in the field that it shares with the flags (RFC 791 §3.1).
const FRAGMENT_OFFSET: u32 = 0x1fff;

/// Indices of the two return instructions.
const ACCEPT: u8 = 16;
const REJECT: u8 = 17;

/// Builds the filter. It keeps `snap_len` bytes of each frame. With a `port`, it keeps only TCP and UDP frames from or
/// to this port.
///
/// `network_at` is the offset of the IP header. Tagged frames have the same offset: the kernel has already stripped the
/// tag of an incoming frame, and has not yet added the tag of an outgoing frame. The filter drops packets whose ports
/// it cannot locate: behind IPv6 extension headers, or behind a tag that a program wrote into its frame.
pub(super) fn program(port: Option<u16>, network_at: u32, snap_len: u32) -> Vec<Instruction> {
    let statement = |code, operand| Instruction { code, jump_true: 0, jump_false: 0, operand };
    let Some(port) = port.map(u32::from) else { return vec![statement(KEEP, snap_len)] };

    // BPF jumps are relative to the next instruction. `at`, `if_true` and `if_false` are indices.
    let jump = |at: u8, code, operand, if_true: u8, if_false: u8| Instruction {
        code,
        jump_true: if_true - at - 1,
        jump_false: if_false - at - 1,
        operand,
    };
    // 2 to 4: the IPv6 header has 40 bytes, and its byte 6 is the protocol.
    // 5 to 9: the IPv4 header has the fragment offset in bytes 6 and 7, and the protocol in byte 9.
    // 10 to 15: the index is the length of the IP header. The source and destination port follow the header.
    vec![
        /*  0 */ statement(LOAD_HALF, ETHER_TYPE),
        /*  1 */ jump(1, IF_EQUAL, IPV6, 2, 5),
        /*  2 */ statement(LOAD_INDEX, 40),
        /*  3 */ statement(LOAD_BYTE, network_at + 6),
        /*  4 */ statement(JUMP, 10 - 4 - 1),
        /*  5 */ jump(5, IF_EQUAL, IPV4, 6, REJECT),
        /*  6 */ statement(LOAD_HALF, network_at + 6),
        /*  7 */ jump(7, IF_ANY_BIT, FRAGMENT_OFFSET, REJECT, 8),
        /*  8 */ statement(LOAD_HEADER_LEN, network_at),
        /*  9 */ statement(LOAD_BYTE, network_at + 9),
        /* 10 */ jump(10, IF_EQUAL, TCP, 12, 11),
        /* 11 */ jump(11, IF_EQUAL, UDP, 12, REJECT),
        /* 12 */ statement(LOAD_HALF_INDEXED, network_at),
        /* 13 */ jump(13, IF_EQUAL, port, ACCEPT, 14),
        /* 14 */ statement(LOAD_HALF_INDEXED, network_at + 2),
        /* 15 */ jump(15, IF_EQUAL, port, ACCEPT, REJECT),
        /* 16: accept */ statement(KEEP, snap_len),
        /* 17: reject */ statement(KEEP, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Interprets the program for a frame. Returns the number of bytes that the program keeps.
    fn run(program: &[Instruction], frame: &[u8], ether_type: u32) -> u32 {
        let (mut accumulator, mut index, mut at) = (0_u32, 0_u32, 0_usize);
        loop {
            let Instruction { code, jump_true, jump_false, operand } = program[at];
            at += 1;
            let byte = |offset: u32| frame.get(offset as usize).map(|byte| u32::from(*byte));
            let half = |offset: u32| Some(byte(offset)? << 8 | byte(offset + 1)?);
            let jump_len = |is_true| usize::from(if is_true { jump_true } else { jump_false });
            let loaded = match code {
                LOAD_HALF if operand == ETHER_TYPE => Some(ether_type),
                LOAD_HALF => half(operand),
                LOAD_HALF_INDEXED => half(operand + index),
                LOAD_BYTE | LOAD_HEADER_LEN => byte(operand),
                LOAD_INDEX => Some(operand),
                _ => None,
            };
            match (code, loaded) {
                (KEEP, _) => return operand,
                (JUMP, _) => at += operand as usize,
                (IF_EQUAL, _) => at += jump_len(accumulator == operand),
                (IF_ANY_BIT, _) => at += jump_len(accumulator & operand != 0),
                (LOAD_INDEX, Some(value)) => index = value,
                (LOAD_HEADER_LEN, Some(first_byte)) => index = (first_byte & 0xf) * 4,
                (_, Some(value)) => accumulator = value,
                // A load past the end of the frame ends the program, which then keeps nothing.
                (_, None) => return 0,
            }
        }
    }

    fn ipv4(header_len: u8, protocol: u8, fragment: u16, ports: [u16; 2]) -> Vec<u8> {
        let mut packet = vec![0; usize::from(header_len)];
        packet[0] = 0x40 | (header_len / 4);
        packet[6..8].copy_from_slice(&fragment.to_be_bytes());
        packet[9] = protocol;
        packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        packet
    }

    fn ipv6(next_header: u8, ports: [u16; 2]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[6] = next_header;
        packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        packet
    }

    #[test]
    fn filter_keeps_frames_from_or_to_the_port() {
        for (name, ether_type, packet, is_kept) in [
            ("TCP to the port", IPV4, ipv4(20, 6, 0, [50_000, 8080]), true),
            ("TCP from the port", IPV4, ipv4(20, 6, 0, [8080, 50_000]), true),
            ("UDP to the port", IPV4, ipv4(20, 17, 0, [50_000, 8080]), true),
            ("ports behind IPv4 options", IPV4, ipv4(60, 17, 0, [50_000, 8080]), true),
            ("must not be fragmented", IPV4, ipv4(20, 17, 0x4000, [50_000, 8080]), true),
            ("first fragment", IPV4, ipv4(20, 17, 0x2000, [50_000, 8080]), true),
            ("later fragment", IPV4, ipv4(20, 17, 0x0001, [50_000, 8080]), false),
            ("another port", IPV4, ipv4(20, 6, 0, [50_000, 8081]), false),
            ("another protocol", IPV4, ipv4(20, 132, 0, [50_000, 8080]), false),
            ("IPv6 TCP to the port", IPV6, ipv6(6, [50_000, 8080]), true),
            ("IPv6 UDP from the port", IPV6, ipv6(17, [8080, 50_000]), true),
            ("IPv6, another port", IPV6, ipv6(17, [8081, 50_000]), false),
            ("IPv6, another protocol", IPV6, ipv6(58, [8080, 50_000]), false),
            ("ARP", 0x0806, ipv4(20, 6, 0, [50_000, 8080]), false),
            ("cut before the ports", IPV4, ipv4(20, 6, 0, [8080, 8080])[..20].to_vec(), false),
        ] {
            for network_at in [0, 14] {
                let frame = [&[0; 14][..network_at], &packet].concat();
                let network_at = u32::try_from(network_at).unwrap();
                let len = run(&program(Some(8080), network_at, 500), &frame, ether_type);
                assert_eq!(len, if is_kept { 500 } else { 0 }, "{name}, IP at {network_at}");
                assert_eq!(run(&program(None, network_at, 500), &frame, ether_type), 500, "{name}, no port given");
            }
        }
    }
}
