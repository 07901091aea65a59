//! Plots of the results, as self-contained SVG.

use std::fmt::Write as _;

use super::super::plot::svg;
use super::peers::Peer;
use super::results::Results;

/// Width of a plot, in pixels.
const WIDTH: f64 = 760.0;
/// Width of the labels left of the bars, in pixels.
const LEFT: f64 = 210.0;
/// Width of the margin on the right, in pixels.
const RIGHT: f64 = 90.0;
/// Height of a bar with the gap below it, in pixels.
const BAR: f64 = 13.0;

/// Colours that differ in print, on a dark background and for colour-blind readers (Okabe and Ito).
fn colour(peer: Peer) -> &'static str {
    match peer {
        Peer::Switchboard | Peer::SwitchboardStored | Peer::SwitchboardIndexed => "#0072b2",
        Peer::Relay | Peer::SqliteCommits | Peer::Appends => "#999999",
        Peer::Nats | Peer::JetStream => "#e69f00",
        Peer::NatsVerbose => "#f0c766",
        Peer::Redis | Peer::RedisStreams => "#d55e00",
        Peer::Ngircd => "#009e73",
        Peer::Mosquitto => "#cc79a7",
        Peer::Postgres => "#56b4e9",
    }
}

/// A bar for each workload and server: the messages per second of the server's processor time, on a logarithmic scale.
pub(super) fn work_per_cpu_second(results: &Results) -> String {
    let workloads: Vec<_> = results.workloads().into_iter().filter(|name| name.contains("window")).collect();
    // The scale goes from 10³ to 10⁸.
    let (low, high) = (3.0, 8.0);
    let x = |figure: f64| LEFT + (figure.log10().clamp(low, high) - low) / (high - low) * (WIDTH - LEFT - RIGHT);
    let mut body = String::new();
    let mut y = 50.0;
    let top = y;
    for workload in workloads {
        let _ = write!(body, "<text x=\"8\" y=\"{}\" font-weight=\"bold\">{workload}</text>", y + BAR - 2.0);
        y += BAR + 5.0;
        for peer in Peer::ALL {
            let Some(figure) = results.median(workload, peer) else { continue };
            let _ = write!(
                body,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{}</text>",
                LEFT - 6.0,
                y + BAR - 3.0,
                peer.name(),
                x(figure) - LEFT,
                BAR - 2.0,
                colour(peer),
                x(figure) + 5.0,
                y + BAR - 3.0,
                short_number(figure),
            );
            y += BAR;
        }
        y += 9.0;
    }
    let mut grid = String::new();
    for power in [1e3, 1e4, 1e5, 1e6, 1e7, 1e8] {
        let _ = write!(
            grid,
            "<line x1=\"{0:.1}\" y1=\"{top}\" x2=\"{0:.1}\" y2=\"{y}\" class=\"grid\"/>\
             <text x=\"{0:.1}\" y=\"{1}\" text-anchor=\"middle\">{2}</text>",
            x(power),
            top - 6.0,
            short_number(power),
        );
    }
    svg("Messages delivered for each second of the server's processor time", WIDTH, y + 4.0, &(grid + &body))
}

/// A curve for our server and for the relay: the processor time per message, from one pair to thousands.
pub(super) fn cpu_time_per_message(results: &Results) -> String {
    let pairs_of = |name: &str| name.strip_prefix("curve, ").and_then(|pairs| pairs.parse::<f64>().ok());
    // The number of pairs and the nanoseconds of each point.
    let points_of = |peer| -> Vec<(f64, f64)> {
        let workloads = results.workloads();
        let points = workloads.iter().filter_map(|name| Some((pairs_of(name)?, 1e9 / results.median(name, peer)?)));
        points.collect()
    };
    let curves = [Peer::Switchboard, Peer::Relay].map(|peer| (peer, points_of(peer)));
    let highest = curves.iter().flat_map(|(_, points)| points).map(|point| point.1).fold(1.0, f64::max);
    let (top, bottom) = (60.0, 330.0);
    let left = 70.0;
    // The axis goes from 1 to 10⁴ pairs.
    let x = |pairs: f64| left + pairs.log10() / 4.0 * (WIDTH - left - RIGHT);
    let y = |nanos: f64| bottom - nanos / highest * (bottom - top);
    let mut body = String::new();
    for power in [1.0, 10.0, 100.0, 1_000.0, 10_000.0] {
        let _ = write!(
            body,
            "<line x1=\"{0:.1}\" y1=\"{top}\" x2=\"{0:.1}\" y2=\"{bottom}\" class=\"grid\"/>\
             <text x=\"{0:.1}\" y=\"{1}\" text-anchor=\"middle\">{power}</text>",
            x(power),
            bottom + 16.0,
        );
    }
    let step = 10_f64.powf(highest.log10().floor());
    let mut tick = 0.0;
    while tick <= highest {
        let _ = write!(
            body,
            "<line x1=\"{left}\" y1=\"{0:.1}\" x2=\"{1}\" y2=\"{0:.1}\" class=\"grid\"/>\
             <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{tick}</text>",
            y(tick),
            WIDTH - RIGHT,
            left - 6.0,
            y(tick) + 4.0,
        );
        tick += step;
    }
    for (peer, points) in &curves {
        let line: Vec<_> = points.iter().map(|(pairs, nanos)| format!("{:.1},{:.1}", x(*pairs), y(*nanos))).collect();
        let _ = write!(
            body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
            line.join(" "),
            colour(*peer),
        );
        if let Some((pairs, nanos)) = points.last() {
            let _ =
                write!(body, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", x(*pairs) + 5.0, y(*nanos) + 4.0, peer.name());
        }
    }
    let _ = write!(
        body,
        "<text x=\"{left}\" y=\"{}\">nanoseconds</text><text x=\"{}\" y=\"{}\" text-anchor=\"middle\">pairs, each with \
         four messages under way</text>",
        top - 10.0,
        (left + WIDTH - RIGHT) / 2.0,
        bottom + 34.0,
    );
    svg("The server's processor time for each message", WIDTH, bottom + 46.0, &body)
}

/// A number with k for thousands and M for millions.
fn short_number(figure: f64) -> String {
    match figure {
        1e6.. => format!("{:.*} M", usize::from(figure < 1e7), figure / 1e6),
        1e3.. => format!("{:.0} k", figure / 1e3),
        _ => format!("{figure:.0}"),
    }
}
