//! The table of keys: each key is a flag, a variable and a key of the TOML file.
//!
//! clap fills [`Options`] from flags and variables, and serde from the file.

use std::path::PathBuf;

use clap::builder::{IntoResettable, ValueParser};
use clap::{Arg, Args, Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use switchboard_core::Quota;

use super::help::after_help;
use super::value::{
    NONE, TimeSpan, address_or_none, boolean, directory_or_none, host_or_none, ipv6_prefix_or_none, number,
    proxy_or_none, word,
};
use crate::operator::Command;
use crate::settings::Settings;

/// Default listening address of the commands dialect: loopback, with the default port.
pub(super) const LISTEN: &str = "127.0.0.1:12345";

/// Default listening address of the line dialect.
const LISTEN_LINE: &str = "127.0.0.1:8080";

/// Default listening address for browsers.
const LISTEN_WEB: &str = "127.0.0.1:8088";

/// The value of `tls-cert` and `tls-key` with which the server makes a certificate.
pub(super) const AUTO: &str = "auto";

/// A chat server: people register a name, write to each other in pairs and in rooms, one line a message.
#[derive(Debug, Parser)]
#[command(
    name = "switchboard-server",
    version = env!("SWITCHBOARD_VERSION"),
    after_help = after_help()
)]
pub struct Cli {
    /// Read settings from this TOML file; its keys are the names of the flags below, without the leading dashes.
    #[arg(long, global = true, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,

    /// Print the settings in effect as a TOML file, with the source of each as a comment, and exit.
    #[arg(long)]
    print_config: bool,

    #[command(flatten)]
    options: Options,
}

/// The settings of one source. A setting that the source does not have is `None`.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Options {
    /// Address to listen on for the commands dialect; `:PORT` for all addresses of this machine, or `none`; may be
    /// repeated [default: 127.0.0.1:12345]
    #[arg(long, value_name = "HOST:PORT", env = "SWITCHBOARD_LISTEN", list_of(address_or_none))]
    pub(super) listen: Option<Vec<String>>,

    /// Address to listen on for the line dialect; `:PORT` for all addresses of this machine, or `none`; may be
    /// repeated [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT", env = "SWITCHBOARD_LISTEN_LINE", list_of(address_or_none))]
    pub(super) listen_line: Option<Vec<String>>,

    /// Address to listen on for the commands dialect over TLS; `:PORT` for all addresses of this machine, or `none`; may
    /// be repeated [default: none]
    #[arg(long, value_name = "HOST:PORT", env = "SWITCHBOARD_LISTEN_TLS", list_of(address_or_none))]
    pub(super) listen_tls: Option<Vec<String>>,

    /// Address to listen on for browsers, with and without TLS: the page, and WebSockets that carry the commands dialect;
    /// `:PORT` for all addresses of this machine, or `none`; may be repeated [default: 127.0.0.1:8088]
    #[arg(long, value_name = "HOST:PORT", env = "SWITCHBOARD_LISTEN_WEB", list_of(address_or_none))]
    pub(super) listen_web: Option<Vec<String>>,

    /// Address to listen on for monitoring over HTTP: `/metrics` for Prometheus, `/healthz` and `/readyz`; `:PORT` for all
    /// addresses of this machine, or `none`. Other addresses than loopback need --admin-token-file; may be repeated
    /// [default: none]
    #[arg(long, value_name = "HOST:PORT", env = "SWITCHBOARD_LISTEN_ADMIN", list_of(address_or_none))]
    pub(super) listen_admin: Option<Vec<String>>,

    /// File with the token that requests to --listen-admin need, as `Authorization: Bearer TOKEN`, or `none`
    /// [default: none]
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_ADMIN_TOKEN_FILE")]
    pub(super) admin_token_file: Option<String>,

    /// Announce the server on the local network, so that clients there find it (mDNS, `_switchboard._tcp`), if others reach
    /// its commands dialect [default: false]
    #[arg(long, value_name = "BOOL", env = "SWITCHBOARD_ANNOUNCE", optional_value("true", boolean))]
    announce: Option<bool>,

    /// Further name under which browsers reach the page, or `none`. The addresses and the name of this machine, and the
    /// names in --tls-cert, need no setting; may be repeated [default: none]
    #[arg(long, value_name = "NAME", env = "SWITCHBOARD_WEB_HOST", list_of(host_or_none))]
    web_host: Option<Vec<String>>,

    /// Address or prefix of proxies before --listen-web, such as `127.0.0.1` or `10.0.0.0/8`, or `none`: their clients are
    /// those that X-Forwarded-For, X-Forwarded-Proto or the PROXY protocol name; may be repeated [default: none]
    #[arg(long, value_name = "PREFIX", env = "SWITCHBOARD_TRUSTED_PROXY", list_of(proxy_or_none))]
    trusted_proxy: Option<Vec<String>>,

    /// Silence of a WebSocket after which the server pings it [default: 25s]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_WEB_PING")]
    web_ping: Option<TimeSpan>,

    /// PEM file with the certificate for TLS, followed by those that vouch for it. `auto`: the server makes one, and
    /// keeps it in --data [default: auto]
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_TLS_CERT")]
    pub(super) tls_cert: Option<String>,

    /// PEM file with the private key of --tls-cert [default: auto]
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_TLS_KEY")]
    pub(super) tls_key: Option<String>,

    /// Oldest version of TLS that clients may use [default: 1.3]
    #[arg(long, value_name = "VERSION", env = "SWITCHBOARD_TLS_OLDEST", value_enum)]
    pub(super) tls_oldest: Option<OldestTls>,

    /// Maximum open sessions [default: 10000]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_MAX_SESSIONS", value_parser = number::<usize>)]
    max_sessions: Option<usize>,

    /// Maximum open sessions from one address; loopback is exempt [default: 100]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_MAX_SESSIONS_PER_ADDRESS", value_parser = number::<usize>)]
    max_sessions_per_address: Option<usize>,

    /// IPv6 prefix of a local network, such as `2001:db8:1::/64`, or `none`: each of its addresses counts by itself for
    /// --max-sessions-per-address, as link-local and unique local addresses do. All other IPv6 addresses count by their
    /// /64. May be repeated [default: none]
    #[arg(long, value_name = "PREFIX", env = "SWITCHBOARD_ON_LINK_PREFIX", list_of(ipv6_prefix_or_none))]
    on_link_prefix: Option<Vec<String>>,

    /// Time in which a session must register a name [default: 2m]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_REGISTER_TIMEOUT")]
    register_timeout: Option<TimeSpan>,

    /// Maximum length of a line in bytes, including its end [default: 4096]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_LINE_BYTES", value_parser = number::<usize>)]
    line_bytes: Option<usize>,

    /// Maximum length of a message text in bytes, at most --line-bytes minus 256 [default: 3840]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_TEXT_BYTES", value_parser = number::<usize>)]
    text_bytes: Option<usize>,

    /// Unsent bytes to a reader above which the server delays the sessions that write to it [default: 262144]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_OUTBOX_SOFT_BYTES", value_parser = number::<usize>)]
    outbox_soft_bytes: Option<usize>,

    /// Maximum unsent bytes to a reader; a reader with more is closed as a slow consumer [default: 2097152]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_OUTBOX_BYTES", value_parser = number::<usize>)]
    outbox_bytes: Option<usize>,

    /// Time without progress in sending, after which a reader is closed as a slow consumer [default: 30s]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_OUTBOX_TIMEOUT")]
    outbox_timeout: Option<TimeSpan>,

    /// The same time for a reader that has stopped reading, but whose system still answers [default: 10m]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_ZERO_WINDOW_TIMEOUT")]
    zero_window_timeout: Option<TimeSpan>,

    /// Lines per second above which the server delays a session; 0 for no limit; loopback is exempt
    /// [default: 100]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_LINES_PER_SECOND", value_parser = number::<u32>)]
    lines_per_second: Option<u32>,

    /// Apply the limits per address and per second to loopback, too [default: false]
    #[arg(long, value_name = "BOOL", env = "SWITCHBOARD_LIMIT_LOOPBACK", optional_value("true", boolean))]
    limit_loopback: Option<bool>,

    /// Accept passwords and tokens over plain TCP from other machines, where others on the network can read them
    /// [default: false]
    #[arg(long, value_name = "BOOL", env = "SWITCHBOARD_ALLOW_INSECURE_SECRETS", optional_value("true", boolean))]
    allow_insecure_secrets: Option<bool>,

    /// Maximum lines of one session in its turn, before other sessions have their turns [default: 256]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_TURN_LINES", value_parser = number::<usize>)]
    turn_lines: Option<usize>,

    /// Silence on a connection after which TCP probes the peer [default: 1m]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_KEEPALIVE")]
    keepalive: Option<TimeSpan>,

    /// Time without an acknowledgement, after which a peer counts as dead [default: 1m]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_USER_TIMEOUT")]
    user_timeout: Option<TimeSpan>,

    /// Maximum time to write unsent bytes after a signal to stop [default: 10s]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_DRAIN_TIMEOUT")]
    drain_timeout: Option<TimeSpan>,

    /// Name of this server in `HELLO_OK`, one word [default: switchboard]
    #[arg(long, value_name = "NAME", env = "SWITCHBOARD_SERVER_NAME", value_parser = word)]
    server_name: Option<String>,

    /// Directory that keeps accounts and conversations, created if needed; `none` keeps them in memory and forgets them
    /// at the end [default: none]
    #[arg(long, global = true, value_name = "DIR", env = "SWITCHBOARD_DATA", value_parser = directory_or_none)]
    data: Option<String>,

    /// Maximum memory of records without --data, in bytes; the oldest go first [default: 67108864]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_MEMORY_BYTES", value_parser = number::<usize>)]
    memory_bytes: Option<usize>,

    /// Maximum records of a conversation without --data; the oldest go first [default: 4096]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_MEMORY_RECORDS", value_parser = number::<usize>)]
    memory_records: Option<usize>,

    /// Let clients search messages. With --data, this needs an index of their words. When it is on again, the messages
    /// that were stored meanwhile are indexed, too [default: true]
    #[arg(long, value_name = "BOOL", env = "SWITCHBOARD_SEARCH", optional_value("true", boolean))]
    search: Option<bool>,

    /// Maximum records that an account stores in 24 hours; with 0 it may store none [default: 1000000]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_ACCOUNT_DAILY_RECORDS", value_parser = number::<u64>)]
    account_daily_records: Option<u64>,

    /// Maximum text that an account stores in 24 hours, in bytes [default: 1073741824]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_ACCOUNT_DAILY_BYTES", value_parser = number::<u64>)]
    account_daily_bytes: Option<u64>,

    /// Maximum records that a session of a guest stores in 24 hours; with 0 it may store none [default: 10000]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_GUEST_DAILY_RECORDS", value_parser = number::<u64>)]
    guest_daily_records: Option<u64>,

    /// Maximum text that a session of a guest stores in 24 hours, in bytes [default: 4194304]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_GUEST_DAILY_BYTES", value_parser = number::<u64>)]
    guest_daily_bytes: Option<u64>,

    /// Maximum records that all guests together store in 24 hours; with 0 they may store none [default: 1000000]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_ALL_GUESTS_DAILY_RECORDS", value_parser = number::<u64>)]
    all_guests_daily_records: Option<u64>,

    /// Maximum text that all guests together store in 24 hours, in bytes [default: 268435456]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_ALL_GUESTS_DAILY_BYTES", value_parser = number::<u64>)]
    all_guests_daily_bytes: Option<u64>,

    /// Let guests create rooms, too [default: true]
    #[arg(long, value_name = "BOOL", env = "SWITCHBOARD_GUESTS_CREATE_ROOMS", optional_value("true", boolean))]
    guests_create_rooms: Option<bool>,

    /// Number of threads; 0 for one per core [default: 0]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_THREADS", value_parser = number::<usize>)]
    pub(super) threads: Option<usize>,

    /// Format of the log [default: auto]
    #[arg(long, value_name = "FORMAT", env = "SWITCHBOARD_LOG_FORMAT", value_enum)]
    pub(super) log_format: Option<LogFormat>,

    /// Draw the link of the page as a QR code when the server starts at a terminal [default: true]
    #[arg(long, value_name = "BOOL", env = "SWITCHBOARD_QR_CODE", optional_value("true", boolean))]
    pub(super) qr_code: Option<bool>,

    /// Level of the log: error, warn, info, debug, trace, or directives such as `switchboard=debug` [default: info]
    #[arg(long, value_name = "LEVEL", env = "SWITCHBOARD_LOG_LEVEL")]
    pub(super) log_level: Option<String>,

    /// Log the text of messages, not only their length [default: false]
    #[arg(long, value_name = "BOOL", env = "SWITCHBOARD_LOG_MESSAGES", optional_value("true", boolean))]
    log_messages: Option<bool>,
}

impl Options {
    pub(super) fn defaults() -> Self {
        let settings = Settings::default();
        Self {
            listen: Some(vec![LISTEN.to_owned()]),
            listen_line: Some(vec![LISTEN_LINE.to_owned()]),
            listen_tls: Some(vec![NONE.to_owned()]),
            listen_web: Some(vec![LISTEN_WEB.to_owned()]),
            listen_admin: Some(vec![NONE.to_owned()]),
            admin_token_file: Some(NONE.to_owned()),
            announce: Some(settings.announce),
            web_host: Some(vec![NONE.to_owned()]),
            trusted_proxy: Some(vec![NONE.to_owned()]),
            web_ping: Some(TimeSpan(settings.web_ping)),
            tls_cert: Some(AUTO.to_owned()),
            tls_key: Some(AUTO.to_owned()),
            tls_oldest: Some(OldestTls::Tls13),
            max_sessions: Some(settings.max_sessions),
            max_sessions_per_address: Some(settings.max_sessions_per_address),
            on_link_prefix: Some(vec![NONE.to_owned()]),
            register_timeout: Some(TimeSpan(settings.register_timeout)),
            line_bytes: Some(settings.line_bytes),
            text_bytes: Some(settings.text_bytes),
            outbox_soft_bytes: Some(settings.outbox_soft_bytes),
            outbox_bytes: Some(settings.outbox_bytes),
            outbox_timeout: Some(TimeSpan(settings.outbox_timeout)),
            zero_window_timeout: Some(TimeSpan(settings.zero_window_timeout)),
            lines_per_second: Some(settings.lines_per_second),
            limit_loopback: Some(settings.limit_loopback),
            allow_insecure_secrets: Some(settings.allow_insecure_secrets),
            turn_lines: Some(settings.turn_lines),
            keepalive: Some(TimeSpan(settings.keepalive)),
            user_timeout: Some(TimeSpan(settings.user_timeout)),
            drain_timeout: Some(TimeSpan(settings.drain_timeout)),
            server_name: Some(settings.server_name),
            data: Some(NONE.to_owned()),
            memory_bytes: Some(settings.memory_bytes),
            memory_records: Some(settings.memory_records),
            search: Some(settings.search),
            account_daily_records: Some(settings.account_quota.records),
            account_daily_bytes: Some(settings.account_quota.bytes),
            guest_daily_records: Some(settings.guest_quota.records),
            guest_daily_bytes: Some(settings.guest_quota.bytes),
            all_guests_daily_records: Some(settings.all_guests_quota.records),
            all_guests_daily_bytes: Some(settings.all_guests_quota.bytes),
            guests_create_rooms: Some(settings.guests_create_rooms),
            threads: Some(0),
            log_format: Some(LogFormat::Auto),
            qr_code: Some(true),
            log_level: Some("info".to_owned()),
            log_messages: Some(settings.log_messages),
        }
    }

    pub(super) fn settings(&self) -> Settings {
        let default = Settings::default();
        let time = |given: Option<TimeSpan>, default| given.map_or(default, |time| time.0);
        let quota = |records: Option<u64>, bytes: Option<u64>, default: Quota| Quota {
            records: records.unwrap_or(default.records),
            bytes: bytes.unwrap_or(default.bytes),
        };
        Settings {
            announce: self.announce.unwrap_or(default.announce),
            max_sessions: self.max_sessions.unwrap_or(default.max_sessions),
            max_sessions_per_address: self.max_sessions_per_address.unwrap_or(default.max_sessions_per_address),
            on_link_prefixes: self.on_link_prefix.iter().flatten().filter_map(|prefix| prefix.parse().ok()).collect(),
            register_timeout: time(self.register_timeout, default.register_timeout),
            line_bytes: self.line_bytes.unwrap_or(default.line_bytes),
            text_bytes: self.text_bytes.unwrap_or(default.text_bytes),
            outbox_soft_bytes: self.outbox_soft_bytes.unwrap_or(default.outbox_soft_bytes),
            outbox_bytes: self.outbox_bytes.unwrap_or(default.outbox_bytes),
            outbox_timeout: time(self.outbox_timeout, default.outbox_timeout),
            zero_window_timeout: time(self.zero_window_timeout, default.zero_window_timeout),
            lines_per_second: self.lines_per_second.unwrap_or(default.lines_per_second),
            limit_loopback: self.limit_loopback.unwrap_or(default.limit_loopback),
            allow_insecure_secrets: self.allow_insecure_secrets.unwrap_or(default.allow_insecure_secrets),
            turn_lines: self.turn_lines.unwrap_or(default.turn_lines),
            keepalive: time(self.keepalive, default.keepalive),
            user_timeout: time(self.user_timeout, default.user_timeout),
            trusted_proxies: self.trusted_proxy.iter().flatten().filter_map(|prefix| prefix.parse().ok()).collect(),
            web_ping: time(self.web_ping, default.web_ping),
            web_hosts: self.web_host.iter().flatten().filter(|name| *name != NONE).cloned().collect(),
            drain_timeout: time(self.drain_timeout, default.drain_timeout),
            server_name: self.server_name.clone().unwrap_or(default.server_name),
            data: self.data.as_ref().filter(|data| *data != NONE).map(PathBuf::from),
            memory_bytes: self.memory_bytes.unwrap_or(default.memory_bytes),
            memory_records: self.memory_records.unwrap_or(default.memory_records),
            search: self.search.unwrap_or(default.search),
            account_quota: quota(self.account_daily_records, self.account_daily_bytes, default.account_quota),
            guest_quota: quota(self.guest_daily_records, self.guest_daily_bytes, default.guest_quota),
            all_guests_quota: quota(
                self.all_guests_daily_records,
                self.all_guests_daily_bytes,
                default.all_guests_quota,
            ),
            guests_create_rooms: self.guests_create_rooms.unwrap_or(default.guests_create_rooms),
            log_messages: self.log_messages.unwrap_or(default.log_messages),
        }
    }
}

/// The value of `tls-oldest`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
pub(super) enum OldestTls {
    #[serde(rename = "1.2")]
    #[value(name = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    #[value(name = "1.3")]
    Tls13,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Console on a terminal, text elsewhere.
    Auto,
    /// Lines in the format of the course servers, and a hint how to connect.
    Console,
    /// A line of text for each event.
    Text,
    /// A JSON object for each event.
    Json,
}

/// The attributes that several keys share.
trait SharedAttributes {
    /// A flag whose value is a list, separated by commas. The flag may be repeated.
    fn list_of(self, item: impl IntoResettable<ValueParser>) -> Self;

    /// A flag that stands for `default`, unless it has a value after `=`.
    fn optional_value(self, default: &'static str, value: impl IntoResettable<ValueParser>) -> Self;
}

impl SharedAttributes for Arg {
    fn list_of(self, item: impl IntoResettable<ValueParser>) -> Self {
        self.value_delimiter(',').value_parser(item)
    }

    fn optional_value(self, default: &'static str, value: impl IntoResettable<ValueParser>) -> Self {
        self.num_args(0..=1).require_equals(true).default_missing_value(default).value_parser(value)
    }
}
