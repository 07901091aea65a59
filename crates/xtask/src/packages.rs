//! Programs that tests and benchmarks need, and the Debian packages that provide them.

use std::process::{Command, Stdio};

/// A required program.
pub(crate) struct RequiredProgram {
    /// A command, its arguments, and a text. If the output of the command contains the text, the program is installed.
    probe: (&'static str, &'static [&'static str], &'static str),
    /// The Debian package that provides the program.
    package: &'static str,
}

/// Programs that the tests need.
pub(crate) const TESTS: &[RequiredProgram] = &[
    NC,
    IP,
    UNSHARE,
    RequiredProgram { probe: ("ssh-keygen", &["-?"], "-Y sign"), package: "openssh-client" },
    RequiredProgram { probe: ("openssl", &["version"], "OpenSSL 3"), package: "openssl" },
    RequiredProgram { probe: ("curl", &["--version"], "OpenSSL"), package: "curl" },
    RequiredProgram { probe: ("kill", &["--version"], "kill"), package: "procps" },
    RequiredProgram { probe: ("sqlite3", &["--version"], "3."), package: "sqlite3" },
    TMUX,
    // Two clients that judge our WebSocket.
    RequiredProgram {
        probe: ("/usr/bin/python3", &["-c", "import websockets; print(websockets.__name__)"], "websockets"),
        package: "python3-websockets",
    },
    RequiredProgram { probe: ("ls", &["/usr/share/nodejs/ws"], "package.json"), package: "node-ws" },
    RequiredProgram { probe: ("node", &["--version"], "v"), package: "nodejs" },
    // It judges our QR codes.
    RequiredProgram {
        probe: ("/usr/bin/python3", &["-c", "import zbar; print(zbar.__name__)"], "zbar"),
        package: "python3-zbar",
    },
    // It judges our figures and alert rules.
    RequiredProgram { probe: ("prometheus", &["--version"], "prometheus"), package: "prometheus" },
    RequiredProgram { probe: ("script", &["--version"], "script"), package: "bsdutils" },
    TSHARK,
    PDF,
    VENV,
    FONTS,
    EMOJI,
    // This package depends on Chromium.
    RequiredProgram { probe: ("chromedriver", &["--version"], "ChromeDriver"), package: "chromium-driver" },
];

/// The programs that check the packages of our programs.
pub(crate) const PACKAGING: &[RequiredProgram] = &[
    IP,
    UNSHARE,
    RequiredProgram { probe: ("debootstrap", &["--version"], "debootstrap"), package: "debootstrap" },
    RequiredProgram { probe: ("dpkg-shlibdeps", &["--version"], "dpkg-shlibdeps"), package: "dpkg-dev" },
    RequiredProgram { probe: ("lintian", &["--version"], "Lintian"), package: "lintian" },
    RequiredProgram { probe: ("systemd-analyze", &["--version"], "systemd"), package: "systemd" },
];

/// The servers with which `cargo xtask bench server` compares ours.
pub(crate) const PEERS: &[RequiredProgram] = &[
    RequiredProgram { probe: ("nats-server", &["--version"], "nats-server"), package: "nats-server" },
    RequiredProgram { probe: ("redis-server", &["--version"], "Redis server"), package: "redis-server" },
    NGIRCD,
    RequiredProgram { probe: ("mosquitto", &["-h"], "mosquitto version"), package: "mosquitto" },
    RequiredProgram { probe: ("sh", &["-c", "ls /usr/lib/postgresql/*/bin/initdb"], "initdb"), package: "postgresql" },
    // The NATS server with JetStream comes from PyPI: that of Debian 12 does not sync each message.
    VENV,
];

/// The programs with which `cargo xtask bench client` compares our client, and the terminal.
pub(crate) const CLIENTS: &[RequiredProgram] =
    &[RequiredProgram { probe: ("weechat", &["--version"], "."), package: "weechat-curses" }, NGIRCD, TMUX];

/// The programs that `cargo xtask bench wire` needs: it compares the wire lab with some of them.
pub(crate) const WIRE: &[RequiredProgram] = &[
    RequiredProgram { probe: ("taskset", &["--version"], "taskset"), package: "util-linux" },
    RequiredProgram { probe: ("tcptrace", &["-v"], "tcptrace"), package: "tcptrace" },
    RequiredProgram { probe: ("text2pcap", &["--version"], "Text2pcap"), package: "wireshark-common" },
    TSHARK,
];

/// The program that counts instructions for `cargo xtask bench instructions`.
pub(crate) const INSTRUCTIONS: &[RequiredProgram] =
    &[RequiredProgram { probe: ("valgrind", &["--version"], "valgrind"), package: "valgrind" }];

/// Programs and fonts that the report and the notebook need.
pub(crate) const REPORT: &[RequiredProgram] = &[NC, IP, UNSHARE, VENV, FONTS, EMOJI];

// The OpenBSD nc has -N, which closes its sending side at the end of input. The traditional nc has no such option.
const NC: RequiredProgram = RequiredProgram { probe: ("nc", &["-h"], "-N"), package: "netcat-openbsd" };
const NGIRCD: RequiredProgram = RequiredProgram { probe: ("ngircd", &["--version"], "ngIRCd"), package: "ngircd" };
const TMUX: RequiredProgram = RequiredProgram { probe: ("tmux", &["-V"], "tmux"), package: "tmux" };
const IP: RequiredProgram = RequiredProgram { probe: ("ip", &["-Version"], "ip"), package: "iproute2" };
const UNSHARE: RequiredProgram =
    RequiredProgram { probe: ("unshare", &["--version"], "unshare"), package: "util-linux" };
const VENV: RequiredProgram = RequiredProgram {
    probe: ("python3", &["-c", "import ensurepip, venv; print('venv')"], "venv"),
    package: "python3-venv",
};
const FONTS: RequiredProgram = RequiredProgram {
    probe: ("ls", &["/usr/share/fonts/truetype/dejavu"], "DejaVuSans.ttf"),
    package: "fonts-dejavu-core",
};
const EMOJI: RequiredProgram = RequiredProgram {
    probe: ("ls", &["/usr/share/fonts/truetype/noto"], "NotoColorEmoji.ttf"),
    package: "fonts-noto-color-emoji",
};
const PDF: RequiredProgram = RequiredProgram { probe: ("pdftotext", &["-v"], "pdftotext"), package: "poppler-utils" };
const TSHARK: RequiredProgram = RequiredProgram { probe: ("tshark", &["--version"], "TShark"), package: "tshark" };

/// Keeps packages from starting their services while they are installed (Debian Policy §9.3.3): the tests start their own,
/// on free ports. A file of the machine's own stays as it is.
const NO_SERVICES: &str = "policy=/usr/sbin/policy-rc.d; test -e $policy || { trap 'rm -f /usr/sbin/policy-rc.d' EXIT; \
    printf '#!/bin/sh\\nexit 101\\n' > $policy; chmod 755 $policy; };";

/// Installs missing programs. If that is not possible, the error names the command to run.
pub(crate) fn ensure(needed: &[RequiredProgram]) -> Result<(), String> {
    let packages = missing(needed);
    if packages.is_empty() {
        return Ok(());
    }
    let install =
        format!("{NO_SERVICES} apt-get update && apt-get install --yes --no-install-recommends {}", packages.join(" "));
    let by_hand = format!("required programs are missing; on Debian or Ubuntu, run as root: {install}");
    let mut shell = if succeeds("sh", &["-c", "command -v apt-get && test \"$(id -u)\" = 0"]) {
        Command::new("sh")
    } else if succeeds("sh", &["-c", "command -v apt-get && sudo --non-interactive true"]) {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "sh"]);
        sudo
    } else {
        return Err(by_hand);
    };
    println!("installing {}", packages.join(", "));
    let installed = shell.args(["-c", &install]).env("DEBIAN_FRONTEND", "noninteractive").status();
    if !installed.is_ok_and(|status| status.success()) || !missing(needed).is_empty() {
        return Err(by_hand);
    }
    Ok(())
}

/// The packages of the programs that are not installed.
fn missing(needed: &[RequiredProgram]) -> Vec<&'static str> {
    needed.iter().filter(|program| !is_installed(program)).map(|program| program.package).collect()
}

fn is_installed(needed: &RequiredProgram) -> bool {
    let (program, args, expected) = needed.probe;
    Command::new(program).args(args).stdin(Stdio::null()).output().is_ok_and(|output| {
        [output.stdout, output.stderr].iter().any(|text| String::from_utf8_lossy(text).contains(expected))
    })
}

/// Whether a command exits with success. Its output is discarded.
fn succeeds(program: &str, args: &[&str]) -> bool {
    let status =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
