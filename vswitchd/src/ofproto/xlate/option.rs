//! Options of tunnel headers as fields: `tun_metadata0` to `tun_metadata63`.
//!
//! # Design
//! The key holds the bytes of all options that the bridge's table has made fields, and whether each is
//! there. One that is not there reads as zero; writing any of its bits makes it be there. By a Geneve
//! port a packet leaves with every option that is there, whether it came with it or was given it; so
//! whether it is there is looked at for each.
//!
//! # References
//! `tun_metadata_read`, `tun_metadata_write`, `tun_metadata_to_geneve__` in `lib/tun-metadata.c` of Open
//! vSwitch.

use datapath::tunnel::TunnelKey;
use packet::FlowMask;
use packet::flow::tunnel::{ArrayOption, MAX_OPTION_LEN, WHOLE, bits_of, ones_at, put_bits};
use packet::flow::{FieldId, OptionMatch, OptionSlot, Subfield};

use super::report::Kind;
use super::state::Xlate;

/// Bits that are moved at once.
const STEP: u16 = 128;

/// Ones where a mask looks at an option, and at whether it is there.
fn look_of(slot: &OptionSlot, mask: &ArrayOption) -> FlowMask {
    let mut bits = FlowMask::EMPTY;
    bits.set_option(slot, mask);
    bits
}

/// Some bits of a part, `at` bits above its lowest.
fn step(part: Subfield, at: u16) -> Subfield {
    Subfield { offset: part.offset + at, n_bits: (part.n_bits - at).min(STEP), ..part }
}

impl Xlate<'_> {
    fn slot_of(&self, field: FieldId) -> Option<OptionSlot> {
        self.bridge.options.slot(field.option()?).copied()
    }

    /// At most 128 bits of an option, looked at.
    pub(super) fn read_option(&mut self, part: Subfield) -> u128 {
        let Some(slot) = self.slot_of(part.field) else { return 0 };
        self.look(&look_of(&slot, &ones_at(part.offset, part.n_bits)));
        bits_of(&self.key.option(&slot), part.offset, part.n_bits)
    }

    /// Writes at most 128 bits of an option.
    pub(super) fn write_option(&mut self, part: Subfield, value: u128) {
        let mut bytes = [0; MAX_OPTION_LEN];
        put_bits(&mut bytes, part.offset, part.n_bits, value);
        self.put_option(part.field, &bytes, &ones_at(part.offset, part.n_bits));
    }

    /// `set_field` of an option.
    pub(super) fn set_option(&mut self, option: &OptionMatch) {
        self.put_option(option.field(), &option.value, &option.mask);
    }

    fn put_option(&mut self, field: FieldId, value: &ArrayOption, mask: &ArrayOption) {
        let Some(slot) = self.slot_of(field) else { return };
        self.key.set_option_masked(&slot, value, mask);
        self.own(&look_of(&slot, mask));
    }

    /// `move`, of however many bits.
    pub(super) fn move_bits(&mut self, src: Subfield, dst: Subfield) {
        let steps = || (0..src.n_bits).step_by(STEP.into());
        let values: Vec<u128> = steps().map(|at| self.read(step(src, at))).collect();
        for (at, value) in steps().zip(values) {
            self.write(step(dst, at), value);
        }
    }

    /// Gives a packet that leaves by a Geneve port its options.
    pub(super) fn add_options(&mut self, key: &mut TunnelKey) {
        let table = std::sync::Arc::clone(&self.bridge.options);
        for (kind, slot) in table.iter() {
            self.look_at(slot.field());
            if self.key.get(slot.field()) == 0 {
                continue;
            }
            self.look(&look_of(slot, &WHOLE));
            let value = self.key.option(slot);
            if !key.push_option(kind, &value[MAX_OPTION_LEN - slot.len()..]) {
                self.report.say(Kind::Warning, || "252 bytes of options are not enough".to_owned());
                return;
            }
        }
    }
}
