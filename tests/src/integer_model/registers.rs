//! Registers at all pixels: a map over the image for each register byte.

use super::bytes::i16_at;
use super::header::Activations;

/// Register contents at each pixel.
#[derive(Clone, Debug)]
pub struct Registers {
    /// `bytes[pixel][byte]`.
    bytes: Vec<Vec<u8>>,
    activations: Activations,
}

impl Registers {
    /// Zero-initialized. Valid blobs write every register before reading it.
    pub fn new(pixels: usize, bytes: usize, activations: Activations) -> Self {
        Self { bytes: vec![vec![0; bytes]; pixels], activations }
    }

    /// Reads activation `f` of the vector in register `r`.
    pub fn narrow(&self, pixel: usize, r: usize, f: usize) -> i16 {
        match self.activations {
            Activations::EIGHT => (self.bytes[pixel][r + f] as i8).into(),
            _ => self.wide(pixel, r, f),
        }
    }

    /// Reads feature `f` of the i16 vector in register `r`.
    pub fn wide(&self, pixel: usize, r: usize, f: usize) -> i16 {
        i16_at(&self.bytes[pixel], r + 2 * f)
    }

    /// Writes activation `f` of the vector in register `r`.
    pub fn set_narrow(&mut self, pixel: usize, r: usize, f: usize, value: i16) {
        match self.activations {
            Activations::EIGHT => self.bytes[pixel][r + f] = value as u8,
            _ => self.set_wide(pixel, r, f, value),
        }
    }

    /// Writes feature `f` of the i16 vector in register `r`.
    pub fn set_wide(&mut self, pixel: usize, r: usize, f: usize, value: i16) {
        self.bytes[pixel][r + 2 * f..][..2].copy_from_slice(&value.to_le_bytes());
    }

    /// Number of pixels.
    pub fn pixels(&self) -> usize {
        self.bytes.len()
    }
}
