//! Command line.

use crate::back_end::{BackEnd, Name, Precision};
use crate::data::{self, Set};
use crate::error::Error;
use crate::folder;
use crate::network::Network;
use crate::pace::{self, Pace};
use crate::parameters::Parameter;
use crate::recipe::{Binarize, Data, Model, Recipe, Training};
use crate::run::{Epoch, Existing, MODEL, Observer, Run};
use clap::{Parser, Subcommand};
use indicatif::ProgressBar;
use pixelrnn::network::Image;
use pixelrnn_converter::images::Loaded;
use pixelrnn_converter::{Description, ImageSet, progress};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Trains a model that draws, scores and compresses images pixel by pixel
#[derive(Parser, Clone, Debug)]
#[command(name = "pixelrnn-train", version, args_conflicts_with_subcommands = true)]
pub struct Command {
    /// Command other than training
    #[command(subcommand)]
    pub other: Option<Other>,
    /// Recipe file (TOML) with tables `data`, `model` and `training`. Keys are the long flags below; for `model`, the
    /// keys of a trained-model file. Flags override the recipe. Paths are relative to the current folder
    #[arg(value_name = "RECIPE")]
    pub recipe: Option<PathBuf>,
    /// Folder for the trained model, checkpoints and metrics [default: `runs/` and the name of the recipe's folder]
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Images to draw after each epoch, into the folder `samples`; 0: none [default: 16 for small images, else 0]
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// Resume from the checkpoint in the output folder; the result equals an uninterrupted run
    #[arg(long, conflicts_with = "overwrite")]
    pub resume: bool,
    /// Delete the run in the output folder and start again
    #[arg(long)]
    pub overwrite: bool,
    /// CPU threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Devices to compute on, by the names that `pixelrnn-train devices` prints; several, separated by commas, share
    /// each batch [default: the first]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub device: Vec<Name>,
    /// Number format on a GPU; weights and the loss always use 32 bits
    #[arg(long, value_enum, value_name = "NUMBERS", default_value_t)]
    pub precision: Precision,
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

/// Commands other than training.
#[derive(Subcommand, Clone, Debug)]
pub enum Other {
    /// Lists the available devices
    Devices,
    /// Serves this machine's devices to other machines as `ws://THIS:PORT`; use it in a trusted network only, as
    /// connections are neither encrypted nor authenticated
    #[cfg(feature = "remote")]
    Serve {
        /// GPUs to serve, by name, separated by commas; Burn cannot serve CPU back ends
        #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
        device: Vec<Name>,
        /// Port to listen on
        #[arg(long, default_value_t = 3000)]
        port: u16,
    },
}

impl Other {
    #[cfg_attr(not(feature = "remote"), allow(clippy::unnecessary_wraps))]
    fn run(self) -> Result<(), Error> {
        match self {
            Self::Devices => {
                for (name, what) in BackEnd::all() {
                    println!("{:12} {what}", name.to_string());
                }
                Ok(())
            }
            #[cfg(feature = "remote")]
            Self::Serve { device, port } => {
                if let Some(name) = device.iter().find(|name| !name.is_gpu()) {
                    return Err(Error::usage(format!(
                        "{name} is no GPU of this machine, and only those can be served"
                    )));
                }
                let back_end = BackEnd::new(&device, Precision::F32)?;
                println!("serving {} devices on port {port}, until Ctrl-C", back_end.devices().len());
                crate::back_end::remote::serve(&back_end, port)
            }
        }
    }
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn run(self) -> Result<(), Error> {
        if let Some(other) = self.other {
            return other.run();
        }
        let folder = self.output.clone().or_else(|| folder_of(self.recipe.as_deref()?));
        let folder = folder.ok_or_else(|| Error::usage("no folder to write to: name it with --output"))?;
        let recipe = self.recipe.as_deref().map_or_else(|| Ok(Recipe::default()), Recipe::read)?;
        let data = self.data.or(recipe.data);
        let settings = self.training.or(&recipe.training).settings()?;
        let existing = match (self.resume, self.overwrite) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Overwrite,
            _ => Existing::Keep,
        };
        folder::check(&folder, existing)?;
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .map_err(|e| Error::other(format!("cannot start {threads} threads: {e}")))?;
        }
        let start = self.model.start(&recipe.model)?;
        let named = start.is_some() || self.model.names_levels(&recipe.model);
        let (description, train, valid) = sets(&data, settings.seed, named, |size, levels| match &start {
            Some(model) => Ok(model.description().clone()),
            None => self.model.describe(&recipe.model, size, levels),
        })?;
        let weights: usize = Network::new(&description)?.parameters().map(Parameter::count).sum();
        println!("{weights} weights, {} images to train on, {} to measure on", train.len(), valid.len());
        let image = description.image;
        // Sampling takes a forward pass per value: seconds for small images, so larger ones are sampled only on
        // request.
        let samples = self.samples.unwrap_or(if image.values() <= 1024 { 16 } else { 0 });
        let run = Run {
            train,
            valid,
            settings,
            back_end: BackEnd::new(&self.device, self.precision)?,
            folder: folder.clone(),
            samples,
            existing,
            start,
            description,
        };
        if let Some(best) = run.train(&Progress::new())? {
            println!("best validation likelihood {best:.3} nats: {}", folder.join(MODEL).display());
        }
        Ok(())
    }
}

/// Loads the model description and the training and validation images. `describe` builds the description from the
/// images' channels, height and width and their number of levels. Unless `named`, also reports the reason for the
/// number of levels.
fn sets(
    data: &Data,
    seed: u64,
    named: bool,
    describe: impl FnOnce([usize; 3], usize) -> Result<Description, Error>,
) -> Result<(Description, Set, Set), Error> {
    let path = data.train.as_deref().ok_or_else(|| Error::usage("no training images: name them with --train"))?;
    let labels = data.train_labels.as_deref();
    let read = |path: &Path| -> Result<ImageSet, Error> {
        let loaded = Loaded::read(path).map_err(|e| Error::other(e.to_string()))?;
        if let Some(skipped) = loaded.skipped {
            eprintln!("{}: {skipped}", path.display());
        }
        Ok(loaded.set)
    };
    let images = read(path)?;
    let (levels, why) = data::levels(&images, data.binarize.is_some());
    let description = describe([images.channels, images.height, images.width], levels)?;
    if images.flat && description.image.height == 1 {
        return Err(Error::usage(format!(
            "{}: images without rows and columns: save them as [N, H, W], or say `height` and `width` in the recipe",
            path.display()
        )));
    }
    let why = if named { String::new() } else { format!(": {why}") };
    println!("{}{why}", in_words(description.image));
    let fit = |path: &Path, images: ImageSet, labels: Option<&Path>| {
        let (image, classes) = (description.image, description.classes);
        let fitted = match data.binarize {
            Some(_) => Set::chances(images, labels, image, classes).map(|set| (set, None)),
            None => Set::fit(images, labels, image, classes),
        };
        let (set, notice) = fitted.map_err(|e| match e {
            Error::Other(message) => Error::Other(format!("{}: {message}", path.display())),
            usage @ Error::Usage(_) => usage,
        })?;
        if let Some(notice) = notice {
            eprintln!("{}: {notice}", path.display());
        }
        Ok(set)
    };
    let (train, valid) = match (&data.valid, data.hold_out) {
        (Some(valid), None) => (fit(path, images, labels)?, fit(valid, read(valid)?, data.valid_labels.as_deref())?),
        (None, Some(count)) => fit(path, images, labels)?.split(count)?,
        (Some(_), Some(_)) => return Err(Error::usage("`valid` and `hold_out` are both given, expected one of them")),
        (None, None) => {
            let message = "no images to measure on: name them with --valid, or leave some out with --hold-out";
            return Err(Error::usage(message));
        }
    };
    // Drawn once, with a turn number that no epoch uses.
    let valid = valid.drawn(seed, u64::MAX).into_owned();
    let once = data.binarize == Some(Binarize::Fixed);
    let train = if once { train.drawn(seed, 0).into_owned() } else { train };
    Ok((description, train, valid))
}

/// Default output folder: `runs/NAME` for the recipe `NAME/recipe.toml` or `NAME.toml`.
fn folder_of(recipe: &Path) -> Option<PathBuf> {
    let named = if recipe.file_stem()? == "recipe" { recipe.parent()?.file_name() } else { recipe.file_stem() };
    Some(Path::new("runs").join(named?))
}

/// Size, colours and levels as text.
fn in_words(image: Image) -> String {
    let colours = if image.channels == 1 { "gray" } else { "RGB" };
    format!("images of {}x{}, {colours}, {} levels", image.height, image.width, image.levels)
}

/// Progress display: a bar if standard error is a terminal, and a line per epoch.
struct Progress {
    bar: ProgressBar,
    state: Mutex<State>,
}

/// Progress of a run.
struct State {
    pace: Pace,
    /// Start of the current epoch.
    begun: Instant,
    /// Remaining epochs, including the current one.
    left: u64,
    nats: Option<f64>,
}

impl State {
    /// Remaining time of the run, with the fraction `done` of the epoch completed.
    fn time_left(&self, done: f64) -> Option<String> {
        self.pace.left(self.left, done, self.begun.elapsed()).map(pace::short)
    }

    /// Text after the bar.
    fn message(&self, done: f64) -> String {
        let nats = self.nats.map(|nats| format!(", {nats:.2} nats"));
        let left = self.time_left(done).map(|left| format!("; whole run: {left} left"));
        nats.unwrap_or_default() + &left.unwrap_or_default()
    }
}

impl Progress {
    fn new() -> Self {
        let state = State { pace: Pace::default(), begun: Instant::now(), left: 0, nats: None };
        Self { bar: progress::bar("", 0), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock is harmless, as the state holds only plain numbers.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn says(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }
}

impl Observer for Progress {
    fn begins(&self, epoch: u64, epochs: u64, images: u64) {
        self.bar.reset();
        self.bar.set_length(images);
        self.bar.set_prefix(format!("epoch {epoch}/{epochs}"));
        let mut state = self.state();
        (state.begun, state.left, state.nats) = (Instant::now(), epochs - epoch + 1, None);
        self.bar.set_message(state.message(0.0));
    }

    fn did(&self, images: u64, nats: Option<f64>) {
        self.bar.inc(images);
        let mut state = self.state();
        state.nats = nats.or(state.nats);
        let done = self.bar.position() as f64 / self.bar.length().unwrap_or(0).max(1) as f64;
        self.bar.set_message(state.message(done));
    }

    fn notes(&self, note: &str) {
        self.says(note);
    }

    fn gives_up(&self, epochs: u64) {
        self.says(&format!("no better in the last {epochs} epochs: done"));
    }

    fn ends(&self, e: &Epoch) {
        let mut state = self.state();
        let took = state.begun.elapsed();
        state.pace.add(took);
        let left = if state.left > 1 { state.time_left(1.0) } else { None };
        self.says(&format!(
            "epoch {}: training {:.3} nats, validation {:.3} nats ({:.4} bits/dim), {:.0} images/s{}{}",
            e.epoch,
            e.train_nats,
            e.valid_nats,
            e.valid_bits_per_dim,
            e.images_per_second,
            if e.best { ", best so far" } else { "" },
            left.map(|left| format!("; {left} left")).unwrap_or_default(),
        ));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
