//! `encap capture`: how a capture ends, and the file that it leaves.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use switchboard_encap::capture::Reader;
use switchboard_tests::process::program;
use switchboard_tests::test_client::TIMEOUT;
use switchboard_tests::wire_lab::{Capture, csv, encap, in_namespace, texts, tshark};

/// A UDP socket on loopback, and its address.
fn udp_socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = socket.local_addr().expect("a bound socket has an address");
    (socket, address)
}

#[test]
fn capture_of_a_killed_process_is_readable() {
    in_namespace("capture_of_a_killed_process_is_readable", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (socket, address) = udp_socket();
        let mut capture = Capture::start(&folder, &["--port", &address.port().to_string()]);
        for _ in 0..100 {
            socket.send_to(&[7; 1000], address).expect("loopback accepts datagrams");
        }
        capture.wait_for_bytes(100_000);
        capture.signal("KILL");
        capture.child.wait().expect("a child of this process");

        let file = BufReader::new(File::open(&capture.file).expect("the file exists"));
        let mut reader = Reader::new(file).expect("a capture");
        while let Some(packet) = reader.next_packet().expect("a readable capture") {
            let comments: Vec<_> = packet.comments().collect();
            assert_eq!(comments, ["checksum not computed yet: left to hardware (offload)"]);
        }
        assert_eq!((reader.packets(), reader.notes().list().len()), (100, 0));
        assert_eq!(reader.section().comments, ["captured from a live interface, not synthesised"]);
        assert_eq!(reader.interfaces()[0].name.as_deref(), Some("lo"));
        assert_eq!(tshark(&capture.file, &[], "udp", &["udp.length"]).len(), 100);
    });
}

#[test]
fn capture_ends_by_count_or_by_time() {
    in_namespace("capture_ends_by_count_or_by_time", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (socket, address) = udp_socket();
        for (args, frames) in [(["--count", "3"], 3), (["--for", "700ms"], 5)] {
            let capture = Capture::start(&folder, &args);
            let file = capture.file.clone();
            for _ in 0..5 {
                socket.send_to(b"hi", address).expect("loopback accepts datagrams");
            }
            let report = capture.wait();
            assert_eq!(report, format!("{frames} frames, {} bytes, none dropped: {}\n", frames * 44, file.display()));
            std::fs::remove_file(file).expect("the file exists");
        }
    });
}

#[test]
fn second_signal_ends_a_capture_into_a_full_pipe() {
    in_namespace("second_signal_ends_a_capture_into_a_full_pipe", || {
        let mut capture = Command::new(program("encap"));
        capture.args(["capture", "-i", "lo", "-o", "-"]).stdout(Stdio::piped());
        let mut child = capture.spawn().expect("encap can be started");
        let mut out = child.stdout.take().expect("a piped stream");
        // After the header of the file has arrived, the capture runs. The rest of the pipe is never read.
        out.read_exact(&mut [0; 28]).expect("the capture starts");
        let (socket, address) = udp_socket();
        for _ in 0..100 {
            socket.send_to(&vec![b'x'; 60_000], address).expect("loopback accepts datagrams");
        }
        sleep(Duration::from_secs(2));
        for _ in 0..2 {
            let kill = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
            assert!(kill.is_ok_and(|status| status.success()));
            sleep(Duration::from_millis(200));
        }
        for _ in 0..TIMEOUT.as_millis() / 10 {
            if let Some(status) = child.try_wait().expect("a child of this process") {
                assert_eq!(status.code(), None, "the signal ends the process");
                return;
            }
            sleep(Duration::from_millis(10));
        }
        child.kill().expect("a child of this process");
        panic!("the capture does not end");
    });
}

#[test]
fn failed_writes_are_reported_and_not_counted() {
    in_namespace("failed_writes_are_reported_and_not_counted", || {
        let (_, errors) = encap(3, &["capture", "-i", "lo", "-o", "/dev/full"]);
        assert!(errors.contains("/dev/full"), "{errors}");

        let mut capture = Command::new(program("encap"));
        capture.args(["capture", "-i", "lo", "-o", "-"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = capture.spawn().expect("encap can be started");
        child.stdout.take().expect("a piped stream").read_exact(&mut [0; 28]).expect("the capture starts");
        let (socket, address) = udp_socket();
        socket.send_to(b"hi", address).expect("loopback accepts datagrams");
        let (_, errors) = texts(&child.wait_with_output().expect("a child of this process"));
        // A closed pipe is no error. Frames that were not written to it are not counted.
        assert_eq!(errors, "at least 0 frames, 0 bytes: standard output\n");
    });
}

#[test]
fn deleted_interface_is_reported_as_gone_not_down() {
    in_namespace("deleted_interface_is_reported_as_gone_not_down", || {
        let ip = |args: &[&str]| {
            let status = Command::new("ip").args(args).status();
            assert!(status.is_ok_and(|status| status.success()), "ip {args:?}");
        };
        for (removal, expected) in
            [(&["link", "set", "going", "down"][..], "is down"), (&["link", "del", "going"], "is gone")]
        {
            // The interface survives the first round.
            if removal[1] == "set" {
                ip(&["link", "add", "going", "type", "veth", "peer", "name", "other"]);
            }
            ip(&["link", "set", "going", "up"]);
            let mut capture = Command::new(program("encap"));
            capture.args(["capture", "-i", "going", "-o", "-"]).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = capture.spawn().expect("encap can be started");
            child.stdout.as_mut().expect("a piped stream").read_exact(&mut [0; 28]).expect("the capture starts");
            ip(removal);
            let (_, errors) = texts(&child.wait_with_output().expect("a child of this process"));
            assert!(errors.contains(expected), "{errors}");
        }
    });
}

#[test]
fn missing_capability_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rows = csv("http_input.csv");
    // The root user of a new user namespace may not capture in the machine's own network namespace.
    let run = |args: &[&str]| {
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user"])
            .arg(program("encap"))
            .args(args)
            .current_dir(&folder)
            .output()
            .expect("unshare is installed (Debian: util-linux)");
        (output.status.code(), texts(&output))
    };
    let rows = rows.to_str().expect("UTF-8");
    for args in [&["capture", "-i", "lo", "-o", "out"][..], &["send", rows, "--speed", "max", "-o", "out"]] {
        let (status, (_, errors)) = run(args);
        assert_eq!(status, Some(3), "{errors}");
        assert!(errors.contains("CAP_NET_RAW") && errors.contains("setcap"), "{errors}");
        assert!(!folder.path().join("out").exists(), "nothing was captured, so nothing is written");
    }
    let (status, (out, errors)) = run(&["send", rows, "--speed", "max"]);
    assert_eq!(status, Some(0), "{errors}");
    assert!(errors.contains("sending without capturing"), "{errors}");
    assert!(out.contains("5 (line 6) client_browser → web_server, 9 bytes at 39: sent"), "{out}");
}

#[test]
fn full_disk_is_an_error_but_a_closed_pipe_is_not() {
    in_namespace("full_disk_is_an_error_but_a_closed_pipe_is_not", || {
        let rows = csv("group07_chat_input.csv");
        let rows = rows.to_str().expect("UTF-8");
        let full = "encap: /dev/full: cannot write the capture: No space left on device (os error 28)\n";
        assert_eq!(encap(3, &["send", rows, "--speed", "max", "-o", "/dev/full"]).1, full);
        assert_eq!(encap(3, &["capture", "-i", "lo", "--for", "100ms", "-o", "/dev/full"]).1, full);
        // 141 is the exit code of a shell's child that SIGPIPE ended: 128 + 13.
        for args in ["capture -i lo --for 2s -o -", "send \"$1\" --speed max"] {
            let script = format!("{{ sleep 0.3; \"$0\" {args}; echo $? >&2; }} | true");
            let output = Command::new("sh").args(["-c", &script]).arg(program("encap")).arg(rows).output();
            let (_, errors) = texts(&output.expect("sh can be started"));
            assert!(errors.ends_with("141\n") && !errors.contains("Broken pipe"), "{args}: {errors}");
        }
        let script = "\"$0\" send \"$1\" --speed max 2>&- >/dev/null";
        let status = Command::new("sh").args(["-c", script]).arg(program("encap")).arg(rows).status();
        assert!(status.is_ok_and(|status| status.success()), "the program stopped at a closed standard error");
    });
}
