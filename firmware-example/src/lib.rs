//! What the programs for microcontrollers have in common: models, a report on each, and the means to measure.
#![no_std]

pub mod measure;
pub mod report;

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
}

include!(concat!(env!("OUT_DIR"), "/models.rs"));

/// Words of the largest state of [`MODELS`].
pub const STATE_WORDS: usize = largest().0;

/// Values of the largest image of [`MODELS`].
pub const VALUES: usize = largest().1;

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
