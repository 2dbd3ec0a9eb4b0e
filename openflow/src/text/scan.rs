//! Keys and values: `key`, `key=value`, `key:value`, `key(value)`, `key(value)->tail`.

use super::TextError;
use super::names::Names;

/// A piece of a text, which knows where in the whole it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Piece<'a> {
    pub text: &'a str,
    /// Bytes before it.
    pub at: usize,
    /// What the switch calls its ports and tables.
    pub names: &'a Names,
}

impl<'a> Piece<'a> {
    pub(super) const fn whole(text: &'a str) -> Piece<'a> {
        Piece { text, at: 0, names: Names::NONE }
    }

    /// A whole text in which names may stand.
    pub(super) const fn named(text: &'a str, names: &'a Names) -> Piece<'a> {
        Piece { text, at: 0, names }
    }

    /// The place behind all of it.
    pub(super) fn end(self) -> Piece<'a> {
        self.part(self.text.len(), self.text.len())
    }

    /// An error about it.
    pub(super) fn expected(self, expected: &'static str) -> TextError {
        TextError { column: self.at + 1, found: self.text.to_owned(), expected }
    }

    /// Some bytes of it; the bounds must be those of characters.
    pub(super) fn part(self, from: usize, to: usize) -> Piece<'a> {
        Piece { text: &self.text[from..to], at: self.at + from, ..self }
    }

    /// What stands before and behind the first `mark`.
    pub(super) fn split(self, mark: &str) -> Option<(Piece<'a>, Piece<'a>)> {
        let at = self.text.find(mark)?;
        Some((self.part(0, at), self.part(at + mark.len(), self.text.len())))
    }

    /// Like [`Piece::split`]; without the mark, all is before it.
    pub(super) fn split_or_all(self, mark: &str) -> (Piece<'a>, Option<Piece<'a>>) {
        match self.split(mark) {
            Some((before, behind)) => (before, Some(behind)),
            None => (self, None),
        }
    }

    /// A number of at most `max`, decimal or hexadecimal behind `0x`.
    pub(super) fn number(self, max: u128, expected: &'static str) -> Result<u128, TextError> {
        let hex = self.text.strip_prefix("0x").or(self.text.strip_prefix("0X"));
        let (digits, radix) = hex.map_or((self.text, 10), |digits| (digits, 16));
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(digits, radix).ok().filter(|_| plain);
        number.filter(|number| *number <= max).ok_or(self.expected(expected))
    }

    /// A number of 8 bits.
    pub(super) fn u8(self, expected: &'static str) -> Result<u8, TextError> {
        let number = self.number(u8::MAX.into(), expected)?;
        u8::try_from(number).map_err(|_| self.expected(expected))
    }

    /// A table, by number or name.
    pub(super) fn table(self) -> Result<u8, TextError> {
        let number = self.u8("a table: 0 to 254, or its name");
        number.or_else(|error| self.names.table(self.text).ok_or(error))
    }

    /// A number of 16 bits.
    pub(super) fn u16(self, expected: &'static str) -> Result<u16, TextError> {
        let number = self.number(u16::MAX.into(), expected)?;
        u16::try_from(number).map_err(|_| self.expected(expected))
    }

    /// A number of 32 bits.
    pub(super) fn u32(self, expected: &'static str) -> Result<u32, TextError> {
        let number = self.number(u32::MAX.into(), expected)?;
        u32::try_from(number).map_err(|_| self.expected(expected))
    }

    /// A number of 64 bits.
    pub(super) fn u64(self, expected: &'static str) -> Result<u64, TextError> {
        let number = self.number(u64::MAX.into(), expected)?;
        u64::try_from(number).map_err(|_| self.expected(expected))
    }

    /// The pieces between commas and blanks, which brackets keep together.
    pub(super) fn items(self) -> Result<Vec<Item<'a>>, TextError> {
        let mut items = Vec::new();
        let mut rest = self;
        loop {
            let skip = rest.text.bytes().take_while(|byte| is_gap(*byte)).count();
            rest = rest.part(skip, rest.text.len());
            if rest.text.is_empty() {
                return Ok(items);
            }
            let end = item_end(rest)?;
            items.push(Item::new(rest.part(0, end)));
            rest = rest.part(end, rest.text.len());
        }
    }
}

fn is_gap(byte: u8) -> bool {
    byte == b',' || byte.is_ascii_whitespace()
}

/// Where the first item ends: at a gap outside brackets.
fn item_end(piece: Piece<'_>) -> Result<usize, TextError> {
    let mut depth = 0_usize;
    let mut quoted = false;
    for (at, byte) in piece.text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1).ok_or(piece.expected("a ( before the )"))?,
            byte if depth == 0 && is_gap(byte) => return Ok(at),
            _ => {}
        }
    }
    if depth == 0 { Ok(piece.text.len()) } else { Err(piece.expected("a ) for each (")) }
}

/// A key and what belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Item<'a> {
    /// All of it.
    pub whole: Piece<'a>,
    /// What stands before `=`, `:` or `(`.
    pub key: Piece<'a>,
    /// What stands behind; `None` if there is nothing to separate it.
    pub value: Option<Piece<'a>>,
    /// Whether the value stands in brackets.
    pub in_brackets: bool,
    /// What stands behind `)->`.
    pub tail: Option<Piece<'a>>,
}

impl<'a> Item<'a> {
    fn new(whole: Piece<'a>) -> Item<'a> {
        let end = whole.text.len();
        let item = Item { whole, key: whole, value: None, in_brackets: false, tail: None };
        let Some(at) = whole.text.find(['=', ':', '(']) else { return item };
        let key = whole.part(0, at);
        if whole.text.as_bytes()[at] != b'(' {
            return Item { key, value: Some(whole.part(at + 1, end)), ..item };
        }
        let close = whole.text.rfind(')').unwrap_or(end);
        let value = Some(whole.part(at + 1, close.max(at + 1)));
        let behind = whole.part((close + 1).min(end), end);
        let tail = behind.split("->").map(|(_, tail)| tail);
        Item { key, value, in_brackets: true, tail, ..item }
    }

    /// The value.
    pub(super) fn need(self, expected: &'static str) -> Result<Piece<'a>, TextError> {
        self.value.filter(|value| !value.text.is_empty()).ok_or(self.whole.expected(expected))
    }
}
