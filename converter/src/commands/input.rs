//! Images and labels given to commands, with notices about their reading.

use super::{Failure, model};
use pixelrnn::network::Image;
use pixelrnn_converter::images::{Label, Labels, Loaded, LoadedSets, Notice, Range, check_labels};
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
    pub resize: Option<&'a dyn Fn([usize; 2]) -> Result<(), Error>>,
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
        let range = match self.levels_in.map(usize::from) {
            None => None,
            Some(levels) if levels == image.levels => Some(Range::Levels),
            Some(256) => Some(Range::Bytes),
            Some(levels) => {
                let own = image.levels;
                let also = if own == 256 { "" } else { " or 256" };
                return Err(Failure::Usage(format!("--levels-in: {levels}, expected the model's {own}{also}")));
            }
        };
        let name = files::display_name(path);
        let LoadedSets { mut sets, mut names, skipped } = loaded;
        if let Some(skipped) = skipped {
            eprintln!("pixelrnn: {name}: {skipped}");
        }
        for set in &mut sets {
            set.range = range.unwrap_or(set.range);
        }
        let sizes = self.check_sizes(&sets, image).map_err(|e| e.in_file(&name))?;
        let (sets, notice) = match <[ImageSet; 1]>::try_from(sets) {
            Ok([set]) => {
                let [height, width] = if set.flat { [image.height, image.width] } else { [set.height, set.width] };
                let image = if self.resize.is_some() { Image { height, width, ..*image } } else { *image };
                set.fit(&image).map(|(set, notice)| (vec![set], notice))
            }
            Err(sets) => ImageSet::fit_all(sets, image),
        }
        .map_err(|e| e.in_file(&name))?;
        let count = sets.iter().map(|set| set.count).sum();
        if count == 0 {
            return Err(Error::NoImages.in_file(name).into());
        }
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

    /// Sizes other than the model's, each once, which the model can take.
    fn check_sizes(&self, sets: &[ImageSet], image: &Image) -> Result<Vec<[usize; 2]>, Error> {
        let Some(resize) = self.resize else { return Ok(Vec::new()) };
        let mut sizes = Vec::new();
        for set in sets.iter().filter(|set| !set.flat) {
            let size = [set.height, set.width];
            if size != [image.height, image.width] && !sizes.contains(&size) {
                resize(size)?;
                sizes.push(size);
            }
        }
        Ok(sizes)
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
