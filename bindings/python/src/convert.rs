//! Function `convert`: a trained model to a blob, with a report.

use crate::arrays::{Labels, images};
use crate::error::{in_python, raise, refuse};
use crate::model::Model;
use crate::source::any_model;
use crate::work::run;
use pixelrnn::blob::{Layout, NumberFormat};
use pixelrnn_converter::convert::{Calibrated, Calibration};
use pixelrnn_converter::layout::{arrange, for_dsp};
use pixelrnn_converter::progress::Progress;
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::{AnyModel, Blob, Error as Failure, TrainedModel};
use pyo3::prelude::*;

/// A blob, with what its conversion lost on the calibration images.
#[pyclass(module = "pixelrnn", frozen, get_all)]
#[derive(Debug)]
pub(crate) struct Converted {
    /// The blob.
    model: Py<Model>,
    /// Number of calibration images.
    images: usize,
    /// Mean nats an image by the float reference, probabilities floored at 2^-24 as in a blob.
    float_nats: f64,
    /// Mean nats an image by the blob.
    quantized_nats: f64,
    /// Mean absolute difference between the two, image by image.
    mean_absolute_difference: f64,
    /// Bits of an activation.
    activation_bits: usize,
    /// Size of the weights as f32, in bytes.
    float_bytes: usize,
    /// True if the calibration images are samples of the model itself.
    own_samples: bool,
    /// Notes about the calibration images and the levels, advice if much was lost, and weights that no tap reads.
    notes: Vec<String>,
}

#[pymethods]
impl Converted {
    /// Mean increase in nats an image.
    #[getter]
    fn lost(&self) -> f64 {
        self.quantized_nats - self.float_nats
    }

    fn __repr__(&self) -> String {
        let flash = self.model.get().blob().bytes().len();
        format!(
            "<pixelrnn.Converted of {flash} bytes: {:.4} nats an image, {:+.4} by {} activation bits>",
            self.quantized_nats,
            self.lost(),
            self.activation_bits
        )
    }
}

/// What a blob is made of.
struct Choice {
    /// `None`: 8-bit weights with the activations that suffice.
    format: Option<NumberFormat>,
    method: Method,
    dsp: bool,
}

impl Choice {
    fn of(weights: &str, activations: Option<usize>, ranges: &str, percentile: f64, target: &str) -> PyResult<Self> {
        let format = match (weights, activations) {
            ("i8", None) => None,
            ("i8", Some(8)) => Some(NumberFormat::I8),
            ("i8", Some(16)) => Some(NumberFormat::I8A16),
            ("i8", Some(bits)) => return refuse(format!("activations: {bits}, expected 8, 16 or None")),
            ("f16", None) => Some(NumberFormat::F16),
            ("f32", None) => Some(NumberFormat::F32),
            ("f16" | "f32", Some(_)) => {
                return refuse("activations is for 8-bit weights: float weights have float activations");
            }
            (other, _) => return refuse(format!("weights: {other:?}, expected \"i8\", \"f16\" or \"f32\"")),
        };
        let method = match ranges {
            "min-max" => Method::MinMax,
            "percentile" if (50.0..=100.0).contains(&percentile) => Method::Percentile(1.0 - percentile / 100.0),
            "percentile" => return refuse(format!("percentile: {percentile}, expected a number from 50 to 100")),
            "mse" => Method::MeanSquare,
            other => {
                return refuse(format!("ranges: {other:?}, expected \"min-max\", \"percentile\" or \"mse\""));
            }
        };
        let dsp = match target {
            "any" => false,
            "dsp" if weights == "i8" => true,
            "dsp" => return refuse("target=\"dsp\" is for 8-bit weights: float weights are always row-major"),
            other => return refuse(format!("target: {other:?}, expected \"any\" or \"dsp\"")),
        };
        Ok(Self { format, method, dsp })
    }

    /// Rearranges the weights for the target.
    fn arrange(&self, blob: &Blob) -> Result<Blob, Failure> {
        let layout = if self.dsp { for_dsp(blob.model()?.weights()) } else { Layout::RowMajor };
        arrange(blob, layout)
    }
}

/// Converts a trained model to a blob: a path, bytes or a `Reference`.
#[pyfunction]
#[pyo3(signature = (model, *, calibrate = None, labels = None, levels_in = None, calibrate_count = 256,
                    ranges = "percentile", percentile = 99.9, weights = "i8", activations = None, max_loss = None,
                    target = "any"))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn convert(
    py: Python<'_>,
    model: &Bound<'_, PyAny>,
    calibrate: Option<&Bound<'_, PyAny>>,
    labels: Option<&Bound<'_, PyAny>>,
    levels_in: Option<usize>,
    calibrate_count: usize,
    ranges: &str,
    percentile: f64,
    weights: &str,
    activations: Option<usize>,
    max_loss: Option<f64>,
    target: &str,
) -> PyResult<Converted> {
    let choice = Choice::of(weights, activations, ranges, percentile, target)?;
    let AnyModel::Trained(trained) = any_model(model)? else {
        return Err(raise(Failure::NoTrained));
    };
    if !(1..=100_000).contains(&calibrate_count) {
        return refuse(format!("calibrate_count: {calibrate_count}, expected 1 to 100000"));
    }
    if let Some(share) = max_loss.filter(|share| !(0.0..=1.0).contains(share)) {
        return refuse(format!("max_loss: {share}, expected a share from 0 to 1, such as 0.01"));
    }
    let description = trained.description();
    let calibration = match calibrate {
        Some(object) => {
            let set = images(object, &description.image, levels_in, None)?.warn(py)?;
            let labels = Labels::each(labels, set.count, description.classes)?;
            Calibration::Images { set, labels, count: calibrate_count }
        }
        None if labels.is_some() => return refuse("labels are those of the images of `calibrate=`, which is missing"),
        None => Calibration::OwnSamples { count: calibrate_count },
    };
    let (converted, mut notes) = run(py, |watch| {
        let calibrated = Calibrated::new(&trained, &calibration, choice.method, watch)?;
        watch.check()?;
        let (mut converted, why) = match choice.format {
            Some(format) => (calibrated.convert(format)?, None),
            None => calibrated.auto()?,
        };
        converted.blob = choice.arrange(&converted.blob)?;
        let mut notes: Vec<String> = why.into_iter().collect();
        notes.append(&mut converted.notes);
        notes.extend(converted.advice(calibrate_given(&calibration))?);
        Ok((converted, notes))
    })?;
    if let Some(most) = max_loss
        && !converted.is_within(most)
    {
        let (apart, float) = (converted.apart, converted.float_nats);
        return Err(raise(Failure::TooMuchLost { apart, float, most: 100.0 * most }));
    }
    notes.extend(trained.closed_weights().map(|closed| closed.to_string()));
    let activation_bits = 8 * converted.blob.model().map_err(raise)?.weights().activation_bytes();
    Ok(Converted {
        model: Py::new(py, Model::new(converted.blob))?,
        images: converted.images,
        float_nats: converted.float_nats,
        quantized_nats: converted.quantized_nats,
        mean_absolute_difference: converted.apart,
        activation_bits,
        float_bytes: float_bytes(&trained),
        own_samples: calibrate.is_none(),
        notes: notes.iter().map(|note| in_python(note)).collect(),
    })
}

fn calibrate_given(calibration: &Calibration) -> bool {
    matches!(calibration, Calibration::Images { .. })
}

/// Size of the weights as f32.
fn float_bytes(trained: &TrainedModel) -> usize {
    trained.tensors().values().map(|tensor| 4 * tensor.data.len()).sum()
}
