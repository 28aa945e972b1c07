//! Image values as hexadecimal text.

use super::error::Error;
use core::fmt::{self, Write};

/// Digits per value for `levels` levels.
pub(super) const fn digits(levels: usize) -> usize {
    if levels <= 16 { 1 } else { 2 }
}

/// Parses exactly `values.len()` values.
pub(super) fn read(text: &str, levels: usize, values: &mut [u8]) -> Result<(), Error> {
    let digits = digits(levels);
    let (expected, got) = (values.len() * digits, text.len());
    if got != expected {
        return Err(Error::ImageLength { expected, got });
    }
    for (at, (value, text)) in values.iter_mut().zip(text.as_bytes().chunks_exact(digits)).enumerate() {
        let number = text.iter().try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?));
        *value = number
            .filter(|&number| (number as usize) < levels)
            .and_then(|number| u8::try_from(number).ok())
            .ok_or(Error::ImageValue { at, levels })?;
    }
    Ok(())
}

/// Writes `values` as hexadecimal digits.
pub(super) fn write(values: &[u8], levels: usize, out: &mut impl Write) -> fmt::Result {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    for &value in values {
        if digits(levels) == 2 {
            out.write_char(digit(value >> 4))?;
        }
        out.write_char(digit(value & 15))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_every_number_of_levels_comes_back() {
        for levels in 2..=256 {
            let values: Vec<u8> = (0..levels).map(|value| u8::try_from(value).unwrap()).collect();
            let mut text = String::new();
            write(&values, levels, &mut text).unwrap();
            assert_eq!(text.len(), levels * if levels <= 16 { 1 } else { 2 });
            let mut back = vec![0; levels];
            read(&text, levels, &mut back).unwrap();
            assert_eq!(back, values);
            assert_eq!(read(&text.to_uppercase(), levels, &mut back), Ok(()));
        }
    }

    #[test]
    fn what_is_no_level_is_refused_and_named() {
        let mut values = [0; 2];
        assert_eq!(read("02", 2, &mut values), Err(Error::ImageValue { at: 1, levels: 2 }));
        assert_eq!(read("0g", 16, &mut values), Err(Error::ImageValue { at: 1, levels: 16 }));
        assert_eq!(read("+1ff", 256, &mut values), Err(Error::ImageValue { at: 0, levels: 256 }));
        assert_eq!(read("0011", 17, &mut values), Err(Error::ImageValue { at: 1, levels: 17 }));
        assert_eq!(read("é", 16, &mut values), Err(Error::ImageValue { at: 0, levels: 16 }));
        assert_eq!(read("000", 256, &mut values), Err(Error::ImageLength { expected: 4, got: 3 }));
    }
}
