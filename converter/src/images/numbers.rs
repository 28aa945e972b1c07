//! Conversion of arrays of any numeric type to bytes, for whole numbers 0 to 255.

use crate::error::Error;
use crate::memory;
use half::f16;

/// Element type of a `.npy` array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberType {
    pub(super) kind: Kind,
    /// Bytes per element: 1, 2, 4 or 8.
    pub(super) size: usize,
    big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Unsigned,
    Signed,
    Float,
}

/// Supported types, for messages.
pub(super) const KNOWN: &str = "uint8, or bool, integers or floats whose values are whole, 0 to 255";

impl NumberType {
    /// Parses a type code of `NumPy`, such as `<i8`.
    pub(super) fn from_descr(descr: &str) -> Option<Self> {
        let (big_endian, name) = match descr.as_bytes().first()? {
            b'>' => (true, &descr[1..]),
            b'<' | b'|' => (false, &descr[1..]),
            b'=' => (cfg!(target_endian = "big"), &descr[1..]),
            _ => (false, descr),
        };
        let (kind, size) = match name {
            "b1" => (Kind::Bool, 1),
            "u1" => (Kind::Unsigned, 1),
            "u2" => (Kind::Unsigned, 2),
            "u4" => (Kind::Unsigned, 4),
            "u8" => (Kind::Unsigned, 8),
            "i1" => (Kind::Signed, 1),
            "i2" => (Kind::Signed, 2),
            "i4" => (Kind::Signed, 4),
            "i8" => (Kind::Signed, 8),
            "f2" => (Kind::Float, 2),
            "f4" => (Kind::Float, 4),
            "f8" => (Kind::Float, 8),
            _ => return None,
        };
        Some(Self { kind, size, big_endian })
    }

    /// Converts `data` to one byte per element.
    ///
    /// # Errors
    /// With the first element that is not a whole number 0 to 255.
    pub(super) fn to_bytes(self, data: &[u8], bad: impl Fn(String) -> Error) -> Result<Vec<u8>, Error> {
        if self.kind == Kind::Unsigned && self.size == 1 {
            return memory::copy(data, memory::IMAGES);
        }
        let mut out = memory::room_for(data.len() / self.size, memory::IMAGES)?;
        for (index, number) in data.chunks_exact(self.size).enumerate() {
            let byte = self.byte(number).map_err(|got| {
                let hint = if got.contains('.') { ": for values from 0 to 1, multiply by 255 and round" } else { "" };
                bad(format!("value {got} at index {index}, expected whole numbers from 0 to 255{hint}"))
            })?;
            out.push(byte);
        }
        Ok(out)
    }

    /// Converts one element. The error is its value as text.
    fn byte(self, bytes: &[u8]) -> Result<u8, String> {
        // Big-endian, right-aligned in eight bytes.
        let mut wide = [0; 8];
        for (n, byte) in bytes.iter().enumerate() {
            wide[if self.big_endian { 8 - self.size + n } else { 7 - n }] = *byte;
        }
        let bits = u64::from_be_bytes(wide);
        match self.kind {
            Kind::Bool => {
                if bits < 2 {
                    Ok(bits as u8)
                } else {
                    Err(bits.to_string())
                }
            }
            Kind::Unsigned => u8::try_from(bits).map_err(|_| bits.to_string()),
            Kind::Signed => {
                let unused = 64 - 8 * self.size as u32;
                let number = (bits << unused).cast_signed() >> unused;
                u8::try_from(number).map_err(|_| number.to_string())
            }
            Kind::Float => {
                let number = match self.size {
                    2 => f64::from(f16::from_bits(bits as u16)),
                    4 => f64::from(f32::from_bits(bits as u32)),
                    _ => f64::from_bits(bits),
                };
                if number.fract() == 0.0 && (0.0..=255.0).contains(&number) {
                    Ok(number as u8)
                } else {
                    Err(number.to_string())
                }
            }
        }
    }
}
