//! Models with reference results in `fixtures/`, computed by an independent NumPy implementation of the model
//! definition.

use crate::npy;
use pixelrnn::blob::NumberFormat;
use pixelrnn_converter::convert::{Calibration, convert};
use pixelrnn_converter::images::{ImageSet, Label, read_labels};
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::{Blob, Error, TrainedModel};
use std::path::{Path, PathBuf};

/// A model, images and their reference results.
#[derive(Debug)]
pub struct Fixture {
    /// Common prefix of the file names.
    pub name: String,
    /// The model.
    pub trained: TrainedModel,
    /// The images.
    pub images: ImageSet,
    /// Labels of the images, for models with classes.
    pub labels: Option<Vec<Label>>,
    /// Values and shape `[N, C, L or 1, H, W]`.
    pub logits: (Vec<usize>, Vec<f32>),
    /// Negative log-likelihood of each image in nats, `[N]`; `[N, scales]` of a model of several scales.
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

/// Folder of the fixtures.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// All fixtures listed in `cases.json`.
///
/// # Panics
/// Panics if one cannot be read, as they are part of the source.
pub fn all() -> Vec<Fixture> {
    listed(&folder())
}

/// All models of several scales, in `scales/`.
///
/// # Panics
/// Panics if one cannot be read, as they are part of the source.
pub fn of_scales() -> Vec<Fixture> {
    listed(&folder().join("scales"))
}

/// The cases that a folder lists.
fn listed(folder: &Path) -> Vec<Fixture> {
    let text = std::fs::read_to_string(folder.join("cases.json")).expect("cases.json");
    let Cases { cases } = serde_json::from_str(&text).expect("cases.json");
    cases.into_iter().map(|case| case.read(folder)).collect()
}

/// The fixture `name`.
///
/// # Panics
/// Panics if it does not exist.
pub fn named(name: &str) -> Fixture {
    let labels = folder().join(format!("{name}.labels.npy")).exists();
    Case { name: name.into(), labels }.read(&folder())
}

impl Case {
    fn read(self, folder: &Path) -> Fixture {
        let path = |ending: &str| folder.join(format!("{}.{ending}", self.name));
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
    /// Label of image `n`.
    pub fn label(&self, n: usize) -> Option<usize> {
        self.labels.as_ref().map(|labels| labels[n].into())
    }

    /// Calibration on the images and labels.
    pub fn calibration(&self) -> Calibration {
        Calibration::Images { set: self.images.clone(), labels: self.labels.clone(), count: self.images.count }
    }

    /// Blob with 8-bit weights; see [`Fixture::blob_of`].
    pub fn blob(&self) -> Option<Blob> {
        self.blob_of(NumberFormat::I8)
    }

    /// Blob calibrated on the fixture's own images. `None`, with a message, if the engine lacks one of the model's ops.
    ///
    /// # Panics
    /// Panics if conversion fails for any other reason.
    pub fn blob_of(&self, weights: NumberFormat) -> Option<Blob> {
        match convert(&self.trained, &self.calibration(), weights, Method::default(), || ()) {
            Ok(converted) => Some(converted.blob),
            Err(Error::NotInEngine { op }) => {
                eprintln!("{}: skipped, the engine has no {op}", self.name);
                None
            }
            // A graph whose link has its colours in another order than what it is added to.
            Err(error @ Error::Colours { .. }) => {
                eprintln!("{}: skipped: {error}", self.name);
                None
            }
            Err(error) => panic!("{}: {error}", self.name),
        }
    }
}

/// All fixtures that the engine can run, with their blobs.
///
/// # Panics
/// Panics if there are none.
pub fn converted() -> Vec<(Fixture, Blob)> {
    let all: Vec<_> = all().into_iter().filter_map(|fixture| fixture.blob().map(|blob| (fixture, blob))).collect();
    assert!(!all.is_empty(), "no fixture runs in the engine");
    all
}
