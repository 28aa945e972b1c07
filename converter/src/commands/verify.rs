//! `pixelrnn verify`.

use super::describe::Describe;
use super::input::read_images;
use super::{Failure, engine_name, model, progress};
use pixelrnn_converter::agreement::Agreement;
use pixelrnn_converter::files;
use pixelrnn_converter::reference::likelihood::bits_per_dim;
use pixelrnn_converter::verify::{Layers, Verified, verify};
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
        let layers = Layers::new(&trained, engine).map_err(|e| e.in_file(files::display_name(&self.blob)))?;
        let (set, labels) =
            read_images(&self.images, self.count, self.labels.as_deref(), &image, classes, self.levels_in)?;
        let bar = progress::bar("comparing", set.count);
        let done = verify(&trained, layers, &set, labels.as_deref(), self.layer_images as usize, || bar.inc(1))?;
        bar.finish_and_clear();
        let Verified {
            float_nats: float, quantized_nats: quantized, apart, worst_image, worst_logit, at_floor, ..
        } = done;
        let (kernels, layers) = (&done.kernels, &done.layers);
        let mut out = std::io::stdout();
        if self.json {
            let rows: Vec<_> = layers
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
            return Ok(done.verdict()?);
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
        writeln!(out, "  kernels           {}", agreement_line(kernels))?;
        let width = layers.iter().map(|l| l.name.len()).max().unwrap_or(0).max(5);
        writeln!(out, "\n{:width$}  relative error  worst error  at an end of its range", "layer")?;
        for l in layers {
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
        Ok(done.verdict()?)
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
