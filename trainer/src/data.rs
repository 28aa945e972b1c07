//! Image sets for training, and the order of images in an epoch.

use crate::error::Error;
use pixelrnn::network::Image;
use pixelrnn_converter::images::{Label, Notice, read_labels};
use pixelrnn_converter::{self as converter, ImageSet};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::borrow::Cow;
use std::path::Path;

/// Images as levels, with optional class labels.
#[derive(Clone, Debug)]
pub struct Set {
    /// `[N, H, W, C]`.
    levels: Vec<u8>,
    /// True if `levels` holds probabilities of the value 1, in units of 1/255.
    are_chances: bool,
    labels: Option<Vec<Label>>,
    image: Image,
}

impl Set {
    /// Creates a set from `levels` `[N, H, W, C]` and a class per image.
    ///
    /// # Errors
    /// Fails if the values do not divide into images, if a level or class is out of range, or if the number of labels
    /// is wrong.
    pub fn new(image: Image, levels: Vec<u8>, labels: Option<Vec<Label>>, classes: usize) -> Result<Self, Error> {
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
        Ok(Self { levels, are_chances: false, labels, image })
    }

    /// Interprets the values 0 to 255 of `images` as probabilities of the pixel value 1, as in the binarized digits of
    /// Salakhutdinov and Murray. Draw from them with [`Set::drawn`]. Otherwise like [`Set::fit`].
    ///
    /// # Errors
    /// See [`Set::fit`]. Also fails if the model has more than two levels, or if the images contain only two values.
    pub fn chances(images: ImageSet, labels: Option<&Path>, image: Image, classes: usize) -> Result<Self, Error> {
        if image.levels != 2 {
            return Err(Error::usage(format!("`binarize` makes 2 levels, but the model has {}", image.levels)));
        }
        if images.data.iter().all(|value| *value < 2) {
            return Err(Error::other("the images hold 0 and 1 alone, expected gray values, 0 to 255, for `binarize`"));
        }
        let bytes = Image { levels: 256, ..image };
        let (set, _) = Self::fit(images, labels, bytes, classes)?;
        Ok(Self { are_chances: true, image, ..set })
    }

    /// Returns the images, or a binarization drawn from probabilities. Equal `seed` and `turn` give the same result.
    pub fn drawn(&self, seed: u64, turn: u64) -> Cow<'_, Self> {
        if !self.are_chances {
            return Cow::Borrowed(self);
        }
        let mut rng = generator(!seed, turn);
        // Scale of 255, since 256 would turn a white pixel black once in 256 draws.
        let draw = |chance: &u8| u8::from(rng.next_u64() % 255 < u64::from(*chance));
        let levels = self.levels.iter().map(draw).collect();
        Cow::Owned(Self { levels, are_chances: false, labels: self.labels.clone(), image: self.image })
    }

    /// Splits off the last `count` images.
    ///
    /// # Errors
    /// Fails if either part would be empty.
    pub fn split(mut self, count: usize) -> Result<(Self, Self), Error> {
        let first = self.len().checked_sub(count).filter(|first| *first > 0 && count > 0);
        let Some(first) = first else {
            return Err(Error::usage(format!(
                "`hold_out` is {count} of {} images, expected at least 1 and less than there are",
                self.len()
            )));
        };
        let last = Self {
            levels: self.levels.split_off(first * self.image.values()),
            labels: self.labels.as_mut().map(|labels| labels.split_off(first)),
            ..self
        };
        Ok((self, last))
    }

    /// Converts `images` to the levels of `image`, and reads class labels from `labels`. The notice reports changed
    /// values.
    ///
    /// # Errors
    /// Fails if the images do not fit the model, if the labels cannot be read, or if labels are given exactly when the
    /// model has no classes.
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
        let (images, notice) = images.fit(&image).map_err(|e| match e {
            converter::Error::Reading { highest, levels, .. } => Error::other(format!(
                "values 0 to {highest} may be levels or 0 to 255, for a model of {levels} levels: save them as .npy of levels, \
                 or spread over 0 to 255"
            )),
            other => Error::other(other.to_string()),
        })?;
        let labels = labels.map(read_labels).transpose().map_err(|e| Error::other(e.to_string()))?;
        let pixels = image.height * image.width;
        let mut levels = Vec::with_capacity(images.data.len());
        for one in images.iter() {
            levels.extend((0..pixels).flat_map(|p| (0..image.channels).map(move |c| one[c * pixels + p])));
        }
        Ok((Self::new(image, levels, labels, classes)?, notice))
    }

    /// Identifies images, their order and classes by count and digest.
    pub(crate) fn identity(&self) -> String {
        // 64-bit FNV-1a, which protects against mistakes but not against deliberate collisions.
        let labels = self.labels.iter().flatten().flat_map(|label| label.to_le_bytes());
        let digest = (self.levels.iter().copied().chain(labels))
            .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let drawn = if self.are_chances { ", drawn anew in each epoch" } else { "" };
        format!("{} images (digest {digest:016x}{drawn})", self.len())
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.levels.len() / self.image.values()
    }

    /// Always false, since empty sets are rejected.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Levels `[n, H, W, C]` and classes of the images `which`.
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

/// Default number of levels for `images`, with the reason: two if that keeps all values distinct.
pub(crate) fn levels(images: &ImageSet, binarized: bool) -> (usize, String) {
    if binarized {
        return (2, "drawn with the gray values as chances".to_string());
    }
    let mut occur = [false; 256];
    images.data.iter().for_each(|value| occur[usize::from(*value)] = true);
    let values: Vec<u8> = (0..=255).filter(|value| occur[usize::from(*value)]).collect();
    let (least, most) = (values.first().copied().unwrap_or(0), values.last().copied().unwrap_or(0));
    if values.len() > 2 {
        let range = format!("{} values from {least} to {most}", values.len());
        return (256, format!("the training images hold {range}; --levels N takes fewer"));
    }
    let all = if least == most { format!("{least}") } else { format!("{least} and {most}") };
    let why = format!("the training images hold {all} alone");
    // The same conversion as for the images themselves.
    let (image, count) = (Image { height: 1, width: values.len(), channels: 1, levels: 2 }, values.len());
    let sample = ImageSet::new([1, 1, count.max(1)], values, images.range);
    match sample.and_then(|sample| sample.fit(&image)) {
        Ok((two, _)) if two.data.windows(2).all(|pair| pair[0] < pair[1]) => (2, why),
        _ => (256, format!("{why}, which 2 levels, cut at the middle gray, would make one")),
    }
}

/// Order of `count` images in epoch `epoch`. It depends only on `seed` and the two numbers, so resuming needs no
/// generator state.
pub(crate) fn order(count: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = generator(seed, epoch);
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        // The bias of a 64-bit multiply-high for such small counts is far below one in a billion.
        let at = ((u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64) as usize;
        order.swap(last, at);
    }
    order
}

/// Generator for turn `turn`.
fn generator(seed: u64, turn: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed ^ turn.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
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
        // Fixed points are no more frequent than expected by chance.
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

    #[test]
    fn gray_values_are_chances_and_each_turn_draws_anew() {
        let image = Image { height: 1, width: 4, channels: 1, levels: 2 };
        let gray = ImageSet::new([1, 1, 4], [0, 51, 204, 255].repeat(2000), Range::Unstated).unwrap();
        let chances = Set::chances(gray.clone(), None, image, 0).unwrap();
        let first = chances.drawn(7, 0).into_owned();
        assert_eq!(first.levels, chances.drawn(7, 0).levels);
        assert!(first.levels != chances.drawn(7, 1).levels && first.levels != chances.drawn(8, 0).levels);
        let ones = |pixel: usize| first.levels.iter().skip(pixel).step_by(4).map(|v| usize::from(*v)).sum::<usize>();
        assert_eq!((ones(0), ones(3)), (0, 2000));
        assert!(ones(1).abs_diff(400) < 80 && ones(2).abs_diff(1600) < 80, "{} {}", ones(1), ones(2));
        // Levels need no drawing.
        assert!(matches!(first.drawn(7, 3), Cow::Borrowed(_)));
        let two = ImageSet::new([1, 1, 4], vec![0, 1, 1, 0], Range::Unstated).unwrap();
        assert!(Set::chances(two, None, image, 0).unwrap_err().to_string().contains("0 and 1 alone"));
        let more = Set::chances(gray, None, Image { levels: 16, ..image }, 0).unwrap_err();
        assert!(more.to_string().contains("the model has 16"));
    }

    #[test]
    fn two_values_make_two_levels_where_these_keep_them_apart() {
        let of = |data: &[u8], range| {
            let images = ImageSet::new([1, 1, data.len()], data.to_vec(), range).unwrap();
            levels(&images, false)
        };
        let why = "the training images hold 0 and 255 alone";
        for range in [Range::Bytes, Range::Unstated] {
            assert_eq!(of(&[255, 0, 255], range), (2, why.to_string()));
            assert_eq!(of(&[100, 200], range).0, 2);
            assert_eq!(of(&[10, 20], range).0, 256);
            assert_eq!(of(&[0, 128, 255], range).0, 256);
            assert_eq!(of(&[0, 0], range).0, 2);
        }
        // Levels in a numeric file; in a picture the same bytes are nearly black.
        assert_eq!(of(&[0, 1], Range::Unstated).0, 2);
        let (count, why) = of(&[0, 1], Range::Bytes);
        assert!(count == 256 && why.contains("would make one"), "{why}");
        let gray = ImageSet::new([1, 1, 3], vec![0, 100, 255], Range::Bytes).unwrap();
        assert_eq!(levels(&gray, true).0, 2);
    }

    #[test]
    fn sets_that_differ_in_a_pixel_a_class_or_an_order_are_told_apart() {
        let image = Image { height: 1, width: 1, channels: 1, levels: 4 };
        let identity = |levels: &[u8], labels: &[Label]| {
            Set::new(image, levels.to_vec(), Some(labels.to_vec()), 4).unwrap().identity()
        };
        let first = identity(&[0, 1, 2], &[0, 1, 2]);
        assert!(first.starts_with("3 images (digest ") && first == identity(&[0, 1, 2], &[0, 1, 2]), "{first}");
        for (levels, labels) in [([0, 1, 3], [0, 1, 2]), ([0, 2, 1], [0, 1, 2]), ([0, 1, 2], [0, 1, 3])] {
            assert!(first != identity(&levels, &labels));
        }
    }

    #[test]
    fn images_that_are_held_out_are_the_last_ones() {
        let image = Image { height: 1, width: 1, channels: 1, levels: 8 };
        let set = || Set::new(image, vec![0, 1, 2, 3, 4], Some(vec![4, 3, 2, 1, 0]), 5).unwrap();
        let (first, last) = set().split(2).unwrap();
        assert_eq!(first.batch(&[0, 1, 2]), (vec![0.0, 1.0, 2.0], Some(vec![4, 3, 2])));
        assert_eq!(last.batch(&[0, 1]), (vec![3.0, 4.0], Some(vec![1, 0])));
        for count in [0, 5, 6] {
            assert!(set().split(count).unwrap_err().to_string().contains("of 5 images"));
        }
    }
}
