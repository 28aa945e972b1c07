//! `pixelrnn compress`.

use super::model::{self, BuiltIn};
use super::score::read_images;
use super::{Failure, progress};
use pixelrnn_converter::{compress, files};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images: .npy, IDX (both plain or .gz), PNG or a folder of PNGs; `-` is standard input
    images: PathBuf,
    /// Blob to compress with (.prnn), the same that decompresses; by default the built-in digits, those of ten classes where there are labels
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Labels of the images, for a model that has classes: .npy or IDX
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Compress the first N images only
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Where the compressed file goes; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        let blob = model::read_blob_or(self.model.as_deref(), BuiltIn::for_labels(self.labels.is_some()))?;
        let model = blob.model()?;
        let image = model.image();
        let (set, labels) = read_images(&self.images, self.count, self.labels.as_ref(), &image, model.classes())?;
        let bar = progress::bar("compressing", set.count);
        let compressed = compress::compress(model, &set, labels.as_deref(), || bar.inc(1))?;
        bar.finish_and_clear();
        files::write_output(&self.output, |out| out.write_all(&compressed.bytes))?;
        if self.output.as_path() == Path::new("-") {
            return Ok(());
        }
        let (bytes, count) = (compressed.bytes.len(), set.count);
        let each = bytes as f64 / count as f64;
        let bits_per_dim = 8.0 * each / image.values() as f64;
        let mut out = std::io::stdout();
        if self.json {
            let result =
                json!({"images": count, "bytes": bytes, "model_bits": compressed.bits, "bits_per_dim": bits_per_dim});
            writeln!(out, "{result}")?;
        } else {
            writeln!(
                out,
                "{}: {count} images in {bytes} bytes, {each:.2} an image, {bits_per_dim:.4} bits/dim (the model's likelihood asks for {:.0})",
                files::display_name(&self.output),
                compressed.bits / 8.0,
            )?;
        }
        Ok(())
    }
}
