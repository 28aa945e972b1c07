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

    /// Reads a set for a model of `image` and `classes`; labels are read where the model has classes.
    ///
    /// # Errors
    /// When a file cannot be read, or does not fit the model.
    pub fn read(
        images: &Path,
        labels: Option<&Path>,
        image: Image,
        classes: usize,
    ) -> Result<(Self, Option<Notice>), Error> {
        let set = ImageSet::read(images).map_err(|e| Error::other(e.to_string()))?;
        let (set, notice) = set.fit(&image).map_err(|e| Error::other(format!("{}: {e}", images.display())))?;
        let labels = match labels {
            Some(labels) if classes > 0 => Some(read_labels(labels).map_err(|e| Error::other(e.to_string()))?),
            _ => None,
        };
        let pixels = image.height * image.width;
        let mut levels = Vec::with_capacity(set.data.len());
        for one in set.iter() {
            levels.extend((0..pixels).flat_map(|p| (0..image.channels).map(move |c| one[c * pixels + p])));
        }
        let set = Self::new(image, levels, labels, classes)
            .map_err(|e| Error::other(format!("{}: {e}", images.display())))?;
        Ok((set, notice))
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
