//! Recipes: data, model and training settings, from a TOML file or the command line.

use crate::error::Error;
use crate::optimizer::{Optimizer, Rule};
use crate::schedule::Shape;
use clap::Args;
use pixelrnn_converter::{Description, TrainedModel};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A recipe file. Flags of the same names override it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Location of the images.
    pub data: Data,
    /// Model description, with the keys of the JSON in trained-model files.
    pub model: Map<String, Value>,
    /// Training settings.
    pub training: Training,
}

/// Location of the images.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[command(next_help_heading = "Images")]
pub struct Data {
    /// Training images: .npy, IDX (both may be gzipped), PNG or a folder of PNG files
    #[arg(long, value_name = "IMAGES")]
    pub train: Option<PathBuf>,
    /// Validation images, evaluated after each epoch to select the best model; do not use the final test set
    #[arg(long, value_name = "IMAGES")]
    pub valid: Option<PathBuf>,
    /// Hold out this number of images at the end of the training set for validation, instead of `valid`
    #[arg(long, value_name = "N", conflicts_with = "valid")]
    pub hold_out: Option<usize>,
    /// Treat gray values as probabilities that a pixel is 1; for models of two levels
    #[arg(long, value_name = "HOW", value_enum)]
    pub binarize: Option<Binarize>,
    /// Class labels of the training images: .npy or IDX; for models with classes
    #[arg(long, value_name = "LABELS")]
    pub train_labels: Option<PathBuf>,
    /// Class labels of the validation images
    #[arg(long, value_name = "LABELS")]
    pub valid_labels: Option<PathBuf>,
}

/// Conversion of gray images to two levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Binarize {
    /// Draw all images once
    Fixed,
    /// Draw the training images again in each epoch, the validation images once
    Random,
}

/// Model flags.
#[derive(Args, Clone, Debug, Default, Serialize)]
#[command(next_help_heading = "Model")]
pub struct Model {
    /// `pixel_cnn`, `gated_pixel_cnn`, `row_lstm` or `diagonal_bilstm` [default: `pixel_cnn`]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Features h of a layer; the residual between layers has 2h, in a `gated_pixel_cnn` h [default: 16]
    #[arg(long, value_name = "H")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<usize>,
    /// Residual blocks [default: 7]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<usize>,
    /// Features between the last two layers [default: 32]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
    /// Side of the first kernel; odd and at least 3 in a `gated_pixel_cnn` [default: 7]
    #[arg(long, value_name = "SIDE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_kernel: Option<usize>,
    /// Side of the blocks' kernels; odd in a `gated_pixel_cnn` [default: 3]
    #[arg(long, value_name = "SIDE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<usize>,
    /// `softmax`, or `bernoulli` for two levels [default: bernoulli for two levels, else softmax]
    #[arg(long = "output-kind", id = "output_kind", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Levels per channel; images with more are quantized [default: 2 if the training images contain only two values,
    /// else 256]
    #[arg(long, value_name = "N")]
    #[serde(skip)]
    pub levels: Option<usize>,
    /// Number of classes to condition on [default: 0, none]
    #[arg(long, value_name = "K")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Trained model (.safetensors) to start from, instead of the flags above and random weights
    #[arg(long, value_name = "MODEL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

/// Training settings.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[command(next_help_heading = "Training")]
pub struct Training {
    /// Number of epochs [default: 30]
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Images per step [default: 16]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Update rule [default: adam]
    #[arg(long, value_name = "RULE", value_enum)]
    pub optimizer: Option<Rule>,
    /// Maximum learning rate [default: 0.002]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<f64>,
    /// Decay of the learning rate [default: cosine]
    #[arg(long, value_name = "SHAPE", value_enum)]
    pub schedule: Option<Shape>,
    /// Warm-up steps of the learning rate [default: 500]
    #[arg(long, value_name = "STEPS")]
    pub warmup: Option<u64>,
    /// Maximum gradient norm; longer gradients are clipped; 0: no clipping [default: 0]
    #[arg(long, value_name = "LENGTH")]
    pub clip: Option<f64>,
    /// Decay per step of the moving average of the weights, which is validated and saved; 0: no averaging [default:
    /// 0.999]
    #[arg(long, value_name = "DECAY")]
    pub average: Option<f64>,
    /// Stop after this number of epochs without improvement; 0: never [default: 0]
    #[arg(long, value_name = "EPOCHS")]
    pub patience: Option<u64>,
    /// Random seed; equal seeds give equal models [default: 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// [`Training`] with defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)] // as in `Training`
pub struct Settings {
    pub epochs: u64,
    pub batch: usize,
    pub optimizer: Rule,
    pub rate: f64,
    pub schedule: Shape,
    pub warmup: u64,
    pub clip: f64,
    pub average: f64,
    #[serde(skip_serializing_if = "is_never")]
    pub patience: u64,
    pub seed: u64,
}

/// Keeps the serialized form of checkpoints from before this setting existed.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde's form
fn is_never(patience: &u64) -> bool {
    *patience == 0
}

impl Recipe {
    /// Reads a recipe file.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is not TOML, or has an unknown key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(path).map_err(|e| Error::other(format!("cannot read {}: {e}", path.display())))?;
        Self::from_toml(&text).map_err(|e| Error::usage(format!("{}: {e}", path.display())))
    }

    /// Parses a recipe.
    ///
    /// # Errors
    /// Fails if the text is not TOML or has an unknown key.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|e| Error::usage(one_line(&e.to_string())))
    }
}

/// Shortens a parser's message to one line, without the source excerpt.
fn one_line(message: &str) -> String {
    let mut lines = message.lines();
    let place = lines.next().unwrap_or_default();
    let reason = lines.last().unwrap_or_default();
    if reason.is_empty() { place.to_string() } else { format!("{place}: {reason}") }
}

impl Data {
    /// Fills missing settings from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // Either validation flag replaces both keys of the recipe.
        let measured = self.valid.is_some() || self.hold_out.is_some();
        Self {
            train: self.train.or(other.train),
            valid: if measured { self.valid } else { other.valid },
            hold_out: if measured { self.hold_out } else { other.hold_out },
            binarize: self.binarize.or(other.binarize),
            train_labels: self.train_labels.or(other.train_labels),
            valid_labels: self.valid_labels.or(other.valid_labels),
        }
    }
}

impl Training {
    /// Fills missing settings from `other`.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            epochs: self.epochs.or(other.epochs),
            batch: self.batch.or(other.batch),
            optimizer: self.optimizer.or(other.optimizer),
            rate: self.rate.or(other.rate),
            schedule: self.schedule.or(other.schedule),
            warmup: self.warmup.or(other.warmup),
            clip: self.clip.or(other.clip),
            average: self.average.or(other.average),
            patience: self.patience.or(other.patience),
            seed: self.seed.or(other.seed),
        }
    }

    /// Fills missing settings with defaults.
    ///
    /// # Errors
    /// Fails if a number is out of range.
    pub fn settings(self) -> Result<Settings, Error> {
        let settings = Settings {
            epochs: self.epochs.unwrap_or(30),
            batch: self.batch.unwrap_or(16),
            optimizer: self.optimizer.unwrap_or_default(),
            rate: self.rate.unwrap_or(0.002),
            schedule: self.schedule.unwrap_or_default(),
            warmup: self.warmup.unwrap_or(500),
            clip: self.clip.unwrap_or(0.0),
            average: self.average.unwrap_or(0.999),
            patience: self.patience.unwrap_or(0),
            seed: self.seed.unwrap_or(0),
        };
        if settings.batch == 0 {
            return Err(Error::usage("`batch` is 0, expected at least 1"));
        }
        if !(settings.rate.is_finite() && settings.rate > 0.0) {
            return Err(Error::usage(format!("`rate` is {}, expected more than 0", settings.rate)));
        }
        Optimizer::check(settings.clip, settings.average)?;
        Ok(settings)
    }
}

impl Model {
    /// Reads the trained model to start from, named by these flags or by the recipe. `None` if there is none.
    ///
    /// # Errors
    /// Fails if the model cannot be read, or if other model keys are given, as a trained model defines all of them.
    pub fn start(&self, recipe: &Map<String, Value>) -> Result<Option<TrainedModel>, Error> {
        let mut keys = self.over(recipe);
        let Some(from) = keys.remove("from") else { return Ok(None) };
        let Some(from) = from.as_str() else {
            return Err(Error::usage("`from` is not the name of a file"));
        };
        if let Some(key) = keys.keys().next() {
            return Err(Error::usage(format!("`from` brings the whole model with it: leave `{key}` out")));
        }
        TrainedModel::read(Path::new(from)).map(Some).map_err(|e| Error::other(e.to_string()))
    }

    /// Merges these flags over the keys of a recipe.
    fn over(&self, recipe: &Map<String, Value>) -> Map<String, Value> {
        let mut keys = recipe.clone();
        let flags = serde_json::to_value(self).ok().and_then(|v| v.as_object().cloned()).unwrap_or_default();
        keys.extend(flags);
        if let Some(levels) = self.levels {
            let image = keys.entry("image").or_insert_with(|| Value::Object(Map::new()));
            image.as_object_mut().map(|image| image.insert("levels".to_string(), levels.into()));
        }
        keys
    }

    /// True if the flags or the recipe set the number of levels.
    pub fn names_levels(&self, recipe: &Map<String, Value>) -> bool {
        self.over(recipe).get("image").is_some_and(|image| image.get("levels").is_some())
    }

    /// Builds the model description from these flags, the recipe and defaults, in this order of precedence, for images
    /// of `size` (channels, height, width) and `levels` levels.
    ///
    /// # Errors
    /// Fails if they do not describe a valid network.
    pub fn describe(&self, recipe: &Map<String, Value>, size: [usize; 3], levels: usize) -> Result<Description, Error> {
        let mut keys = self.over(recipe);
        let image = keys.entry("image").or_insert_with(|| Value::Object(Map::new()));
        let Some(image) = image.as_object_mut() else {
            return Err(Error::usage("`image` is not a table, expected height, width, channels and levels"));
        };
        for (key, value) in ["channels", "height", "width"].into_iter().zip(size) {
            image.entry(key).or_insert_with(|| value.into());
        }
        image.entry("levels").or_insert_with(|| levels.into());
        let output = if image["levels"] == 2 { "bernoulli" } else { "softmax" };
        keys.entry("output").or_insert_with(|| output.into());
        if !keys.contains_key("ops") {
            keys.entry("architecture").or_insert_with(|| "pixel_cnn".into());
            for (key, value) in [("hidden", 16), ("layers", 7), ("head", 32), ("input_kernel", 7), ("kernel", 3)] {
                keys.entry(key).or_insert_with(|| value.into());
            }
        }
        Description::from_json(&Value::Object(keys).to_string()).map_err(|e| Error::usage(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};

    const RECIPES: [&str; 8] = [
        include_str!("../../models/mnist-pixelcnn/recipe.toml"),
        include_str!("../../models/mnist-pixelcnn-h32/recipe.toml"),
        include_str!("../../models/mnist-class-pixelcnn/recipe.toml"),
        include_str!("../../models/fashion-pixelcnn/recipe.toml"),
        include_str!("../../models/fashion-gated-pixelcnn/recipe.toml"),
        include_str!("../../models/mnist-row-lstm/recipe.toml"),
        include_str!("../../models/mnist-diagonal-bilstm/recipe.toml"),
        include_str!("../../models/cifar10-pixelcnn/recipe.toml"),
    ];

    /// Performs all steps that precede training. `None` if the recipe is rejected, which must take one line.
    fn understood(text: &str) -> Option<()> {
        let refused = |error: Error| {
            assert_eq!(error.exit_status(), 2, "{error}\n{text}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}\n{text}");
        };
        let recipe = Recipe::from_toml(text).map_err(refused).ok()?;
        let settings = recipe.training.settings().map_err(refused).ok()?;
        assert!(settings.batch > 0 && settings.rate.is_finite());
        let description = Model::default().describe(&recipe.model, [1, 28, 28], 2).map_err(refused).ok()?;
        description.nodes().ok().map(drop)
    }

    #[test]
    fn the_recipes_of_the_shipped_models_are_understood() {
        for recipe in RECIPES {
            assert!(understood(recipe).is_some(), "{recipe}");
        }
    }

    /// Fuzzer-like mutations, but reproducible.
    #[test]
    fn recipes_that_were_changed_at_random_are_understood_or_refused_in_one_line() {
        const PIECES: [&str; 20] = [
            "0",
            "-1",
            "1e999",
            "nan",
            "inf",
            "4294967296",
            "9223372036854775807",
            "0.5",
            "true",
            "\"\"",
            "[",
            "]",
            "{",
            "}",
            "=",
            "\n",
            "[model]\n",
            "image = 3\n",
            "\u{0}",
            "é",
        ];
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut below = |limit: usize| (rng.next_u64() >> 33) as usize % limit;
        let mut understood_ones = 0;
        for round in 0..8000 {
            // Recipes are ASCII except for inserted pieces.
            let mut recipe: Vec<char> = RECIPES[round % RECIPES.len()].chars().collect();
            for _ in 0..=below(3) {
                let at = below(recipe.len().max(1));
                let end = (at + below(12)).min(recipe.len());
                match below(4) {
                    0 => recipe.truncate(at + 1),
                    1 => drop(recipe.drain(at..end)),
                    2 => drop(recipe.splice(at..end.min(at + 2), PIECES[below(PIECES.len())].chars())),
                    _ => {
                        let piece: Vec<char> = recipe[at..end].to_vec();
                        let to = below(recipe.len().max(1));
                        drop(recipe.splice(to..to, piece));
                    }
                }
            }
            understood_ones += usize::from(understood(&recipe.into_iter().collect::<String>()).is_some());
        }
        assert!(understood_ones > 100, "{understood_ones}: nearly all are refused, and little was tried");
    }

    #[test]
    fn brackets_without_end_are_refused() {
        for (open, close) in [("[", "]"), ("{a=", "}")] {
            let text = format!("[model]\nops = {}{}", open.repeat(100_000), close.repeat(100_000));
            assert!(understood(&text).is_none());
        }
    }
}
