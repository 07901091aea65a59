//! Machines of one IPv6 network, each with real addresses, in network namespaces.

use switchboard_tests::namespace::run_script;
use switchboard_tests::process::program;
use switchboard_tests::wire_lab::texts;

/// Connects seven machines to a bridge, on which the server listens. Each machine opens two sessions, and the first
/// machine a third one, from the addresses of one prefix. Then prints the first line that each session received.
///
/// The program is the server. The arguments are the first 64 bits of the addresses, and the address of the server in
/// the form for `nc`.
const SCRIPT: &str = r#"
    mount -t tmpfs tmpfs /run
    # The addresses are unique, so duplicate address detection would only take time: nodad.
    ip link add br0 type bridge
    ip link set lo up
    ip link set br0 addrgenmode none up
    ip addr add "$1::1/64" dev br0 nodad
    for m in 1 2 3 4 5 6 7; do
        ip netns add "m$m"
        ip link add "port$m" type veth peer name eth0 netns "m$m"
        ip link set "port$m" addrgenmode none master br0 up
        ip -n "m$m" link set eth0 addrgenmode none up
        ip -n "m$m" addr add "$1::1$m/64" dev eth0 nodad
    done
    "$0" --listen "[::]:12345" --listen-line none --listen-web none --log-format json --max-sessions-per-address 2 \
        --on-link-prefix 2001:db8:1::/64 > log &
    until grep -q listening log; do sleep 0.05; done
    for session in 1.1 2.1 3.1 4.1 5.1 6.1 7.1 1.2 2.2 3.2 4.2 5.2 6.2 7.2 1.3; do
        sleep 60 | ip netns exec "m${session%.*}" nc "$2" 12345 > "heard.$session" &
        until [ -s "heard.$session" ]; do sleep 0.02; done
        echo "m$session $(head -n 1 "heard.$session")"
    done
"#;

/// The first lines that the sessions receive, each after the name of the machine and the number of the session.
fn first_lines(prefix: &str, server: &str) -> Vec<String> {
    let (out, errors) = texts(&run_script(SCRIPT, &program("switchboard-server"), &[prefix, server]));
    let lines: Vec<_> = out.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 15, "{lines:?}\n{errors}");
    lines
}

/// Expects that each machine has two sessions, and only the third one of the first machine is refused.
fn expect_two_sessions_for_each_machine(lines: &[String]) {
    let (last, others) = lines.split_last().expect("there are lines");
    assert_eq!(last, "m1.3 ERROR TOO_MANY_SESSIONS");
    assert!(others.iter().all(|line| line.ends_with(" WELCOME")), "{others:?}");
}

#[test]
fn link_local_addresses_count_by_themselves() {
    expect_two_sessions_for_each_machine(&first_lines("fe80:0:0:0", "fe80::1%eth0"));
}

#[test]
fn addresses_of_an_on_link_prefix_count_by_themselves() {
    expect_two_sessions_for_each_machine(&first_lines("2001:db8:1:0", "2001:db8:1::1"));
}

#[test]
fn other_global_addresses_count_by_their_first_64_bits() {
    let lines = first_lines("2001:db8:2:0", "2001:db8:2::1");
    let (admitted, refused) = lines.split_at(2);
    assert_eq!(admitted, ["m1.1 WELCOME", "m2.1 WELCOME"]);
    assert!(refused.iter().all(|line| line.ends_with(" ERROR TOO_MANY_SESSIONS")), "{refused:?}");
}
