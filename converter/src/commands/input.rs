//! Images and labels given to commands, with notices about their reading.

use super::{Failure, model};
use pixelrnn::network::Image;
use pixelrnn_converter::images::{Label, Labels, Loaded, Notice, Range, check_labels};
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
    /// File names, for images from a folder.
    pub names: Vec<String>,
    /// Changes to the values, not reported yet.
    pub notice: Option<Notice>,
}

impl Read {
    /// Reports changes to the values of the images in `path` on standard error.
    pub fn report_notice(&self, path: &Path) {
        if let Some(notice) = &self.notice {
            eprintln!("pixelrnn: {}: {notice}", files::display_name(path));
        }
    }
}

impl Input<'_> {
    /// Reads the images in `path`, and their labels for a model of `classes` classes.
    pub fn read(&self, path: &Path, image: &Image, classes: usize) -> Result<Read, Failure> {
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
        let Loaded { mut set, mut names, skipped } = Loaded::read(path)?;
        if let Some(skipped) = skipped {
            eprintln!("pixelrnn: {name}: {skipped}");
        }
        set.range = range.unwrap_or(set.range);
        let mut image = *image;
        let (size, own) = ([set.height, set.width], [image.height, image.width]);
        if let Some(resize) = self.resize
            && !set.flat
            && size != own
        {
            resize(size).map_err(|e| e.in_file(&name))?;
            [image.height, image.width] = size;
        }
        let (set, notice) = set.fit(&image).map_err(|e| e.in_file(&name))?;
        if set.count == 0 {
            return Err(Error::NoImages.in_file(name).into());
        }
        if [set.height, set.width] != own {
            let ([height, width], [rows, columns]) = (size, own);
            eprintln!("pixelrnn: {name}: images of {height}x{width} pixels; the model was made for {rows}x{columns}");
        }
        let labels = self.read_labels(&names, set.count, classes)?;
        let count = self.count.map_or(set.count, |n| usize::try_from(n).unwrap_or(usize::MAX));
        names.truncate(count);
        Ok(Read { set: set.truncated(count), labels, names, notice })
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
    read.report_notice(path);
    Ok((read.set, read.labels))
}
