//! Ports and queues, as `ovs-ofctl` prints what is known of them and what they counted.
//!
//! # References
//! ovs-ofctl(8), `show`, `dump-ports`, `dump-ports-desc`, `queue-stats`, `mod-port`.

use core::fmt::Write;

use super::flow::duration_text;
use super::names::Style;
use crate::counters::{PortStats, QueueStats};
use crate::port::{OfPort, PortConfig, PortDesc, PortFeatures, PortMod, PortReason, PortStatus};
use crate::queue::QueueDesc;

/// What `ovs-ofctl mod-port` calls a change: the word, the bit, and whether it is set.
const CHANGES: [(&str, PortConfig, bool); 12] = [
    ("up", PortConfig::PORT_DOWN, false),
    ("down", PortConfig::PORT_DOWN, true),
    ("stp", PortConfig::NO_STP, false),
    ("no-stp", PortConfig::NO_STP, true),
    ("receive", PortConfig::NO_RECV, false),
    ("no-receive", PortConfig::NO_RECV, true),
    ("flood", PortConfig::NO_FLOOD, false),
    ("no-flood", PortConfig::NO_FLOOD, true),
    ("forward", PortConfig::NO_FWD, false),
    ("no-forward", PortConfig::NO_FWD, true),
    ("packet-in", PortConfig::NO_PACKET_IN, false),
    ("no-packet-in", PortConfig::NO_PACKET_IN, true),
];

/// Every word of [`parse_port_change`].
pub const PORT_CHANGES: &str = "up, down, stp, no-stp, receive, no-receive, flood, no-flood, \
                                forward, no-forward, packet-in or no-packet-in";

/// The configuration and the mask of a change by its word.
#[must_use]
pub fn parse_port_change(word: &str) -> Option<(PortConfig, PortConfig)> {
    let (_, bit, set) = CHANGES.iter().find(|(known, ..)| *known == word)?;
    Some((if *set { *bit } else { PortConfig(0) }, *bit))
}

/// Writes a port as `ovs-ofctl show` does: lines, the first of which begins with a blank.
#[must_use]
pub fn port_desc_text(desc: &PortDesc) -> String {
    let mut text = format!(" {}({}): addr:{}\n", desc.port, desc.name, desc.hw_addr);
    let _ = writeln!(text, "     config:     {}", desc.config.to_text(" "));
    let _ = writeln!(text, "     state:      {}", desc.state.to_text(" "));
    for (name, features) in [
        ("current:    ", desc.curr),
        ("advertised: ", desc.advertised),
        ("supported:  ", desc.supported),
        ("peer:       ", desc.peer),
    ] {
        if features != PortFeatures(0) {
            let _ = writeln!(text, "     {name}{}", features.to_text(" "));
        }
    }
    let (now, max) = (desc.curr_speed_kbps / 1000, desc.max_speed_kbps / 1000);
    let _ = writeln!(text, "     speed: {now} Mbps now, {max} Mbps max");
    text
}

/// Writes that a port came, went or changed.
pub(super) fn port_status_text(status: &PortStatus) -> String {
    let reason = match status.reason {
        PortReason::Add => "ADD",
        PortReason::Delete => "DEL",
        PortReason::Modify => "MOD",
    };
    format!(" {reason}:{}", port_desc_text(&status.desc))
}

/// Writes a change of a port.
pub(super) fn port_mod_text(style: Style<'_>, port: &PortMod) -> String {
    let mut text = format!(" port: {}: addr:{}\n", style.port(port.port), port.hw_addr);
    let _ = writeln!(text, "     config: {}", port.config.to_text(" "));
    let _ = writeln!(text, "     mask:   {}", port.mask.to_text(" "));
    let advertise = match port.advertise {
        PortFeatures(0) => "UNCHANGED".to_owned(),
        features => features.to_text(" "),
    };
    let _ = writeln!(text, "     advertise: {advertise}");
    text
}

fn put_counts(text: &mut String, counts: &[(&str, u64)]) {
    for (number, (name, count)) in counts.iter().enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        let _ = match count {
            &u64::MAX => write!(text, "{comma}{name}=?"),
            count => write!(text, "{comma}{name}={count}"),
        };
    }
    text.push('\n');
}

/// Writes what a port counted as `ovs-ofctl dump-ports` does, in lines.
#[must_use]
pub fn port_stats_text<'a>(style: impl Into<Style<'a>>, stats: &PortStats) -> String {
    let style = style.into();
    let pad = if stats.port < OfPort(10) { " " } else { "" };
    let mut text = format!("  port {pad}{}: rx ", style.port(stats.port));
    put_counts(
        &mut text,
        &[
            ("pkts", stats.rx_packets),
            ("bytes", stats.rx_bytes),
            ("drop", stats.rx_dropped),
            ("errs", stats.rx_errors),
            ("frame", stats.rx_frame_err),
            ("over", stats.rx_over_err),
            ("crc", stats.rx_crc_err),
        ],
    );
    text.push_str("           tx ");
    put_counts(
        &mut text,
        &[
            ("pkts", stats.tx_packets),
            ("bytes", stats.tx_bytes),
            ("drop", stats.tx_dropped),
            ("errs", stats.tx_errors),
            ("coll", stats.collisions),
        ],
    );
    if let Some(duration) = stats.duration {
        let _ = writeln!(text, "           duration={}", duration_text(duration));
    }
    text
}

/// Writes what a queue counted as `ovs-ofctl queue-stats` does, in a line.
#[must_use]
pub fn queue_stats_text<'a>(style: impl Into<Style<'a>>, stats: &QueueStats) -> String {
    let port = style.into().port(stats.port);
    let mut text = format!("  port {port} queue {}: ", stats.queue);
    put_counts(
        &mut text,
        &[("bytes", stats.tx_bytes), ("pkts", stats.tx_packets), ("errors", stats.tx_errors)],
    );
    text.pop();
    let _ = match stats.duration {
        Some(duration) => write!(text, ", duration={}", duration_text(duration)),
        None => write!(text, ", duration=?"),
    };
    text.push('\n');
    text
}

/// Writes queues as `ovs-ofctl queue-get-config` does, by port and number, behind a title.
#[must_use]
pub fn queue_desc_text<'a>(style: impl Into<Style<'a>>, queues: &[QueueDesc]) -> String {
    let style = style.into();
    let mut ordered: Vec<&QueueDesc> = queues.iter().collect();
    ordered.sort_by_key(|desc| (desc.port, desc.queue));
    let (mut text, mut port) = (String::new(), None);
    for desc in ordered {
        if port != Some(desc.port) {
            let gap = if port.is_none() { " " } else { "" };
            port = Some(desc.port);
            let _ = writeln!(text, "{gap}port={}", style.port(desc.port));
        }
        let _ = write!(text, "queue {}:", desc.queue);
        for (name, rate) in [("min_rate", desc.min_rate), ("max_rate", desc.max_rate)] {
            let _ = match rate {
                Some(rate @ ..=1000) => write!(text, " {name}:{}.{}%", rate / 10, rate % 10),
                Some(_) => write!(text, " {name}:(disabled)"),
                None => Ok(()),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_counters_are_question_marks() {
        let stats = PortStats { rx_packets: 3, ..PortStats::unknown(OfPort(2)) };
        let text = port_stats_text(crate::Version::V10, &stats);
        assert!(text.starts_with("  port  2: rx pkts=3, bytes=?, drop=?"), "{text}");
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn queues_stand_by_port_and_number() {
        let queue = |port, queue, min_rate, max_rate| QueueDesc {
            port: OfPort(port),
            queue,
            min_rate,
            max_rate,
        };
        let queues = [queue(2, 1, None, None), queue(1, 9, Some(125), Some(1001))];
        let text = queue_desc_text(crate::Version::V13, &queues);
        let wanted = " port=1\nqueue 9: min_rate:12.5% max_rate:(disabled)\nport=2\nqueue 1:\n";
        assert_eq!(text, wanted);
        assert_eq!(queue_desc_text(crate::Version::V13, &[]), "");
    }

    #[test]
    fn changes_have_a_bit_and_its_opposite() {
        assert_eq!(parse_port_change("up"), Some((PortConfig(0), PortConfig::PORT_DOWN)));
        let flood = PortConfig::NO_FLOOD;
        assert_eq!(parse_port_change("no-flood"), Some((flood, flood)));
        assert_eq!(parse_port_change("sideways"), None);
        assert!(CHANGES.iter().all(|(word, ..)| PORT_CHANGES.contains(word)));
    }
}
