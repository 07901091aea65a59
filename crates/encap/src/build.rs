//! Build: synthesises the segments, packets and frames that a kernel would send for rows.
//!
//! ```text
//! first reading:   rows ─▶ Plan: flows, and the servers, addresses, ports and times of the flows
//! second reading:  rows ─▶ Builder ─▶ Connection: segments ─▶ Packet: headers and checksums
//!                                                          ─▶ Transmitter: times ─▶ FrameSink
//! ```
//!
//! The caller reads the rows twice, so that no row stays in memory. The first reading finds the number of rows and the
//! first time of each flow. So the second reading knows when to open and when to close a connection, and keeps the TCP
//! state of open connections only. The same rows and settings always build the same bytes.
//!
//! Synthetic values:
//!
//! | value | source |
//! |---|---|
//! | address of a name | `10.0.0.1`, `10.0.0.2` … or `2001:db8::1` …, in order of appearance |
//! | MAC address | locally administered: `02:00:00:00:00:01` …, in order of appearance |
//! | server | an app named as server, else by the ports, a response or an earlier flow, else the first receiver |
//! | port of a client | 41200 to 44300: ephemeral ports of Linux for which Wireshark has no dissector |
//! | initial sequence numbers, timestamp clocks, packet ids, flow labels | random, from the seed in the settings |
//! | speed of the link | 1 Gbit/s: a frame begins after the end of the previous one |
//! | time of an acknowledgment | with the next data; at once after more than one full segment; else after 40 to 44 ms |
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
//! // Three frames open the connection, one carries the message, and three close the connection.
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
