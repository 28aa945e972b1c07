//! Replies, as JSON.

use super::dispatcher::Task;
use super::error::Error;
use super::request::Command;
use super::{VERSION, values};
use crate::Entry;
use core::fmt::{self, Write};
use pixelrnn::blob::CRC32;
use pixelrnn::network::Image;

/// Greeting after a reset.
pub(super) fn ready(out: &mut impl Write) -> fmt::Result {
    writeln!(out, r#"{{"ready":true,"protocol":{VERSION}}}"#)
}

/// Number of bytes read from the current line.
pub(super) fn read(bytes: usize, out: &mut impl Write) -> fmt::Result {
    writeln!(out, r#"{{"read":{bytes}}}"#)
}

/// Models, settings and current job.
pub(super) fn info(models: &[Entry], temperature: u32, task: Option<&Task>, out: &mut impl Write) -> fmt::Result {
    write!(out, r#"{{"protocol":{VERSION},"models":["#)?;
    for (n, entry) in models.iter().enumerate() {
        write!(out, r#"{}{{"name":""#, if n == 0 { "" } else { "," })?;
        Escaped(out).write_str(entry.name)?;
        match (entry.model)() {
            Ok(model) => {
                let Image { height, width, channels, levels } = model.image();
                write!(out, r#"","height":{height},"width":{width},"channels":{channels},"levels":{levels}"#)?;
                let (classes, state) = (model.classes(), 4 * model.state_words());
                write!(out, r#","classes":{classes},"state_bytes":{state}}}"#)?;
            }
            Err(error) => {
                out.write_str(r#"","error":""#)?;
                write!(Escaped(out), "{error}")?;
                out.write_str(r#""}"#)?;
            }
        }
    }
    write!(out, r#"],"temperature":{},"making":"#, Milli(temperature))?;
    match task {
        Some(Task { command, pixels, .. }) => {
            writeln!(out, r#"{{"cmd":"{}","pixels":{pixels}}}}}"#, command.name())
        }
        None => writeln!(out, "null}}"),
    }
}

/// The new default temperature.
pub(super) fn temperature(milli: u32, out: &mut impl Write) -> fmt::Result {
    writeln!(out, r#"{{"temperature":{}}}"#, Milli(milli))
}

/// The image was stopped.
pub(super) fn stopped(pixels: usize, out: &mut impl Write) -> fmt::Result {
    writeln!(out, r#"{{"stopped":true,"pixels":{pixels}}}"#)
}

/// One row of an image, channel by channel.
pub(super) fn row(row: usize, image: &[u8], shape: Image, out: &mut impl Write) -> fmt::Result {
    write!(out, r#"{{"row":{row},"values":""#)?;
    for plane in image.chunks_exact(shape.height * shape.width) {
        values::write(plane.chunks_exact(shape.width).nth(row).unwrap_or_default(), shape.levels, out)?;
    }
    out.write_str("\"}\n")
}

/// The image was saved in `bytes` bytes.
pub(super) fn saved(task: &Task, bytes: usize, out: &mut impl Write) -> fmt::Result {
    let Task { command, pixels, .. } = task;
    writeln!(out, r#"{{"saved":"{}","pixels":{pixels},"bytes":{bytes}}}"#, command.name())
}

/// Asks for more bytes of a file.
pub(super) fn more(out: &mut impl Write) -> fmt::Result {
    out.write_str("{\"more\":true}\n")
}

/// The image is complete. `bytes` is its compressed size.
pub(super) fn done(task: &Task, image: &[u8], bytes: usize, out: &mut impl Write) -> fmt::Result {
    let Task { command, seed, cost, label, .. } = task;
    write!(out, r#"{{"done":"{}""#, command.name())?;
    match (command, label) {
        (Command::Sample | Command::Complete, _) => write!(out, r#","seed":{seed}"#)?,
        (Command::Compress, _) => write!(out, r#","bytes":{bytes}"#)?,
        (Command::Decompress, Some(label)) => write!(out, r#","label":{label}"#)?,
        _ => {}
    }
    let (nats, crc) = (Nats(*cost), CRC32.checksum(image));
    writeln!(out, r#","nats":{nats},"cost":{cost},"crc":"{crc:08x}"}}"#)
}

/// The request was rejected.
pub(super) fn error(error: &Error, out: &mut impl Write) -> fmt::Result {
    write!(out, r#"{{"error":"{}","message":""#, error.kind())?;
    write!(Escaped(out), "{error}")?;
    out.write_str("\"}\n")
}

/// Escapes text within a JSON string.
struct Escaped<'w, W>(&'w mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(self.0, "\\{c}")?,
                c if c < ' ' => write!(self.0, "\\u{:04x}", u32::from(c))?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Displays thousandths as a decimal number.
struct Milli(u32);

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// Displays a cost in units of 2⁻²⁴ bit as nats with four decimals, in integer arithmetic.
struct Nats(u64);

impl fmt::Display for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// 10⁴ · ln 2 in units of 2⁻²⁴.
        const SCALE: u64 = 116_290_799_680;
        let (bits, rest) = (self.0 >> 24, self.0 & 0xff_ffff);
        // A value costs at most 24 bits. The result is exact to the last decimal for images of 40,000 values and
        // saturates only beyond a hundred times that size.
        let sum = bits.saturating_mul(SCALE).saturating_add((rest * SCALE) >> 24).saturating_add(1 << 23);
        let nats = sum >> 24;
        write!(f, "{}.{:04}", nats / 10_000, nats % 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nats_are_those_of_the_library() {
        for cost in (0..64).map(|n| 1u64 << n).take_while(|&cost| cost < 1 << 44).chain([0, 0xff_ffff, 123_456_789_012])
        {
            let text = format!("{}", Nats(cost));
            let nats: f64 = text.parse().unwrap();
            assert!(
                (nats - pixelrnn::Cost(cost).nats()).abs() <= 0.000_052,
                "{cost}: {text}, expected {}",
                pixelrnn::Cost(cost).nats()
            );
            assert_eq!(text.split_once('.').unwrap().1.len(), 4);
        }
        assert_eq!(format!("{}", Nats(1 << 24)), "0.6931");
        let _ = format!("{}", Nats(u64::MAX));
    }

    #[test]
    fn quotes_and_control_characters_are_escaped() {
        let mut text = String::new();
        write!(Escaped(&mut text), "a \"b\" \\ \n é").unwrap();
        assert_eq!(text, r#"a \"b\" \\ \u000a é"#);
    }
}
