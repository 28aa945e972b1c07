//! Sets of images as training reads them, and the order it reads them in.

use crate::error::Error;
use pixelrnn::model::Image;
use pixelrnn_converter::ImageSet;
use pixelrnn_converter::images::{Notice, read_labels};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::path::Path;

/// Images of levels, and their classes if they have any.
#[derive(Clone, Debug)]
pub struct Set {
    /// `[N, H, W, C]`.
    levels: Vec<u8>,
    labels: Option<Vec<u8>>,
    image: Image,
}

impl Set {
    /// Puts a set together of `levels` `[N, H, W, C]` and a class for each image.
    ///
    /// # Errors
    /// When the values do not divide into images, a level or class is too high, or labels are missing or left over.
    pub fn new(image: Image, levels: Vec<u8>, labels: Option<Vec<u8>>, classes: usize) -> Result<Self, Error> {
        if levels.is_empty() || !levels.len().is_multiple_of(image.values()) {
            return Err(Error::other(format!(
                "{} values, expected a positive multiple of {}, those of an image",
                levels.len(),
                image.values()
            )));
        }
        if let Some(level) = levels.iter().find(|&&l| usize::from(l) >= image.levels) {
            return Err(Error::other(format!("a value is {level}, expected less than {} levels", image.levels)));
        }
        let count = levels.len() / image.values();
        match &labels {
            None if classes > 0 => {
                return Err(Error::other("the model has classes but the images have no labels: name a file of labels"));
            }
            Some(labels) if labels.len() != count => {
                return Err(Error::other(format!("{} labels for {count} images, expected as many", labels.len())));
            }
            Some(labels) => {
                if let Some(label) = labels.iter().find(|&&l| usize::from(l) >= classes) {
                    return Err(Error::other(format!("a label is {label}, expected less than {classes} classes")));
                }
            }
            None => {}
        }
        Ok(Self { levels, labels, image })
    }

    /// Makes `images` fit a model of `image`, and reads their classes from `labels`; a notice says if values changed.
    ///
    /// # Errors
    /// When the images do not fit the model, when the file of labels cannot be read, and when a model without classes is
    /// given labels or one with classes is not.
    pub fn fit(
        images: ImageSet,
        labels: Option<&Path>,
        image: Image,
        classes: usize,
    ) -> Result<(Self, Option<Notice>), Error> {
        if let Some(labels) = labels.filter(|_| classes == 0) {
            return Err(Error::usage(format!(
                "{} holds labels but the model has no classes: set `classes`",
                labels.display()
            )));
        }
        let (images, notice) = images.fit(&image).map_err(|e| Error::other(e.to_string()))?;
        let labels = labels.map(read_labels).transpose().map_err(|e| Error::other(e.to_string()))?;
        let pixels = image.height * image.width;
        let mut levels = Vec::with_capacity(images.data.len());
        for one in images.iter() {
            levels.extend((0..pixels).flat_map(|p| (0..image.channels).map(move |c| one[c * pixels + p])));
        }
        Ok((Self::new(image, levels, labels, classes)?, notice))
    }

    /// How many images.
    pub fn len(&self) -> usize {
        self.levels.len() / self.image.values()
    }

    /// Whether there are none; never, since an empty set is refused.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Levels `[n, H, W, C]` and classes of the images numbered `which`.
    pub(crate) fn batch(&self, which: &[usize]) -> (Vec<f32>, Option<Vec<i32>>) {
        let size = self.image.values();
        let mut levels = Vec::with_capacity(which.len() * size);
        for &n in which {
            levels.extend(self.levels[n * size..(n + 1) * size].iter().map(|&l| f32::from(l)));
        }
        let labels = self.labels.as_ref().map(|all| which.iter().map(|&n| i32::from(all[n])).collect());
        (levels, labels)
    }
}

/// The order of `count` images in epoch `epoch`: it depends on the two numbers and `seed` alone, so that a resumed run
/// needs no state of a generator.
pub(crate) fn order(count: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ (epoch + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        // The bias of a 64-bit number times a count this small is far below one in a billion.
        let at = ((u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64) as usize;
        order.swap(last, at);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use pixelrnn_converter::images::Range;

    #[test]
    fn orders_are_permutations_and_differ() {
        let first = order(1000, 3, 0);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
        assert_eq!(first, order(1000, 3, 0));
        assert!(first != order(1000, 3, 1) && first != order(1000, 4, 0));
        // No place keeps its image more often than chance has it.
        assert!(first.iter().enumerate().filter(|&(at, &n)| at == n).count() < 10);
    }

    #[test]
    fn planes_become_pixels() {
        let image = Image { height: 1, width: 2, channels: 3, levels: 8 };
        let images = ImageSet::new([3, 1, 2], vec![1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4], Range::Levels).unwrap();
        let (set, notice) = Set::fit(images.clone(), None, image, 0).unwrap();
        assert_eq!(set.batch(&[1, 0]).0, [7.0, 1.0, 3.0, 0.0, 2.0, 4.0, 1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
        assert!(notice.is_none());
        assert!(Set::fit(images, None, image, 2).unwrap_err().to_string().contains("no labels"));
    }

    #[test]
    fn labels_must_be_those_of_classes() {
        let image = Image { height: 1, width: 1, channels: 1, levels: 2 };
        let set = |labels| Set::new(image, vec![0, 1], labels, 3);
        assert_eq!(set(Some(vec![2, 1])).unwrap().batch(&[0, 1]).1.unwrap(), [2, 1]);
        assert!(set(Some(vec![2, 3])).unwrap_err().to_string().contains("less than 3 classes"));
        assert!(set(Some(vec![2])).unwrap_err().to_string().contains("1 labels for 2 images"));
    }
}
