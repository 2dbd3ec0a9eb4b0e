//! Meters: `meter=1 kbps stats bands=type=drop rate=1000`, parsed and printed.
//!
//! # Design
//! What stands before `bands=` is about the meter; behind it, each `type=` starts a band.
//!
//! # References
//! ovs-ofctl(8), "Meter Syntax".

use core::fmt::Write;

use super::TextError;
use super::flow::duration_text;
use super::scan::Piece;
use crate::meter::{
    BandKind, MeterBand, MeterCommand, MeterConfig, MeterFeatures, MeterFlags, MeterId, MeterMod,
    MeterStats,
};

const METER: &str = "a meter, from 1 to 4294901760, or controller or slowpath";
const KEY: &str = "meter=, kbps, pktps, burst, stats or bands=";
const BAND: &str = "type=drop or type=dscp_remark, then rate=, burst_size= and prec_level=";

/// Reads a meter as `ovs-ofctl add-meter`, `mod-meter` and `del-meter` take it.
///
/// # Errors
/// Where it cannot be read, and what was expected.
pub fn parse_meter(command: MeterCommand, text: &str) -> Result<MeterMod, TextError> {
    let whole = Piece::whole(text);
    let deletes = command == MeterCommand::Delete;
    // `ovs-ofctl` takes either word.
    let (head, bands) = match whole.split_or_all("bands=") {
        (head, None) => head.split_or_all("band="),
        split => split,
    };
    let mut meter = MeterConfig { id: MeterId::ALL, flags: MeterFlags(0), bands: Vec::new() };
    let mut has_id = false;
    for item in head.items()? {
        let flag = MeterFlags::NAMES.iter().find(|(_, name)| *name == item.key.text);
        match (flag, item.key.text) {
            (Some((flag, _)), _) if item.value.is_none() && !deletes => {
                meter.flags = meter.flags | *flag;
            }
            (None, "meter") => {
                meter.id = parse_id(item.need("a meter behind the =")?)?;
                has_id = true;
            }
            _ => return Err(item.key.expected(KEY)),
        }
    }
    if !deletes && (!has_id || meter.id == MeterId::ALL) {
        return Err(whole.end().expected("meter=, with the meter's number"));
    }
    let Some(bands) = bands.filter(|_| !deletes) else {
        return match bands {
            Some(bands) => Err(bands.expected("no bands: the meter is to be deleted")),
            None if deletes => Ok(MeterMod { command, meter }),
            None => Err(whole.end().expected("bands=, with what happens above which rate")),
        };
    };
    if meter.flags.0 & (MeterFlags::KBPS.0 | MeterFlags::PKTPS.0) == 0 {
        meter.flags = meter.flags | MeterFlags::KBPS;
    }
    meter.bands = parse_bands(bands, meter.flags)?;
    Ok(MeterMod { command, meter })
}

/// Reads which meter a request means: nothing, or `meter=N`.
///
/// # Errors
/// Where it cannot be read, and what was expected.
pub fn parse_meter_id(text: &str) -> Result<MeterId, TextError> {
    parse_meter(MeterCommand::Delete, text).map(|found| found.meter.id)
}

fn parse_id(piece: Piece<'_>) -> Result<MeterId, TextError> {
    Ok(match piece.text {
        "all" => MeterId::ALL,
        "controller" => MeterId::CONTROLLER,
        "slowpath" => MeterId::SLOWPATH,
        _ => match MeterId(piece.u32(METER)?) {
            id if id.0 == 0 || id > MeterId::MAX => return Err(piece.expected(METER)),
            id => id,
        },
    })
}

fn parse_bands(text: Piece<'_>, flags: MeterFlags) -> Result<Vec<MeterBand>, TextError> {
    let mut bands: Vec<MeterBand> = Vec::new();
    for item in text.items()? {
        let value = item.need("a value behind the =")?;
        if item.key.text == "type" {
            let kind = match value.text {
                "drop" => BandKind::Drop,
                "dscp_remark" => BandKind::DscpRemark(0),
                _ => return Err(value.expected("drop or dscp_remark")),
            };
            bands.push(MeterBand { kind, rate: 0, burst_size: 0 });
            continue;
        }
        let band = bands.last_mut().ok_or(item.key.expected("type= first"))?;
        match item.key.text {
            "rate" => band.rate = value.u32("a rate of 32 bits")?,
            "burst_size" if !flags.contains(MeterFlags::BURST) => {
                return Err(item.key.expected("burst before bands=, to which burst_size belongs"));
            }
            "burst_size" => band.burst_size = value.u32("a size of 32 bits")?,
            "prec_level" => match &mut band.kind {
                BandKind::DscpRemark(level) => *level = value.u8("from 0 to 255")?,
                BandKind::Drop => {
                    return Err(item.key.expected("no prec_level in a band of type=drop"));
                }
            },
            _ => return Err(item.key.expected(BAND)),
        }
    }
    if bands.is_empty() {
        return Err(text.expected(BAND));
    }
    if bands.iter().any(|band| band.rate == 0) {
        return Err(text.expected("rate= of at least 1 in each band"));
    }
    Ok(bands)
}

/// A meter's number as it is written.
#[must_use]
pub fn meter_id_text(id: MeterId) -> String {
    match id {
        MeterId::ALL => "all".to_owned(),
        MeterId::CONTROLLER => "controller".to_owned(),
        MeterId::SLOWPATH => "slowpath".to_owned(),
        MeterId(number) => number.to_string(),
    }
}

/// Writes a meter as `ovs-ofctl dump-meters` does: a line, and one for each band.
#[must_use]
pub fn meter_text(meter: &MeterConfig) -> String {
    let mut text = format!("meter={} ", meter_id_text(meter.id));
    put_flags(&mut text, meter.flags);
    text.push_str("bands=");
    for band in &meter.bands {
        text.push('\n');
        let kind = match band.kind {
            BandKind::Drop => "drop",
            BandKind::DscpRemark(_) => "dscp_remark",
        };
        let _ = write!(text, "type={kind} rate={}", band.rate);
        if meter.flags.contains(MeterFlags::BURST) {
            let _ = write!(text, " burst_size={}", band.burst_size);
        }
        if let BandKind::DscpRemark(level) = band.kind {
            let _ = write!(text, " prec_level={level}");
        }
    }
    text
}

fn put_flags(text: &mut String, flags: MeterFlags) {
    for (flag, name) in MeterFlags::NAMES {
        if flags.contains(*flag) {
            let _ = write!(text, "{name} ");
        }
    }
}

/// Writes a command about meters as `ovs-ofctl` shows METER_MOD messages.
#[must_use]
pub fn meter_mod_text(meter: &MeterMod) -> String {
    let name = match meter.command {
        MeterCommand::Add => "ADD",
        MeterCommand::Modify => "MOD",
        MeterCommand::Delete => "DEL",
    };
    format!("{name} {}", meter_text(&meter.meter))
}

/// Writes what a meter counted as `ovs-ofctl meter-stats` does: a line, and one for each band.
#[must_use]
pub fn meter_stats_text(stats: &MeterStats) -> String {
    let mut text = format!(
        "meter:{} flow_count:{} packet_in_count:{} byte_in_count:{} duration:{} bands:",
        meter_id_text(stats.id),
        stats.n_flows,
        stats.packets_in,
        stats.bytes_in,
        duration_text(stats.duration)
    );
    for (number, band) in stats.bands.iter().enumerate() {
        let (packets, bytes) = (band.packets, band.bytes);
        let _ = write!(text, "\n{number}: packet_count:{packets} byte_count:{bytes}");
    }
    text
}

/// Writes what meters can do as `ovs-ofctl meter-features` does, in three lines.
#[must_use]
pub fn meter_features_text(features: &MeterFeatures) -> String {
    let MeterFeatures { max_meters, max_bands, max_colors, .. } = features;
    let mut text = format!("max_meter:{max_meters} max_bands:{max_bands} max_color:{max_colors}\n");
    text.push_str("band_types: ");
    for (bit, name) in [(1, "drop"), (2, "dscp_remark")] {
        if features.band_types & 1 << bit != 0 {
            let _ = write!(text, "{name} ");
        }
    }
    text.push_str("\ncapabilities: ");
    put_flags(&mut text, MeterFlags(u16::try_from(features.capabilities & 0xf).unwrap_or(0)));
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_round_trip() {
        for (text, printed) in [
            (
                "meter=1 kbps stats burst bands=type=drop rate=100 burst_size=5",
                "meter=1 kbps burst stats bands=\ntype=drop rate=100 burst_size=5",
            ),
            (
                "meter=2,pktps,bands=type=drop,rate=7,type=dscp_remark,rate=10,prec_level=1",
                "meter=2 pktps bands=\ntype=drop rate=7\ntype=dscp_remark rate=10 prec_level=1",
            ),
            (
                "meter=controller bands=type=drop rate=1",
                "meter=controller kbps bands=\ntype=drop rate=1",
            ),
        ] {
            let meter = parse_meter(MeterCommand::Add, text).unwrap();
            assert_eq!(meter_text(&meter.meter), printed);
            assert_eq!(parse_meter(MeterCommand::Add, printed), Ok(meter));
        }
    }

    #[test]
    fn wrong_meters_are_named_with_their_column() {
        for (text, column) in [
            ("kbps bands=type=drop rate=1", 28),
            ("meter=0 kbps bands=type=drop rate=1", 7),
            ("meter=1 kbps", 13),
            ("meter=1 mph bands=type=drop rate=1", 9),
            ("meter=1 kbps bands=", 20),
            ("meter=1 kbps bands=rate=1", 20),
            ("meter=1 kbps bands=type=fly", 25),
            ("meter=1 kbps bands=type=drop", 20),
            ("meter=1 kbps bands=type=drop rate=1 burst_size=3", 37),
            ("meter=1 kbps bands=type=drop rate=1 prec_level=3", 37),
        ] {
            let error = parse_meter(MeterCommand::Add, text).expect_err(text);
            assert_eq!(error.column, column, "{text}: {error}");
        }
        assert_eq!(parse_meter_id(""), Ok(MeterId::ALL));
        assert_eq!(parse_meter_id("meter=7"), Ok(MeterId(7)));
        assert!(parse_meter_id("7").is_err());
    }
}
