//! Request parser.
//!
//! Every field is parsed as its declared type, and an unknown field ends parsing at once. Nothing nested is ever
//! skipped, so deep nesting cannot exhaust the stack.
//!
//! The JSON parser could return a temperature only as a float, at a cost of 14 KB of flash and 1.7 KB of stack on a
//! core without an FPU. Numbers are therefore skipped in the JSON parser and parsed here.

use super::error::Error;
use core::fmt;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json_core::de::Error as Json;

/// Command of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Describes the device's models and settings.
    Info,
    /// Sets the default temperature.
    Temperature,
    /// Samples an image.
    Sample,
    /// Computes the likelihood of an image.
    Score,
    /// Keeps given rows and samples the rest.
    Complete,
    /// Compresses an image.
    Compress,
    /// Restores a compressed image.
    Decompress,
    /// Continues a saved image.
    Resume,
    /// Sends more bytes for `decompress` or `resume`.
    More,
    /// Saves the image in progress, so that it can be resumed later.
    Save,
    /// Stops the image in progress.
    Stop,
}

impl Command {
    pub(super) const ALL: [Self; 11] = [
        Self::Info,
        Self::Temperature,
        Self::Sample,
        Self::Score,
        Self::Complete,
        Self::Compress,
        Self::Decompress,
        Self::Resume,
        Self::More,
        Self::Save,
        Self::Stop,
    ];

    /// Command name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Temperature => "temperature",
            Self::Sample => "sample",
            Self::Score => "score",
            Self::Complete => "complete",
            Self::Compress => "compress",
            Self::Decompress => "decompress",
            Self::Resume => "resume",
            Self::More => "more",
            Self::Save => "save",
            Self::Stop => "stop",
        }
    }

    /// Accepted fields, each with a flag for required ones.
    const fn fields(self) -> &'static [(Field, bool)] {
        use Field::{Bytes, Image, Label, Model, Rows, Seed, Temperature, Value};
        match self {
            Self::Info | Self::Save | Self::Stop => &[],
            Self::Temperature => &[(Value, true)],
            Self::Sample => &[(Model, false), (Seed, false), (Label, false), (Temperature, false)],
            Self::Score | Self::Compress => &[(Image, true), (Model, false), (Label, false)],
            Self::Decompress | Self::Resume => &[(Bytes, true), (Model, false)],
            Self::More => &[(Bytes, true)],
            Self::Complete => {
                &[(Image, true), (Rows, true), (Model, false), (Seed, false), (Label, false), (Temperature, false)]
            }
        }
    }
}

/// A field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Command name.
    Cmd,
    /// Model name.
    Model,
    /// All image values, as hexadecimal digits.
    Image,
    /// Bytes of a file, as hexadecimal digits.
    Bytes,
    /// Number of given rows.
    Rows,
    /// Random seed.
    Seed,
    /// Class label.
    Label,
    /// Temperature for this image.
    Temperature,
    /// New default temperature.
    Value,
}

impl Field {
    pub(super) const ALL: [Self; 9] = [
        Self::Cmd,
        Self::Model,
        Self::Image,
        Self::Bytes,
        Self::Rows,
        Self::Seed,
        Self::Label,
        Self::Temperature,
        Self::Value,
    ];

    /// Field name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cmd => "cmd",
            Self::Model => "model",
            Self::Image => "image",
            Self::Bytes => "bytes",
            Self::Rows => "rows",
            Self::Seed => "seed",
            Self::Label => "label",
            Self::Temperature => "temperature",
            Self::Value => "value",
        }
    }

    /// Expected type, for messages.
    pub(super) const fn expected(self) -> &'static str {
        match self {
            Self::Cmd | Self::Model => "a text",
            Self::Image | Self::Bytes => "a text of hexadecimal digits",
            Self::Rows | Self::Seed | Self::Label => "a whole number from 0 to 18446744073709551615",
            Self::Temperature | Self::Value => "a decimal number, without an exponent",
        }
    }
}

/// A request with the fields that its command accepts. Their values are not validated yet.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    name: Option<&'a str>,
    pub(super) model: Option<&'a str>,
    pub(super) image: Option<&'a str>,
    pub(super) bytes: Option<&'a str>,
    pub(super) rows: Option<u64>,
    pub(super) seed: Option<u64>,
    pub(super) label: Option<u64>,
    /// In thousandths.
    pub(super) temperature: Option<u32>,
    /// In thousandths.
    pub(super) value: Option<u32>,
    line: &'a [u8],
    /// The current or last field.
    at: Option<Field>,
    /// Error found outside the JSON parser.
    fault: Option<Error>,
}

impl<'a> Request<'a> {
    /// Parses a line.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, Error> {
        let mut request = Self { line, ..Self::default() };
        let mut json = serde_json_core::de::Deserializer::new(line, None);
        let read = request.deserialize(&mut json).and_then(|()| json.end());
        if let Some(fault) = request.fault {
            return Err(fault);
        }
        match (read, request.at) {
            (Ok(_), _) => {}
            (Err(Json::InvalidType | Json::CustomError), Some(field)) => return Err(Error::Wrong(field)),
            (Err(_), _) => return Err(Error::NotJson),
        }
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Error> {
        let command = self.command()?;
        for field in Field::ALL {
            let rule = command.fields().iter().find(|(accepted, _)| *accepted == field);
            match (self.has(field), rule) {
                (true, None) if field != Field::Cmd => return Err(Error::NotTaken { command, field }),
                (false, Some((_, true))) => return Err(Error::Missing { command, field }),
                _ => {}
            }
        }
        Ok(())
    }

    /// Command of the request.
    pub(super) fn command(&self) -> Result<Command, Error> {
        let name = self.name.ok_or(Error::NoCommand)?;
        Command::ALL.into_iter().find(|command| command.name() == name).ok_or(Error::UnknownCommand)
    }

    fn has(&self, field: Field) -> bool {
        match field {
            Field::Cmd => self.name.is_some(),
            Field::Model => self.model.is_some(),
            Field::Image => self.image.is_some(),
            Field::Bytes => self.bytes.is_some(),
            Field::Rows => self.rows.is_some(),
            Field::Seed => self.seed.is_some(),
            Field::Label => self.label.is_some(),
            Field::Temperature => self.temperature.is_some(),
            Field::Value => self.value.is_some(),
        }
    }

    /// Text of the number that follows `key`, which must be a slice of the line.
    fn number<A: MapAccess<'a>>(&mut self, key: &str, map: &mut A) -> Result<&'a [u8], A::Error> {
        map.next_value::<Skipped>()?;
        let after_key = (key.as_ptr().addr() + key.len() + 1).wrapping_sub(self.line.as_ptr().addr());
        let value = self.line.get(after_key..).and_then(|rest| rest.trim_ascii_start().strip_prefix(b":"));
        Ok(value.and_then(|value| value.split(|byte| b",}]".contains(byte)).next()).unwrap_or_default().trim_ascii())
    }

    /// Records the error and aborts parsing.
    fn fail<E: serde::de::Error>(&mut self, fault: Error) -> E {
        self.fault = Some(fault);
        E::custom("")
    }
}

impl<'a> DeserializeSeed<'a> for &mut Request<'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for &mut Request<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&str>()? {
            let Some(field) = Field::ALL.into_iter().find(|field| field.name() == key) else {
                return Err(self.fail(Error::UnknownField));
            };
            if self.has(field) {
                return Err(self.fail(Error::Twice(field)));
            }
            self.at = Some(field);
            match field {
                Field::Cmd => self.name = Some(map.next_value()?),
                Field::Model => self.model = Some(map.next_value()?),
                Field::Image => self.image = Some(map.next_value()?),
                Field::Bytes => self.bytes = Some(map.next_value()?),
                Field::Rows => self.rows = whole(self.number(key, &mut map)?),
                Field::Seed => self.seed = whole(self.number(key, &mut map)?),
                Field::Label => self.label = whole(self.number(key, &mut map)?),
                Field::Temperature => self.temperature = thousandths(self.number(key, &mut map)?),
                Field::Value => self.value = thousandths(self.number(key, &mut map)?),
            }
            if !self.has(field) {
                return Err(self.fail(Error::Wrong(field)));
            }
        }
        Ok(())
    }
}

/// Skips a number, boolean or null.
struct Skipped;

impl<'a> Deserialize<'a> for Skipped {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_ignored_any(Self)
    }
}

impl Visitor<'_> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

/// Parses a JSON integer. `None` if it has another form or exceeds `u64`.
fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || (text.len() > 1 && text.starts_with(b"0")) {
        return None;
    }
    text.iter().try_fold(0u64, |sum, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Parses a decimal number as thousandths, rounded to nearest. `None` if it has another form.
///
/// Negative numbers become 0 and large ones saturate. Both are outside the temperature range.
fn thousandths(text: &[u8]) -> Option<u32> {
    let magnitude = text.strip_prefix(b"-").unwrap_or(text);
    let mut parts = magnitude.splitn(2, |&byte| byte == b'.');
    let (units, fraction) = (parts.next()?, parts.next().unwrap_or(b"0"));
    let is_decimal = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    if !is_decimal(units) || !is_decimal(fraction) || (units.len() > 1 && units.starts_with(b"0")) {
        return None;
    }
    // Four decimals, the last one for rounding.
    let digits = units.iter().copied().chain(fraction.iter().copied().chain(core::iter::repeat(b'0')).take(4));
    let sum = digits.fold(0u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    Some(if magnitude.len() < text.len() { 0 } else { sum.saturating_add(5) / 10 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_exactly() {
        assert_eq!(whole(b"0"), Some(0));
        assert_eq!(whole(b"18446744073709551615"), Some(u64::MAX));
        for text in ["", "18446744073709551616", "-1", "+1", "01", "1.0", "1e3", "0x1", "true", "null", "1 2"] {
            assert_eq!(whole(text.as_bytes()), None, "{text}");
        }
        let cases = [("0.8", 800), ("1", 1000), ("0", 0), ("0.0004", 0), ("0.0005", 1), ("99.99949999", 99_999)];
        for (text, milli) in cases.into_iter().chain([("1.23456789", 1235), ("-3.5", 0), ("-0.0", 0)]) {
            assert_eq!(thousandths(text.as_bytes()), Some(milli), "{text}");
        }
        assert!(thousandths(b"99999999999999999999999999999999.9999999").is_some_and(|milli| milli > 100_000));
        for text in ["", "-", ".5", "1.", "1.2.3", "01", "1e3", "+1", "0.1x", "--1", "null", "NaN", "1 "] {
            assert_eq!(thousandths(text.as_bytes()), None, "{text}");
        }
    }
}
