//! Causality: the class of a value says what its feature at a pixel may depend on.
//!
//! A network predicts a value from earlier ones only if its logits are of class [`Class::Past`] or less.

use super::ops::Conv;
use core::fmt;

/// What a value's feature at pixel `(i, j)` may depend on, from the least to the most.
///
/// In a model with colour groups, `past` and `self` count values, not pixels: of the pixel itself, a feature of one group knows
/// the colours that come before it, as masks A and B have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The label alone.
    Given,
    /// Rows above.
    Above,
    /// Values before this one.
    Past,
    /// The value itself as well, as the image does.
    Itself,
    /// The whole row.
    Row,
}

impl Class {
    /// Name of the class, in descriptions and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Above => "above",
            Self::Past => "past",
            Self::Itself => "self",
            Self::Row => "row",
        }
    }

    /// Class of a value that reads this one `rows` rows down and `columns` columns to the right, negative for up and left. `None`
    /// if that lies in rows that are not known.
    pub const fn at(self, rows: isize, columns: isize) -> Option<Self> {
        Some(match (self, rows, columns) {
            (Self::Given, _, _) => Self::Given,
            (_, ..0, _) => Self::Above,
            (_, 1.., _) => return None,
            (class, 0, 0) | (class @ (Self::Above | Self::Row), 0, _) => class,
            (_, 0, ..0) => Self::Past,
            (_, 0, 1..) => Self::Row,
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Conv {
    /// Class of the convolution's output: the largest of its open taps'. `None` if a tap reads rows below that are not given.
    pub fn class(&self, input: Class) -> Option<Class> {
        let mut largest = Class::Given;
        for (u, v) in self.taps() {
            let (rows, columns) = self.offset(u, v);
            let mut class = input.at(rows, columns)?;
            if (rows, columns) == (0, 0) && matches!(input, Class::Past | Class::Itself) {
                class = match self.mask {
                    Some(super::Mask::A) => Class::Past,
                    // All colours of the pixel go into each output.
                    None if self.inputs.groups > 1 => Class::Row,
                    Some(super::Mask::B) | None => input,
                };
            }
            largest = largest.max(class);
        }
        Some(largest)
    }
}

#[cfg(test)]
mod tests {
    use super::Class::{Above, Given, Itself, Past, Row};

    #[test]
    fn a_tap_has_the_class_of_the_table() {
        let table = [
            ((-1, 1), [Some(Given), Some(Above), Some(Above), Some(Above), Some(Above)]),
            ((0, -1), [Some(Given), Some(Above), Some(Past), Some(Past), Some(Row)]),
            ((0, 0), [Some(Given), Some(Above), Some(Past), Some(Itself), Some(Row)]),
            ((0, 1), [Some(Given), Some(Above), Some(Row), Some(Row), Some(Row)]),
            ((1, -1), [Some(Given), None, None, None, None]),
        ];
        for ((rows, columns), expected) in table {
            assert_eq!([Given, Above, Past, Itself, Row].map(|class| class.at(rows, columns)), expected);
        }
    }
}
