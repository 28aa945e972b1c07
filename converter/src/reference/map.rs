//! A vector of features at each pixel.

/// Numbers `[channels, height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Features at each pixel.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// The numbers, row-major.
    pub data: Vec<f64>,
}

impl Map {
    /// Zeros.
    pub fn zeros(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width, data: vec![0.0; channels * height * width] }
    }

    /// Feature `c` at row `i`, column `j`.
    ///
    /// # Panics
    /// When there is none.
    pub fn at(&self, c: usize, i: usize, j: usize) -> f64 {
        self.data[self.index(c, i, j)]
    }

    /// Where in `data` that number stands.
    pub const fn index(&self, c: usize, i: usize, j: usize) -> usize {
        (c * self.height + i) * self.width + j
    }

    /// Feature `c` of all pixels, row by row.
    ///
    /// # Panics
    /// When there is no such feature.
    pub fn plane(&self, c: usize) -> &[f64] {
        let size = self.height * self.width;
        &self.data[c * size..(c + 1) * size]
    }

    /// A map of the same shape, each number put through `f`.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { data: self.data.iter().map(|&x| f(x)).collect(), ..*self }
    }

    /// A map of the same shape, of each number and that of `other` put through `f`.
    #[must_use]
    pub fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self { data: self.data.iter().zip(&other.data).map(|(&a, &b)| f(a, b)).collect(), ..*self }
    }
}
