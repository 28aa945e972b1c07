//! A training run from the first epoch to the last, with everything it writes.

use crate::checkpoint::{self, Progress};
use crate::data::{Set, order};
use crate::error::Error;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::recipe::Settings;
use crate::schedule::Schedule;
use crate::trainer::{BackEnd, Trainer};
use indicatif::{ProgressBar, ProgressStyle};
use pixelrnn_converter::{Description, Tensor, TrainedModel};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// All that a run needs.
#[derive(Clone, Debug)]
pub struct Run {
    /// The model.
    pub description: Description,
    /// Images to learn from.
    pub train: Set,
    /// Images to measure on.
    pub valid: Set,
    /// How to train.
    pub settings: Settings,
    /// Where it is computed.
    pub back_end: BackEnd,
    /// The folder that everything is written to.
    pub folder: PathBuf,
    /// Whether to go on from the folder's checkpoint, if there is one.
    pub resume: bool,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Mean validation nats of the best epoch; none where no epoch was to be done.
    pub best: Option<f64>,
}

/// One line of `metrics.jsonl`.
#[derive(Serialize)]
struct Line {
    epoch: u64,
    steps: u64,
    rate: f64,
    train_nats: f64,
    valid_nats: f64,
    valid_bits_per_dim: f64,
    images_per_second: f64,
    seconds: f64,
    best: bool,
}

const CHECKPOINT: &str = "checkpoint.safetensors";
const METRICS: &str = "metrics.jsonl";
/// The model of the best epoch.
pub const MODEL: &str = "model.safetensors";

fn io(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |e| Error::other(format!("cannot {doing} {path}: {e}"))
}

impl Run {
    /// Trains, and writes into the folder as it goes.
    ///
    /// # Errors
    /// When the network cannot be trained, a number is not finite any more, or a file cannot be written.
    pub fn train(&self) -> Result<Outcome, Error> {
        std::fs::create_dir_all(&self.folder).map_err(io("create", &self.folder))?;
        let nodes = self.description.nodes().map_err(|e| Error::usage(e.to_string()))?;
        let Description { image, output, input, classes, .. } = self.description;
        let network = Network::new(image, output, input, classes, nodes)?;
        let s = &self.settings;
        let mut trainer = Trainer::new(network, self.back_end.clone(), s.seed, |weights| {
            Optimizer::new(s.optimizer, s.clip, s.average as f32, weights)
        });
        let settings = format!("{} {}", self.description.to_json(), serde_json::to_string(s).unwrap_or_default());
        let mut progress = Progress { settings, epochs: 0, steps: 0, best: None };
        let checkpoint = self.folder.join(CHECKPOINT);
        let metrics = self.folder.join(METRICS);
        if self.resume && checkpoint.exists() {
            let found = checkpoint::load(&checkpoint, &mut trainer)?;
            if found.settings != progress.settings {
                return Err(Error::usage(format!(
                    "{} is of a run with other settings: {}",
                    checkpoint.display(),
                    found.settings
                )));
            }
            progress = found;
            self.cut_metrics(&metrics, progress.epochs)?;
        } else {
            std::fs::write(&metrics, "").map_err(io("write", &metrics))?;
        }
        while progress.epochs < s.epochs {
            let line = self.epoch(&mut trainer, &mut progress)?;
            if line.best {
                self.write_model(&trainer)?;
            }
            let json = serde_json::to_string(&line).map_err(|e| Error::other(e.to_string()))?;
            let mut file = std::fs::OpenOptions::new().append(true).open(&metrics).map_err(io("write", &metrics))?;
            writeln!(file, "{json}").map_err(io("write", &metrics))?;
            checkpoint::save(&checkpoint, &trainer, &progress)?;
        }
        Ok(Outcome { best: progress.best })
    }

    /// Drops the lines of epochs that the checkpoint does not have.
    fn cut_metrics(&self, metrics: &Path, epochs: u64) -> Result<(), Error> {
        let text = std::fs::read_to_string(metrics).unwrap_or_default();
        let kept: String = text.lines().take(epochs as usize).flat_map(|line| [line, "\n"]).collect();
        std::fs::write(metrics, kept).map_err(io("write", metrics))
    }

    fn epoch(&self, trainer: &mut Trainer, progress: &mut Progress) -> Result<Line, Error> {
        let s = &self.settings;
        let begin = Instant::now();
        let order = order(self.train.len(), s.seed, progress.epochs);
        let steps_an_epoch = self.train.len().div_ceil(s.batch) as u64;
        let schedule = Schedule { rate: s.rate, shape: s.schedule, warmup: s.warmup, total: steps_an_epoch * s.epochs };
        let bar = ProgressBar::new((self.train.len() + self.valid.len()) as u64);
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} %, {eta} left, {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_prefix(format!("epoch {}/{}", progress.epochs + 1, s.epochs));
        let mut sum = 0.0;
        let mut seen = 0;
        let mut rate = 0.0;
        for which in order.chunks(s.batch) {
            rate = schedule.at(progress.steps);
            sum += trainer.step(&self.train, which, rate)? * which.len() as f64;
            seen += which.len();
            progress.steps += 1;
            bar.inc(which.len() as u64);
            bar.set_message(format!("{:.2} nats", sum / seen as f64));
        }
        let trained = begin.elapsed().as_secs_f64();
        let valid = trainer.evaluate(&self.valid, |n| bar.inc(n as u64))?;
        bar.finish_and_clear();
        progress.epochs += 1;
        let best = progress.best.is_none_or(|best| valid < best);
        if best {
            progress.best = Some(valid);
        }
        let bits = valid / (self.description.image.values() as f64 * std::f64::consts::LN_2);
        let line = Line {
            epoch: progress.epochs,
            steps: progress.steps,
            rate,
            train_nats: sum / seen as f64,
            valid_nats: valid,
            valid_bits_per_dim: bits,
            images_per_second: seen as f64 / trained,
            seconds: begin.elapsed().as_secs_f64(),
            best,
        };
        println!(
            "epoch {}/{}: train {:.3} nats, validation {valid:.3} nats, {bits:.4} bits/dim, {:.0} images/s{}",
            line.epoch,
            s.epochs,
            line.train_nats,
            line.images_per_second,
            if best { ", best so far" } else { "" }
        );
        Ok(line)
    }

    /// Writes the averaged weights as a trained model.
    fn write_model(&self, trainer: &Trainer) -> Result<(), Error> {
        let tensors = trainer.network.parameters().zip(&trainer.optimizer.average);
        let tensors =
            tensors.map(|(p, values)| (p.name.clone(), Tensor { shape: p.shape.clone(), data: values.clone() }));
        let model =
            TrainedModel::new(self.description.clone(), tensors.collect()).map_err(|e| Error::other(e.to_string()))?;
        let bytes = model.to_bytes().map_err(|e| Error::other(e.to_string()))?;
        let path = self.folder.join(MODEL);
        pixelrnn_converter::files::write_atomically(&path, |out| out.write_all(&bytes))
            .map_err(|e| Error::other(e.to_string()))
    }
}
