//! Real captures: packet counts, times and lengths are those that Wireshark's `capinfos` shows.

use super::*;

#[test]
fn real_captures_match_capinfos() {
    // The first and last packet are given as time in nanoseconds and length in bytes.
    for (name, format, packets, first, last) in [
        (
            "csv_send_macos_lo0.pcapng",
            Format::Pcapng,
            18,
            (1_768_771_212_931_390_000, 68),
            (1_768_771_213_954_112_000, 56),
        ),
        (
            "line_chat_macos_lo0.pcapng",
            Format::Pcapng,
            84,
            (1_764_378_729_682_467_000, 68),
            (1_764_379_280_994_292_000, 56),
        ),
        ("line_chat_npcap.pcap", Format::Pcap, 22, (1_769_530_735_908_016_000, 56), (1_769_530_828_396_811_000, 44)),
    ] {
        let file = std::fs::read(path(name)).unwrap();
        assert_eq!(Reader::new(&file[..]).unwrap().format(), format);
        let contents = read(ShortReads(&file, 7));
        let time_and_len = |packet: &OwnedPacket| (packet.nanos.unwrap(), packet.original_len);
        assert_eq!(contents.packets.len(), packets, "{name}");
        assert_eq!(
            (time_and_len(&contents.packets[0]), time_and_len(&contents.packets[packets - 1])),
            (first, last),
            "{name}"
        );
        assert_eq!(contents.interfaces[0].link_type, LinkType::NULL, "{name}");
        assert_eq!(contents.interfaces[0].resolution, Resolution::MICROS, "{name}");
        assert!(contents.notes.is_empty() && contents.error.is_none(), "{name}: {contents:?}");
        if format == Format::Pcapng {
            let interface = &contents.interfaces[0];
            assert_eq!((interface.name.as_deref(), interface.description.as_deref()), (Some("lo0"), Some("Loopback")));
            assert_eq!(interface.snap_len, 524_288);
            assert!(contents.section.application.unwrap().starts_with("Dumpcap"));
        }
    }
}

pub(super) fn path(name: &str) -> String {
    format!("{}/../../tests/data/captures/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(super) const NAMES: [&str; 3] = ["csv_send_macos_lo0.pcapng", "line_chat_macos_lo0.pcapng", "line_chat_npcap.pcap"];
