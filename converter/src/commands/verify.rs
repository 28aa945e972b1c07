//! `pixelrnn verify`.

use super::describe::Describe;
use super::input::read_images;
use super::{Failure, engine_name, model, progress};
use pixelrnn::network::Output;
use pixelrnn_converter::agreement::{self, Agreement};
use pixelrnn_converter::reference::likelihood::bits_per_dim;
use pixelrnn_converter::run::Scorer;
use pixelrnn_converter::verify::{LayerError, Layers};
use pixelrnn_converter::{Error, Reference, files};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Trained model (.safetensors)
    trained: PathBuf,
    #[command(flatten)]
    describe: Describe,
    /// Blob made from it (.prnn)
    blob: PathBuf,
    /// Images to compare on
    images: PathBuf,
    /// Labels of the images, for a model with classes
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Levels of the image values, if ambiguous: the number of levels of the model, or 256
    #[arg(long, value_name = "L", value_parser = clap::value_parser!(u16).range(2..=256))]
    levels_in: Option<u16>,
    /// Compare only the first N images
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Number of images for the comparison by layer
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..))]
    layer_images: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        let (trained, blob) = model::read_pair(&self.trained, &self.describe, &self.blob)?;
        let engine = blob.model()?;
        let image = trained.description().image;
        let classes = trained.description().classes;
        let mut layers = Layers::new(&trained, engine).map_err(|e| e.in_file(files::display_name(&self.blob)))?;
        let (set, labels) =
            read_images(&self.images, self.count, self.labels.as_deref(), &image, classes, self.levels_in)?;
        let label = |n: usize| labels.as_ref().map(|l| usize::from(l[n]));

        let bar = progress::bar("comparing", set.count);
        let reference = Reference::new(&trained);
        let each = run_both(&reference, engine, &set, &label, &bar)?;
        bar.finish_and_clear();
        let step = (set.count / (self.layer_images as usize).min(set.count)).max(1);
        let mut some = Vec::new();
        for n in (0..set.count).step_by(step) {
            layers.add(set.image(n), label(n))?;
            some.push((set.image(n), label(n)));
        }
        let kernels = agreement::of_kernels(engine, &some)?;

        let count = set.count as f64;
        let float = each.iter().map(|b| b.float).sum::<f64>() / count;
        let quantized = each.iter().map(|b| b.quantized).sum::<f64>() / count;
        let apart = each.iter().map(|b| (b.float - b.quantized).abs()).sum::<f64>() / count;
        let worst_image = each.iter().map(|b| (b.float - b.quantized).abs()).fold(0.0, f64::max);
        let worst_logit = each.iter().map(|b| b.worst_logit).fold(0.0, f64::max);
        let at_floor: usize = each.iter().map(|b| b.at_floor).sum();
        let mut out = std::io::stdout();
        if self.json {
            let rows: Vec<_> = layers
                .errors
                .iter()
                .map(|l| {
                    let measured = |x: f64| l.is_measured().then_some(x);
                    let states = l.states.map(|s| {
                        json!({"units": s.units, "clamped_cells": s.cells, "clamped_gates": s.gates, "most": s.most})
                    });
                    json!({"name": l.name, "value": l.value, "relative_error": measured(l.relative()),
                           "worst": measured(l.worst), "saturated": measured(l.saturation()), "states": states})
                })
                .collect();
            writeln!(
                out,
                "{}",
                json!({"images": set.count, "float_nats": float, "quantized_nats": quantized,
                       "mean_absolute_difference": apart, "worst_image": worst_image, "worst_logit": worst_logit,
                       "kernels": kernels.iter().map(|k| json!({"name": k.kernel, "images": k.images, "equal": k.equal}))
                           .collect::<Vec<_>>(),
                       "values_at_floor": at_floor, "layers": rows})
            )?;
            return verdict(&kernels, &layers.errors);
        }
        let bits = |nats| bits_per_dim(nats, &image);
        writeln!(out, "{} images", set.count)?;
        writeln!(out, "  float reference   {float:9.4} nats an image  {:.5} bits/dim", bits(float))?;
        writeln!(
            out,
            "  {:16}  {quantized:9.4} nats an image  {:.5} bits/dim",
            engine_name(engine.weights()),
            bits(quantized)
        )?;
        let lost = quantized - float;
        let share = if float >= 0.5 { format!(" ({:+.3} %)", 100.0 * lost / float) } else { String::new() };
        writeln!(out, "  difference        {lost:+9.4}{share}")?;
        writeln!(out, "  image by image    {apart:9.4} on average, {worst_image:.4} at worst")?;
        writeln!(out, "  worst logit       {worst_logit:9.4}")?;
        if at_floor > 0 {
            let all = set.count * image.values();
            writeln!(
                out,
                "  least probability {at_floor} of {all} values have 2^-24 or less by the reference, which counts as 2^-24"
            )?;
        }
        writeln!(out, "  kernels           {}", agreement_line(&kernels))?;
        let width = layers.errors.iter().map(|l| l.name.len()).max().unwrap_or(0).max(5);
        writeln!(out, "\n{:width$}  relative error  worst error  at an end of its range", "layer")?;
        for l in &layers.errors {
            if l.is_measured() {
                let (relative, saturated) = (100.0 * l.relative(), 100.0 * l.saturation());
                write!(out, "{:width$}  {relative:12.3} %  {:11.4}  {saturated:12.4} %", l.name, l.worst)?;
            } else {
                write!(out, "{:width$}  {:>12}    {:>11}  {:>12}  ", l.name, "–", "–", "–")?;
            }
            if let Some(s) = l.states.filter(|s| s.cells + s.gates > 0) {
                let (cells, gates, units) = (s.cells, s.gates, s.units);
                write!(
                    out,
                    "  of {units} units {cells} cells and {gates} gates clamped, up to {:.2} of their range",
                    s.most
                )?;
            }
            writeln!(out)?;
        }
        verdict(&kernels, &layers.errors)
    }
}

/// Fails if kernels disagree or an op's values are not finite.
fn verdict(kernels: &[Agreement], layers: &[LayerError]) -> Result<(), Failure> {
    if let Some(kernel) = kernels.iter().find(|k| k.equal < k.images) {
        return Err(Error::KernelsDiffer { kernel: kernel.kernel }.into());
    }
    match layers.iter().find(|layer| !layer.is_finite()) {
        Some(layer) => Err(Error::LayerNotFinite { op: layer.name.clone() }.into()),
        None => Ok(()),
    }
}

/// One-line summary of the agreement of the kernels.
fn agreement_line(kernels: &[Agreement]) -> String {
    let names: Vec<_> = kernels.iter().map(|k| k.kernel).collect();
    let images = kernels.first().map_or(0, |k| k.images);
    match kernels.iter().filter(|k| k.equal < k.images).map(|k| k.kernel).collect::<Vec<_>>()[..] {
        [] => format!("{}: the same likelihoods, {images} images", names.join(", ")),
        ref wrong => format!("{} DIFFER from portable, of {images} images", wrong.join(", ")),
    }
}

/// Results for one image by reference and engine.
struct Both {
    float: f64,
    quantized: f64,
    worst_logit: f64,
    at_floor: usize,
}

/// Magnitude in nats at which logits are clamped: beyond it, a blob is as certain as it can be.
const SURE: f64 = 17.0;

/// Largest relevant difference between logits `[C, L or 1, H, W]`, each clamped at [`SURE`]. Softmax logits are taken
/// relative to the largest.
fn worst_logit(float: &[f32], blob: &[f32], model: pixelrnn::Model<'_>) -> f64 {
    let image = model.image();
    let (each, pixels) = (model.output().logits_per_channel(image.levels), image.height * image.width);
    let mut worst = 0f64;
    for (float, blob) in float.chunks_exact(each * pixels).zip(blob.chunks_exact(each * pixels)) {
        for pixel in 0..pixels {
            let of = |logits: &[f32], level: usize| f64::from(logits[level * pixels + pixel]);
            let top = |logits: &[f32]| match model.output() {
                Output::Bernoulli => 0.0,
                Output::Softmax => (0..each).map(|level| of(logits, level)).fold(f64::NEG_INFINITY, f64::max),
            };
            let (float_top, blob_top) = (top(float), top(blob));
            for level in 0..each {
                let float = (of(float, level) - float_top).clamp(-SURE, SURE);
                worst = worst.max((float - (of(blob, level) - blob_top).clamp(-SURE, SURE)).abs());
            }
        }
    }
    worst
}

fn run_both(
    reference: &Reference,
    engine: pixelrnn::Model<'_>,
    set: &pixelrnn_converter::ImageSet,
    label: &(impl Fn(usize) -> Option<usize> + Sync),
    bar: &indicatif::ProgressBar,
) -> Result<Vec<Both>, Failure> {
    use rayon::prelude::*;
    let both: Result<Vec<Both>, pixelrnn_converter::Error> = (0..set.count)
        .into_par_iter()
        .map(|n| {
            let float = Scorer::Reference(reference).score(set.image(n), label(n), true)?;
            let quantized = Scorer::Engine(engine).score(set.image(n), label(n), true)?;
            bar.inc(1);
            Ok(Both {
                float: float.floored,
                quantized: quantized.nats,
                worst_logit: worst_logit(&float.logits, &quantized.logits, engine),
                at_floor: float.at_floor,
            })
        })
        .collect();
    Ok(both?)
}
