//! `pixelrnn convert`.

use super::describe::Describe;
use super::input::read_images;
use super::model::{self, AnyModel, report_closed_weights};
use super::{Failure, progress};
use pixelrnn::blob::{Layout, NumberFormat};
use pixelrnn_build::emit_c;
use pixelrnn_converter::convert::{Calibrated, Calibration, Converted};
use pixelrnn_converter::layout::{arrange, for_dsp};
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::reference::likelihood::bits_per_dim;
use pixelrnn_converter::{Blob, Error, files};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Trained model (.safetensors), a checkpoint with --describe, or a blob to rearrange for another target
    model: PathBuf,
    #[command(flatten)]
    describe: Describe,
    /// Calibration images for the ranges of the activations, similar to the training images [default: samples of the
    /// model]
    #[arg(long, value_name = "IMAGES")]
    calibrate: Option<PathBuf>,
    /// Labels of the calibration images, for a model with classes
    #[arg(long, value_name = "FILE", requires = "calibrate")]
    labels: Option<PathBuf>,
    /// Levels of the image values, if ambiguous: the number of levels of the model, or 256
    #[arg(long, value_name = "L", requires = "calibrate", value_parser = clap::value_parser!(u16).range(2..=256))]
    levels_in: Option<u16>,
    /// Number of calibration images, evenly spaced in the file
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    calibrate_count: u64,
    /// Choice of activation ranges: `min-max`, `percentile` or `mse` (least mean square error)
    #[arg(long, value_enum, default_value_t = Ranges::Percentile)]
    ranges: Ranges,
    /// Percentage of values inside the range, for `--ranges percentile`
    #[arg(long, default_value_t = 99.9, value_parser = percentile)]
    percentile: f64,
    /// Type of the weights
    #[arg(long, value_enum, default_value_t = WeightsArg::I8)]
    weights: WeightsArg,
    /// Bits of the activations, with 8-bit weights. `auto` takes 16 if 8 bits change the nats of the calibration images
    /// by more than 1 percent on average, or cannot hold the values
    #[arg(long, value_enum, default_value_t = ActivationsArg::Auto)]
    activations: ActivationsArg,
    /// Fail and write nothing if the nats of the calibration images differ by more than this share on average: `1%` or
    /// 0.01. Differences are absolute, per image
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_loss: Option<f64>,
    /// Target of the weight layout. Every machine runs both with the same results, at different speed. Firmware built
    /// with `pixelrnn_build::model` gets the right layout from either
    #[arg(long, value_enum, default_value_t = Target::Any)]
    target: Target,
    /// Form of the output. `c`: C sources, the file `-o NAME.c` with an array of constants and `NAME.h` beside it with the sizes as
    /// macros; NAME is a name in C. Choose the target as well, since no build script lays the weights out
    #[arg(long, value_enum, default_value_t = Emit::Blob)]
    emit: Emit,
    /// Output file; `-` is standard output [default: the model's name with .prnn, or with .c]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Ranges {
    MinMax,
    Percentile,
    Mse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// Row-major: hosts, Cortex-M0 and M3, Cortex-M55 with MVE, RISC-V. The names of cores are `cortex-m0`, `cortex-m0plus`, `cortex-m3`,
    /// `cortex-m55`, `cortex-m85` and `riscv32`
    #[value(aliases = ["cortex-m0", "cortex-m0plus", "cortex-m3", "cortex-m55", "cortex-m85", "riscv32"])]
    Any,
    /// Tiled 4x4: Cortex-M4, M7 and M33 with the DSP extension; a few bytes more. The names of cores are `cortex-m4`, `cortex-m7` and
    /// `cortex-m33`
    #[value(aliases = ["cortex-m4", "cortex-m7", "cortex-m33"])]
    Dsp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Emit {
    /// Blob (.prnn)
    Blob,
    /// C sources (.c and .h)
    C,
}

impl Emit {
    /// Ending of the output file.
    const fn ending(self) -> &'static str {
        match self {
            Self::Blob => "prnn",
            Self::C => "c",
        }
    }

    /// Checks the name of the output file, before any work.
    fn check(self, output: &Path) -> Result<(), Failure> {
        match self {
            Self::Blob => Ok(()),
            Self::C => c_name(output).map(drop),
        }
    }

    /// Writes `blob` to `output`.
    fn write(self, blob: &Blob, output: &Path) -> Result<(), Failure> {
        match self {
            Self::Blob => files::write_output(output, |out| out.write_all(blob.bytes()))?,
            Self::C => {
                let sources = emit_c::sources(&blob.model()?, &c_name(output)?);
                let header = output.with_extension("h");
                for (path, text) in [(output, sources.source), (&header, sources.header)] {
                    files::write_output(path, |out| out.write_all(text.as_bytes()))?;
                }
            }
        }
        Ok(())
    }
}

/// Name in C of the sources at `output`.
fn c_name(output: &Path) -> Result<String, Failure> {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    if output.extension().is_none_or(|ending| ending != "c") {
        let got = output.display();
        return Err(Failure::Usage(format!("--emit c writes two files: expected --output NAME.c, not {got}")));
    }
    // The source includes its header by this name.
    emit_c::name(&stem).filter(|name| *name == stem).ok_or_else(|| {
        let like = emit_c::name(&stem).map_or(String::new(), |name| format!(", such as {name}.c"));
        Failure::Usage(format!("--emit c: `{stem}` is no name in C; give --output a file that is{like}"))
    })
}

impl Target {
    /// Rearranges the weights of `blob` for the target.
    fn arrange(self, blob: &Blob) -> Result<Blob, Error> {
        let layout = match self {
            Self::Any => Layout::RowMajor,
            Self::Dsp => for_dsp(blob.model()?.weights()),
        };
        arrange(blob, layout)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ActivationsArg {
    /// Eight bits if accurate enough
    Auto,
    /// Least memory
    #[value(name = "8")]
    Bits8,
    /// Nearly the accuracy of floats, with a little more memory
    #[value(name = "16")]
    Bits16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum WeightsArg {
    /// 8-bit integers: smallest, identical results on every machine
    I8,
    /// 16-bit floats, with 32-bit arithmetic
    F16,
    /// 32-bit floats, for checking
    F32,
}

fn share(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|p| p / 100.0),
        None => text.parse::<f64>(),
    };
    match share {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a share such as 1% or 0.01".into()),
    }
}

fn percentile(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(p) if (50.0..=100.0).contains(&p) => Ok(p),
        _ => Err("expected a number from 50 to 100".into()),
    }
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        let trained = match model::read_described(&self.model, &self.describe)? {
            AnyModel::Blob(blob) => return self.arrange(&blob),
            AnyModel::Trained(trained) => *trained,
        };
        let output = self.output.clone().unwrap_or_else(|| self.model.with_extension(self.emit.ending()));
        self.emit.check(&output)?;
        let description = trained.description();
        let (image, classes) = (description.image, description.classes);
        let floats = self.weights != WeightsArg::I8;
        if floats && self.activations != ActivationsArg::Auto {
            return Err(Failure::Usage(
                "--activations is for 8-bit weights: float weights have float activations".into(),
            ));
        }
        if floats && self.target != Target::Any {
            return Err(Failure::Usage("--target dsp is for 8-bit weights: float weights are always row-major".into()));
        }
        let method = match self.ranges {
            Ranges::MinMax => Method::MinMax,
            Ranges::Percentile => Method::Percentile(1.0 - self.percentile / 100.0),
            Ranges::Mse => Method::MeanSquare,
        };
        let count = self.calibrate_count as usize;
        let (calibration, bar) = match &self.calibrate {
            Some(path) => {
                let (set, labels) = read_images(path, None, self.labels.as_deref(), &image, classes, self.levels_in)?;
                let calibration = Calibration::Images { set, labels, count };
                (calibration, progress::bar("calibrating", count))
            }
            None => (Calibration::OwnSamples { count }, progress::bar("calibrating", 2 * count)),
        };
        let calibrated = Calibrated::new(&trained, &calibration, method, || bar.inc(1))?;
        let mut converted = self.converted(&calibrated)?;
        converted.blob = self.target.arrange(&converted.blob)?;
        bar.finish_and_clear();
        if let Some(most) = self.max_loss
            && !converted.is_within(most)
        {
            let (apart, float) = (converted.apart, converted.float_nats);
            return Err(Error::TooMuchLost { apart, float, most: 100.0 * most }.into());
        }
        self.emit.write(&converted.blob, &output)?;
        for note in &converted.notes {
            eprintln!("pixelrnn: {note}");
        }
        if let Some(advice) = converted.advice(self.calibrate.is_some())? {
            eprintln!("pixelrnn: {advice}");
        }
        report_closed_weights(&trained, Some(&self.model));

        if output.as_path() == Path::new("-") {
            return Ok(());
        }
        let model = converted.blob.model()?;
        let header = model.header();
        let float_bytes: usize = trained.tensors().values().map(|t| 4 * t.data.len()).sum();
        let mut out = std::io::stdout();
        if self.json {
            writeln!(
                out,
                "{}",
                json!({"blob_bytes": header.length, "float_bytes": float_bytes, "ram_bytes": header.state_bytes,
                       "float_nats": converted.float_nats, "quantized_nats": converted.quantized_nats,
                       "mean_absolute_difference": converted.apart, "notes": converted.notes,
                       "activation_bits": 8 * model.weights().activation_bytes(), "calibration_images": converted.images, "own_samples": self.calibrate.is_none()})
            )?;
            return Ok(());
        }
        writeln!(
            out,
            "{}: {} bytes of flash, {} bytes of RAM",
            files::display_name(&output),
            header.length,
            header.state_bytes
        )?;
        writeln!(
            out,
            "float weights {float_bytes} bytes, {:.1} times the blob",
            float_bytes as f64 / f64::from(header.length)
        )?;
        writeln!(
            out,
            "on the {} calibration images{}: float {:.4} nats an image, {} {:.4}",
            converted.images,
            if self.calibrate.is_none() { " (the model's own samples)" } else { "" },
            converted.float_nats,
            if model.weights().is_integer() { "quantized" } else { "blob" },
            converted.quantized_nats,
        )?;
        let lost = converted.lost();
        let of_all = converted.loss().map(|loss| {
            format!(" ({:+.3} %; {:.3} % image by image)", 100.0 * lost / converted.float_nats, 100.0 * loss)
        });
        writeln!(
            out,
            "lost {lost:+.4} nats an image, {:+.5} bits/dim, {:.4} nats image by image{}",
            bits_per_dim(lost, &image),
            converted.apart,
            of_all.unwrap_or_default(),
        )?;
        Ok(())
    }

    /// Converts to the requested number format.
    fn converted(&self, calibrated: &Calibrated<'_>) -> Result<Converted, Error> {
        match (self.weights, self.activations) {
            (WeightsArg::F16, _) => calibrated.convert(NumberFormat::F16),
            (WeightsArg::F32, _) => calibrated.convert(NumberFormat::F32),
            (WeightsArg::I8, ActivationsArg::Bits8) => calibrated.convert(NumberFormat::I8),
            (WeightsArg::I8, ActivationsArg::Bits16) => calibrated.convert(NumberFormat::I8A16),
            (WeightsArg::I8, ActivationsArg::Auto) => {
                let (converted, why) = calibrated.auto()?;
                if let Some(why) = why {
                    eprintln!("pixelrnn: {why}");
                }
                Ok(converted)
            }
        }
    }

    /// Rearranges the weights of a blob.
    fn arrange(&self, blob: &Blob) -> Result<(), Failure> {
        let name = files::display_name(&self.model);
        if self.calibrate.is_some() || self.weights != WeightsArg::I8 || self.activations != ActivationsArg::Auto {
            return Err(Error::NotTrained.in_file(name).into());
        }
        let output = match (&self.output, self.emit) {
            (Some(output), _) => output,
            (None, Emit::C) => &self.model.with_extension("c"),
            (None, Emit::Blob) => {
                return Err(Failure::Usage(format!("{name} is a blob already: give another file with --output")));
            }
        };
        self.emit.check(output)?;
        let arranged = self.target.arrange(blob).map_err(|e| e.in_file(name))?;
        self.emit.write(&arranged, output)?;
        if output.as_path() == Path::new("-") {
            return Ok(());
        }
        let model = arranged.model()?;
        let (bytes, ram) = (model.header().length, model.header().state_bytes);
        let mut out = std::io::stdout();
        if self.json {
            writeln!(out, "{}", json!({"blob_bytes": bytes, "ram_bytes": ram}))?;
        } else {
            writeln!(out, "{}: {bytes} bytes of flash, {ram} bytes of RAM", files::display_name(output))?;
        }
        Ok(())
    }
}
