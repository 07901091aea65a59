//! Frames of a CSV: the flags that say how they are made, and the two readings of the rows.

use std::fmt;
use std::io::{self, Seek as _};

use clap::ValueEnum;
use switchboard_encap::build::{Content, IpVersion, Link, Mtu, Plan, Refusal, Settings, TcpOptions, TransportChoice};
use switchboard_encap::capture;
use switchboard_encap::rows::{Fault, Options, ReadError, Reader, RowRef, Severity};
use switchboard_encap::time::Timestamp;
use switchboard_protocol::show;

use super::colour;
use super::failure::Failure;
use super::input::Source;
use super::servers::{self, Servers};

/// How frames are made of rows.
#[derive(Clone, Debug, Eq, PartialEq, clap::Args)]
pub(crate) struct Making {
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
    /// Most bytes of an IP packet
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

impl Making {
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

    fn reading(&self) -> Options {
        Options { escapes: self.escapes }
    }

    /// The first reading, in which all is said that is wrong with rows.
    pub(crate) fn plan(&self, source: &mut Source, settings: Settings, told: &mut Told) -> Result<Plan, Failure> {
        let mut plan = self.begin(settings);
        let mut unnamed = self.servers.apps();
        let file = source.file().to_owned();
        let unreadable = |error| Failure::Read { file: file.clone(), error };
        source.rewind().map_err(unreadable)?;
        let mut reader = Reader::new(source, self.reading());
        loop {
            let admitted = reader.next_row().map(|row| {
                row.map(|row| {
                    unnamed.retain(|app| row.source != app && row.destination != app);
                    plan.admit(row)
                })
            });
            for fault in reader.take_remarks() {
                told.fault(&fault);
            }
            match admitted {
                Ok(None) => {
                    servers::remark_missing(&unnamed);
                    return Ok(plan);
                }
                Ok(Some(Ok(()))) => told.admitted += 1,
                Ok(Some(Err(refusal))) => told.refusal(&refusal),
                Err(ReadError::Refused(faults)) => {
                    told.refused += 1;
                    for fault in faults {
                        told.fault(&fault);
                    }
                }
                Err(ReadError::Io(error)) => return Err(unreadable(error)),
            }
        }
    }

    /// Reads the rows once more.
    pub(crate) fn each_row(
        &self,
        source: &mut Source,
        mut take: impl FnMut(RowRef<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let file = source.file().to_owned();
        let unreadable = |error| Failure::Read { file: file.clone(), error };
        source.rewind().map_err(unreadable)?;
        let mut reader = Reader::new(source, self.reading());
        loop {
            match reader.next_row() {
                Ok(Some(row)) => take(row)?,
                Ok(None) => return Ok(()),
                // That was said in the first reading.
                Err(ReadError::Refused(_)) => {}
                Err(ReadError::Io(error)) => return Err(unreadable(error)),
            }
            reader.take_remarks();
        }
    }
}

/// What was said on standard error, as editors read it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) file: String,
    coloured: bool,
    /// Rows that are carried.
    pub(crate) admitted: u64,
    /// Rows that were not carried.
    pub(crate) refused: u64,
    pub(crate) warnings: u64,
}

impl Told {
    /// Nothing so far, of the rows of `file`.
    pub(crate) fn new(file: &str) -> Self {
        let file = if file == "-" { "<stdin>" } else { file };
        let coloured = colour::is_wanted(&io::stderr());
        Self { file: show::safe(file).into_owned(), coloured, admitted: 0, refused: 0, warnings: 0 }
    }

    pub(crate) fn fault(&mut self, fault: &Fault) {
        self.warnings += u64::from(fault.severity() == Severity::Warning);
        let (file, line, character) = (&self.file, fault.line, fault.character.unwrap_or(1));
        let severity = fault.severity();
        let severity = colour::paint(severity, colour::of(severity), self.coloured);
        eprintln!("{file}:{line}:{character}: {severity}: {}", fault.message());
    }

    fn refusal(&mut self, refusal: &Refusal) {
        self.refused += 1;
        self.say(refusal.line, Severity::Error, &refusal.kind, 1);
    }

    pub(crate) fn say(&mut self, line: u64, severity: Severity, what: &dyn fmt::Display, count: u64) {
        self.warnings += u64::from(severity == Severity::Warning);
        let severity = colour::paint(severity, colour::of(severity), self.coloured);
        let times = fmt::from_fn(|f| if count > 1 { write!(f, " ({count} times)") } else { Ok(()) });
        eprintln!("{}:{line}:1: {severity}: {what}{times}", self.file);
    }
}
