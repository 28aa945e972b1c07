//! Benchmark subjects: all shipped models, and networks with random weights.
//!
//! `cargo bench -p pixelrnn-benches` runs all benchmarks:
//!
//! - `engine`: statistics for each task of each model;
//! - `table`: speed, work and memory per model, and the ratio of sampling to scoring time;
//! - `kernels`: each kernel of this machine, compared with portable Rust and with the peak of its instructions;
//! - `packed`: images per second on hosts, singly and in batches;
//! - `growth`: scaling of time with network size;
//! - `firmware`: instruction counts and code size on microcontrollers.

pub mod peak;

use pixelrnn::blob::NumberFormat;
use pixelrnn::kernels::{Kernel, Native};
use pixelrnn::network::{Architecture, ColourGroups, Image, Output, Preset};
use pixelrnn::{Cost, Engine, FromImage, Model, Plan, Sample, Temperature};
use pixelrnn_converter::convert::{Calibration, convert};
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::{Blob, Description, Error, Tensor, TrainedModel};
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A model to benchmark.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Folder name under `models/`, or a description.
    pub name: String,
    /// The model.
    pub blob: Blob,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Subject {
    /// All shipped models, plus a larger `PixelCNN`, LSTMs and gated `PixelCNN`s for digits with random weights.
    ///
    /// # Panics
    /// Panics if a shipped model cannot be read.
    pub fn all() -> Vec<Self> {
        let mut subjects = Self::shipped().expect("shipped models are readable");
        let random = [
            ("random-pixelcnn-h64", Architecture::PixelCnn, 64),
            ("random-row-lstm-h16", Architecture::RowLstm, 16),
            ("random-diagonal-bilstm-h16", Architecture::DiagonalBilstm, 16),
            ("random-gated-h16", Architecture::GatedPixelCnn, 16),
            ("random-gated-h32", Architecture::GatedPixelCnn, 32),
        ];
        for (name, architecture, hidden) in random {
            subjects.push(Self::random(name, architecture, hidden).expect("a preset converts"));
        }
        subjects
    }

    /// Models in `models/`, by name.
    ///
    /// # Errors
    /// Fails if a model cannot be read.
    pub fn shipped() -> Result<Vec<Self>, Error> {
        let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../models"));
        let mut folders: Vec<_> = std::fs::read_dir(models)
            .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
            .unwrap_or_default();
        folders.sort();
        let with_blob = folders.iter().filter(|folder| folder.join("model.prnn").exists());
        with_blob
            .map(|folder| {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Self { name, blob: Blob::read(&folder.join("model.prnn"))? })
            })
            .collect()
    }

    /// Networks of the paper's size for colour images (32x32x3, 256 levels, h 128) with random weights. Only those
    /// whose name contains `part` are built, since each takes seconds.
    ///
    /// # Panics
    /// Never: presets always convert.
    pub fn paper(part: &str) -> Vec<Self> {
        let models = [
            ("paper-cifar10-pixelcnn", Architecture::PixelCnn, 15, 1024),
            ("paper-cifar10-diagonal", Architecture::DiagonalBilstm, 12, 1024),
        ];
        let make = |(name, architecture, layers, head)| {
            let image = Image { height: 32, width: 32, channels: 3, levels: 256 };
            let preset = Preset { image, layers, head, output: Output::Softmax, ..Self::preset(architecture, 128) };
            Self::of(name, preset).expect("a preset converts")
        };
        models.into_iter().filter(|(name, ..)| name.contains(part)).map(make).collect()
    }

    /// A seven-block model for 28x28 images with two levels and random weights. Its samples are noise, but its cost
    /// equals the cost of a trained model of its size.
    ///
    /// # Errors
    /// Never fails for valid presets.
    pub fn random(name: &str, architecture: Architecture, hidden: usize) -> Result<Self, Error> {
        Self::of(name, Self::preset(architecture, hidden))
    }

    /// Like [`Subject::random`], for images of `side` by `side` pixels and `layers` blocks.
    ///
    /// # Errors
    /// See [`Subject::random`].
    pub fn sized(
        name: &str,
        architecture: Architecture,
        side: usize,
        hidden: usize,
        layers: usize,
    ) -> Result<Self, Error> {
        let image = Image { height: side, width: side, channels: 1, levels: 2 };
        Self::of(name, Preset { image, layers, ..Self::preset(architecture, hidden) })
    }

    fn preset(architecture: Architecture, hidden: usize) -> Preset {
        Preset {
            architecture,
            image: Image { height: 28, width: 28, channels: 1, levels: 2 },
            hidden,
            layers: 7,
            input_kernel: 7,
            kernel: 3,
            head: 2 * hidden,
            output: Output::Bernoulli,
            residual: true,
            skip: false,
            depth_gate: false,
            initial_state: false,
            classes: 0,
            colour_groups: ColourGroups::Cyclic,
        }
    }

    /// Converts a model with random weights.
    fn of(name: &str, preset: Preset) -> Result<Self, Error> {
        let description = Description::from(preset);
        let trained = TrainedModel::new(description.clone(), random_tensors(&description)?)?;
        let converted =
            convert(&trained, &Calibration::OwnSamples { count: 1 }, NumberFormat::I8, Method::MinMax, || ())?;
        Ok(Self { name: name.to_string(), blob: converted.blob })
    }

    /// The model, opened from the blob.
    ///
    /// # Panics
    /// Never: the blob was already checked.
    pub fn model(&self) -> Model<'_> {
        self.blob.model().expect("the blob was checked")
    }
}

/// Reproducible random weights that preserve the magnitude of activations.
fn random_tensors(description: &Description) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut random = pixelrnn::DefaultRng::seed_from_u64(1);
    let mut tensors = BTreeMap::new();
    for node in description.nodes()? {
        node.tensors(description.classes, |spec| {
            let fan_in: usize = spec.shape.iter().skip(1).product();
            let reach = (3.0 / fan_in as f32).sqrt();
            let count = spec.shape.iter().product();
            let number = |_| (random.next_u32() as f32 / (1u32 << 31) as f32 - 1.0) * reach;
            let tensor = Tensor { shape: spec.shape.to_vec(), data: (0..count).map(number).collect() };
            tensors.insert(spec.name.to_string(), tensor);
        });
    }
    Ok(tensors)
}

/// Kernel for all benchmarks except `kernels`: the fastest one, or the one named by `PIXELRNN_KERNEL`.
///
/// # Panics
/// Panics if this machine has no kernel of that name.
pub fn kernel() -> Native {
    Native::from_env().unwrap_or_else(|error| panic!("{error}"))
}

/// Working set of a thread: an engine, an image to score, and an output buffer.
#[derive(Debug)]
pub struct Worker<'m, 'b, K = Native> {
    engine: Engine<'m, 'b, K>,
    label: Option<usize>,
    given: Vec<u8>,
    out: Vec<u8>,
}

impl<'m, 'b, K: Kernel> Worker<'m, 'b, K> {
    /// Creates a worker and samples the image to score. Class-conditional models use class 0.
    ///
    /// # Panics
    /// Panics if `state` is too short for the model and `plan`.
    pub fn new(model: Model<'m>, state: &'b mut [u32], kernel: K, plan: Plan) -> Self {
        let values = model.image().values();
        let label = (model.classes() > 0).then_some(0);
        let engine = Engine::with(model, state, kernel, plan).expect("the buffer is large enough");
        let mut worker = Self { engine, label, given: Vec::new(), out: vec![0; values] };
        worker.sample(0);
        worker.given.clone_from(&worker.out);
        worker
    }

    /// Samples an image and returns its cost.
    ///
    /// # Panics
    /// Never.
    pub fn sample(&mut self, seed: u64) -> Cost {
        let mut source = Sample::seeded(seed, Temperature::ONE);
        self.engine.run(self.label, &mut source, &mut self.out).expect("a draw always has a value")
    }

    /// The latest image, `[C, H, W]`.
    pub fn image(&self) -> &[u8] {
        &self.out
    }

    /// Scores the image and returns its cost.
    ///
    /// # Panics
    /// Never.
    pub fn score(&mut self) -> Cost {
        let mut source = FromImage::new(&self.given, self.engine.model().image());
        self.engine.run(self.label, &mut source, &mut self.out).expect("the image is the model's own")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_shipped_models_and_all_run() {
        let mut subjects = Subject::shipped().unwrap();
        assert!(subjects.iter().any(|s| s.name == "mnist-pixelcnn"));
        for architecture in [Architecture::PixelCnn, Architecture::RowLstm, Architecture::DiagonalBilstm] {
            subjects.push(Subject::random("random", architecture, 4).unwrap());
        }
        for subject in &subjects {
            let model = subject.model();
            let mut state = vec![0; model.state_words()];
            let mut worker = Worker::new(model, &mut state, Native::default(), Plan::Pixel);
            assert_eq!(worker.sample(0), worker.score(), "{subject}: a drawn image scores what drawing it cost");
        }
    }
}

/// Compiles and runs the README's code.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// So does the code of the README of each crate.
#[cfg(doctest)]
mod readmes {
    #[doc = include_str!("../../build/README.md")]
    struct Build;

    #[doc = include_str!("../../client/README.md")]
    struct Client;

    #[doc = include_str!("../../converter/README.md")]
    struct Converter;

    #[doc = include_str!("../../runtime/README.md")]
    struct Runtime;
}
