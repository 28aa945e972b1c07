//! Sets of images as a caller gives them, made to fit a model.

use super::{ImageSet, Notice, Range};
use crate::error::Error;
use pixelrnn::network::Image;

/// Check that a model takes images of these rows and columns.
pub type Resize<'a> = &'a dyn Fn([usize; 2]) -> Result<(), Error>;

/// Images that fit a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// A set for each run of images of one size, in order; at least one image.
    pub sets: Vec<ImageSet>,
    /// Change to the values, if any.
    pub notice: Option<Notice>,
    /// Sizes other than the model's, each once.
    pub sizes: Vec<[usize; 2]>,
}

/// Interpretation of values of `levels` levels: those of the model `image`, or 256 for bytes.
///
/// # Errors
/// [`Error::LevelsIn`] for any other number.
pub fn range_of(levels: usize, image: &Image) -> Result<Range, Error> {
    match levels {
        levels if levels == image.levels => Ok(Range::Levels),
        256 => Ok(Range::Bytes),
        got => Err(Error::LevelsIn { got, own: image.levels }),
    }
}

/// Makes images fit a model with images of `image`. `range` interprets their values, if it is known. `resize` checks other
/// sizes; without it the model takes none.
///
/// # Errors
/// [`Error::NoImages`], what `resize` says of a size, and see [`ImageSet::fit`].
pub fn fit_sets(
    mut sets: Vec<ImageSet>,
    range: Option<Range>,
    image: &Image,
    resize: Option<Resize<'_>>,
) -> Result<Fitted, Error> {
    for set in &mut sets {
        set.range = range.unwrap_or(set.range);
    }
    let sizes = other_sizes(&sets, image, resize)?;
    let (sets, notice) = match <[ImageSet; 1]>::try_from(sets) {
        Ok([set]) => {
            let [height, width] = if set.flat { [image.height, image.width] } else { [set.height, set.width] };
            let image = if resize.is_some() { Image { height, width, ..*image } } else { *image };
            set.fit(&image).map(|(set, notice)| (vec![set], notice))
        }
        Err(sets) => ImageSet::fit_all(sets, image),
    }?;
    if sets.iter().all(|set| set.count == 0) {
        return Err(Error::NoImages);
    }
    Ok(Fitted { sets, notice, sizes })
}

/// Sizes other than the model's, each once, which the model can take.
fn other_sizes(sets: &[ImageSet], image: &Image, resize: Option<Resize<'_>>) -> Result<Vec<[usize; 2]>, Error> {
    let Some(resize) = resize else { return Ok(Vec::new()) };
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
