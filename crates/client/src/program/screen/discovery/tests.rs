use std::net::UdpSocket;
use std::time::Duration;

use mdns_sd::ServiceInfo;
use tokio::time::timeout;

use super::*;

/// The time limit of a test. An event takes a second at most: a goodbye counts after this time (RFC 6762 §10.1).
const TIME_MAX: Duration = Duration::from_secs(20);

/// Appends a name of DNS (RFC 1035 §3.1).
fn push_name(packet: &mut Vec<u8>, labels: &[&str]) {
    for label in labels {
        packet.push(u8::try_from(label.len()).expect("a label"));
        packet.extend(label.as_bytes());
    }
    packet.push(0);
}

/// Appends a record (RFC 1035 §4.1.3).
fn push_record(packet: &mut Vec<u8>, name: &[&str], kind: u16, ttl: u32, data: &[u8]) {
    push_name(packet, name);
    packet.extend(kind.to_be_bytes());
    // The class IN.
    packet.extend(1_u16.to_be_bytes());
    packet.extend(ttl.to_be_bytes());
    packet.extend(u16::try_from(data.len()).expect("a length").to_be_bytes());
    packet.extend(data);
}

const SERVICE_LABELS: [&str; 3] = ["_switchboard", "_tcp", "local"];

/// An announcement as RFC 6763 has it, written by hand: PTR, SRV, TXT and A.
fn announcement(instance: &str, ttl: u32, port: u16, txt: &[&str], address: [u8; 4]) -> Vec<u8> {
    let full_name = [&[instance], &SERVICE_LABELS[..]].concat();
    let host = format!("host{}", address[3]);
    let host = [&*host, "local"];
    // The id 0, the flags of an authoritative response, and four answers.
    let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    let mut target = Vec::new();
    push_name(&mut target, &full_name);
    push_record(&mut packet, &SERVICE_LABELS, 12, ttl, &target);
    let mut location = [0, 0, 0, 0].to_vec();
    location.extend(port.to_be_bytes());
    push_name(&mut location, &host);
    push_record(&mut packet, &full_name, 33, ttl, &location);
    let mut attributes = Vec::new();
    for attribute in txt {
        attributes.push(u8::try_from(attribute.len()).expect("an attribute"));
        attributes.extend(attribute.as_bytes());
    }
    push_record(&mut packet, &full_name, 16, ttl, &attributes);
    push_record(&mut packet, &host, 1, ttl, &address);
    packet
}

/// A search on loopback, and a socket that sends to it.
fn search() -> (Discovery, UdpSocket) {
    let any = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = any().local_addr().expect("an address").port();
    let daemon = ServiceDaemon::new_with_port(port).and_then(|daemon| {
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(IfKind::LoopbackV4)?;
        Ok(daemon)
    });
    let announcer = any();
    announcer.connect(("127.0.0.1", port)).expect("loopback");
    (Discovery::with_daemon(daemon), announcer)
}

/// The next news of the network. Repeats `packet` until then, because the search may not listen yet.
async fn next_after(discovery: &mut Discovery, announcer: &UdpSocket, packet: &[u8]) -> DiscoveryEvent {
    let next = async {
        loop {
            // Nobody may listen yet, which is an error of the next call.
            let _ = announcer.send(packet);
            match timeout(Duration::from_millis(100), discovery.next()).await {
                Ok(DiscoveryEvent::ThisMachine { .. }) | Err(_) => {}
                Ok(event) => return event,
            }
        }
    };
    timeout(TIME_MAX, next).await.expect("news")
}

#[tokio::test]
async fn a_server_is_found_and_is_gone_after_its_goodbye() {
    let (mut discovery, announcer) = search();
    let txt = ["version=2", "tls=12346", "key=x"];
    let packet = announcement("Lab 2.0", 120, 12345, &txt, [192, 0, 2, 7]);
    let DiscoveryEvent::Found(found) = next_after(&mut discovery, &announcer, &packet).await else {
        panic!("no server was found");
    };
    assert_eq!((&*found.name, &*found.addr), ("Lab 2.0", "switchboard://192.0.2.7:12346/"));
    let goodbye = announcement("Lab 2.0", 0, 12345, &txt, [192, 0, 2, 7]);
    // Each goodbye begins the second anew after which the server is gone, so there is only one.
    announcer.send(&goodbye).expect("the search listens");
    let gone = async {
        loop {
            match discovery.next().await {
                DiscoveryEvent::ThisMachine { .. } => {}
                DiscoveryEvent::Found(again) => assert_eq!(again, found),
                event => return event,
            }
        }
    };
    let gone = timeout(TIME_MAX, gone).await.expect("news");
    assert_eq!(gone, DiscoveryEvent::Gone { id: found.id });
}

#[tokio::test]
async fn a_hostile_announcement_is_sanitized_or_left_out() {
    let (mut discovery, announcer) = search();
    // The first one has a loopback address, and the second one no port.
    for packet in [
        announcement("loopback", 120, 1, &[], [127, 0, 0, 1]),
        announcement("no port", 120, 0, &["tls=0"], [192, 0, 2, 8]),
        vec![0xff; 64],
    ] {
        let _ = announcer.send(&packet);
    }
    let packet = announcement("x\u{1b}[2J\u{202e}", 120, 1, &["tls=99999", "tls"], [192, 0, 2, 7]);
    let DiscoveryEvent::Found(found) = next_after(&mut discovery, &announcer, &packet).await else {
        panic!("no server was found");
    };
    assert_eq!((&*found.name, &*found.addr), (r"x\u{1b}[2J\u{202e}", "192.0.2.7:1"));
}

#[test]
fn the_address_that_most_machines_reach_is_chosen() {
    let cases = [
        ("169.254.1.1,192.0.2.7,fe80::1", Some("192.0.2.7:5")),
        ("fe80::1,2001:db8::1,169.254.1.1", Some("[2001:db8::1]:5")),
        ("192.0.2.9,192.0.2.8", Some("192.0.2.8:5")),
        ("127.0.0.1,::1,::ffff:127.0.0.1,224.0.0.1,0.0.0.0,255.255.255.255", None),
    ];
    for (addresses, expected) in cases {
        let info =
            ServiceInfo::new(SERVICE, "x", "x.local.", addresses, 5, &[("version", "2")][..]).expect("a service");
        let found = found_server(&info.as_resolved_service());
        assert_eq!(found.as_ref().map(|server| &*server.addr), expected, "{addresses}");
    }
}

#[tokio::test]
async fn a_failure_is_news() {
    let mut discovery = Discovery::with_daemon(Err(mdns_sd::Error::Msg("no socket\u{1b}".to_owned())));
    let DiscoveryEvent::Failed { reason } = discovery.next().await else { panic!("no failure was reported") };
    assert!(reason.starts_with(r"no socket\u{1b}"), "{reason}");
}

#[tokio::test]
async fn search_ends_when_the_records_of_others_would_fill_the_memory() {
    const RECORDS: u8 = 200;
    let (mut discovery, announcer) = search();
    let mut host = 0;
    let failed = async {
        loop {
            for _ in 0..=RECORDS_MAX / i64::from(RECORDS) {
                // Addresses of other machines, which nobody asked for.
                let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, RECORDS, 0, 0, 0, 0];
                for _ in 0..RECORDS {
                    host += 1;
                    push_record(&mut packet, &[&format!("h{host}"), "local"], 1, 4500, &[192, 0, 2, 1]);
                }
                let _ = announcer.send(&packet);
                tokio::task::yield_now().await;
            }
            match timeout(COUNT_INTERVAL, discovery.next()).await {
                Ok(DiscoveryEvent::ThisMachine { .. }) | Err(_) => {}
                Ok(event) => return event,
            }
        }
    };
    let event = timeout(TIME_MAX, failed).await.expect("the search ends");
    assert!(matches!(&event, DiscoveryEvent::Failed { reason } if reason.contains("too many")), "{event:?}");
}
