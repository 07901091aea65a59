//! `--announce`: tshark reads the announcements of a server in a network of its own.

use switchboard_tests::namespace::run_script;
use switchboard_tests::process::program;
use switchboard_tests::wire_lab::texts;

/// Captures multicast DNS in a network of two interfaces. Starts the server with the flags in `$1`, and waits for the
/// text `$2` in its log and, if it announces itself, for the announcement. Then stops the server, and waits for its
/// goodbye. Prints the number of its sockets, a line of fields for each response, and its warnings.
const SCRIPT: &str = r#"
    ip link set lo up
    ip link add lan0 type veth peer name lan1
    ip link set lan1 addrgenmode none up
    # The addresses are unique, so duplicate address detection would only take time: nodad.
    ip link set lan0 addrgenmode none up
    ip addr add 192.0.2.1/24 dev lan0
    ip addr add 2001:db8::1/64 dev lan0 nodad
    touch packets tshark.log log
    HOME=$PWD tshark -l -n -i lan1 -f 'udp port 5353' -Y 'dns.flags.response == 1' -T fields -E separator='|' \
        -e dns.resp.name -e dns.resp.ttl -e dns.srv.port -e dns.txt -e dns.a -e dns.aaaa -e _ws.expert.message \
        -e _ws.malformed > packets 2> tshark.log &
    until grep -q 'Capturing on' tshark.log; do sleep 0.05; done
    "$0" $1 --server-name Lab2.0 --listen-line none --log-format json > log 2>&1 &
    server=$!
    until grep -q "$2" log; do sleep 0.05; done
    if grep -q '"announced' log; then
        until grep -q 'version=2' packets; do sleep 0.05; done
    fi
    echo "sockets: $(ss -Hlun 'sport = :5353' | wc -l)"
    kill -TERM "$server"
    wait "$server"
    if grep -q '"announced' log; then
        until grep -q '|0,0' packets; do sleep 0.05; done
    fi
    cat packets
    grep WARN log || true
"#;

/// Starts the server with these flags, and returns the output of the script.
fn output_with(flags: &str, log_line: &str) -> String {
    let (out, errors) = texts(&run_script(SCRIPT, &program("switchboard-server"), &[flags, log_line]));
    assert!(out.starts_with("sockets: "), "{out}\n{errors}");
    out
}

/// A response, as tshark dissects it.
struct Response {
    names: String,
    ttls: Vec<u32>,
    ports: String,
    txt: String,
    ipv4: String,
    ipv6: String,
}

fn responses(out: &str) -> Vec<Response> {
    /// A responder repeats its announcement (RFC 6762 §8.3), which is no fault.
    const REPEATED: &str = "DNS response retransmission";
    let lines = out.lines().filter(|line| line.matches('|').count() == 7);
    let responses = lines.map(|line| {
        let fields: Vec<_> = line.split('|').collect();
        let [names, ttls, ports, txt, ipv4, ipv6, complaint, malformed] = fields[..] else { unreachable!() };
        let is_good = complaint.is_empty() || complaint.starts_with(REPEATED);
        assert!(is_good && malformed.is_empty(), "Wireshark complains: {line}");
        Response {
            names: names.to_owned(),
            ttls: ttls.split(',').map(|ttl| ttl.parse().expect("a TTL")).collect(),
            ports: ports.to_owned(),
            txt: txt.to_owned(),
            ipv4: ipv4.to_owned(),
            ipv6: ipv6.to_owned(),
        }
    });
    responses.collect()
}

#[test]
fn a_server_announces_the_ports_that_others_reach_and_says_goodbye() {
    let flags = "--announce --listen :12345 --listen-tls :12346 --listen-web :8088";
    let out = output_with(flags, "announced on the local network");
    let responses = responses(&out);
    let with_txt: Vec<_> = responses.iter().filter(|response| !response.txt.is_empty()).collect();
    for response in &with_txt {
        assert!(response.names.contains("_switchboard._tcp.local,Lab2.0._switchboard._tcp.local"), "{out}");
        assert_eq!(response.ports, "12345", "{out}");
        let [version, tls, key, web] = response.txt.split(',').collect::<Vec<_>>()[..] else { panic!("{out}") };
        assert_eq!((version, tls, web), ("version=2", "tls=12346", "web=8088"), "{out}");
        assert_eq!(key.strip_prefix("key=").map(str::len), Some(43), "{out}");
    }
    // No address of loopback is announced.
    let mut addresses: Vec<_> = responses.iter().flat_map(|response| [&*response.ipv4, &*response.ipv6]).collect();
    addresses.retain(|address| !address.is_empty());
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses, ["192.0.2.1", "2001:db8::1"], "{out}");
    // The goodbye withdraws all records (RFC 6762 §10.1).
    let goodbye = with_txt.iter().position(|response| response.ttls.iter().all(|&ttl| ttl == 0));
    let goodbye = goodbye.unwrap_or_else(|| panic!("no goodbye: {out}"));
    assert!(
        goodbye > 0 && with_txt[..goodbye].iter().all(|response| response.ttls.iter().all(|&ttl| ttl > 0)),
        "{out}"
    );
}

#[test]
fn only_the_addresses_of_the_listener_are_announced() {
    let flags = "--announce --listen 192.0.2.1:12345 --listen-web 127.0.0.1:8088";
    let out = output_with(flags, "announced on the local network");
    let responses = responses(&out);
    assert!(responses.iter().any(|response| response.ipv4 == "192.0.2.1"), "{out}");
    assert!(responses.iter().all(|response| response.ipv6.is_empty()), "{out}");
    assert!(responses.iter().all(|response| ["", "version=2"].contains(&&*response.txt)), "{out}");
}

#[test]
fn a_server_that_nobody_else_reaches_announces_nothing_and_says_so() {
    let out = output_with("--announce --listen-web :8088", "listening");
    assert!(out.starts_with("sockets: 0\n"), "{out}");
    assert!(out.contains("only this machine reaches the commands dialect: give an address"), "{out}");
}

#[test]
fn without_the_setting_there_is_no_socket_and_no_packet() {
    let out = output_with("--listen :12345", "listening");
    assert_eq!(out, "sockets: 0\n");
}
