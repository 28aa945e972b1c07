//! Images and labels given to commands, with notices about their reading.

use super::{Failure, model};
use pixelrnn::network::Image;
use pixelrnn_converter::images::{
    Fitted, Label, Labels, Loaded, LoadedSets, Notice, Resize, check_labels, fit_sets, range_of,
};
use pixelrnn_converter::{Error, ImageSet, files};
use std::path::Path;

/// Image options of a command line.
pub struct Input<'a> {
    /// A file of labels.
    pub labels: Option<&'a Path>,
    /// Limit on the number of images.
    pub count: Option<u64>,
    /// Levels of the values, if given.
    pub levels_in: Option<u16>,
    /// Checks that the model takes images of other rows and columns than its own. `None`: it takes no others.
    pub resize: Option<Resize<'a>>,
}

/// Images that fit the model.
pub struct Read {
    pub set: ImageSet,
    pub labels: Option<Vec<Label>>,
    /// Changes to the values, not reported yet.
    pub notice: Option<Notice>,
}

/// Images of one size or several that fit the model.
pub struct ReadSets {
    /// A set for each run of images of one size, in order.
    pub sets: Vec<ImageSet>,
    /// Labels of all images.
    pub labels: Option<Vec<Label>>,
    /// File names of all images, for images from a folder.
    pub names: Vec<String>,
    /// Changes to the values, not reported yet.
    pub notice: Option<Notice>,
}

/// Reports changes to the values of the images in `path` on standard error.
pub fn report_notice(notice: Option<&Notice>, path: &Path) {
    if let Some(notice) = notice {
        eprintln!("pixelrnn: {}: {notice}", files::display_name(path));
    }
}

impl Input<'_> {
    /// Reads the images in `path`, all of one size, and their labels for a model of `classes` classes.
    pub fn read(&self, path: &Path, image: &Image, classes: usize) -> Result<Read, Failure> {
        let Loaded { set, names, skipped } = Loaded::read(path)?;
        let read = self.fit(path, LoadedSets { sets: vec![set], names, skipped }, image, classes)?;
        let ReadSets { mut sets, labels, names: _, notice } = read;
        let set = sets.pop().ok_or_else(|| Error::NoImages.in_file(files::display_name(path)))?;
        Ok(Read { set, labels, notice })
    }

    /// [`Input::read`] of images whose sizes may differ.
    pub fn read_sets(&self, path: &Path, image: &Image, classes: usize) -> Result<ReadSets, Failure> {
        self.fit(path, LoadedSets::read(path)?, image, classes)
    }

    fn fit(&self, path: &Path, loaded: LoadedSets, image: &Image, classes: usize) -> Result<ReadSets, Failure> {
        let range = self.levels_in.map(|levels| range_of(usize::from(levels), image)).transpose();
        let range = range.map_err(|error| Failure::Usage(format!("--levels-in: {error}")))?;
        let name = files::display_name(path);
        let LoadedSets { sets, mut names, skipped } = loaded;
        if let Some(skipped) = skipped {
            eprintln!("pixelrnn: {name}: {skipped}");
        }
        let fitted = fit_sets(sets, range, image, self.resize).map_err(|e| e.in_file(&name))?;
        let Fitted { sets, notice, sizes } = fitted;
        let count = sets.iter().map(|set| set.count).sum();
        match sizes.as_slice() {
            [] => {}
            [[height, width]] => eprintln!(
                "pixelrnn: {name}: images of {height}x{width} pixels; the model was made for {}x{}",
                image.height, image.width
            ),
            several => eprintln!(
                "pixelrnn: {name}: images of {} other sizes than the model's {}x{}",
                several.len(),
                image.height,
                image.width
            ),
        }
        let labels = self.read_labels(&names, count, classes)?;
        let mut left = self.count.map_or(count, |n| usize::try_from(n).unwrap_or(usize::MAX));
        names.truncate(left);
        let kept = sets.into_iter().filter_map(|set| {
            let set = set.truncated(left);
            left -= set.count;
            (set.count > 0).then_some(set)
        });
        Ok(ReadSets { sets: kept.collect(), labels, names, notice })
    }

    fn read_labels(&self, names: &[String], count: usize, classes: usize) -> Result<Option<Vec<Label>>, Failure> {
        let Some(path) = self.labels else {
            return model::require_labels("--labels", false, classes).map(|()| None);
        };
        let name = files::display_name(path);
        let labels = Labels::read(path)?;
        let by_order = matches!(labels, Labels::Ordered(_));
        let labels = labels.in_order_of(names).map_err(|e| e.in_file(&name))?;
        check_labels(&labels, count, classes).map_err(|e| e.in_file(&name))?;
        if let (true, [first, .., last]) = (by_order, names) {
            eprintln!("pixelrnn: {name}: assigned in natural order of the file names, from {first} to {last}");
        }
        Ok(Some(labels))
    }
}

/// Reads images that fit the model, and their labels.
pub fn read_images(
    path: &Path,
    count: Option<u64>,
    labels: Option<&Path>,
    image: &Image,
    classes: usize,
    levels_in: Option<u16>,
) -> Result<(ImageSet, Option<Vec<Label>>), Failure> {
    let read = Input { labels, count, levels_in, resize: None }.read(path, image, classes)?;
    report_notice(read.notice.as_ref(), path);
    Ok((read.set, read.labels))
}
