//! Tests that need a network start themselves again in a network namespace, where any user may capture.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};

use super::*;
use crate::capture::{FileMetadata, Format, Interface, Reader, Record, Writer};
use crate::time::Timestamp;

/// Environment variable that is set for the run inside the namespace.
const IN_NAMESPACE: &str = "ENCAP_TEST_IN_NAMESPACE";

/// Runs the test `name` in new user and network namespaces, after the shell commands `setup`. The second run of the
/// test calls `test`.
fn in_namespace(name: &str, setup: &str, test: impl FnOnce()) {
    if std::env::var_os(IN_NAMESPACE).is_some() {
        return test();
    }
    let run = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-ec"])
        .arg(format!("{setup}; exec \"$0\" --exact \"$1\" --nocapture"))
        .arg(std::env::current_exe().unwrap())
        .arg(format!("capture::live::tests::{name}"))
        .env(IN_NAMESPACE, "1")
        .output()
        .expect("unshare, of util-linux, runs");
    let output = [run.stdout, run.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(run.status.success(), "{}\n{}", output[0], output[1]);
    assert!(output[0].contains("1 passed"), "the test ran in the namespace: {}", output[0]);
}

/// Passes each frame to `on_frame` until `traffic` has ended and no frame is left.
fn capture(live: &mut LiveCapture, traffic: impl FnOnce() + Send, mut on_frame: impl FnMut(&LiveFrame<'_>)) {
    thread::scope(|scope| {
        let traffic = scope.spawn(traffic);
        loop {
            let has_ended = traffic.is_finished();
            match live.next_frame(4 * LiveCapture::BLOCK_TIMEOUT).unwrap() {
                Some(frame) => on_frame(&frame),
                None if has_ended => break,
                None => {}
            }
        }
        traffic.join().unwrap();
    });
}

#[test]
fn each_loopback_datagram_is_captured_once_in_order() {
    const DATAGRAMS: u32 = 100_000;
    in_namespace("each_loopback_datagram_is_captured_once_in_order", "ip link set lo up", || {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let other_receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = receiver.local_addr().unwrap().port();
        let mut live = LiveCapture::open("lo", &LiveOptions { port: Some(port), ..LiveOptions::default() }).unwrap();
        assert_eq!(live.link_type(), LinkType::ETHERNET);

        let payload = |number: u32| number.to_be_bytes().repeat(25);
        let traffic = || {
            for number in 0..DATAGRAMS {
                sender.send_to(&payload(number), receiver.local_addr().unwrap()).unwrap();
                if number % 10 == 0 {
                    sender.send_to(b"another port", other_receiver.local_addr().unwrap()).unwrap();
                }
            }
        };
        let interface = Interface { name: Some("lo".to_owned()), ..Interface::new(live.link_type()) };
        let mut writer = Writer::new(Vec::new(), Format::Pcapng, FileMetadata::default(), &[interface]).unwrap();
        let (mut n_seen, mut last_time) = (0, Timestamp::default());
        capture(&mut live, traffic, |frame| {
            let packet = SlicedPacket::from_ethernet(frame.captured).unwrap();
            let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("not UDP: {packet:?}") };
            assert_eq!(udp.payload(), payload(n_seen), "datagram {n_seen}");
            assert!(frame.time >= last_time, "{:?} after {last_time:?}", frame.time);
            assert_eq!(frame.original_len as usize, frame.captured.len());
            assert!(frame.checksum_offloaded, "loopback does not compute UDP checksums");
            (n_seen, last_time) = (n_seen + 1, frame.time);
            let (time, captured, original_len) = (frame.time, frame.captured, frame.original_len);
            writer.write(&Record { time, interface: 0, captured, original_len, comments: &[] }).unwrap();
        });
        assert_eq!(n_seen, DATAGRAMS);
        let statistics = live.statistics().unwrap();
        assert_eq!(statistics, Statistics { received: u64::from(DATAGRAMS), dropped: 0 });

        let file = writer.finish(&[statistics]).unwrap();
        let mut reader = Reader::new(&file[..]).unwrap();
        while reader.next_packet().unwrap().is_some() {}
        assert_eq!(reader.packets(), u64::from(DATAGRAMS));
        assert_eq!(reader.interfaces()[0].dropped, Some(0));
    });
}

#[test]
fn loopback_stream_is_captured_completely() {
    in_namespace("loopback_stream_is_captured_completely", "ip link set lo up", || {
        let bytes = || (0..4_000_000_u32).map(|i| i.to_le_bytes()[(i % 3) as usize]).collect::<Vec<u8>>();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut live =
            LiveCapture::open("lo", &LiveOptions { port: Some(address.port()), ..LiveOptions::default() }).unwrap();
        let traffic = || {
            let mut client = TcpStream::connect(address).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            thread::scope(|scope| {
                scope.spawn(move || client.write_all(&bytes()).unwrap());
                server.read_to_end(&mut Vec::new()).unwrap();
            });
        };
        let mut stream = Vec::new();
        let (mut first_seq, mut longest) = (0, 0);
        capture(&mut live, traffic, |frame| {
            let packet = SlicedPacket::from_ethernet(frame.captured).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("not TCP: {packet:?}") };
            if tcp.destination_port() == address.port() {
                longest = longest.max(frame.captured.len());
                if tcp.syn() {
                    first_seq = tcp.sequence_number().wrapping_add(1);
                } else if !tcp.payload().is_empty() {
                    let at = tcp.sequence_number().wrapping_sub(first_seq) as usize;
                    stream.resize(stream.len().max(at + tcp.payload().len()), 0);
                    stream[at..at + tcp.payload().len()].copy_from_slice(tcp.payload());
                }
            }
        });
        assert!(stream == bytes(), "the captured stream differs from the sent bytes");
        assert!(longest > 32 * 1024, "loopback carries longer segments than a network card sends: {longest}");
        assert_eq!(live.statistics().unwrap().dropped, 0);
    });
}

#[test]
fn frame_is_truncated_at_the_snapshot_length() {
    in_namespace("frame_is_truncated_at_the_snapshot_length", "ip link set lo up", || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut live = LiveCapture::open("lo", &LiveOptions { snap_len: 60, ..LiveOptions::default() }).unwrap();
        let mut lens = Vec::new();
        let traffic = || assert_eq!(socket.send_to(&[7; 1000], socket.local_addr().unwrap()).unwrap(), 1000);
        capture(&mut live, traffic, |frame| lens.push((frame.captured.len(), frame.original_len)));
        assert_eq!(lens, [(60, 14 + 20 + 8 + 1000)]);
    });
}

#[test]
fn tunnel_without_link_layer_has_the_cooked_link_type() {
    let setup = "ip tuntap add dev tun0 mode tun; ip addr add 10.9.0.1/24 dev tun0; ip link set tun0 up";
    in_namespace("tunnel_without_link_layer_has_the_cooked_link_type", setup, || {
        // No program opened this tunnel, so it has no carrier and sends nothing. A capture on it can still start.
        match LiveCapture::open("tun0", &LiveOptions { port: Some(9), ..LiveOptions::default() }) {
            Ok(live) => assert_eq!(live.link_type(), LinkType::LINUX_SLL2),
            Err(error) => panic!("{error}"),
        }
    });
}

#[test]
fn vlan_tag_stripped_by_the_kernel_is_reinserted() {
    let setup = "ip link add near type veth peer name far; ip link set far up; ip link set near up";
    in_namespace("vlan_tag_stripped_by_the_kernel_is_reinserted", setup, || {
        let mut sent = Vec::new();
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .single_vlan(5.try_into().unwrap())
            .ipv4([10, 9, 0, 1], [10, 9, 0, 2], 64)
            .udp(50_000, 9)
            .write(&mut sent, b"tagged")
            .unwrap();
        // The frame is incoming at the far end, and outgoing at the near end. Without a filter, the capture also has
        // other frames.
        for (interface, port) in [("far", Some(9)), ("far", None), ("near", None)] {
            let options = LiveOptions { port, ..LiveOptions::default() };
            let mut live = LiveCapture::open(interface, &options).unwrap();
            let mut seen = Vec::new();
            let traffic = || ring::open_sender("near").unwrap().write_all(&sent).unwrap();
            capture(&mut live, traffic, |frame| seen.push((frame.captured.to_vec(), frame.original_len as usize)));
            seen.retain(|(frame, _)| port.is_some() || frame.ends_with(b"tagged"));
            assert_eq!(seen, [(sent.clone(), sent.len())], "at {interface}");
        }
    });
}

#[test]
fn missing_interface_and_small_buffer_are_reported() {
    in_namespace("missing_interface_and_small_buffer_are_reported", "true", || {
        let open = |name| LiveCapture::open(name, &LiveOptions::default()).unwrap_err().to_string();
        assert_eq!(open("lo"), "interface lo is down: `ip link set lo up` starts it");
        for name in ["none0", "", "a name longer than any", "nul\0nul"] {
            assert_eq!(open(name), format!("no interface is named {name:?}: `ip link` lists them"));
        }
        let options = LiveOptions { buffer_bytes: 4096, ..LiveOptions::default() };
        let error = LiveCapture::open("lo", &options).unwrap_err().to_string();
        assert_eq!(error, "a buffer of 4096 bytes is too small: use at least 2097152");
    });
}

#[test]
fn interface_going_down_is_reported_after_its_frames() {
    in_namespace("interface_going_down_is_reported_after_its_frames", "ip link set lo up", || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut live = LiveCapture::open("lo", &LiveOptions::default()).unwrap();
        socket.send_to(b"before", socket.local_addr().unwrap()).unwrap();
        assert!(live.next_frame(4 * LiveCapture::BLOCK_TIMEOUT).unwrap().is_some());
        assert!(Command::new("ip").args(["link", "set", "lo", "down"]).status().unwrap().success());
        let error = live.next_frame(4 * LiveCapture::BLOCK_TIMEOUT).unwrap_err();
        assert!(matches!(error, LiveError::Down(_)), "{error}");
    });
}

#[test]
fn missing_capability_is_reported() {
    if std::env::var_os(IN_NAMESPACE).is_some() {
        let error = LiveCapture::open("lo", &LiveOptions::default()).unwrap_err();
        assert!(matches!(error, LiveError::NoCapability), "{error}");
        return;
    }
    // Root in a user namespace has no capability for the machine's network, which belongs to another namespace.
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "capture::live::tests::missing_capability_is_reported"])
        .env(IN_NAMESPACE, "1")
        .status()
        .expect("unshare, of util-linux, runs");
    assert!(status.success());
}
