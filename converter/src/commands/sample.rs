//! `pixelrnn sample`.

use super::model::{self, BuiltIn};
use super::{Failure, output, progress};
use pixelrnn::Temperature;
use pixelrnn_converter::picture::{Layout, Picture, Terminal};
use pixelrnn_converter::{files, run};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Maximum number of images.
const MAX: u64 = 65_536;

/// Maximum number of rows of images shown in the terminal.
const SHOWN: usize = 16;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Blob to sample from (.prnn) [default: built-in digits]
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Number of images, 1 to 65536 [default: 64, or 1 with --argmax]
    #[arg(short = 'n', long = "count", value_parser = clap::value_parser!(u64).range(1..=MAX))]
    count: Option<u64>,
    /// Seed of the first image; image I, from 0, has the seed SEED + I
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Sampling temperature, 0.01 to 100: below 1 for likelier images, above 1 for more varied ones
    #[arg(long, default_value = "1.0", value_parser = temperature_or_argmax)]
    temperature: Temperature,
    /// Take the most probable value at each step, without randomness: always the same image
    #[arg(long, conflicts_with_all = ["seed", "temperature"])]
    argmax: bool,
    /// Class to sample, for a model with classes, such as the built-in digits 0 to 9
    #[arg(long, value_name = "K")]
    label: Option<usize>,
    /// Size of the images, such as 64x128: rows and columns [default: the model's]
    #[arg(long, value_name = "HxW", value_parser = size)]
    size: Option<[usize; 2]>,
    /// Output file: PNG grid, or .npy with the levels; `-` is standard output (PNG)
    #[arg(short, long, value_name = "FILE", default_value = "samples.png")]
    output: PathBuf,
}

pub fn temperature(text: &str) -> Result<Temperature, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number from 0.01 to 100".to_string())?;
    let milli = (number * 1000.0).round();
    let milli = if (0.0..=1e9).contains(&milli) { milli as u32 } else { 0 };
    Temperature::from_milli(milli).ok_or_else(|| "expected a number from 0.01 to 100".to_string())
}

/// Rows and columns, of a text such as `64x128`.
pub fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').map(|(height, width)| (height.parse(), width.parse()));
    match sides {
        Some((Ok(height), Ok(width))) => Ok([height, width]),
        _ => Err("expected rows and columns, such as 64x128".into()),
    }
}

/// Like [`temperature`], with a hint at `--argmax` for 0.
fn temperature_or_argmax(text: &str) -> Result<Temperature, String> {
    let cold = text.parse().is_ok_and(|number: f64| number == 0.0);
    temperature(text)
        .map_err(|error| if cold { format!("{error}; --argmax takes the likeliest values") } else { error })
}

/// Default number of images.
const COUNT: u64 = 64;

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        output::check_ending("--output", Some(&self.output), &["png", "npy"])?;
        let blob = model::read_blob_or(self.model.as_deref(), BuiltIn::for_labels(self.label.is_some()))?;
        let model = blob.model()?;
        let model = self.size.map_or(Ok(model), |size| run::with_size(model, size))?;
        model::check_label(self.label, model.classes())?;
        let set = if self.argmax {
            let count = self.count.unwrap_or(1) as usize;
            if count > 1 {
                eprintln!("pixelrnn: with --argmax all {count} images are equal");
            }
            run::argmax(model, self.label)?.picked(&vec![0; count])
        } else {
            let count = self.count.unwrap_or(COUNT) as usize;
            let bar = progress::bar("drawing", count);
            let set = run::sample(model, count, self.seed, self.temperature, self.label, || bar.inc(1))?;
            bar.finish_and_clear();
            set
        };

        let levels = model.image().levels;
        if output::is_npy(&self.output) {
            set.write_npy(&self.output)?;
        } else {
            Picture::grid(&set, levels, Layout::file(&set)).write_png(&self.output)?;
        }
        // Terminal preview, except for a PNG on standard output or in a log.
        let mut out = std::io::stdout();
        if out.is_terminal() && self.output.as_path() != Path::new("-") {
            let columns = console_columns();
            let mut layout = Layout::terminal(&set, columns);
            layout.columns = layout.columns.max(1);
            let shown = set.clone().truncated(layout.columns * SHOWN.div_ceil(layout.columns));
            write!(out, "{}", Picture::grid(&shown, levels, layout).to_text(Terminal::from_env(), columns))?;
        }
        if self.output.as_path() != Path::new("-") {
            let images = if set.count == 1 { "image" } else { "images" };
            let how = if self.argmax { "the likeliest values".to_string() } else { format!("seed {}", self.seed) };
            writeln!(out, "{} {images}, {how}: {}", set.count, files::display_name(&self.output))?;
        }
        Ok(())
    }
}

/// Width of the terminal, 80 if unknown.
pub fn console_columns() -> usize {
    console::Term::stdout().size_checked().map_or(80, |(_, columns)| usize::from(columns))
}
