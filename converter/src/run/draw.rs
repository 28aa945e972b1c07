//! Images that a model makes: drawn at random, or of the likeliest values.

use super::{MAX_BATCH, batch_size, engine_error, packed, run_batch, setup_error};
use crate::error::Error;
use crate::images::{ImageSet, Label, Range};
use crate::memory;
use crate::progress::Progress;
use pixelrnn::batched::PackedModel;
use pixelrnn::{Argmax, Engine, Model, Sample, SymbolSource, Temperature};
use rayon::prelude::*;
use std::fmt;

/// Samples `count` images. Image `n` has the seed `seed + n`, whatever the count. `progress` is called once per image,
/// at the end of its batch.
///
/// # Errors
/// When the label does not fit the model.
pub fn sample(
    model: Model<'_>,
    count: usize,
    seed: u64,
    temperature: Temperature,
    label: Option<usize>,
    progress: impl Progress,
) -> Result<ImageSet, Error> {
    let shape = model.image();
    let mut data = memory::zeros(count.saturating_mul(shape.values()), memory::IMAGES)?;
    let packed = packed(model);
    let size = if packed.is_some() { batch_size(count) } else { 1 };
    data.par_chunks_mut(size * shape.values()).enumerate().try_for_each(|(batch, out)| {
        progress.check()?;
        let source = |n: usize| Sample::seeded(seed.wrapping_add((batch * size + n) as u64), temperature);
        generate(model, packed.as_ref(), label, source, out)?;
        out.chunks_exact(shape.values()).for_each(|_| progress.done());
        Ok::<(), Error>(())
    })?;
    ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels)
}

/// Samples an image of each label. Image `n` has the seed `seed + n`: those of one label are the images that [`sample`]
/// draws with it at the same places.
///
/// # Errors
/// When a label does not fit the model.
pub fn sample_labelled(
    model: Model<'_>,
    labels: &[Label],
    seed: u64,
    temperature: Temperature,
    progress: impl Progress,
) -> Result<ImageSet, Error> {
    let shape = model.image();
    let values = shape.values();
    let mut data = memory::zeros(labels.len().saturating_mul(values), memory::IMAGES)?;
    let packed = packed(model);
    let size = if packed.is_some() { batch_size(labels.len()) } else { 1 };
    // A batch has one label: the images are gathered by theirs.
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|n| labels[*n]);
    let batches: Vec<&[usize]> =
        order.chunk_by(|a, b| labels[*a] == labels[*b]).flat_map(|same| same.chunks(size)).collect();
    let drawn = batches.par_iter().map(|numbers| {
        progress.check()?;
        let mut out = memory::zeros(numbers.len() * values, memory::IMAGES)?;
        let source = |n: usize| Sample::seeded(seed.wrapping_add(numbers[n] as u64), temperature);
        generate(model, packed.as_ref(), Some(usize::from(labels[numbers[0]])), source, &mut out)?;
        numbers.iter().for_each(|_| progress.done());
        Ok(out)
    });
    let drawn = drawn.collect::<Result<Vec<_>, Error>>()?;
    for (numbers, images) in batches.iter().zip(&drawn) {
        for (n, image) in numbers.iter().zip(images.chunks_exact(values)) {
            data[n * values..(n + 1) * values].copy_from_slice(image);
        }
    }
    ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels)
}

/// Greedy image: each value is the most probable one given the values before it. One image per label.
///
/// # Errors
/// When the label does not fit the model.
pub fn argmax(model: Model<'_>, label: Option<usize>) -> Result<ImageSet, Error> {
    let shape = model.image();
    let mut data = memory::zeros(shape.values(), memory::IMAGES)?;
    generate(model, packed(model).as_ref(), label, |_| Argmax, &mut data)?;
    ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels)
}

/// Generates the images of `out`, each from its own source; in batches if the weights are packed.
///
/// # Errors
/// When the label does not fit the model, and when a source fails.
pub(crate) fn generate<S: SymbolSource<Error: fmt::Display>>(
    model: Model<'_>,
    packed: Option<&PackedModel<'_>>,
    label: Option<usize>,
    source: impl Fn(usize) -> S,
    out: &mut [u8],
) -> Result<(), Error> {
    let values = model.image().values();
    if let Some(packed) = packed {
        for (batch, out) in out.chunks_mut(MAX_BATCH * values).enumerate() {
            let images = out.len() / values;
            let mut sources: Vec<S> = (0..images).map(|n| source(batch * MAX_BATCH + n)).collect();
            run_batch(packed, label, &mut sources, out)?;
        }
        return Ok(());
    }
    let mut state = memory::zeros(model.state_words(), memory::STATE)?;
    let mut engine = Engine::new(model, &mut state).map_err(setup_error)?;
    for (n, out) in out.chunks_exact_mut(values).enumerate() {
        engine.run(label, &mut source(n), out).map_err(engine_error)?;
    }
    Ok(())
}
