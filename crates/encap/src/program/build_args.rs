//! The flags for building frames, which `build`, `show` and `compare` share.

use clap::ValueEnum;
use switchboard_encap::build::{Content, IpVersion, Link, Mtu, Settings, TcpOptions, TransportChoice};
use switchboard_encap::capture;
use switchboard_encap::rows::RowOptions;
use switchboard_encap::time::Timestamp;

use super::servers::Servers;

/// The flags for building frames.
#[derive(Clone, Debug, Eq, PartialEq, clap::Args)]
pub(crate) struct BuildArgs {
    /// Transport of the messages; auto: the usual transport of each protocol
    #[arg(long, value_enum, default_value = "auto")]
    transport: TransportArg,
    #[command(flatten)]
    pub(crate) servers: Servers,
    /// IP version for apps that are names; apps that are addresses keep their version
    #[arg(long, value_name = "VERSION", value_parser = ip_version, default_value = "4")]
    ip: IpVersion,
    /// Link type of the frames
    #[arg(long, value_enum, default_value = "ethernet")]
    link: LinkArg,
    /// Maximum bytes of an IP packet: 576 (IPv6: 1280) to 65535
    #[arg(long, value_name = "BYTES", default_value = "1500")]
    mtu: Mtu,
    /// Options of TCP headers
    #[arg(long, value_enum, default_value = "linux")]
    options: OptionsArg,
    /// Seed of all random values
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Time of the first row: seconds since 1970, ISO 8601 or DD/MM/YYYY HH:MM; the intervals between rows stay
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
    /// Send exactly the bytes of the file (the default)
    #[arg(long, conflicts_with = "complete")]
    faithful: bool,
    /// Complete messages as their protocol requires: line ends, an HTTP version, header ends and lengths
    #[arg(long)]
    complete: bool,
    /// Decode the escapes \r \n \t \0 \\ \" \xHH in messages
    #[arg(long)]
    escapes: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum TransportArg {
    Tcp,
    Udp,
    Auto,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum LinkArg {
    Ethernet,
    Vlan,
    Null,
    Loop,
    Raw,
    Sll2,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum OptionsArg {
    Linux,
    None,
}

fn ip_version(text: &str) -> Result<IpVersion, String> {
    match text {
        "4" => Ok(IpVersion::V4),
        "6" => Ok(IpVersion::V6),
        _ => Err("write 4 or 6".to_owned()),
    }
}

impl BuildArgs {
    /// The settings for building a capture of this format.
    pub(crate) fn settings(&self, format: capture::Format) -> Settings {
        Settings {
            transport: match self.transport {
                TransportArg::Tcp => TransportChoice::Tcp,
                TransportArg::Udp => TransportChoice::Udp,
                TransportArg::Auto => TransportChoice::Auto,
            },
            ip: self.ip,
            link: match self.link {
                LinkArg::Ethernet => Link::Ethernet,
                LinkArg::Vlan => Link::Vlan,
                LinkArg::Null => Link::Null,
                LinkArg::Loop => Link::Loop,
                LinkArg::Raw => Link::Raw,
                LinkArg::Sll2 => Link::Sll2,
            },
            format,
            mtu: self.mtu,
            options: match self.options {
                OptionsArg::Linux => TcpOptions::Linux,
                OptionsArg::None => TcpOptions::None,
            },
            content: if self.complete { Content::Complete } else { Content::Faithful },
            seed: self.seed,
            start: self.start,
        }
    }

    /// Whether all flags have their default values.
    pub(crate) fn is_default(&self) -> bool {
        use clap::{Args as _, FromArgMatches as _};

        let no_flags = Self::augment_args(clap::Command::new("")).get_matches_from([""]);
        Self::from_arg_matches(&no_flags).is_ok_and(|default| default == *self)
    }

    pub(crate) fn row_options(&self) -> RowOptions {
        RowOptions { escapes: self.escapes }
    }
}
