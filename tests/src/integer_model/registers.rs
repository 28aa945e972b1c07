//! The registers of all pixels at once: for each byte of the registers, a map over the image.

use super::bytes::i16_at;
use super::header::Activations;

/// What the registers hold at each pixel, after some of the ops.
#[derive(Clone, Debug)]
pub struct Registers {
    /// `bytes[pixel][byte]`.
    bytes: Vec<Vec<u8>>,
    activations: Activations,
}

impl Registers {
    /// All zero; nothing is read before it is written.
    pub fn new(pixels: usize, bytes: usize, activations: Activations) -> Self {
        Self { bytes: vec![vec![0; bytes]; pixels], activations }
    }

    /// Activation `f` of the vector at register `r`.
    pub fn narrow(&self, pixel: usize, r: usize, f: usize) -> i16 {
        match self.activations {
            Activations::EIGHT => (self.bytes[pixel][r + f] as i8).into(),
            _ => self.wide(pixel, r, f),
        }
    }

    /// Feature `f` of the i16 vector at register `r`.
    pub fn wide(&self, pixel: usize, r: usize, f: usize) -> i16 {
        i16_at(&self.bytes[pixel], r + 2 * f)
    }

    /// Writes activation `f` of the vector at register `r`.
    pub fn set_narrow(&mut self, pixel: usize, r: usize, f: usize, value: i16) {
        match self.activations {
            Activations::EIGHT => self.bytes[pixel][r + f] = value as u8,
            _ => self.set_wide(pixel, r, f, value),
        }
    }

    /// Writes feature `f` of the i16 vector at register `r`.
    pub fn set_wide(&mut self, pixel: usize, r: usize, f: usize, value: i16) {
        self.bytes[pixel][r + 2 * f..][..2].copy_from_slice(&value.to_le_bytes());
    }

    /// How many pixels there are.
    pub fn pixels(&self) -> usize {
        self.bytes.len()
    }
}
