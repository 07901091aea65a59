//! The programs that tests talk to and benches compare with, and the Debian packages that bring them.

use std::process::{Command, Stdio};

/// A program that is needed.
pub(crate) struct Needed {
    /// How to see that it is there, and is the right one: what to run, and what its output holds.
    probe: (&'static str, &'static [&'static str], &'static str),
    /// The Debian package that brings it.
    package: &'static str,
}

/// What tests talk to.
pub(crate) const TESTS: &[Needed] = &[
    NC,
    IP,
    UNSHARE,
    Needed { probe: ("kill", &["--version"], "kill"), package: "procps" },
    Needed { probe: ("tmux", &["-V"], "tmux"), package: "tmux" },
    TSHARK,
    PDF,
    VENV,
    FONTS,
    EMOJI,
    // It brings the Chromium that it steers.
    Needed { probe: ("chromedriver", &["--version"], "ChromeDriver"), package: "chromium-driver" },
];

/// What our server is measured beside.
pub(crate) const PEERS: &[Needed] = &[
    Needed { probe: ("nats-server", &["--version"], "nats-server"), package: "nats-server" },
    Needed { probe: ("redis-server", &["--version"], "Redis server"), package: "redis-server" },
    Needed { probe: ("ngircd", &["--version"], "ngIRCd"), package: "ngircd" },
    Needed { probe: ("mosquitto", &["-h"], "mosquitto version"), package: "mosquitto" },
];

/// What the wire lab is measured beside.
pub(crate) const WIRE: &[Needed] = &[
    Needed { probe: ("taskset", &["--version"], "taskset"), package: "util-linux" },
    Needed { probe: ("tcptrace", &["-v"], "tcptrace"), package: "tcptrace" },
    TSHARK,
];

/// What counts instructions.
pub(crate) const INSTRUCTIONS: &[Needed] =
    &[Needed { probe: ("valgrind", &["--version"], "valgrind"), package: "valgrind" }];

/// What the report is made with.
pub(crate) const REPORT: &[Needed] = &[NC, IP, UNSHARE, VENV, FONTS, EMOJI];

// The OpenBSD nc has -N, to close its side at the end of input; the traditional one has not.
const NC: Needed = Needed { probe: ("nc", &["-h"], "-N"), package: "netcat-openbsd" };
const IP: Needed = Needed { probe: ("ip", &["-Version"], "ip"), package: "iproute2" };
const UNSHARE: Needed = Needed { probe: ("unshare", &["--version"], "unshare"), package: "util-linux" };
const VENV: Needed =
    Needed { probe: ("python3", &["-c", "import ensurepip, venv; print('venv')"], "venv"), package: "python3-venv" };
const FONTS: Needed =
    Needed { probe: ("ls", &["/usr/share/fonts/truetype/dejavu"], "DejaVuSans.ttf"), package: "fonts-dejavu-core" };
const EMOJI: Needed = Needed {
    probe: ("ls", &["/usr/share/fonts/truetype/noto"], "NotoColorEmoji.ttf"),
    package: "fonts-noto-color-emoji",
};
const PDF: Needed = Needed { probe: ("pdftotext", &["-v"], "pdftotext"), package: "poppler-utils" };
const TSHARK: Needed = Needed { probe: ("tshark", &["--version"], "TShark"), package: "tshark" };

/// Sees to it that every program is there.
pub(crate) fn ensure(needed: &[Needed]) -> Result<(), String> {
    let packages = missing(needed);
    if packages.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get update && apt-get install --yes --no-install-recommends {}", packages.join(" "));
    let by_hand = format!("programs are needed that are not here; on Debian or Ubuntu, run as root: {install}");
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

fn missing(needed: &[Needed]) -> Vec<&'static str> {
    needed.iter().filter(|needed| !is_there(needed)).map(|needed| needed.package).collect()
}

fn is_there(needed: &Needed) -> bool {
    let (program, args, expected) = needed.probe;
    Command::new(program).args(args).stdin(Stdio::null()).output().is_ok_and(|output| {
        [output.stdout, output.stderr].iter().any(|text| String::from_utf8_lossy(text).contains(expected))
    })
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    let quiet =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}
