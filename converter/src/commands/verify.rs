//! `pixelrnn verify`.

use super::input::read_images;
use super::{Failure, model, progress};
use pixelrnn_converter::agreement::{self, Agreement};
use pixelrnn_converter::reference::likelihood::bits_per_dim;
use pixelrnn_converter::run::Scorer;
use pixelrnn_converter::verify::Layers;
use pixelrnn_converter::{Reference, TrainedModel, files};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Trained model (.safetensors)
    trained: PathBuf,
    /// Blob made from it (.prnn)
    blob: PathBuf,
    /// Images to compare on
    images: PathBuf,
    /// Labels of the images, for a model that has classes
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// How many levels the values of the images are in, where that is not plain: as many as the model has, or 256
    #[arg(long, value_name = "L", value_parser = clap::value_parser!(u16).range(2..=256))]
    levels_in: Option<u16>,
    /// Compare on the first N images only
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Images for the comparison layer by layer
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..))]
    layer_images: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        let trained = TrainedModel::read(&self.trained)?;
        let blob = model::read_blob(&self.blob)?;
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
        let mut out = std::io::stdout();
        if self.json {
            let rows: Vec<_> = layers
                .errors
                .iter()
                .map(|l| {
                    json!({"name": l.name, "value": l.value, "relative_error": l.relative(), "worst": l.worst,
                           "saturated": l.saturation()})
                })
                .collect();
            writeln!(
                out,
                "{}",
                json!({"images": set.count, "float_nats": float, "quantized_nats": quantized,
                       "mean_absolute_difference": apart, "worst_image": worst_image, "worst_logit": worst_logit,
                       "kernels": kernels.iter().map(|k| json!({"name": k.kernel, "images": k.images, "equal": k.equal}))
                           .collect::<Vec<_>>(),
                       "layers": rows})
            )?;
            return Ok(());
        }
        let bits = |nats| bits_per_dim(nats, &image);
        writeln!(out, "{} images", set.count)?;
        writeln!(out, "  float reference   {float:9.4} nats an image  {:.5} bits/dim", bits(float))?;
        writeln!(out, "  integer engine    {quantized:9.4} nats an image  {:.5} bits/dim", bits(quantized))?;
        let lost = quantized - float;
        writeln!(out, "  difference        {lost:+9.4} ({:+.3} %)", 100.0 * lost / float.max(1e-9))?;
        writeln!(out, "  image by image    {apart:9.4} on average, {worst_image:.4} at worst")?;
        writeln!(out, "  worst logit       {worst_logit:9.4}")?;
        writeln!(out, "  kernels           {}", agreement_line(&kernels))?;
        let width = layers.errors.iter().map(|l| l.name.len()).max().unwrap_or(0).max(5);
        writeln!(out, "\n{:width$}  relative error  worst error  at an end of its range", "layer")?;
        for l in &layers.errors {
            let (relative, saturated) = (100.0 * l.relative(), 100.0 * l.saturation());
            writeln!(out, "{:width$}  {relative:12.3} %  {:11.4}  {saturated:12.4} %", l.name, l.worst)?;
        }
        Ok(())
    }
}

/// What all kernels gave, in a line.
fn agreement_line(kernels: &[Agreement]) -> String {
    let names: Vec<_> = kernels.iter().map(|k| k.kernel).collect();
    let images = kernels.first().map_or(0, |k| k.images);
    match kernels.iter().filter(|k| k.equal < k.images).map(|k| k.kernel).collect::<Vec<_>>()[..] {
        [] => format!("{}: the same likelihoods, {images} images", names.join(", ")),
        ref wrong => format!("{} DIFFER from portable, of {images} images", wrong.join(", ")),
    }
}

/// One image by both.
struct Both {
    float: f64,
    quantized: f64,
    worst_logit: f64,
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
            let worst = float.logits.iter().zip(&quantized.logits).map(|(a, b)| f64::from((a - b).abs()));
            bar.inc(1);
            Ok(Both { float: float.nats, quantized: quantized.nats, worst_logit: worst.fold(0.0, f64::max) })
        })
        .collect();
    Ok(both?)
}
