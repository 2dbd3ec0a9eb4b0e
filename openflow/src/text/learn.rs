//! `learn(…)`, parsed and printed.

use core::fmt::Write;

use packet::flow::{FieldId, Subfield};

use super::TextError;
use super::names::{Names, Style};
use super::scan::{Item, Piece};
use super::value::{self, hex, parse_subfield, subfield_text};
use crate::action::{Learn, LearnDst, LearnFlags, LearnSpec, LearnSrc, LearnValue, OfAction};
use crate::flow::DEFAULT_PRIORITY;
use crate::oxm;

const ARGUMENT: &str = "a value behind the =";

pub(super) fn parse(text: Option<Piece<'_>>) -> Result<OfAction, TextError> {
    let mut learn = Learn::default();
    let items = text.map_or(Ok(Vec::new()), Piece::items)?;
    for item in items {
        if !setting(&mut learn, &item)? {
            learn.specs.push(spec(&item)?);
        }
    }
    Ok(OfAction::Learn(Box::new(learn)))
}

fn setting(learn: &mut Learn, item: &Item<'_>) -> Result<bool, TextError> {
    let need = || item.need(ARGUMENT);
    let seconds = || need()?.u16("seconds, from 0 to 65535");
    match item.key.text {
        "table" => learn.table = need()?.table()?,
        "priority" => learn.priority = need()?.u16("a priority, from 0 to 65535")?,
        "idle_timeout" => learn.idle_s = seconds()?,
        "hard_timeout" => learn.hard_s = seconds()?,
        "fin_idle_timeout" => learn.fin_idle_s = seconds()?,
        "fin_hard_timeout" => learn.fin_hard_s = seconds()?,
        "cookie" => learn.cookie = need()?.u64("a number of 64 bits")?,
        "limit" => learn.limit = need()?.u32("a number of flows")?,
        "send_flow_rem" => learn.flags = learn.flags | LearnFlags::SEND_FLOW_REM,
        "delete_learned" => learn.flags = learn.flags | LearnFlags::DELETE_LEARNED,
        "result_dst" => {
            let dst = parse_subfield(need()?)?;
            if dst.n_bits != 1 {
                return Err(need()?.expected("one bit, as in reg0[0]"));
            }
            learn.result_dst = Some(dst);
            learn.flags = learn.flags | LearnFlags::WRITE_RESULT;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn spec(item: &Item<'_>) -> Result<LearnSpec, TextError> {
    match item.key.text {
        "output" => {
            let part = parse_subfield(item.need("a field that holds a port")?)?;
            let n_bits = part.n_bits;
            Ok(LearnSpec { src: LearnSrc::Field(part), dst: LearnDst::Output, n_bits })
        }
        "load" => {
            let text = item.need(ARGUMENT)?;
            let (from, to) = text.split("->").ok_or(text.expected("-> and a field"))?;
            let dst = parse_subfield(to)?;
            let src = source(from, dst)?;
            Ok(LearnSpec { src, dst: LearnDst::Load(dst), n_bits: dst.n_bits })
        }
        _ => {
            // The key may hold the `[` that no other key has, so the text is cut here anew.
            let (to, from) = item.whole.split_or_all("=");
            let dst = parse_subfield(to)?;
            let src = match from {
                None => LearnSrc::Field(dst),
                Some(from) => source(from, dst)?,
            };
            Ok(LearnSpec { src, dst: LearnDst::Match(dst), n_bits: dst.n_bits })
        }
    }
}

/// A field, or a value in the destination's format.
fn source(from: Piece<'_>, dst: Subfield) -> Result<LearnSrc, TextError> {
    if let Ok(part) = parse_subfield(from) {
        if part.n_bits != dst.n_bits {
            return Err(from.expected("as many bits as the other field has"));
        }
        return Ok(LearnSrc::Field(part));
    }
    let whole = dst == Subfield::whole(dst.field);
    let bits = if whole {
        value::parse(dst.field, from)?.0
    } else {
        let max = if dst.n_bits >= 128 { u128::MAX } else { (1 << dst.n_bits) - 1 };
        from.number(max, "a field, or a number that fits the bits")?
    };
    Ok(LearnSrc::Value(LearnValue::new(bits, dst.n_bits)))
}

pub(super) fn text(style: Style<'_>, learn: &Learn) -> String {
    let mut text = format!("learn(table={}", style.table(learn.table));
    for (name, seconds) in [
        ("idle_timeout", learn.idle_s),
        ("hard_timeout", learn.hard_s),
        ("fin_idle_timeout", learn.fin_idle_s),
        ("fin_hard_timeout", learn.fin_hard_s),
    ] {
        if seconds != 0 {
            let _ = write!(text, ",{name}={seconds}");
        }
    }
    if learn.priority != DEFAULT_PRIORITY {
        let _ = write!(text, ",priority={}", learn.priority);
    }
    for flag in [LearnFlags::SEND_FLOW_REM, LearnFlags::DELETE_LEARNED] {
        if learn.flags.contains(flag) {
            let _ = write!(text, ",{}", flag.to_text(","));
        }
    }
    if learn.cookie != 0 {
        let _ = write!(text, ",cookie={:#x}", learn.cookie);
    }
    if learn.limit != 0 {
        let _ = write!(text, ",limit={}", learn.limit);
    }
    if let Some(dst) = learn.result_dst {
        let _ = write!(text, ",result_dst={}", subfield_text(dst));
    }
    for spec in &learn.specs {
        let _ = write!(text, ",{}", spec_text(style.names, spec));
    }
    text.push(')');
    text
}

fn spec_text(names: &Names, spec: &LearnSpec) -> String {
    match (&spec.src, spec.dst) {
        (LearnSrc::Field(src), LearnDst::Match(dst)) if *src == dst => subfield_text(dst),
        (LearnSrc::Field(src), LearnDst::Match(dst)) => {
            format!("{}={}", subfield_text(dst), subfield_text(*src))
        }
        (LearnSrc::Value(bits), LearnDst::Match(dst)) => {
            let whole = dst == Subfield::whole(dst.field) && !dst.field.info().is_option();
            match bits.number().filter(|_| whole) {
                Some(bits) => named(names, dst.field, bits),
                None => format!("{}={}", subfield_text(dst), value_text(bits)),
            }
        }
        (LearnSrc::Field(src), LearnDst::Load(dst)) => {
            format!("load:{}->{}", subfield_text(*src), subfield_text(dst))
        }
        (LearnSrc::Value(bits), LearnDst::Load(dst)) => {
            format!("load:{}->{}", value_text(bits), subfield_text(dst))
        }
        (LearnSrc::Field(src), LearnDst::Output) => format!("output:{}", subfield_text(*src)),
        (LearnSrc::Value(bits), LearnDst::Output) => format!("output:{}", value_text(bits)),
    }
}

fn named(names: &Names, field: FieldId, bits: u128) -> String {
    format!("{}={}", field.info().name, value::text(names, field, bits, field.info().ones()))
}

fn value_text(bits: &LearnValue) -> String {
    hex(bits.number().unwrap_or_else(|| oxm::read_value(&bits.0)))
}
