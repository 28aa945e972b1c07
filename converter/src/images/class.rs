//! Integer labels in a `.npy` file.

use super::Label;
use crate::memory;

/// Supported types, for messages.
pub(super) const KNOWN: &str = "whole numbers, such as uint8 or int64";

/// Parses labels from `data` of type `descr`, as in the header.
///
/// # Errors
/// When the type is not an integer, and when a value is out of range for a label.
pub(super) fn from_numbers(descr: &str, data: &[u8]) -> Result<Vec<Label>, String> {
    let unknown = || format!("labels of type `{descr}`, expected {KNOWN}");
    let (order, plain) = match descr.split_at_checked(1) {
        Some((order @ ("<" | ">" | "=" | "|"), plain)) => (order, plain),
        _ => ("<", descr),
    };
    let (kind, size) = match plain {
        "u1" | "u2" | "u4" | "u8" | "i1" | "i2" | "i4" | "i8" => plain.split_at(1),
        _ => return Err(unknown()),
    };
    let size: usize = size.parse().map_err(|_| unknown())?;
    if !data.len().is_multiple_of(size) {
        return Err(format!("{} bytes of data, expected {size} for each label", data.len()));
    }
    let mut labels = memory::room_for(data.len() / size, "the labels").map_err(|e| e.to_string())?;
    for (index, number) in data.chunks_exact(size).enumerate() {
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(number);
        if order == ">" {
            bytes[..size].reverse();
        }
        let unsigned = u64::from_le_bytes(bytes);
        let unused = 64 - 8 * size as u32;
        let got = match kind {
            "i" => i128::from((unsigned << unused).cast_signed() >> unused),
            _ => i128::from(unsigned),
        };
        let label =
            Label::try_from(got).map_err(|_| format!("label {got} at index {index}, expected 0 to {}", Label::MAX))?;
        labels.push(label);
    }
    Ok(labels)
}
