//! `pixelrnn compress`.

use super::model::{self, BuiltIn};
use super::{Failure, input, output, progress};
use pixelrnn_converter::compress::{self, names};
use pixelrnn_converter::images::Notice;
use pixelrnn_converter::{Error, files, run};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images: .npy, .npz, IDX (plain or .gz), PNG or a folder of PNGs; `-` is standard input. Names in a folder are
    /// kept
    images: PathBuf,
    /// Blob to compress with (.prnn), also needed to decompress [default: built-in digits; with labels, the ones with
    /// classes]
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Labels of the images, for a model with classes: .npy or IDX; for a folder also lines `name,label`
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Write the code of one image only, without header, label and checksum. The reader must know the model and the
    /// label, and damage goes unnoticed
    #[arg(long)]
    bare: bool,
    /// Class of that image, for a model with classes
    #[arg(long, value_name = "K", requires = "bare", conflicts_with = "labels")]
    label: Option<usize>,
    /// Levels of the image values, if ambiguous: the number of levels of the model, or 256
    #[arg(long, value_name = "L", value_parser = clap::value_parser!(u16).range(2..=256))]
    levels_in: Option<u16>,
    /// Allow lossy compression of values 0 to 255 with a model of fewer levels: decompression gives the quantized
    /// values. Without it, values that would change are an error
    #[arg(long)]
    quantize: bool,
    /// Compress only the first N images
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Output file; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        output::refuse_pictures("--output", &self.output, ".prnz")?;
        let blob = model::read_blob_or(
            self.model.as_deref(),
            BuiltIn::for_labels(self.labels.is_some() || self.label.is_some()),
        )?;
        let model = blob.model()?;
        if !model.weights().is_integer() {
            eprintln!(
                "pixelrnn: the model uses floats, which differ between machines in the last bits: another machine may not decompress the file"
            );
        }
        if self.bare && self.labels.is_none() {
            model::check_label(self.label, model.classes())?;
        }
        // A single label replaces the file of labels.
        let in_file = if self.label.is_some() { 0 } else { model.classes() };
        let resize = |size| run::with_size(model, size).map(drop);
        let (labels, count, levels_in) = (self.labels.as_deref(), self.count, self.levels_in);
        let input = input::Input { labels, count, levels_in, resize: Some(&resize) };
        let read = input.read_sets(&self.images, &model.image(), in_file)?;
        if let Some(Notice::Quantized { levels, changed, values }) = read.notice
            && changed > 0
            && !self.quantize
        {
            return Err(Error::Lossy { changed, values, levels }.in_file(files::display_name(&self.images)).into());
        }
        input::report_notice(read.notice.as_ref(), &self.images);
        let (sets, labels) = (read.sets, read.labels);
        let count: usize = sets.iter().map(|set| set.count).sum();
        let bar = progress::bar("compressing", count);
        let mut compressed = match sets.as_slice() {
            [set, ..] if self.bare => {
                self.one_image(count)?;
                let label = self.label.or(labels.and_then(|labels| labels.first().map(|label| usize::from(*label))));
                compress::compress_bare(run::with_size(model, [set.height, set.width])?, set.image(0), label)?
            }
            sets => compress::compress_sets(model, sets, labels.as_deref(), || bar.inc(1))?,
        };
        bar.finish_and_clear();
        if let Some(why) = names::add(&read.names, &mut compressed.bytes) {
            eprintln!("pixelrnn: {}: file names are not stored: {why}", files::display_name(&self.images));
        }
        files::write_output(&self.output, |out| out.write_all(&compressed.bytes))?;
        let bytes = compressed.bytes.len();
        let levels = model.image().levels;
        warn_growth(bytes, compressed.bits, sets.iter().map(|set| compress::packed_bytes(set, levels)).sum());
        if self.output.as_path() == Path::new("-") {
            return Ok(());
        }
        let each = bytes as f64 / count as f64;
        let values: usize = sets.iter().map(|set| set.data.len()).sum();
        let bits_per_dim = 8.0 * bytes as f64 / values as f64;
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
    /// Requires a single image: a bare file does not store their number.
    fn one_image(&self, count: usize) -> Result<(), Failure> {
        if count == 1 {
            return Ok(());
        }
        let name = files::display_name(&self.images);
        Err(Failure::Usage(format!("--bare: {name} has {count} images, expected one: `-n 1` takes the first")))
    }
}

/// Warns if packed values are shorter than the compressed file of `bytes` bytes.
fn warn_growth(bytes: usize, bits: f64, packed: usize) {
    if bytes > packed {
        let why = if bits > 8.0 * packed as f64 {
            "such images are unlikely under the model"
        } else {
            "the header and the checksums outweigh the compression"
        };
        eprintln!(
            "pixelrnn: the compressed file has {bytes} bytes, the uncompressed values packed in bits only {packed}: {why}"
        );
    }
}
