//! Sets of named bits.

/// Declares a set of bits: a newtype over an integer, a constant per bit, and the bits' names.
macro_rules! flags {
    ($(#[$meta:meta])* $name:ident: $int:ty { $($(#[$bit_meta:meta])* $bit:ident = $value:expr, $text:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
        pub struct $name(pub $int);

        impl $name {
            $($(#[$bit_meta])* pub const $bit: $name = $name($value);)*

            /// Every named bit, lowest first, with its name in `ovs-ofctl`.
            pub const NAMES: &'static [($name, &'static str)] = &[$(($name::$bit, $text),)*];

            /// Whether all bits of `other` are set.
            #[must_use]
            pub const fn contains(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            /// No bit is set.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The bits, by name, with `separator` between them; what has no name as one number; `0`
            /// if there is none.
            #[must_use]
            pub fn to_text(self, separator: &str) -> String {
                let mut words = Vec::new();
                let mut rest = self.0;
                for (bit, name) in Self::NAMES {
                    if self.contains(*bit) {
                        words.push((*name).to_owned());
                        rest &= !bit.0;
                    }
                }
                if rest != 0 || words.is_empty() {
                    words.push(if rest == 0 { "0".to_owned() } else { format!("{rest:#x}") });
                }
                words.join(separator)
            }
        }

        impl core::ops::BitOr for $name {
            type Output = $name;

            fn bitor(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }
        }
    };
}

pub(crate) use flags;
