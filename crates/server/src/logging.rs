//! Formats and writes the log: as text, as JSON, or as console lines in the format of the course servers
//! (`protocol.md` §8).
//!
//! A separate thread writes the lines, so that a terminal paused with Ctrl-S does not block the server. The queue to
//! this thread is bounded. When the queue is full, lines are dropped.

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fmt, thread};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

use crate::invitation::Invitation;
use crate::options::LogFormat;
use crate::settings::InvalidSettings;
use crate::telemetry::{MESSAGES, SERVER, SESSIONS};

/// Maximum number of lines queued for standard output: about two megabytes.
const QUEUE_LINES: usize = 10_000;

/// Maximum time to write the queued lines at the end: more than a second, which tracing-appender itself allows for a
/// queue that moves, and short for a person who waits for the end of a server whose log nobody reads.
const FINISH_MAX: Duration = Duration::from_millis(1500);

/// The log of the process.
#[derive(Debug)]
pub struct Log {
    guard: WorkerGuard,
    level: LogLevel,
}

/// Changes the level of the log. Clones change the same log.
#[derive(Clone, Debug)]
pub struct LogLevel {
    has_messages: bool,
    filter_handle: reload::Handle<EnvFilter, Registry>,
}

impl LogLevel {
    /// Changes the level, which must be valid for [`check_level`].
    pub(crate) fn set(&self, level: &str) {
        // An error means that the process has no subscriber any more.
        let _ = self.filter_handle.reload(filter(level, self.has_messages));
    }
}

impl Log {
    /// The level of this log.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.level.clone()
    }

    /// Writes the queued lines, for a bounded time.
    pub fn finish(self) {
        let (done, finished) = mpsc::channel();
        // The drop of the guard may wait for ever: if the queue stays full, it prints a warning, and the thread of the
        // log holds the lock of standard output.
        thread::spawn(move || {
            drop(self.guard);
            let _ = done.send(());
        });
        let _ = finished.recv_timeout(FINISH_MAX);
    }
}

/// Starts to log to standard output.
///
/// `level` must be valid for [`check_level`]. `log_messages` adds an event for each message. The console format always
/// adds these events. No format adds them if `level` is less verbose than `info`. With `qr_code`, the console format
/// also draws the link for browsers, if standard output is a terminal.
///
/// # Panics
///
/// If `tracing` has a subscriber already.
#[must_use]
pub fn start(format: LogFormat, level: &str, log_messages: bool, qr_code: bool) -> Log {
    let format = match format {
        LogFormat::Auto if io::stdout().is_terminal() => LogFormat::Console,
        LogFormat::Auto => LogFormat::Text,
        given => given,
    };
    let log_messages = log_messages || format == LogFormat::Console;
    let filter = filter(level, log_messages);
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(QUEUE_LINES).finish(io::stdout());
    let (filter, filter_handle) = reload::Layer::new(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let layer = match format {
        LogFormat::Console => layer.event_format(Console { draws_code: qr_code && shows_colors() }).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Text | LogFormat::Auto => layer.boxed(),
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
    Log { guard, level: LogLevel { has_messages: log_messages, filter_handle } }
}

/// Checks that `level` is a level of `tracing` or a list of directives of [`EnvFilter`].
///
/// # Errors
///
/// [`InvalidSettings`] with the allowed levels.
pub fn check_level(level: &str) -> Result<(), InvalidSettings> {
    // `EnvFilter` takes a misspelt level for the name of a module. The log would then be empty.
    let is_level = !level.is_empty() && level.parse::<LevelFilter>().is_ok();
    let are_directives = level.contains(['=', ',']) && EnvFilter::try_new(level).is_ok();
    if is_level || are_directives {
        return Ok(());
    }
    let allowed = "give error, warn, info, debug, trace, off, or directives such as switchboard=debug".to_owned();
    Err(InvalidSettings { key: "log-level", value: level.to_owned(), allowed })
}

/// Builds the filter for `level`. `log_messages` adds the messages, unless `level` is less verbose than `info`.
fn filter(level: &str, log_messages: bool) -> EnvFilter {
    let filter = EnvFilter::new(level);
    let wants_less_than_info = filter.max_level_hint().is_some_and(|hint| hint < LevelFilter::INFO);
    match format!("{MESSAGES}=debug").parse() {
        Ok(directive) if log_messages && !wants_less_than_info => filter.add_directive(directive),
        _ => filter,
    }
}

/// Formats events as the course servers do. Events of the server itself get lines of a similar form. Other events of
/// sessions are omitted.
struct Console {
    /// Whether the link for browsers is drawn as a QR code, too.
    draws_code: bool,
}

impl Console {
    fn write_listening(&self, writer: &mut Writer<'_>, fields: &Fields) -> fmt::Result {
        let Ok(address) = fields.get("address").parse::<SocketAddr>() else { return Ok(()) };
        writeln!(writer, "[SERVER STARTED] Listening on port {}...", address.port())?;
        let service = match (fields.find("key"), fields.find("web"), fields.get("dialect")) {
            (Some(key), _, _) => Invitation::CommandsOverTls { key },
            (None, Some(scheme), _) => Invitation::Web { scheme, draws_code: self.draws_code },
            (None, None, "line") => Invitation::Line,
            (None, None, _) => Invitation::Commands,
        };
        service.write(address, writer)
    }
}

/// Whether standard output is a terminal that shows the colours of a QR code.
fn shows_colors() -> bool {
    let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_dumb && !no_color
}

impl<S, N> FormatEvent<S, N> for Console
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let target = event.metadata().target();
        if target == MESSAGES {
            let (from, to) = (fields.get("from"), fields.get("to"));
            return match fields.find("text") {
                Some(text) => writeln!(writer, "[{from} → {to}]: {text}"),
                None => writeln!(writer, "[{from} → {to}]: {} bytes", fields.get("bytes")),
            };
        }
        let message = fields.get("message");
        if target == SERVER && message == "listening" {
            return self.write_listening(&mut writer, &fields);
        }
        if target != SESSIONS {
            write!(writer, "[{}]", event.metadata().level())?;
            return fields.write_all(&mut writer);
        }
        match message {
            "opened" => match fields.get("peer").parse::<SocketAddr>() {
                Ok(peer) => writeln!(writer, "[NEW CONNECTION] ('{}', {})", peer.ip(), peer.port()),
                Err(_) => Ok(()),
            },
            "rejected" => match fields.get("peer").parse::<SocketAddr>() {
                Ok(peer) => {
                    let code = fields.get("code");
                    writeln!(writer, "[REJECTED] ('{}', {}): {code}", peer.ip(), peer.port())
                }
                Err(_) => Ok(()),
            },
            "refused" => writeln!(writer, "[REJECTED] {}: {}", fields.get("name"), fields.get("code")),
            "left" if fields.get("why") == "slow consumer" => {
                writeln!(writer, "[DISCONNECTED] {} (slow consumer)", fields.get("name"))
            }
            "left" => match fields.find("name") {
                Some(name) => writeln!(writer, "[DISCONNECTED] {name}"),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// The fields of an event: names and values as text.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
    }

    fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    fn write_all(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, " {}", self.get("message"))?;
        for (name, value) in self.0.iter().filter(|(name, _)| *name != "message") {
            write!(writer, " {name}={value}")?;
        }
        writeln!(writer)
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_level_is_refused() {
        for good in ["info", "debug", "off", "warn,switchboard::sessions=debug"] {
            assert_eq!(check_level(good), Ok(()), "given {good:?}");
        }
        for bad in ["infos", "", "a=b=c"] {
            assert!(check_level(bad).is_err(), "given {bad:?}");
        }
    }

    #[test]
    fn messages_are_logged_only_at_info_and_more_verbose_levels() {
        let cases = [("info", true), ("debug", true), ("warn", false), ("off", false)];
        for (level, expected) in cases {
            assert_eq!(filter(level, true).to_string().contains(MESSAGES), expected, "given {level:?}");
        }
    }
}
