//! Reading and writing fields by their row.

use super::field::{FieldId, Subfield};
use super::place::{Place, ones};
use super::words::Words;

/// The first of the ports of OpenFlow 1.0 that are no ports: IN_PORT, FLOOD and the like.
const RESERVED_PORT16: u128 = 0xff00;
/// What lies above them in the 32 bits of OpenFlow 1.1.
const RESERVED_PORT32: u128 = 0xffff_0000;

impl Words {
    /// The value of a field; of a tunnel option, 1 if it is there.
    #[must_use]
    pub const fn get(&self, field: FieldId) -> u128 {
        self.at(field.info().place)
    }

    /// Overwrites a field with the low bits of `value`. Of a tunnel option, says whether it is there.
    ///
    /// `in_port` is the 16-bit view of the port: what is reserved there becomes what is reserved in
    /// 32 bits, and the exact mask becomes exact.
    pub const fn set(&mut self, field: FieldId, value: u128) {
        if matches!(field, FieldId::InPort) {
            let value = value & 0xffff;
            let high = if value >= RESERVED_PORT16 { RESERVED_PORT32 } else { 0 };
            return self.put(FieldId::InPortOxm.info().place, value | high);
        }
        self.put(field.info().place, value);
    }

    /// The bits of a part of a field, in the low bits of the result; of a tunnel option, 0.
    #[must_use]
    pub const fn read(&self, part: Subfield) -> u128 {
        (self.get(part.field) & part.mask()) >> part.offset
    }

    /// Overwrites a part of a field with the low bits of `value`; leaves a tunnel option alone.
    pub const fn write(&mut self, part: Subfield, value: u128) {
        let mask = part.mask();
        if mask != 0 {
            let rest = self.get(part.field) & !mask;
            self.set(part.field, rest | value << part.offset & mask);
        }
    }

    const fn at(&self, place: Place) -> u128 {
        let at = place.word as usize;
        if place.bits > 64 {
            return (self.word(at) as u128) << 64 | self.word(at + 1) as u128;
        }
        (self.word(at) >> place.shift) as u128 & ones(place.bits as u32)
    }

    #[allow(clippy::cast_possible_truncation, reason = "the halves of a value are 64 bits each")]
    const fn put(&mut self, place: Place, value: u128) {
        let at = place.word as usize;
        if place.bits > 64 {
            self.put_word(at, (value >> 64) as u64);
            self.put_word(at + 1, value as u64);
            return;
        }
        let mask = (place.ones() as u64) << place.shift;
        let bits = (value as u64) << place.shift & mask;
        self.put_word(at, self.word(at) & !mask | bits);
    }
}
