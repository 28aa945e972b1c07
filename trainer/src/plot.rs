//! Learning curves: training and validation likelihood by epoch.

use crate::error::Error;
use crate::run::{self, Epoch};
use pixelrnn_converter::picture::{Curve, Picture};
use std::path::Path;

/// Plots the curves of `metrics` to the picture `to`.
///
/// # Errors
/// Fails if `metrics` cannot be read or has an invalid line, or if `to` cannot be drawn or written.
pub(crate) fn write(metrics: &Path, to: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(metrics)
        .map_err(|e| Error::other(format!("cannot read {}: {e}", metrics.display())))?;
    let epochs: Vec<Epoch> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(|e| Error::other(format!("{}: a line is not an epoch's: {e}", metrics.display())))?;
    let best = epochs.iter().rposition(|epoch| epoch.best);
    let curve = |name, nats: fn(&Epoch) -> f64, best| Curve {
        name,
        best,
        points: epochs.iter().map(|epoch| (epoch.epoch as f64, nats(epoch))).collect(),
    };
    let curves =
        [curve("training", |epoch| epoch.train_nats, None), curve("validation", |epoch| epoch.valid_nats, best)];
    let picture = Picture::curves(&curves, "epoch", "nats an image").map_err(|e| Error::other(e.to_string()))?;
    run::write(to, &picture.to_png().map_err(|e| Error::other(e.to_string()))?)
}
