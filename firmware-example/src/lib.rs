//! Shared code of the microcontroller programs: embedded models, a report on each model, and measurement of
//! instructions and stack.
#![cfg_attr(not(test), no_std)]

pub mod bad_blobs;
pub mod display;
pub mod inbox;
pub mod kernels;
pub mod measure;
pub mod protocol;
pub mod report;
#[cfg(uart)]
pub mod uart;

use pixelrnn::{BlobError, Model};

/// A model embedded in the program.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name, taken from the model's folder or file.
    pub name: &'static str,
    /// Validates and opens the blob.
    pub model: fn() -> Result<Model<'static>, BlobError>,
    /// Words of state required by an engine.
    pub state_words: usize,
    /// Values per image.
    pub values: usize,
    /// Number of levels of a channel.
    pub levels: usize,
}

include!(concat!(env!("OUT_DIR"), "/models.rs"));

/// State words required by the largest of [`MODELS`].
pub const STATE_WORDS: usize = largest().0;

/// Image values required by the largest of [`MODELS`].
pub const VALUES: usize = largest().1;

/// Number of levels in the header of a blob already validated by [`pixelrnn::include_model`].
const fn levels(blob: &[u8]) -> usize {
    const LEVELS: usize = core::mem::offset_of!(pixelrnn::blob::Header, levels);
    u16::from_le_bytes([blob[LEVELS], blob[LEVELS + 1]]) as usize
}

const fn largest() -> (usize, usize) {
    let (mut words, mut values) = (0, 0);
    let mut at = 0;
    while at < MODELS.len() {
        let entry = &MODELS[at];
        words = if entry.state_words > words { entry.state_words } else { words };
        values = if entry.values > values { entry.values } else { values };
        at += 1;
    }
    (words, values)
}
