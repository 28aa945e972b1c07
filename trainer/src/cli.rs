//! The command line.

use crate::back_end::{BackEnd, Name};
use crate::data::Set;
use crate::error::Error;
use crate::network::Network;
use crate::parameters::Parameter;
use crate::recipe::{Data, Model, Recipe, Training};
use crate::run::{Epoch, MODEL, Observer, Run};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use pixelrnn_converter::ImageSet;
use std::path::{Path, PathBuf};

/// Trains a model that draws, scores and compresses images pixel by pixel
#[derive(Parser, Clone, Debug)]
#[command(name = "pixelrnn-train", version)]
pub struct Command {
    /// Recipe file (TOML) with the tables `data`, `model` and `training`, whose keys are the long flags below (`model`:
    /// those of the trained-model file); flags take precedence over it, and paths in it begin at the current folder
    #[arg(value_name = "RECIPE")]
    pub recipe: Option<PathBuf>,
    /// Folder for the trained model, checkpoints and metrics
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,
    /// Images to draw after each epoch, into the folder `samples`; 0: none [default: 16 for small images, else 0]
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// Go on from the checkpoint in the output folder; the result is that of a run that never stopped
    #[arg(long)]
    pub resume: bool,
    /// Threads on the CPU [default: one a core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// What to compute on [default: the first of these that was built in]
    #[arg(long, value_name = "NAME", value_enum)]
    pub back_end: Option<Name>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub data: Data,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub model: Model,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub training: Training,
}

impl Command {
    /// Does what the command line says.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn run(self) -> Result<(), Error> {
        let recipe = self.recipe.as_deref().map_or_else(|| Ok(Recipe::default()), Recipe::read)?;
        let data = self.data.or(recipe.data);
        let settings = self.training.or(&recipe.training).settings()?;
        let train = data.train.ok_or_else(|| Error::usage("no training images: name them with --train"))?;
        let valid = data.valid.ok_or_else(|| Error::usage("no validation images: name them with --valid"))?;
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .map_err(|e| Error::other(format!("cannot start {threads} threads: {e}")))?;
        }
        let in_file = |path: &Path, e: Error| match e {
            Error::Other(message) => Error::Other(format!("{}: {message}", path.display())),
            usage @ Error::Usage(_) => usage,
        };
        let read = |path: &Path| ImageSet::read(path).map_err(|e| Error::other(e.to_string()));
        let images = read(&train)?;
        let highest = images.data.iter().copied().max().unwrap_or(0);
        let size = [images.channels, images.height, images.width];
        let description = self.model.describe(&recipe.model, size, highest)?;
        let fit = |path: &Path, images: ImageSet, labels: Option<&Path>| {
            let fitted = Set::fit(images, labels, description.image, description.classes);
            let (set, notice) = fitted.map_err(|e| in_file(path, e))?;
            if let Some(notice) = notice {
                eprintln!("{}: {notice}", path.display());
            }
            Ok(set)
        };
        let train = fit(&train, images, data.train_labels.as_deref())?;
        let valid = fit(&valid, read(&valid)?, data.valid_labels.as_deref())?;
        let weights: usize = Network::new(&description)?.parameters().map(Parameter::count).sum();
        println!("{weights} weights, {} images to train on, {} to measure on", train.len(), valid.len());
        let image = description.image;
        // Drawing takes a forward pass for each value: images this small take seconds, larger ones only on request.
        let samples = self.samples.unwrap_or(if image.values() <= 1024 { 16 } else { 0 });
        let run = Run {
            train,
            valid,
            settings,
            back_end: BackEnd::new(self.back_end)?,
            folder: self.output.clone(),
            samples,
            resume: self.resume,
            description,
        };
        if let Some(best) = run.train(&Progress::new())? {
            println!("best validation likelihood {best:.3} nats: {}", self.output.join(MODEL).display());
        }
        Ok(())
    }
}

/// Shows a bar where standard error is a terminal, and prints a line an epoch.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} %, {eta} left{msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self { bar }
    }
}

impl Observer for Progress {
    fn begins(&self, epoch: u64, epochs: u64, images: u64) {
        self.bar.reset();
        self.bar.set_length(images);
        self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
        self.bar.set_message("");
    }

    fn did(&self, images: u64, nats: Option<f64>) {
        self.bar.inc(images);
        if let Some(nats) = nats {
            self.bar.set_message(format!(", {nats:.2} nats"));
        }
    }

    fn ends(&self, e: &Epoch) {
        self.bar.suspend(|| {
            println!(
                "epoch {}: training {:.3} nats, validation {:.3} nats ({:.4} bits/dim), {:.0} images/s{}",
                e.epoch,
                e.train_nats,
                e.valid_nats,
                e.valid_bits_per_dim,
                e.images_per_second,
                if e.best { ", best so far" } else { "" }
            );
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
