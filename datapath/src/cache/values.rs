//! What a megaflow's key has under its mask, packed.

/// Words that lie in the megaflow itself. Five-tuples of IPv6 with Ethernet and VLAN fill ten.
const INLINE: usize = 12;

/// The masked words of a key, one for each word of the mask.
#[derive(Clone, Debug)]
pub(super) enum Values {
    Inline { len: u8, words: [u64; INLINE] },
    Boxed(Box<[u64]>),
}

impl Values {
    pub(super) fn as_slice(&self) -> &[u64] {
        match self {
            Values::Inline { len, words } => &words[..usize::from(*len)],
            Values::Boxed(words) => words,
        }
    }
}

impl FromIterator<u64> for Values {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Values {
        let mut values = values.into_iter();
        let mut words = [0; INLINE];
        let mut len = 0;
        while usize::from(len) < INLINE {
            let Some(value) = values.next() else { return Values::Inline { len, words } };
            words[usize::from(len)] = value;
            len += 1;
        }
        match values.next() {
            None => Values::Inline { len, words },
            Some(next) => Values::Boxed(words.into_iter().chain([next]).chain(values).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_words_is_kept() {
        for len in 0..2 * INLINE as u64 {
            let values: Values = (0..len).collect();
            assert_eq!(values.as_slice(), (0..len).collect::<Vec<_>>());
            assert_eq!(matches!(values, Values::Inline { .. }), len <= INLINE as u64);
        }
    }
}
