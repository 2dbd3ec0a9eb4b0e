//! A round as a table for people.

use super::rates::{Rates, Round, Row};
use crate::error::one_line;

/// Headings, in the order of cells. The last column is as wide as it needs to be.
const HEADINGS: [&str; 11] = [
    "BRIDGE", "PORT", "LINK", "RX PKT/S", "RX BIT/S", "TX PKT/S", "TX BIT/S", "ERR/S", "MISS/S",
    "DROP/S", "REASONS",
];

/// Columns that hold words; the others hold numbers, which end together.
const IS_WORD: [bool; 11] =
    [true, true, true, false, false, false, false, false, false, false, true];

/// The lines of the table: at most `max_lines`, of which the last then says what is missing.
pub fn lines(round: &Round, max_lines: usize) -> Vec<String> {
    let n_up = round.rows.iter().filter(|row| row.port.link == "up").count();
    let (n_ports, seconds) = (round.rows.len(), round.elapsed.as_secs_f64());
    let mut lines = vec![format!(
        "{n_ports} port{}, {n_up} up; over {seconds:.2} s",
        if n_ports == 1 { "" } else { "s" }
    )];
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(round.rows.iter().map(cells));
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    lines.extend(rows.iter().map(|row| line(row, &widths)));
    if lines.len() > max_lines {
        let n_shown = max_lines.saturating_sub(1);
        let n_hidden = lines.len() - n_shown;
        lines.truncate(n_shown);
        lines.push(format!("and {n_hidden} more: enlarge the window, or name a bridge"));
    }
    lines
}

fn line(cells: &[String; HEADINGS.len()], widths: &[usize; HEADINGS.len()]) -> String {
    let mut line = String::new();
    for ((cell, width), is_word) in cells.iter().zip(widths).zip(IS_WORD) {
        if !line.is_empty() {
            line.push_str("  ");
        }
        let width = *width;
        line.push_str(&if is_word { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
    }
    line.truncate(line.trim_end().len());
    line
}

fn cells(row: &Row) -> [String; HEADINGS.len()] {
    let rates = row.rates.as_ref();
    let rate = |names: &[&str]| match rates {
        Some(rates) => scaled(rates.sum(names)),
        None => "-".to_owned(),
    };
    [
        one_line(&row.port.bridge),
        one_line(&row.port.name),
        one_line(&row.port.link),
        rate(&["rx_packets"]),
        rate(&["rx_bits"]),
        rate(&["tx_packets"]),
        rate(&["tx_bits"]),
        rate(&["rx_errors", "tx_errors"]),
        rate(&["rx_missed_errors"]),
        rate(&["rx_dropped", "tx_dropped"]),
        rates.map(reasons).unwrap_or_default(),
    ]
}

/// Why frames were lost, the most first: `no_output 12, runt 0.5`.
fn reasons(rates: &Rates) -> String {
    let mut drops: Vec<_> = rates.drops.iter().collect();
    drops.sort_by(|a, b| b.1.total_cmp(a.1));
    let drops =
        drops.iter().map(|(reason, rate)| format!("{} {}", one_line(reason), scaled(**rate)));
    drops.collect::<Vec<_>>().join(", ")
}

/// Powers of a thousand.
const SCALES: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];

/// Three digits that count, with a scale: `0`, `0.25`, `7.5`, `999`, `1.23k`, `45.6M`.
fn scaled(rate: f64) -> String {
    // What is less is shown as that: it must not look like nothing.
    const LEAST: f64 = 0.01;
    // 999.7 is 1000 to three digits, and so belongs to the next scale.
    let found = SCALES.iter().find(|(scale, _)| rate >= 0.9995 * scale);
    let (value, unit) = found.map_or((rate, ""), |(scale, unit)| (rate / scale, *unit));
    match value {
        value if value <= 0.0 => "0".to_owned(),
        value if value >= 99.95 => format!("{value:.0}{unit}"),
        value if value >= 9.995 => with_digits(format!("{value:.1}"), unit),
        value => with_digits(format!("{:.2}", value.max(LEAST)), unit),
    }
}

/// Zeros at the end of a number without a scale say nothing.
fn with_digits(digits: String, unit: &str) -> String {
    if unit.is_empty() {
        return digits.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    digits + unit
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::rates::PerSecond;
    use super::super::sample::{Counters, Port};
    use super::*;

    type Pairs<'a> = &'a [(&'a str, f64)];

    fn row(name: &str, link: &str, rates: Option<(Pairs<'_>, Pairs<'_>)>) -> Row {
        let all = |pairs: Pairs<'_>| -> PerSecond {
            pairs.iter().map(|(key, rate)| ((*key).to_owned(), *rate)).collect()
        };
        let (bridge, name, link) = ("br0".to_owned(), name.to_owned(), link.to_owned());
        let (counters, drops) = (Counters::new(), Counters::new());
        let port = Port { bridge, name, link, counters, drops };
        let rates =
            rates.map(|(counters, drops)| Rates { counters: all(counters), drops: all(drops) });
        Row { port, rates }
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (rate, text) in [
            (0.0, "0"),
            (0.0003, "0.01"),
            (0.25, "0.25"),
            (7.5, "7.5"),
            (12.0, "12"),
            (10.04, "10"),
            (120.0, "120"),
            (999.4, "999"),
            (999.7, "1.00k"),
            (1234.0, "1.23k"),
            (45_678_901.0, "45.7M"),
            (999_700.0, "1.00M"),
            (7.3e9, "7.30G"),
            (2.5e15, "2500T"),
        ] {
            assert_eq!(scaled(rate), text, "{rate}");
        }
    }

    #[test]
    fn columns_stand_in_line() {
        let counters = [
            ("rx_packets", 81_234.0),
            ("rx_bits", 41e6),
            ("tx_packets", 3.0),
            ("rx_dropped", 12.0),
            ("tx_dropped", 0.5),
            ("tx_errors", 0.5),
        ];
        let drops = [("tx_error", 0.5), ("no_output", 12.0)];
        let rows = vec![row("h1", "up", Some((&counters, &drops))), row("trunk", "down", None)];
        let round = Round { elapsed: Duration::from_millis(1004), rows };
        let expected = "\
2 ports, 1 up; over 1.00 s
BRIDGE  PORT   LINK  RX PKT/S  RX BIT/S  TX PKT/S  TX BIT/S  ERR/S  MISS/S  DROP/S  REASONS
br0     h1     up       81.2k     41.0M         3         0    0.5       0    12.5  no_output 12, tx_error 0.5
br0     trunk  down         -         -         -         -      -       -       -";
        assert_eq!(lines(&round, usize::MAX).join("\n"), expected);
    }

    #[test]
    fn a_low_window_says_what_it_hides() {
        let rows = (0..9).map(|n| row(&format!("h{n}"), "up", None)).collect();
        let round = Round { elapsed: Duration::from_secs(1), rows };
        assert_eq!(lines(&round, 11).len(), 11);
        let shown = lines(&round, 5);
        assert_eq!(shown.len(), 5);
        assert_eq!(shown[4], "and 7 more: enlarge the window, or name a bridge");
        assert_eq!(lines(&round, 0).len(), 1);
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let rows = vec![row("\u{1b}[2J", "up", None)];
        let shown = lines(&Round { elapsed: Duration::from_secs(1), rows }, 99).concat();
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
