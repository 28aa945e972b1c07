//! The pixels that a prediction depends on, measured by changing them.
#![forbid(unsafe_code)]

use crate::app::{App, BATCH};
use crate::draw::step_failure;
use crate::error::{Failure, zeros};
use pixelrnn::network::Image;
use pixelrnn::{Cost, Distribution, FromImage, Position, StepError, SymbolSource, TOTAL, TooShort};
use std::fmt::{self, Display};

/// Source that supplies an image up to a pixel, keeps the prediction there, and stops.
struct Until<'a> {
    given: FromImage<'a>,
    target: Position,
    frequencies: Vec<u32>,
    /// False for all images of a batch but the last: the others must reach the pixel first.
    stops: bool,
}

/// Reason to stop.
enum Stop {
    Reached,
    Short(TooShort),
}

impl SymbolSource for Until<'_> {
    type Error = Stop;

    fn next(&mut self, at: Position, distribution: &Distribution<'_>) -> Result<u8, Stop> {
        if at == self.target {
            self.frequencies.clear();
            self.frequencies.extend_from_slice(distribution.frequencies());
            if self.stops {
                return Err(Stop::Reached);
            }
        }
        self.given.next(at, distribution).map_err(Stop::Short)
    }
}

impl Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached => f.write_str("the pixel is reached"),
            Self::Short(error) => error.fmt(f),
        }
    }
}

/// The result of a run that is to stop at the pixel.
fn reached(stopped: Result<(), StepError<Stop>>) -> Result<(), Failure> {
    match stopped {
        Ok(()) | Err(StepError::Source(Stop::Reached)) => Ok(()),
        Err(error) => Err(step_failure(error)),
    }
}

/// Total variation between two predictions, 0 to 1.
fn variation(a: &[u32], b: &[u32]) -> f32 {
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    (sum as f64 / (2.0 * f64::from(TOTAL))) as f32
}

impl App {
    /// Measures dependence; see [`crate::depend`].
    ///
    /// # Errors
    /// The pixel, the image or the label do not fit the model.
    pub fn depend(&mut self, row: usize, column: usize, label: Option<usize>) -> Result<(), Failure> {
        let input = self.take_input();
        let loaded = self.loaded()?;
        loaded.check_label(label)?;
        let image = loaded.image();
        let Image { height, width, levels, .. } = image;
        let Some((values, places)) = input.split_at_checked(image.values()) else {
            return Err(Failure::new("image", format!("{} values, expected {}", input.len(), image.values())));
        };
        let target = Position { row, column, channel: 0 };
        let pixel = row.saturating_mul(width).saturating_add(column);
        let places: Vec<usize> = places.as_chunks().0.iter().map(|place| u32::from_le_bytes(*place) as usize).collect();
        if row >= height || column >= width || places.iter().any(|place| *place >= pixel) {
            return Err(Failure::new(
                "argument",
                "the pixel is outside the image, or one of the others comes after it",
            ));
        }
        let mut output = Vec::with_capacity(4 * places.len());
        // One image of each batch stays as it is.
        for places in places.chunks(BATCH - 1) {
            let mut changed = Vec::with_capacity(places.len() + 1);
            for place in places {
                let mut own = values.to_vec();
                for value in own.iter_mut().skip(*place).step_by(height * width) {
                    *value = ((usize::from(*value) + levels / 2) % levels) as u8;
                }
                changed.push(own);
            }
            changed.push(values.to_vec());
            let last = changed.len() - 1;
            let sources = changed.iter().enumerate().map(|(n, values)| Until {
                given: FromImage::new(values, image),
                target,
                frequencies: Vec::new(),
                stops: n == last,
            });
            let mut sources: Vec<_> = sources.collect();
            if let Some(batch) = loaded.batch(changed.len())? {
                let mut out = zeros(changed.len() * image.values(), "the images")?;
                reached(batch.run(label, &mut sources, &mut out, &mut vec![Cost(0); changed.len()]))?;
            } else {
                loaded.engine(|mut engine| {
                    let mut out = zeros(image.values(), "the image")?;
                    for source in &mut sources {
                        source.stops = true;
                        reached(engine.run(label, source, &mut out).map(drop))?;
                    }
                    Ok(())
                })?;
            }
            let Some((own, others)) = sources.split_last() else { continue };
            output.extend(others.iter().flat_map(|o| variation(&o.frequencies, &own.frequencies).to_le_bytes()));
        }
        self.output = output;
        Ok(())
    }
}
