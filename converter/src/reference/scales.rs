//! Several scales: the smaller image, its conditioning map, and the likelihood over all of them.

use super::{Given, Map, Reference, States, likelihood, read};
use crate::error::Error;
use pixelrnn::network::Image;

impl Reference {
    /// The scales, from the smallest image to the largest; a model of one scale is its only one.
    pub fn scales(&self) -> Vec<&Reference> {
        let mut scales = vec![self];
        while let Some(smaller) = scales.last().and_then(|scale| scale.smaller()) {
            scales.push(smaller);
        }
        scales.reverse();
        scales
    }

    /// The next smaller scale. `None` in the first.
    pub fn smaller(&self) -> Option<&Reference> {
        self.smaller.as_deref().map(|smaller| &smaller.reference)
    }

    /// Rows and columns between the pixels that the smaller image holds. `None` in the first scale.
    pub fn factor(&self) -> Option<usize> {
        let smaller = self.smaller.as_deref()?;
        Some(self.image.height / smaller.reference.image.height)
    }

    /// The smaller image of `image`: `small[c, i, j] = image[c, f·i, f·j]`. `None` in the first scale.
    pub fn smaller_image(&self, image: &[u8]) -> Option<Vec<u8>> {
        let factor = self.factor()?;
        Some(every(image, &self.image, factor))
    }

    /// Conditioning map of `image`.
    pub(super) fn condition(&self, image: &[u8]) -> Option<Map> {
        let smaller = self.smaller.as_deref()?;
        let small = self.smaller_image(image)?;
        let size = *smaller.reference.image();
        let given = Given { image: &small, label: None, size: [size.height, size.width], condition: None };
        let mut states = vec![States::default(); smaller.upsample.steps.len() + 1];
        let input = read(&size, smaller.input, &small);
        smaller.upsample.evaluate(input, given, false, &mut states).pop().flatten()
    }

    /// `-ln p` of the values of an image in nats, scale by scale from the smallest: of all values of the first, and of those of each
    /// other that the smaller image does not hold; in the order of `[C, H, W]`.
    ///
    /// # Errors
    /// See [`Reference::run`].
    pub fn values_nats(&self, image: &[u8], label: Option<usize>) -> Result<Vec<Vec<f64>>, Error> {
        self.nats_with_logits(image, label).map(|(nats, _)| nats)
    }

    /// [`Reference::values_nats`], and the logits of the largest scale.
    ///
    /// # Errors
    /// See [`Reference::run`].
    pub fn nats_with_logits(&self, image: &[u8], label: Option<usize>) -> Result<(Vec<Vec<f64>>, Map), Error> {
        let logits = self.logits(image, label)?;
        let mut own = likelihood::values_nats(&logits, image, &self.image, self.output);
        let (Some(smaller), Some(factor)) = (self.smaller.as_deref(), self.factor()) else {
            return Ok((vec![own], logits));
        };
        let mut index = 0;
        own.retain(|_| {
            let (row, column) = (index / self.image.width % self.image.height, index % self.image.width);
            index += 1;
            !(row.is_multiple_of(factor) && column.is_multiple_of(factor))
        });
        let small = every(image, &self.image, factor);
        let mut all = smaller.reference.values_nats(&small, label)?;
        all.push(own);
        Ok((all, logits))
    }
}

/// Every `factor`-th pixel of every `factor`-th row of `image`, `[C, H, W]`.
fn every(image: &[u8], size: &Image, factor: usize) -> Vec<u8> {
    let rows = image.chunks_exact(size.width);
    // The height divides, so each channel begins with a row that is kept.
    rows.step_by(factor).flat_map(|row| row.iter().copied().step_by(factor)).collect()
}
