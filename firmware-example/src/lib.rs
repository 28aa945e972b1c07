//! What the programs for microcontrollers have in common: models, a report on each, and the means to measure.
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

/// A model that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name: that of its folder or file.
    pub name: &'static str,
    /// Checks the blob.
    pub model: fn() -> Result<Model<'static>, BlobError>,
    /// Words of state that an engine needs.
    pub state_words: usize,
    /// Values of an image.
    pub values: usize,
    /// How many values a channel can take.
    pub levels: usize,
}

include!(concat!(env!("OUT_DIR"), "/models.rs"));

/// Words of the largest state of [`MODELS`].
pub const STATE_WORDS: usize = largest().0;

/// Values of the largest image of [`MODELS`].
pub const VALUES: usize = largest().1;

/// Levels of a blob that [`pixelrnn::include_model`] found to be one.
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
