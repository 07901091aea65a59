//! Build: synthesises the segments, packets and frames that a kernel would send for rows.
//!
//! ```text
//! rows ─▶ Plan (first reading): flows, servers, addresses, ports, times rows ─▶ Builder (second reading) ─▶
//! Connection: segments ─▶ Packet: headers, checksums ─▶ Transmitter: times ─▶ FrameSink
//! ```
//!
//! Rows are read twice, so that none is kept: a connection opens before its first row and closes after its last, and
//! only open flows have a state in memory. The same rows, settings and seed build the same bytes.
//!
//! Synthetic values:
//!
//! | value | source |
//! |---|---|
//! | address of a name | `10.0.0.1`, `10.0.0.2` … or `2001:db8::1` …, in order of appearance |
//! | MAC address | locally administered: `02:00:00:00:00:01` …, in order of appearance |
//! | server | by name, by port, by a response, by an earlier pair of a chat, else the receiver of the first row |
//! | port of a client | 41200 to 44300: ephemeral in Linux, without a dissector in Wireshark |
//! | initial sequence numbers, clocks, packet ids, flow labels | random, from the seed |
//! | the link | 1 Gbit/s: a frame begins after the end of the previous one |
//! | acknowledgment | with the next data, at once after more than one full segment, else after 40 ms |
//!
//! ```
//! use switchboard_encap::build::{Builder, CaptureSink, Plan, Settings};
//! use switchboard_encap::rows::{RowOptions, RowReader};
//!
//! let csv = "protocol,src,dst,message,time\nCHAT,Noy,Elias,hi,0.010\n";
//! let rows = || RowReader::new(csv.as_bytes(), RowOptions::default()).map_while(Result::ok);
//! let settings = Settings::default();
//! let mut plan = Plan::new(settings);
//! rows().try_for_each(|row| plan.admit(&row))?;
//! let mut builder = Builder::new(&plan, CaptureSink::new(Vec::new(), &settings, "an example")?);
//! for row in rows() {
//!     builder.row(&row)?;
//! }
//! let (sink, summary) = builder.finish()?;
//! assert_eq!((summary.connections, summary.frames), (1, 3 + 1 + 3));
//! let file: Vec<u8> = sink.finish()?;
//! # assert!(!file.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod builder;
mod capture_sink;
mod complete;
mod flow;
mod matcher;
mod packet;
mod plan;
mod port;
mod refusal;
mod remark;
mod roles;
mod row_classifier;
mod settings;
mod shape;
mod sink;
mod tcp;
mod transmitter;
mod twin;

pub use builder::{Builder, Summary};
pub use capture_sink::CaptureSink;
pub(crate) use complete::payload;
pub(crate) use matcher::Matcher;
pub use plan::Plan;
pub use port::{CLIENT_PORTS, UNREAD_PORT};
pub use refusal::{Refusal, RefusalKind, RowLine};
pub use remark::{BuildRemark, BuildRemarkKind, BuildRemarks};
pub(crate) use roles::{Clues, Roles};
pub use settings::{Content, IpVersion, Link, Mtu, MtuError, Settings, TcpOptions, TransportChoice};
pub use sink::{BuiltFrame, FramePurpose, FrameSink, MessagePart};
pub use tcp::ControlKind;
pub use twin::BadTwin;

#[cfg(test)]
mod tests;
