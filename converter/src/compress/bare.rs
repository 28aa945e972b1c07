//! Bare code of a single image: no header, label or checksum.
//!
//! The bytes of [`pixelrnn::coder::Encoder`], called a bare stream in `docs/compressed-format.md`.

use super::{Compressed, header};
use crate::error::Error;
use crate::images::{ImageSet, Range};
use crate::memory;
use crate::run::{engine_error, packed, setup_error};
use pixelrnn::batched::{Batch, Scorer};
use pixelrnn::coder::{Decode, Decoder, Encode, Encoder};
use pixelrnn::{Cost, Engine, Model, StepError};

/// Encodes `image`, `[C, H, W]` levels, with its label if the model has classes.
///
/// The code of a highly likely image may be empty.
///
/// # Errors
/// When the image or the label does not fit the model.
pub fn compress_bare(model: Model<'_>, image: &[u8], label: Option<usize>) -> Result<Compressed, Error> {
    let shape = model.image();
    if image.len() != shape.values() {
        return Err(Error::ImageLength { got: image.len(), expected: shape.values() });
    }
    if let Some(index) = image.iter().position(|value| usize::from(*value) >= shape.levels) {
        return Err(Error::Value { got: image[index], index, levels: shape.levels });
    }
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    let mut source = Encode::new(image, shape, &mut encoder);
    let cost = if let Some(packed) = packed(model) {
        let mut scorer = Scorer::new(&packed).map_err(setup_error)?;
        scorer.visit(label, image, &mut source).map_err(engine_error)?
    } else {
        let mut state = memory::zeros(model.state_words(), memory::STATE)?;
        let mut engine = Engine::new(model, &mut state).map_err(setup_error)?;
        let mut again = memory::zeros(shape.values(), memory::IMAGES)?;
        engine.run(label, &mut source, &mut again).map_err(engine_error)?
    };
    let Ok(_) = encoder.finish();
    Ok(Compressed { bytes, bits: cost.bits() })
}

/// Decodes the image from its code `bytes`, with its label if the model has classes.
///
/// A bare code has no checksum. Damaged bytes, or another model or label, usually decode to a different image.
///
/// # Errors
/// [`Error::NotACode`] when `bytes` decode to no image, [`Error::NotBare`] when they start with the header of a
/// compressed file, and when the label does not fit the model.
pub fn decompress_bare(model: Model<'_>, bytes: &[u8], label: Option<usize>) -> Result<ImageSet, Error> {
    if header(bytes).is_ok() {
        return Err(Error::NotBare);
    }
    let shape = model.image();
    let mut decoder = Decoder::new(bytes).map_err(|_| Error::NotACode)?;
    let mut source = Decode::new(&mut decoder);
    let mut data = memory::zeros(shape.values(), memory::IMAGES)?;
    if let Some(packed) = packed(model) {
        let mut batch = Batch::new(&packed, 1).map_err(setup_error)?;
        batch.run(label, &mut [source], &mut data, &mut [Cost(0)]).map_err(decode_error)?;
    } else {
        let mut state = memory::zeros(model.state_words(), memory::STATE)?;
        let mut engine = Engine::new(model, &mut state).map_err(setup_error)?;
        engine.run(label, &mut source, &mut data).map_err(decode_error)?;
    }
    if !decoder.into_source().is_empty() {
        return Err(Error::NotACode);
    }
    ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels)
}

fn decode_error<E: std::fmt::Display>(error: StepError<E>) -> Error {
    match error {
        StepError::Source(_) => Error::NotACode,
        other => engine_error(other),
    }
}
