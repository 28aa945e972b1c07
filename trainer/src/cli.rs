//! The command line.

use crate::data::Set;
use crate::error::Error;
use crate::recipe::{Data, Model, Recipe, Training};
use crate::run::{MODEL, Run};
use crate::trainer::BackEnd;
use clap::Parser;
use pixelrnn_converter::ImageSet;
use std::path::PathBuf;

/// Trains a model that draws, scores and compresses images pixel by pixel
#[derive(Parser, Clone, Debug)]
#[command(name = "pixelrnn-train", version)]
pub struct Command {
    /// Recipe file (TOML) with the tables `data`, `model` and `training`; flags take precedence over it
    #[arg(value_name = "RECIPE")]
    pub recipe: Option<PathBuf>,
    /// Folder for the trained model, checkpoints and metrics
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,
    /// Go on from the checkpoint in the output folder; the result is that of a run that never stopped
    #[arg(long)]
    pub resume: bool,
    /// Threads on the CPU [default: one a core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
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
        let settings = self.training.or(recipe.training)?;
        let train = data.train.ok_or_else(|| Error::usage("no training images: name them with --train"))?;
        let valid = data.valid.ok_or_else(|| Error::usage("no validation images: name them with --valid"))?;
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .map_err(|e| Error::other(format!("cannot start {threads} threads: {e}")))?;
        }
        let peek = ImageSet::read(&train).map_err(|e| Error::other(e.to_string()))?;
        let highest = peek.data.iter().copied().max().unwrap_or(0);
        let size = [peek.channels, peek.height, peek.width];
        drop(peek);
        let description = self.model.describe(&recipe.model, size, highest)?;
        let read = |images: &PathBuf, labels: &Option<PathBuf>| {
            let (set, notice) = Set::read(images, labels.as_deref(), description.image, description.classes)?;
            if let Some(notice) = notice {
                eprintln!("{}: {notice}", images.display());
            }
            Ok(set)
        };
        let run = Run {
            train: read(&train, &data.train_labels)?,
            valid: read(&valid, &data.valid_labels)?,
            description: description.clone(),
            settings,
            back_end: BackEnd::cpu(),
            folder: self.output.clone(),
            resume: self.resume,
        };
        let outcome = run.train()?;
        if let Some(best) = outcome.best {
            println!("best validation likelihood {best:.3} nats: {}", self.output.join(MODEL).display());
        }
        Ok(())
    }
}
