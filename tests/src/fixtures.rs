//! The models with known results in `fixtures/`, which an independent NumPy implementation of a model's definition made.

use crate::npy;
use pixelrnn::blob::NumberFormat;
use pixelrnn_converter::convert::{Calibration, convert};
use pixelrnn_converter::images::{ImageSet, Label, read_labels};
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::{Blob, Error, TrainedModel};
use std::path::{Path, PathBuf};

/// A model, images, and what the definition of a model gives for them.
#[derive(Debug)]
pub struct Fixture {
    /// The file names' first part.
    pub name: String,
    /// The model.
    pub trained: TrainedModel,
    /// The images.
    pub images: ImageSet,
    /// A label for each, where the model has classes.
    pub labels: Option<Vec<Label>>,
    /// `[N, C, L or 1, H, W]` and its shape.
    pub logits: (Vec<usize>, Vec<f32>),
    /// Nats of each image.
    pub nats: Vec<f64>,
}

#[derive(serde::Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    labels: bool,
}

/// The folder of the fixtures.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// All fixtures of `cases.json`.
///
/// # Panics
/// When one cannot be read: they are part of the source.
pub fn all() -> Vec<Fixture> {
    let text = std::fs::read_to_string(folder().join("cases.json")).expect("cases.json");
    let Cases { cases } = serde_json::from_str(&text).expect("cases.json");
    cases.into_iter().map(Case::read).collect()
}

/// The fixture `name`.
///
/// # Panics
/// When there is none.
pub fn named(name: &str) -> Fixture {
    let labels = folder().join(format!("{name}.labels.npy")).exists();
    Case { name: name.into(), labels }.read()
}

impl Case {
    fn read(self) -> Fixture {
        let path = |ending: &str| folder().join(format!("{}.{ending}", self.name));
        let read = || -> Result<_, Error> {
            let trained = TrainedModel::read(&path("safetensors"))?;
            let images = ImageSet::read(&path("images.npy"))?;
            let labels = self.labels.then(|| read_labels(&path("labels.npy"))).transpose()?;
            Ok((trained, images, labels))
        };
        let (trained, images, labels) = read().unwrap_or_else(|e| panic!("{e}"));
        let logits = npy::read_f32(&path("logits.npy"));
        let nats = npy::read_f64(&path("nats.npy")).1;
        Fixture { name: self.name, trained, images, labels, logits, nats }
    }
}

impl Fixture {
    /// The label of image `n`.
    pub fn label(&self, n: usize) -> Option<usize> {
        self.labels.as_ref().map(|labels| labels[n].into())
    }

    /// The images and labels as calibration.
    pub fn calibration(&self) -> Calibration {
        Calibration::Images { set: self.images.clone(), labels: self.labels.clone(), count: self.images.count }
    }

    /// The blob of 8-bit weights; see [`Fixture::blob_of`].
    pub fn blob(&self) -> Option<Blob> {
        self.blob_of(NumberFormat::I8)
    }

    /// The blob, calibrated on the fixture's own images; `None`, with a line to say so, where the model has an op that the
    /// engine does not have.
    ///
    /// # Panics
    /// When conversion fails for any other reason.
    pub fn blob_of(&self, weights: NumberFormat) -> Option<Blob> {
        match convert(&self.trained, &self.calibration(), weights, Method::default(), || ()) {
            Ok(converted) => Some(converted.blob),
            Err(Error::NotInEngine { op }) => {
                eprintln!("{}: skipped, the engine has no {op}", self.name);
                None
            }
            Err(error) => panic!("{}: {error}", self.name),
        }
    }
}

/// All fixtures that the engine can run, with their blobs.
///
/// # Panics
/// When there are none.
pub fn converted() -> Vec<(Fixture, Blob)> {
    let all: Vec<_> = all().into_iter().filter_map(|fixture| fixture.blob().map(|blob| (fixture, blob))).collect();
    assert!(!all.is_empty(), "no fixture runs in the engine");
    all
}
