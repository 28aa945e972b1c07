//! A complete training run with all its output.

use crate::back_end::BackEnd;
use crate::checkpoint::{self, Progress};
use crate::data::{Set, order};
use crate::difference::Keys;
use crate::error::Error;
use crate::folder::{self, CHECKPOINT, METRICS, PLOT, SAMPLES};
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::parameters;
use crate::plot;
use crate::recipe::Settings;
use crate::sample::sample;
use crate::schedule::{Schedule, Shape};
use crate::trainer::Trainer;
use pixelrnn_converter::files::write_atomically;
use pixelrnn_converter::picture::Layout;
use pixelrnn_converter::{Description, Picture, Tensor, TrainedModel};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub use crate::folder::{Existing, MODEL};

/// Inputs of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Model.
    pub description: Description,
    /// Training images. Probabilities are drawn from again in each epoch.
    pub train: Set,
    /// Validation images. Probabilities must already be drawn.
    pub valid: Set,
    /// Training settings.
    pub settings: Settings,
    /// Compute devices.
    pub back_end: BackEnd,
    /// Output folder.
    pub folder: PathBuf,
    /// Number of images to sample after each epoch; 0 for none.
    pub samples: usize,
    /// Treatment of an earlier run in the folder.
    pub existing: Existing,
    /// Weights to start from, of a model with the same description. Random if absent.
    pub start: Option<TrainedModel>,
}

/// Results of an epoch: a line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Epoch number, from 1.
    pub epoch: u64,
    /// Steps since the start of the run.
    pub steps: u64,
    /// Learning rate of the last step.
    pub rate: f64,
    /// Mean nats of the training images, each measured before its update.
    pub train_nats: f64,
    /// Mean nats of the validation images with averaged weights.
    pub valid_nats: f64,
    /// `valid_nats` as bits per dimension.
    pub valid_bits_per_dim: f64,
    /// Training images per second.
    pub images_per_second: f64,
    /// Duration in seconds.
    pub seconds: f64,
    /// True for the best epoch so far.
    pub best: bool,
}

/// Receiver of progress reports.
pub trait Observer: Sync {
    /// Epoch `epoch` of `epochs` begins, with `images` training and validation images in total.
    fn begins(&self, epoch: u64, epochs: u64, images: u64) {
        let _ = (epoch, epochs, images);
    }

    /// `images` more images are done. `nats` is the mean over the epoch's training images so far, or `None` during
    /// validation.
    fn did(&self, images: u64, nats: Option<f64>) {
        let _ = (images, nats);
    }

    /// The epoch is complete.
    fn ends(&self, epoch: &Epoch) {
        let _ = epoch;
    }

    /// A message about the whole run, as a sentence without a full stop.
    fn notes(&self, note: &str) {
        let _ = note;
    }

    /// The run stops early, without improvement in the last `epochs` epochs.
    fn gives_up(&self, epochs: u64) {
        let _ = epochs;
    }
}

/// An observer that ignores all reports.
impl Observer for () {}

fn io(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |e| Error::other(format!("cannot {doing} {path}: {e}"))
}

impl Run {
    /// Trains and writes results to the folder. Returns the best epoch's mean validation nats, or `None` if there was
    /// no epoch to run.
    ///
    /// # Errors
    /// Fails if the folder holds a run that would be lost or has another recipe, if the network cannot be trained, if a
    /// value becomes non-finite, or if a file cannot be written.
    pub fn train(&self, observer: &dyn Observer) -> Result<Option<f64>, Error> {
        folder::check(&self.folder, self.existing)?;
        std::fs::create_dir_all(&self.folder).map_err(io("create", &self.folder))?;
        let network = Network::new(&self.description)?;
        let s = &self.settings;
        let weights = match &self.start {
            Some(model) => parameters::of(model, &network)?,
            None => parameters::initialize(network.nodes(), network.classes(), s.seed),
        };
        let mut trainer = Trainer::new(network, self.back_end.clone(), weights, |weights| {
            Optimizer::new(s.optimizer, s.clip, s.average as f32, weights)
        });
        let settings = format!("{} {}", self.description.to_json(), json(s)?);
        let data = [("train", &self.train), ("valid", &self.valid)];
        let data = data.map(|(key, set)| (key.to_string(), set.identity())).into();
        let mut progress = Progress { settings, data, epochs: 0, steps: 0, best: None, since_best: 0 };
        let checkpoint = self.folder.join(CHECKPOINT);
        let metrics = self.folder.join(METRICS);
        if self.existing == Existing::Resume && checkpoint.exists() {
            let found = checkpoint::progress(&checkpoint)?;
            let planned = self.check_recipe(&found, &progress)?;
            checkpoint::load(&checkpoint, &mut trainer)?;
            self.note_resumed(&found, planned, observer);
            progress = Progress { settings: progress.settings, data: progress.data, ..found };
            cut_metrics(&metrics, progress.epochs)?;
            plot::write(&metrics, &self.folder.join(PLOT))?;
        } else {
            if self.existing == Existing::Resume {
                observer.notes(&format!("{} holds no run yet: begins at the first epoch", self.folder.display()));
            }
            if self.existing == Existing::Overwrite {
                folder::clear(&self.folder)?;
            }
            write(&metrics, b"")?;
            // From here on, the checkpoint identifies the folder's recipe.
            checkpoint::save(&checkpoint, &trainer, &progress)?;
        }
        while progress.epochs < s.epochs {
            if s.patience > 0 && progress.since_best >= s.patience {
                observer.gives_up(progress.since_best);
                break;
            }
            let epoch = self.epoch(&mut trainer, &mut progress, observer)?;
            if epoch.best {
                self.write_model(&trainer)?;
            }
            if self.samples > 0 {
                self.draw(&trainer, epoch.epoch)?;
            }
            let mut file = std::fs::OpenOptions::new().append(true).open(&metrics).map_err(io("write", &metrics))?;
            writeln!(file, "{}", json(&epoch)?).map_err(io("write", &metrics))?;
            drop(file);
            plot::write(&metrics, &self.folder.join(PLOT))?;
            checkpoint::save(&checkpoint, &trainer, &progress)?;
            observer.ends(&epoch);
        }
        Ok(progress.best)
    }

    /// Checks that a checkpoint's run can resume with this recipe, and returns its planned number of epochs.
    fn check_recipe(&self, found: &Progress, here: &Progress) -> Result<u64, Error> {
        let path = self.folder.join(CHECKPOINT);
        let keys = |progress: &Progress| {
            let keys = Keys::new(&progress.settings, &progress.data);
            keys.ok_or_else(|| checkpoint::damaged(&path, &"its settings are not a recipe's"))
        };
        let (there, here) = (keys(found)?, keys(here)?);
        match there.difference(&here) {
            Some(difference) => Err(Error::usage(format!(
                "{}: of another recipe: {difference}; a run that goes on can change `epochs` and `patience` alone (a higher --epochs trains \
                 longer): give it the recipe that it began with, begin anew with --overwrite, or name another folder with --output",
                path.display()
            ))),
            None => Ok(there.epochs().unwrap_or(self.settings.epochs)),
        }
    }

    fn note_resumed(&self, found: &Progress, planned: u64, observer: &dyn Observer) {
        let (done, epochs) = (found.epochs, self.settings.epochs);
        if done >= epochs {
            let more = format!("{done} epochs are done, and {epochs} are asked for: a higher --epochs trains longer");
            return observer.notes(&more);
        }
        observer.notes(&format!("goes on after epoch {done} of {epochs}"));
        if planned != epochs && self.settings.schedule != Shape::Constant {
            observer.notes(&format!(
                "`epochs` was {planned} and is {epochs}: from here on the learning rate is that of a run of {epochs} epochs"
            ));
        }
    }

    fn epoch(&self, trainer: &mut Trainer, progress: &mut Progress, observer: &dyn Observer) -> Result<Epoch, Error> {
        let s = &self.settings;
        let begin = Instant::now();
        let train = self.train.drawn(s.seed, progress.epochs);
        let order = order(train.len(), s.seed, progress.epochs);
        let total = s.epochs * train.len().div_ceil(s.batch) as u64;
        let schedule = Schedule { rate: s.rate, shape: s.schedule, warmup: s.warmup, total };
        observer.begins(progress.epochs + 1, s.epochs, (train.len() + self.valid.len()) as u64);
        let (mut sum, mut seen, mut rate) = (0.0, 0.0, 0.0);
        for which in order.chunks(s.batch) {
            rate = schedule.at(progress.steps);
            sum += trainer.step(&train, which, rate)? * which.len() as f64;
            seen += which.len() as f64;
            progress.steps += 1;
            observer.did(which.len() as u64, Some(sum / seen));
        }
        let trained = begin.elapsed().as_secs_f64();
        let valid_nats = trainer.evaluate(&self.valid, s.batch, |n| observer.did(n as u64, None))?;
        progress.epochs += 1;
        let best = progress.best.is_none_or(|best| valid_nats < best);
        progress.since_best = if best { 0 } else { progress.since_best + 1 };
        if best {
            progress.best = Some(valid_nats);
        }
        Ok(Epoch {
            epoch: progress.epochs,
            steps: progress.steps,
            rate,
            train_nats: sum / seen,
            valid_nats,
            valid_bits_per_dim: valid_nats / (self.description.image.values() as f64 * std::f64::consts::LN_2),
            images_per_second: seen / trained,
            seconds: begin.elapsed().as_secs_f64(),
            best,
        })
    }

    /// Writes the averaged weights as a trained model.
    fn write_model(&self, trainer: &Trainer) -> Result<(), Error> {
        let tensors = trainer.network.parameters().zip(&trainer.optimizer.average);
        let tensors =
            tensors.map(|(p, values)| (p.name.clone(), Tensor { shape: p.shape.clone(), data: values.clone() }));
        let model = TrainedModel::new(self.description.clone(), tensors.collect());
        let bytes = model.and_then(|model| model.to_bytes()).map_err(|e| Error::other(e.to_string()))?;
        write(&self.folder.join(MODEL), &bytes)
    }

    /// Writes a grid of samples.
    fn draw(&self, trainer: &Trainer, epoch: u64) -> Result<(), Error> {
        let images = sample(trainer, self.samples, self.settings.seed ^ epoch)?;
        let picture = Picture::grid(&images, self.description.image.levels, Layout::file(&images));
        let samples = self.folder.join(SAMPLES);
        std::fs::create_dir_all(&samples).map_err(io("create", &samples))?;
        let bytes = picture.to_png().map_err(|e| Error::other(e.to_string()))?;
        write(&samples.join(folder::sample_name(epoch)), &bytes)
    }
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::other(e.to_string()))
}

/// Writes a file atomically.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_atomically(path, |out| out.write_all(bytes)).map_err(|e| Error::other(e.to_string()))
}

/// Removes metrics of epochs after the checkpoint.
fn cut_metrics(metrics: &Path, epochs: u64) -> Result<(), Error> {
    let text = std::fs::read_to_string(metrics).unwrap_or_default();
    let kept: String = text.lines().take(epochs as usize).flat_map(|line| [line, "\n"]).collect();
    write(metrics, kept.as_bytes())
}
