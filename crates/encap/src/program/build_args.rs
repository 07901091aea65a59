//! Frames of a CSV: the flags that say how they are made, and the two readings of the rows.

use std::io::Seek as _;

use clap::ValueEnum;
use switchboard_encap::build::{Content, IpVersion, Link, Mtu, Plan, Settings, TcpOptions, TransportChoice};
use switchboard_encap::capture;
use switchboard_encap::rows::{RowError, RowOptions, RowReader, RowRef};
use switchboard_encap::time::Timestamp;

use super::diagnostics::RowDiagnostics;
use super::failure::Failure;
use super::input::Input;
use super::servers::{self, Servers};

/// How frames are made of rows.
#[derive(Clone, Debug, Eq, PartialEq, clap::Args)]
pub(crate) struct BuildArgs {
    /// What messages are carried on; auto: what their protocol runs on
    #[arg(long, value_enum, default_value = "auto")]
    transport: TransportArg,
    #[command(flatten)]
    servers: Servers,
    /// IP version between names; addresses in the file keep theirs
    #[arg(long, value_name = "VERSION", value_parser = ip_version, default_value = "4")]
    ip: IpVersion,
    /// What frames begin with
    #[arg(long, value_enum, default_value = "ethernet")]
    link: LinkArg,
    /// Most bytes of an IP packet: 576 (IPv6: 1280) to 65535
    #[arg(long, value_name = "BYTES", default_value = "1500")]
    mtu: Mtu,
    /// Options of TCP headers
    #[arg(long, value_enum, default_value = "linux")]
    options: OptionsArg,
    /// Where all that is random comes from
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) seed: u64,
    /// When the first row is sent: seconds since 1970, ISO 8601 or DD/MM/YYYY HH:MM; the others keep their distance
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
    /// Send exactly the bytes of the file (the default)
    #[arg(long, conflicts_with = "complete")]
    faithful: bool,
    /// Add what the protocol asks for: line ends, an HTTP version, header ends and lengths
    #[arg(long)]
    complete: bool,
    /// Read \r \n \t \0 \\ \" \xHH in messages as the bytes that they stand for
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
    /// The same as the library has them, for this kind of file.
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

    /// Whether nothing was asked for.
    pub(crate) fn is_default(&self) -> bool {
        use clap::{Args as _, FromArgMatches as _};

        let none = Self::augment_args(clap::Command::new("")).get_matches_from([""]);
        Self::from_arg_matches(&none).is_ok_and(|default| default == *self)
    }

    /// A plan without rows.
    pub(crate) fn begin(&self, settings: Settings) -> Plan {
        Plan::new(settings).served_by(self.servers.apps())
    }

    /// Reads the rows, from the first.
    fn read<'a>(&self, input: &'a mut Input) -> Result<RowReader<&'a mut Input>, Failure> {
        input.rewind().map_err(|error| input.failure(error))?;
        Ok(RowReader::new(input, RowOptions { escapes: self.escapes }))
    }

    /// The first reading, in which all is said that is wrong with rows.
    pub(crate) fn plan(
        &self,
        input: &mut Input,
        settings: Settings,
        diagnostics: &mut RowDiagnostics,
    ) -> Result<Plan, Failure> {
        let mut plan = self.begin(settings);
        let mut unnamed = self.servers.apps();
        let mut reader = self.read(input)?;
        loop {
            let admitted = reader.next_row().map(|row| {
                row.map(|row| {
                    unnamed.retain(|app| row.source != app && row.destination != app);
                    plan.admit(row)
                })
            });
            for fault in reader.take_remarks() {
                diagnostics.fault(&fault);
            }
            match admitted {
                Ok(None) => {
                    servers::report_missing(&unnamed);
                    return Ok(plan);
                }
                Ok(Some(Ok(()))) => diagnostics.admitted += 1,
                Ok(Some(Err(refusal))) => diagnostics.refusal(&refusal),
                Err(RowError::Refused(faults)) => {
                    diagnostics.refused += 1;
                    for fault in faults {
                        diagnostics.fault(&fault);
                    }
                }
                Err(RowError::Io(error)) => return Err(input.failure(error)),
            }
        }
    }

    /// Reads the rows once more.
    pub(crate) fn each_row(
        &self,
        input: &mut Input,
        mut take: impl FnMut(RowRef<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut reader = self.read(input)?;
        loop {
            match reader.next_row() {
                Ok(Some(row)) => take(row)?,
                Ok(None) => return Ok(()),
                // That was said in the first reading.
                Err(RowError::Refused(_)) => {}
                Err(RowError::Io(error)) => return Err(input.failure(error)),
            }
            reader.take_remarks();
        }
    }
}
