//! `pixelrnn score`.

use super::{Failure, model, progress};
use model::AnyModel;
use pixelrnn_converter::images::npy;
use pixelrnn_converter::reference::likelihood::bits_per_dim;
use pixelrnn_converter::run::{Scorer, logits_shape};
use pixelrnn_converter::{ImageSet, Reference, files};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images: .npy, IDX (both plain or .gz), PNG or a folder of PNGs; `-` is standard input
    images: PathBuf,
    /// Blob (.prnn), run by the integer engine, or trained model (.safetensors), run by the float reference
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Labels of the images, for a model that has classes: .npy or IDX
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Score the first N images only
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Write the nats of each image: .npy of float64 [N]
    #[arg(long, value_name = "FILE")]
    nats: Option<PathBuf>,
    /// Write all logits: .npy of float32 [N, C, L or 1, H, W]
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        let any = AnyModel::read(self.model.as_deref())?;
        let reference;
        let (scorer, classes, kind) = match &any {
            AnyModel::Blob(blob) => {
                let model = blob.model()?;
                (Scorer::Engine(model), model.classes(), "integer engine")
            }
            AnyModel::Trained(trained) => {
                reference = Reference::new(trained);
                (Scorer::Reference(&reference), trained.description().classes, "float reference")
            }
        };
        let image = scorer.image();
        let (set, labels) = read_images(&self.images, self.count, self.labels.as_ref(), &image, classes)?;
        let bar = progress::bar("scoring", set.count);
        let scores = scorer.score_all(&set, labels.as_deref(), self.logits.is_some(), || bar.inc(1))?;
        bar.finish_and_clear();

        if let Some(path) = &self.nats {
            let nats: Vec<f64> = scores.iter().map(|s| s.nats).collect();
            npy::write(path, &[nats.len()], &nats)?;
        }
        if let Some(path) = &self.logits {
            let logits: Vec<f32> = scores.iter().flat_map(|s| s.logits.iter().copied()).collect();
            npy::write(path, &logits_shape(&scorer, set.count), &logits)?;
        }
        let mean = scores.iter().map(|s| s.nats).sum::<f64>() / scores.len().max(1) as f64;
        let bits = bits_per_dim(mean, &image);
        let mut out = std::io::stdout();
        if self.json {
            writeln!(out, "{}", json!({"images": set.count, "nats": mean, "bits_per_dim": bits, "run_by": kind}))?;
        } else {
            writeln!(out, "{} images, {mean:.4} nats an image, {bits:.5} bits/dim ({kind})", set.count)?;
        }
        Ok(())
    }
}

/// Images that fit the model, and their labels.
pub fn read_images(
    path: &Path,
    count: Option<u64>,
    labels: Option<&PathBuf>,
    image: &pixelrnn::model::Image,
    classes: usize,
) -> Result<(ImageSet, Option<Vec<u8>>), Failure> {
    let name = files::display_name(path);
    let (set, notice) = ImageSet::read(path)?.fit(image).map_err(|e| e.in_file(&name))?;
    if let Some(notice) = notice {
        eprintln!("pixelrnn: {name}: {notice}");
    }
    if set.count == 0 {
        return Err(pixelrnn_converter::Error::NoImages.in_file(name).into());
    }
    let labels = model::read_labels(labels, set.count, classes)?;
    let count = count.map_or(set.count, |n| usize::try_from(n).unwrap_or(usize::MAX));
    Ok((set.truncated(count), labels))
}
