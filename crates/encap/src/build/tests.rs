//! The properties of every built frame.

use std::collections::HashMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::capture;
use crate::rows::{Row, RowOptions, RowReader};
use crate::time::Timestamp;
use crate::wire::tcp::{Flags, TcpOption};
use crate::wire::{Checksum, Frame, SeqNumber};

/// Header of the CSV files without ports.
const HEADER: &str = "msg_id,app_protocol,src_app,dst_app,message,timestamp\n";

fn rows(csv: &str) -> Vec<Row> {
    RowReader::new(format!("{HEADER}{csv}").as_bytes(), RowOptions::default()).collect::<Result<_, _>>().unwrap()
}

fn plan(rows: &[Row], settings: Settings) -> (Plan, Vec<Refusal>) {
    let mut plan = Plan::new(settings);
    let refusals = rows.iter().filter_map(|row| plan.admit(row).err()).collect();
    (plan, refusals)
}

fn capture_sink(settings: &Settings) -> CaptureSink<Vec<u8>> {
    CaptureSink::new(Vec::new(), settings, "a test").unwrap()
}

/// Builds a capture file in memory, and returns it with the totals and the refusals.
fn build(rows: &[Row], settings: Settings) -> (Vec<u8>, Summary, Vec<Refusal>) {
    let (plan, refusals) = plan(rows, settings);
    let mut builder = Builder::new(&plan, capture_sink(&settings));
    for row in rows {
        builder.row(row).unwrap();
    }
    let (sink, summary) = builder.finish().unwrap();
    (sink.finish().unwrap(), summary, refusals)
}

/// The state of one side of a connection, as its frames so far show it.
#[derive(Default)]
struct Side {
    /// The sequence number of its next byte.
    next: Option<SeqNumber>,
    /// The latest acknowledgment number that it sent.
    acked: Option<SeqNumber>,
    /// The latest acknowledgment number that it sent without data.
    last_pure_ack: Option<SeqNumber>,
    /// The window that it advertised last, in bytes.
    window: u32,
    window_shift: u32,
    identification: Option<u16>,
    /// The latest timestamp that it sent.
    clock: u32,
    /// The latest timestamp that it echoed.
    echoed_clock: u32,
    has_sent_fin: bool,
}

/// Checks each frame of a capture against RFC 9293, and returns the number of frames.
fn verify_frames(file: &[u8], settings: &Settings) -> u64 {
    let mut reader = capture::Reader::new(file).unwrap();
    let mut sides: HashMap<_, Side> = HashMap::new();
    let (mut n_frames, mut last_time) = (0, None);
    while let Some(packet) = reader.next_packet().unwrap() {
        n_frames += 1;
        assert!(packet.time > last_time, "frame {n_frames}: its time is not later than that of the previous frame");
        last_time = packet.time;
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        assert!(frame.issues().is_empty(), "frame {n_frames}: {:?}", frame.issues());
        let verified = frame.verify();
        assert!(verified.network.is_none_or(|network| network == Checksum::Valid), "frame {n_frames}: IP checksum");
        assert_eq!(verified.transport, Some(Checksum::Valid), "frame {n_frames}: transport checksum");
        let ip_len = frame.ipv4().map_or_else(
            || 40 + usize::from(frame.ipv6().unwrap().payload_len()),
            |packet| usize::from(packet.total_len()),
        );
        assert!(ip_len <= usize::from(settings.mtu.bytes()), "frame {n_frames}: {ip_len} bytes exceed the MTU");
        if matches!(settings.link, Link::Ethernet | Link::Vlan) {
            assert!(packet.captured.len() >= 60, "frame {n_frames} lacks padding");
            let link_len = if settings.link == Link::Vlan { 18 } else { 14 };
            assert!(packet.captured[link_len + ip_len..].iter().all(|byte| *byte == 0), "frame {n_frames}: padding");
        }
        let Some(segment) = frame.tcp() else { continue };
        let (source, destination) = frame.addresses().unwrap();
        let from = (source, segment.source_port(), destination, segment.destination_port());
        let to = (destination, segment.destination_port(), source, segment.source_port());
        let flags = segment.flags();
        let is_syn = flags.contains(Flags::SYN);
        let len = u32::try_from(frame.payload().len()).unwrap();

        let peer = sides.entry(to).or_default();
        let (peer_next, peer_acked, peer_window, peer_clock) = (peer.next, peer.acked, peer.window, peer.clock);
        let side = sides.entry(from).or_default();
        assert!(!side.has_sent_fin || len == 0, "frame {n_frames}: data after FIN");
        if let Some(next) = side.next {
            assert_eq!(segment.seq(), next, "frame {n_frames}: sequence number");
        } else {
            assert!(is_syn, "frame {n_frames}: the first segment of a side has no SYN");
        }
        if flags.contains(Flags::ACK) {
            assert_eq!(Some(segment.ack()), peer_next, "frame {n_frames}: acknowledgment number");
        } else {
            assert_eq!(
                (segment.ack(), flags),
                (SeqNumber(0), Flags::SYN),
                "frame {n_frames}: only the first SYN has no ACK"
            );
        }
        if len == 0 && flags == Flags::ACK {
            assert_ne!(side.last_pure_ack, Some(segment.ack()), "frame {n_frames}: a duplicate acknowledgment");
            side.last_pure_ack = Some(segment.ack());
        }
        let end = segment.seq() + len + flags.sequence_len();
        if let Some(acked) = peer_acked {
            assert!(end - acked < peer_window.cast_signed(), "frame {n_frames}: the peer's window is full");
        }
        for option in segment.options().map(Result::unwrap) {
            match option.option {
                TcpOption::WindowScale(shift) => side.window_shift = u32::from(shift),
                TcpOption::Timestamps(timestamps) => {
                    // Neither clock goes back, and no timestamp is echoed before the peer sent it.
                    assert!(side.next.is_none() || timestamps.value.wrapping_sub(side.clock) < 1 << 31);
                    assert!(timestamps.echo_reply.wrapping_sub(side.echoed_clock) < 1 << 31 || side.echoed_clock == 0);
                    assert!(peer_next.is_none() || peer_clock.wrapping_sub(timestamps.echo_reply) < 1 << 31);
                    (side.clock, side.echoed_clock) = (timestamps.value, timestamps.echo_reply);
                }
                _ => {}
            }
        }
        if let Some(packet) = frame.ipv4() {
            assert!(packet.dont_fragment());
            let is_syn_ack = is_syn && flags.contains(Flags::ACK);
            if let (Some(before), false) = (side.identification, is_syn_ack) {
                assert_eq!(packet.identification(), before.wrapping_add(1), "frame {n_frames}: identification");
            }
            side.identification = Some(packet.identification()).filter(|_| !is_syn_ack);
        }
        // The window field of a SYN is not scaled (RFC 7323 §2.2).
        side.window = u32::from(segment.window()) << if is_syn { 0 } else { side.window_shift };
        side.acked = Some(segment.ack()).filter(|_| flags.contains(Flags::ACK));
        side.next = Some(end);
        side.has_sent_fin |= flags.contains(Flags::FIN);
    }
    assert!(sides.values().all(|side| side.has_sent_fin), "a side has not sent a FIN");
    n_frames
}

#[test]
fn rows_unknown_to_the_plan_are_skipped() {
    let settings = Settings::default();
    let (plan, _) = plan(&rows("1,CHAT,a,b,hi,0.1\n"), settings);
    let mut twin = BadTwin::new(&Plan::new(settings), capture_sink(&settings));
    let mut builder = Builder::new(&plan, capture_sink(&settings));
    // Only the first row is on a flow of the plan. Each of the two other flows has two rows.
    for row in rows("1,CHAT,a,b,hi,0.1\n2,CHAT,a,c,new,0.2\n3,DNS,b,a,new,0.2\n4,CHAT,a,c,new,0.3\n5,DNS,b,a,new,0.3\n")
    {
        builder.row(&row).unwrap();
        twin.row(&row).unwrap();
    }
    assert_eq!(builder.finish().unwrap().1.rows, 1);
}

#[test]
fn row_unknown_to_the_plan_does_not_keep_its_connection_open() {
    // The unknown row comes at any time from the end of the first row to the end of the connection.
    for micros in 0..3_000 {
        let rows = rows(&format!("1,CHAT,a,b,hi,0.1\n2,CHAT,b,a,late,0.{}\n", 100_000 + micros));
        let settings = Settings::default();
        let (plan, _) = plan(&rows[..1], settings);
        let mut builder = Builder::new(&plan, capture_sink(&settings));
        builder.row(&rows[0]).unwrap();
        builder.row(&rows[1]).unwrap();
        assert!(builder.finish().unwrap().1.frames < 12, "after {micros} µs");
    }
}

#[test]
fn connection_opens_200_microseconds_before_its_first_row() {
    let (file, ..) = build(&rows("1,CHAT,a,b,hi,1\n2,CHAT,a,c,hi,5\n3,CHAT,a,d,hi,2\n"), Settings::default());
    let mut reader = capture::Reader::new(&file[..]).unwrap();
    let mut opened = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        if packet.comments().any(|comment| comment.to_string().contains("asks for a connection")) {
            opened.push(packet.time.unwrap().as_nanos());
        }
    }
    // The third row has an earlier time than the second, but is sent after it, as in the file.
    let [first, second, third] = opened[..] else { panic!("{opened:?}") };
    assert_eq!([first, second], [999_800_000, 4_999_800_000]);
    assert!((4_999_800_000..5_000_000_000).contains(&third), "{third}");
}

#[test]
fn same_seed_builds_the_same_bytes() {
    let rows = rows("1,CHAT,a,b,hi,0.1\n2,DNS,a,c,where,0.2\n3,CHAT,b,a,ho,0.3\n");
    let build_with = |seed| build(&rows, Settings { seed, ..Settings::default() }).0;
    assert_eq!(build_with(7), build_with(7));
    assert_ne!(build_with(7), build_with(8));
}

#[test]
fn refusals_name_their_line_and_other_rows_are_built() {
    let udp = Settings { transport: TransportChoice::Udp, ..Settings::default() };
    let too_long = format!("1,CHAT,a,b,{},0.1\n2,CHAT,a,b,hi,0.2\n", "x".repeat(1500 - 20 - 8 + 1));
    let to_groups = "1,CHAT,10.0.0.1,224.0.0.9,hi,0.1\n2,CHAT,10.0.0.1,255.255.255.255,hi,0.2\n3,CHAT,a,b,hi,0.3\n";
    let small_mtu = Settings { mtu: Mtu::new(1279).unwrap(), ip: IpVersion::V6, ..Settings::default() };
    let cases = [
        (
            too_long.as_str(),
            udp,
            vec![
                "line 2: a message of 1473 bytes does not fit in a datagram of at most 1472: use --transport tcp or a \
                 larger --mtu",
            ],
            1,
        ),
        (
            to_groups,
            Settings::default(),
            vec![
                "line 2: 224.0.0.9 is a multicast or broadcast address, to which TCP cannot connect: use --transport \
                 udp",
                "line 3: 255.255.255.255 is a multicast or broadcast address, to which TCP cannot connect: use \
                 --transport udp",
            ],
            1,
        ),
        (to_groups, udp, vec![], 3),
        (
            "1,CHAT,a,b,hi,1\n2,CHAT,a,b,hi,9223372036\n",
            Settings::default(),
            vec!["line 3: its time, counted from --start, is after the year 2262: choose an earlier start"],
            1,
        ),
        ("1,CHAT,a,b,hi,0\n", small_mtu, vec!["line 2: IPv6 needs an MTU of at least 1280 bytes: raise --mtu"], 0),
    ];
    for (csv, settings, expected, n_rows) in cases {
        let (file, summary, refusals) = build(&rows(csv), settings);
        assert_eq!(refusals.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{csv:.60}");
        assert_eq!(summary.rows, n_rows, "{csv:.60}");
        assert_eq!(verify_frames(&file, &settings), summary.frames);
    }
}

#[test]
fn rows_keep_their_times_and_delays_are_remarked() {
    // The times of the rows, and the remarks about times.
    let times_and_remarks = |csv: &str, start: Option<i64>| {
        let settings = Settings { start: start.map(Timestamp::from_nanos), ..Settings::default() };
        let (file, summary, _) = build(&rows(csv), settings);
        verify_frames(&file, &settings);
        let mut reader = capture::Reader::new(&file[..]).unwrap();
        let mut times = Vec::new();
        while let Some(packet) = reader.next_packet().unwrap() {
            let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
            if !frame.payload().is_empty() {
                times.push(packet.time.unwrap().as_nanos());
            }
        }
        let remarks = summary.remarks.list().iter().map(|remark| (remark.count, remark.kind.clone()));
        (times, remarks.filter(|(_, kind)| *kind != BuildRemarkKind::Endless).collect::<Vec<_>>())
    };
    let later = |count, nanos| (count, BuildRemarkKind::Later { most: std::time::Duration::from_nanos(nanos) });
    let one_row = "1,CHAT,a,b,hi,0.5\n";
    assert_eq!(times_and_remarks(one_row, None), (vec![500_000_000], vec![]));
    assert_eq!(times_and_remarks(one_row, Some(3_000_000_000)), (vec![3_000_000_000], vec![]));
    let moved = BuildRemarkKind::Moved { by: std::time::Duration::from_micros(200) };
    assert_eq!(
        times_and_remarks("1,CHAT,a,b,hi,0\n2,CHAT,b,a,ho,0.5\n", None),
        (vec![200_000, 500_200_000], vec![(1, moved)])
    );
    // A frame of 68 bytes, with preamble, check sequence and gap, takes 92 × 8 ns.
    assert_eq!(
        times_and_remarks("1,CHAT,a,b,hi,1\n2,CHAT,b,a,ho,1\n", None),
        (vec![1_000_000_000, 1_000_000_736], vec![later(1, 736)])
    );
    let (times, remarks) = times_and_remarks("1,CHAT,a,b,hi,1\n2,CHAT,b,a,ho,0.25\n3,CHAT,a,b,hi,2\n", None);
    assert_eq!(times, [1_000_000_000, 1_000_000_736, 2_000_000_000]);
    assert_eq!(remarks, [later(1, 750_000_736)]);
}

#[test]
fn delayed_acknowledgments_have_different_delays() {
    let csv = (1..=20).map(|second| format!("{second},CHAT,a,b,hi,{second}\n")).collect::<Vec<_>>().concat();
    let settings = Settings::default();
    let (file, ..) = build(&rows(&csv), settings);
    verify_frames(&file, &settings);
    let mut reader = capture::Reader::new(&file[..]).unwrap();
    let (mut unacknowledged_since, mut delays) = (None, Vec::new());
    while let Some(packet) = reader.next_packet().unwrap() {
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        let nanos = packet.time.unwrap().as_nanos();
        if !frame.payload().is_empty() {
            unacknowledged_since = Some(nanos);
        } else if let Some(sent_at) = unacknowledged_since.take() {
            delays.push(nanos - sent_at);
        }
    }
    // The FIN acknowledges the last message.
    assert_eq!(delays.len(), 20);
    delays.pop();
    assert!(delays.iter().all(|delay| (40_000_000..44_000_000).contains(delay)), "{delays:?}");
    delays.sort_unstable();
    delays.dedup();
    assert_eq!(delays.len(), 19);
}

#[test]
fn bad_twin_names_the_faults_of_each_packet() {
    // The longest message that the MTU allows without TCP options.
    let longest = "x".repeat(1500 - 20 - 20);
    let csv = format!(
        "1,CHAT,a,b,{longest},1\n2,CHAT,b,a,{longest}x,2\n3,CHAT,a,b,c,3\n4,DNS,a,b,d,4\n5,DNS,a,b,e,5\n6,DNS,a,b,f,6\n"
    );
    let rows = rows(&csv);
    let settings = Settings::default();
    let (plan, _) = plan(&rows, settings);
    let mut twin = BadTwin::new(&plan, capture_sink(&settings));
    for row in &rows {
        twin.row(row).unwrap();
    }
    let file = twin.finish().finish().unwrap();
    let mut reader = capture::Reader::new(&file[..]).unwrap();
    let mut exceeds_mtu = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        let comment = packet.comments().next().unwrap().to_string();
        assert!(!comment.ends_with("Faults: ") && comment.contains("Faults: "), "{comment}");
        exceeds_mtu.push(comment.contains("longer than the MTU"));
    }
    assert_eq!(exceeds_mtu, [false, true, false, false, false, false]);
}

#[test]
fn links_have_the_interface_names_and_address_families_of_their_systems() {
    for (link, name, family) in
        [(Link::Null, "lo0", Some([30, 0, 0, 0])), (Link::Loop, "lo0", Some([0, 0, 0, 24])), (Link::Vlan, "eth0", None)]
    {
        let settings = Settings { link, ip: IpVersion::V6, ..Settings::default() };
        let (file, ..) = build(&rows("1,CHAT,a,b,hi,1\n"), settings);
        let mut reader = capture::Reader::new(&file[..]).unwrap();
        let packet = reader.next_packet().unwrap().unwrap();
        assert!(family.is_none_or(|family| packet.captured.starts_with(&family)), "{link:?}");
        assert_eq!(reader.interfaces()[0].name.as_deref(), Some(name));
    }
}

#[test]
fn messages_that_do_not_fit_their_protocol_are_remarked() {
    let kinds = |csv: &str, content| {
        let (_, summary, _) = build(&rows(csv), Settings { content, ..Settings::default() });
        summary.remarks.list().iter().map(|remark| (remark.count, remark.kind.clone())).collect::<Vec<_>>()
    };
    let chat = "1,CHAT,a,b,hi,1\n2,CHAT,b,a,ho,2\n";
    assert_eq!(kinds(chat, Content::Faithful), [(2, BuildRemarkKind::Endless)]);
    assert_eq!(kinds(chat, Content::Complete), [(2, BuildRemarkKind::Completed { protocol: "CHAT".into() })]);
    let found = kinds("1,HTTP,a,b,\"POST /login\nuser=a\",1\n", Content::Complete);
    assert_eq!(found[0], (1, BuildRemarkKind::NotCompleted { protocol: "HTTP".into() }));
    // Only protocols that can be completed get this remark.
    let found = kinds("1,GOPHER,a,b,hi,1\n2,DNS,a,b,hi,2\n", Content::Complete);
    assert!(!found.iter().any(|(_, kind)| matches!(kind, BuildRemarkKind::NotCompleted { .. })), "{found:?}");
    // A row with the minimum time gets the remark, too.
    let mut first = rows("1,HTTP,a,b,\"POST /login\nuser=a\",1\n").remove(0);
    first.time = Timestamp::from_nanos(i64::MIN);
    let settings = Settings { content: Content::Complete, ..Settings::default() };
    let (_, summary, _) = build(&[first.clone(), first], settings);
    let not_completed = BuildRemarkKind::NotCompleted { protocol: "HTTP".into() };
    assert!(summary.remarks.list().iter().any(|remark| (remark.count, &remark.kind) == (2, &not_completed)));
    let image = "1,HTTP,a,b,\"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 2\r\n\r\nhi\",1\n";
    assert_eq!(kinds(image, Content::Faithful), [(1, BuildRemarkKind::BodyMisnamed)]);
}

#[test]
fn ports_responses_and_first_receivers_decide_the_server() {
    // The address of the client, its port, and the port of the server.
    let syn_of_first_flow = |csv: &str| {
        let header = "app_protocol,src_app,dst_app,src_port,dst_port,message,timestamp\n";
        let rows: Vec<Row> =
            RowReader::new(format!("{header}{csv}").as_bytes(), RowOptions::default()).map(Result::unwrap).collect();
        let (file, ..) = build(&rows, Settings::default());
        let mut reader = capture::Reader::new(&file[..]).unwrap();
        let packet = reader.next_packet().unwrap().unwrap();
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        let segment = frame.tcp().unwrap();
        assert_eq!(segment.flags(), Flags::SYN);
        (frame.addresses().unwrap().0.to_string(), segment.source_port(), segment.destination_port())
    };
    let a = "10.0.0.1".to_owned();
    let b = "10.0.0.2".to_owned();
    // The port of the client is random, so only its range is compared.
    let with_chosen_port =
        |(client, port, server): (String, u16, u16)| (client, port::CLIENT_PORTS.contains(&port), server);
    assert_eq!(with_chosen_port(syn_of_first_flow("CHAT,a,b,,,hi,1\n")), (a.clone(), true, 12_345));
    assert_eq!(
        with_chosen_port(syn_of_first_flow("HTTP,a,b,,,200 OK,1\nHTTP,b,a,,,GET /,2\n")),
        (b.clone(), true, 50_080)
    );
    assert_eq!(with_chosen_port(syn_of_first_flow("GOPHER,a,b,,,hi,1\n")), (a.clone(), true, 50_000));
    assert_eq!(with_chosen_port(syn_of_first_flow("CHAT,a,b,12345,,hi,1\n")), (b.clone(), true, 12_345));
    assert_eq!(with_chosen_port(syn_of_first_flow("CHAT,a,b,,7000,hi,1\n")), (a.clone(), true, 7_000));
    assert_eq!(syn_of_first_flow("CHAT,a,b,7000,40000,hi,1\n"), (b.clone(), 40_000, 7_000));
    assert_eq!(syn_of_first_flow("CHAT,a,b,2000,80,hi,1\n"), (a.clone(), 2_000, 80));
    assert_eq!(syn_of_first_flow("CHAT,a,b,2000,2001,hi,1\n"), (a, 2_000, 2_001));
}

#[test]
fn server_of_one_chat_flow_is_the_server_of_later_chat_flows() {
    /// The client and the server of each connection, separated by a space.
    fn clients_and_servers(csv: &str, servers: &[&str]) -> Vec<String> {
        let rows = rows(csv);
        let servers = servers.iter().map(|app| app.parse().unwrap()).collect();
        let mut plan = Plan::new(Settings::default()).served_by(servers);
        for row in &rows {
            plan.admit(row).unwrap();
        }
        let flows = plan.finish().flows;
        flows.iter().map(|flow| format!("{} {}", flow.names[flow.client], flow.names[1 - flow.client])).collect()
    }

    let chat = "1,CHAT,Noy,Server,hello,1\n2,CHAT,Server,Elias,Noy is here,2\n3,CHAT,Noy,Elias,hi,3\n";
    assert_eq!(clients_and_servers(chat, &[]), ["Noy Server", "Elias Server", "Noy Elias"]);
    assert_eq!(clients_and_servers(chat, &["Noy"]), ["Server Noy", "Server Elias", "Elias Noy"]);
    assert_eq!(clients_and_servers(chat, &["Noy", "Server"]), ["Noy Server", "Elias Server", "Elias Noy"]);
    // A proxy or a mail relay is the server of one connection and the client of another.
    let proxy =
        "1,HTTP,pc,proxy,GET /,1\n2,HTTP,proxy,web,GET /,2\n3,SMTP,pc,mx1,EHLO pc,3\n4,SMTP,mx1,mx2,EHLO mx1,4\n";
    assert_eq!(clients_and_servers(proxy, &[]), ["pc proxy", "proxy web", "pc mx1", "mx1 mx2"]);
    // The sender of a response is a server, even if the file lacks the request.
    let responses = "1,HTTP,web,pc,200 OK,1\n2,HTTP,pc,web,GET /,2\n3,HTTP,web,tv,HTTP/1.1 404,3\n";
    assert_eq!(clients_and_servers(responses, &[]), ["pc web", "tv web"]);
    assert_eq!(clients_and_servers(responses, &["tv"]), ["pc web", "web tv"]);
    // The server of a CHAT flow is not a server of other protocols.
    assert_eq!(clients_and_servers("1,CHAT,a,b,hi,1\n2,GOPHER,b,c,hi,2\n", &[]), ["a b", "b c"]);
}

#[test]
fn names_get_no_address_that_the_file_uses() {
    let apps = ["a", "10.0.0.1", "b", "10.0.0.3", "c"].map(|text| text.parse().unwrap());
    let addresses = address::Addresses::assign(&apps);
    let assigned = (0..5).map(|app| addresses.ip(app, IpVersion::V4).to_string()).collect::<Vec<_>>();
    assert_eq!(assigned, ["10.0.0.2", "10.0.0.1", "10.0.0.4", "10.0.0.3", "10.0.0.5"]);
    // 10.0.0.255 and 10.0.1.0 are skipped.
    let many_apps: Vec<_> = (0..600).map(|i| format!("n{i}").parse().unwrap()).collect();
    let addresses = address::Addresses::assign(&many_apps);
    assert_eq!(addresses.ip(253, IpVersion::V4).to_string(), "10.0.0.254");
    assert_eq!(addresses.ip(254, IpVersion::V4).to_string(), "10.0.1.1");
    assert_eq!(addresses.ip(254, IpVersion::V6).to_string(), "2001:db8::ff");
}

/// Records the line of the row and the range of the message that each frame carries.
#[derive(Default)]
struct PartSink(Vec<(u64, std::ops::Range<usize>)>);

impl FrameSink for PartSink {
    type Error = std::convert::Infallible;

    fn frame(&mut self, built: &BuiltFrame<'_>) -> Result<(), Self::Error> {
        let len = u32::try_from(built.bytes.len()).unwrap();
        let payload_len = Frame::parse(Link::Ethernet.link_type(), built.bytes, len).payload().len();
        match &built.purpose {
            FramePurpose::Message(part) => {
                assert_eq!(part.bytes.len(), payload_len);
                self.0.push((part.row.line, part.bytes.clone()));
            }
            FramePurpose::Control { .. } => assert_eq!(payload_len, 0),
        }
        Ok(())
    }
}

#[test]
fn sink_receives_the_row_and_the_bytes_that_each_frame_carries() {
    let rows = rows(&format!("1,CHAT,a,b,{},1\n2,DNS,a,b,{},2\n3,CHAT,b,a,,3\n", "x".repeat(3_000), "y".repeat(9)));
    let (plan, _) = plan(&rows, Settings::default());
    let mut builder = Builder::new(&plan, PartSink::default());
    for row in &rows {
        builder.row(row).unwrap();
    }
    let (PartSink(parts), _) = builder.finish().unwrap();
    // A segment carries at most 1500 - 20 - 20 - 12 bytes: the MTU without the IP and TCP headers and the timestamps.
    // The third row is empty, so no frame carries it.
    assert_eq!(parts, [(2, 0..1_448), (2, 1_448..2_896), (2, 2_896..3_000), (3, 0..9)]);
}

#[test]
fn comments_name_the_row_or_the_role_of_a_frame() {
    let (file, ..) = build(&rows("x,CHAT,a,b,hi,0.1\n"), Settings::default());
    let mut reader = capture::Reader::new(&file[..]).unwrap();
    let mut comments = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        comments.extend(packet.comments().map(|comment| comment.to_string()));
    }
    assert_eq!(
        comments,
        [
            "layer=transport SYN: a asks for a connection",
            "layer=transport SYN, ACK: b grants it",
            "layer=transport ACK: a completes the handshake",
            "msg_id=x layer=application CHAT from a to b",
            "layer=transport FIN, ACK: a has no more to say",
            "layer=transport FIN, ACK: b has no more to say either",
            "layer=transport ACK: a acknowledges the end",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_rows_build_frames_that_a_kernel_could_send(
        // Sender, receiver, length, wait before the row in nanoseconds, and the index of a factor for the wait.
        messages in prop::collection::vec((0..6_u8, 0..6_u8, 0..9_000_usize, 0..100_000_000_i64, 0..4_u8), 1..60),
        seed: u64,
        mtu in 576..=u16::MAX,
        link in prop::sample::select(&Link::ALL[..]),
        has_options: bool,
        is_v6: bool,
    ) {
        let mut csv = String::new();
        let mut nanos = 0;
        let messages = messages.into_iter().filter(|(from, to, ..)| from != to);
        for (id, (from, to, len, wait, factor)) in messages.enumerate() {
            nanos += [0, wait / 10_000, wait, wait * 10][usize::from(factor)];
            let message = "x".repeat(len);
            writeln!(csv, "{id},CHAT,n{from},n{to},{message},{}", Timestamp::from_nanos(nanos)).unwrap();
        }
        let settings = Settings {
            seed,
            link,
            mtu: Mtu::new(if is_v6 { mtu.max(Mtu::MIN_V6) } else { mtu }).unwrap(),
            ip: if is_v6 { IpVersion::V6 } else { IpVersion::V4 },
            options: if has_options { TcpOptions::Linux } else { TcpOptions::None },
            ..Settings::default()
        };
        let rows = rows(&csv);
        let (file, summary, refusals) = build(&rows, settings);
        prop_assert!(refusals.is_empty());
        prop_assert_eq!(summary.rows, rows.len() as u64);
        prop_assert_eq!(verify_frames(&file, &settings), summary.frames);
    }
}
