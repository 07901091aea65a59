//! Build: rows in, the segments, packets and frames that carry them out, as a kernel would have made them.
//!
//! ```text
//! rows ─▶ Plan (first reading): which connections there are, who serves, addresses, ports, when each begins and ends
//! rows ─▶ Builder (second reading) ─▶ tcp, udp: segments in time ─▶ packet: headers and checksums ─▶ frames ─▶ capture::Writer
//! ```
//!
//! Rows are read twice, so that none is kept: a connection is opened before its first row and closed after its last,
//! and only what is between is in memory. The same rows, settings and seed make the same bytes.
//!
//! What is made up, and how:
//!
//! | what | value |
//! |---|---|
//! | address of a name | `10.0.0.1`, `10.0.0.2` … or `2001:db8::1` …, in the order in which the names appear |
//! | MAC address | locally administered: `02:00:00:00:00:01` …, in the order in which the apps appear |
//! | server | who is named so, the port of the protocol, a server's port, a message that answers, who serves an earlier pair of a chat, else whom the first row is for |
//! | port of a client | 41200 to 44300, which Linux gives to clients and Wireshark gives to no protocol |
//! | initial sequence numbers, clocks, packet ids, flow labels | random, from the seed |
//! | the wire | 1 Gbit/s: no frame begins before the one before it has ended |
//! | acknowledgement | with the answer, at once after more than one full segment, else after 40 ms |
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
mod fit;
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
