//! Feature maps.

/// Feature map `[channels, height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Features per pixel.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Pixels per row.
    pub width: usize,
    /// Elements, row-major.
    pub data: Vec<f64>,
}

impl Map {
    /// A map filled with zeros.
    pub fn zeros(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width, data: vec![0.0; channels * height * width] }
    }

    /// Feature `c` at row `i`, column `j`.
    ///
    /// # Panics
    /// When the position is outside the map.
    pub fn at(&self, c: usize, i: usize, j: usize) -> f64 {
        self.data[self.index(c, i, j)]
    }

    /// Index of feature `c` at row `i`, column `j` in `data`.
    pub const fn index(&self, c: usize, i: usize, j: usize) -> usize {
        (c * self.height + i) * self.width + j
    }

    /// Feature `c` of all pixels, row-major.
    ///
    /// # Panics
    /// When `c` is not below `channels`.
    pub fn plane(&self, c: usize) -> &[f64] {
        let size = self.height * self.width;
        &self.data[c * size..(c + 1) * size]
    }

    /// Applies `f` to every element.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { data: self.data.iter().map(|&x| f(x)).collect(), ..*self }
    }

    /// Applies `f` to every element of `self` and the corresponding element of `other`.
    #[must_use]
    pub fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self { data: self.data.iter().zip(&other.data).map(|(&a, &b)| f(a, b)).collect(), ..*self }
    }
}
