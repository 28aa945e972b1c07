//! `pixelrnn complete`.

use super::model::{self, BuiltIn};
use super::sample::{console_columns, temperature};
use super::{Failure, input, output, progress};
use pixelrnn::Temperature;
use pixelrnn_converter::complete::{Completion, complete};
use pixelrnn_converter::picture::{Strips, Terminal};
use pixelrnn_converter::{Error, files, run};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Maximum number of images, and of completions of each.
const MAX: u64 = 4096;

/// Maximum number of images shown in the terminal.
const SHOWN: usize = 8;

/// Keep the top rows of images and sample the rest, several times
///
/// The picture has one line per image: the given rows, hatched below; then the completions, with a bar beside the given
/// rows; then the original.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images: .npy, .npz, IDX (plain or .gz), PNG or a folder of PNGs; `-` is standard input
    images: PathBuf,
    /// Blob to sample from (.prnn) [default: built-in digits]
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Rows to keep, from the top [default: half of them]
    #[arg(long, value_name = "ROWS")]
    rows: Option<usize>,
    /// Completions of each image, 1 to 4096
    #[arg(short = 'n', long = "each", value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u64).range(1..=MAX))]
    each: u64,
    /// Seed of the first completion; completion N of image I of the file, both from 0, has the seed SEED + I·2³² + N
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Sampling temperature, 0.01 to 100: below 1 for likelier images, above 1 for more varied ones
    #[arg(long, default_value = "1.0", value_parser = temperature)]
    temperature: Temperature,
    /// Class of all images, for a model with classes
    #[arg(long, value_name = "K", conflicts_with = "labels")]
    label: Option<usize>,
    /// Labels of the images, for a model with classes: .npy or IDX; for a folder also lines `name,label`
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Levels of the image values, if ambiguous: the number of levels of the model, or 256
    #[arg(long, value_name = "L", value_parser = clap::value_parser!(u16).range(2..=256))]
    levels_in: Option<u16>,
    /// Number of images to complete, evenly spaced in the file, 1 to 4096
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=MAX))]
    count: u64,
    /// Output file: PNG picture, or .npy with the completions as levels `[COUNT·N, C, H, W]`; `-` is standard output
    /// (PNG)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        output::check_ending("--output", Some(&self.output), &["png", "npy"])?;
        let labelled = self.label.is_some() || self.labels.is_some();
        let blob = model::read_blob_or(self.model.as_deref(), BuiltIn::for_labels(labelled))?;
        let model = blob.model()?;
        let classes = model.classes();
        if let Some(label) = self.label.filter(|label| *label >= classes) {
            return Err(Failure::Usage(format!("--label: {}", Error::Label { got: label, classes })));
        }
        model::require_labels("--label or --labels", labelled, classes)?;
        // A single label replaces the file of labels.
        let in_file = if self.label.is_some() { 0 } else { classes };
        let resize = |size| run::with_size(model, size).map(drop);
        let (labels, levels_in) = (self.labels.as_deref(), self.levels_in);
        let input = input::Input { labels, count: None, levels_in, resize: Some(&resize) };
        let read = input.read(&self.images, &model.image(), in_file)?;
        input::report_notice(read.notice.as_ref(), &self.images);
        let (set, labels) = (read.set, read.labels);
        let model = run::with_size(model, [set.height, set.width])?;
        let image = model.image();
        let rows = self.rows.unwrap_or(image.height / 2);
        if rows > image.height {
            return Err(Failure::Usage(format!("--rows: {rows}, expected at most the images' {}", image.height)));
        }
        let label = |n: usize| self.label.or(labels.as_ref().and_then(|labels| labels.get(n)).map(|l| usize::from(*l)));

        let numbers = set.spread(self.count as usize);
        let bar = progress::bar("completing", numbers.len());
        let how = Completion { rows, each: self.each as usize, seed: self.seed, temperature: self.temperature };
        let completions = complete(model, &set, &numbers, label, &how, || bar.inc(1))?;
        bar.finish_and_clear();

        let originals = set.picked(&numbers);
        let strips = Strips { originals: &originals, completions: &completions, rows, levels: image.levels };
        if output::is_npy(&self.output) {
            completions.write_npy(&self.output)?;
        } else {
            strips.picture(strips.each(), strips.scale()).write_png(&self.output)?;
        }
        if self.output.as_path() == Path::new("-") {
            return Ok(());
        }
        let mut out = std::io::stdout();
        if out.is_terminal() {
            let columns = console_columns();
            let (few, shown) = (originals.clone().truncated(SHOWN), strips.fit(columns));
            let first = completions.clone().truncated(few.count * strips.each());
            let small = Strips { originals: &few, completions: &first, ..strips };
            write!(out, "{}", small.picture(shown, 1).to_text(Terminal::from_env(), columns))?;
        }
        let name = files::display_name(&self.output);
        writeln!(
            out,
            "{} images, {} completions of each from row {rows} on, seed {}: {name}",
            originals.count, how.each, self.seed
        )?;
        Ok(())
    }
}
