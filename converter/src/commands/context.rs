//! `pixelrnn context`.

use super::model::{self, AnyModel, BuiltIn};
use super::{Failure, input, output, progress};
use pixelrnn::network::Image;
use pixelrnn::{Position, Temperature};
use pixelrnn_converter::context::{self, Dependence, Panel, earlier, pixels_of};
use pixelrnn_converter::convert::float_blob;
use pixelrnn_converter::masks::{self, Layer};
use pixelrnn_converter::run::{Scorer, sample};
use pixelrnn_converter::{Error, ImageSet, Reference, files};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Maximum number of images.
const MAX: u64 = 4096;

/// Draw the pixels that a prediction depends on, or the masks of a layer
///
/// Changes each earlier value of some images, one at a time, and measures the change of one prediction. The picture
/// shows it on a logarithmic scale, beside all the pixels that could be read. A blob (.prnn) runs on the integer
/// engine, a trained model (.safetensors) on the float reference, which is slower. Several models get a map each.
///
/// With --masks, draws a kernel of a layer instead: the taps that its mask leaves open.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Blobs (.prnn) or trained models (.safetensors) [default: built-in digits]
    #[arg(value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// Row of the prediction, 0 at the top [default: middle]
    #[arg(long, value_name = "R")]
    row: Option<usize>,
    /// Column of the prediction, 0 at the left [default: middle]
    #[arg(long, value_name = "C")]
    column: Option<usize>,
    /// Channel of the prediction: r, g or b, or its number from 0 [default: last, which may read the most]
    #[arg(long, value_name = "CHANNEL", value_parser = channel)]
    channel: Option<usize>,
    /// Images to change, evenly spaced in this file: .npy, IDX, PNG or a folder of PNGs [default: samples of the model]
    #[arg(long, value_name = "FILE")]
    images: Option<PathBuf>,
    /// Levels of the image values, if ambiguous: the number of levels of the model, or 256
    #[arg(long, value_name = "L", requires = "images", value_parser = clap::value_parser!(u16).range(2..=256))]
    levels_in: Option<u16>,
    /// Number of images to average over, 1 to 4096
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u64).range(1..=MAX))]
    count: u64,
    /// Seed of the first sample
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Class of the images, for a model with classes
    #[arg(long, value_name = "K")]
    label: Option<usize>,
    /// Draw the mask of the layer NAME. Without a name, or before the path of a model, list the layers with masks
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "",
          conflicts_with_all = ["row", "column", "channel", "images", "label"])]
    masks: Option<String>,
    /// Output PNG file; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "context.png")]
    output: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn channel(text: &str) -> Result<usize, String> {
    let names = [["r", "0"], ["g", "1"], ["b", "2"]];
    let found = names.iter().position(|names| names.contains(&text.to_ascii_lowercase().as_str()));
    found.ok_or_else(|| "expected r, g, b, 0, 1 or 2".to_string())
}

/// Result for one model.
struct Measured {
    panel: Panel,
    /// Number of pixels in the receptive field of the masks. `None` for a blob.
    allowed: Option<usize>,
    run_by: &'static str,
    images: usize,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        output::check_ending("--output", Some(&self.output), &["png"])?;
        if let Some(name) = &self.masks {
            return self.draw_masks(name);
        }
        let paths: Vec<Option<&Path>> = if self.models.is_empty() {
            vec![None]
        } else {
            self.models.iter().map(|path| Some(path.as_path())).collect()
        };
        let mut results = Vec::new();
        for path in paths {
            results.push(self.measure(path)?);
        }
        let panels: Vec<Panel> = results.iter().map(|result| result.panel.clone()).collect();
        context::picture(&panels)?.write_png(&self.output)?;
        if self.output.as_path() == Path::new("-") {
            return Ok(());
        }
        let mut out = std::io::stdout();
        if self.json {
            writeln!(out, "{}", Value::from(results.iter().map(Measured::to_json).collect::<Vec<_>>()))?;
        } else {
            for result in &results {
                writeln!(out, "{}", result.to_text())?;
            }
            writeln!(out, "{}", files::display_name(&self.output))?;
        }
        Ok(())
    }

    fn measure(&self, path: Option<&Path>) -> Result<Measured, Failure> {
        let any = model::read_or(path, BuiltIn::for_labels(self.label.is_some()))?;
        let reference;
        let (scorer, classes, run_by) = match &any {
            AnyModel::Blob(blob) => {
                let model = blob.model()?;
                (Scorer::Engine(model), model.classes(), "integer engine")
            }
            AnyModel::Trained(trained) => {
                reference = Reference::new(trained);
                (Scorer::Reference(&reference), trained.description().classes, "float reference")
            }
        };
        let image = scorer.image();
        let target = self.target(&image)?;
        if self.label.map_or(classes > 0, |label| label >= classes) {
            let what = self.label.map_or(Error::NoLabel { classes }, |got| Error::Label { got, classes });
            return Err(Failure::Usage(format!("--label: {what}")));
        }
        let count = self.count as usize;
        let set = match &self.images {
            Some(images) => {
                let (set, _) = input::read_images(images, None, None, &image, 0, self.levels_in)?;
                set.picked(&set.spread(count))
            }
            None => self.own_images(&any, count)?,
        };
        let bar = progress::bar("changing values of", set.count * earlier(&image, target).len());
        let dependence = Dependence::measure(scorer, &set, target, self.label, || bar.inc(1))?;
        bar.finish_and_clear();
        let allowed = match &any {
            // Through its smaller image, a model of several scales reads pixels in all directions.
            AnyModel::Blob(_) => None,
            AnyModel::Trained(trained) if trained.small().is_some() => None,
            AnyModel::Trained(trained) => Some(pixels_of(&image, &context::reach(trained.nodes(), &image, target))),
        };
        let panel = Panel { title: path.map_or_else(|| "built-in digits".to_string(), title), dependence };
        Ok(Measured { panel, allowed, run_by, images: set.count })
    }

    fn target(&self, image: &Image) -> Result<Position, Failure> {
        let position = |name: &str, given: Option<usize>, default: usize, count: usize| match given {
            Some(got) if got >= count => Err(Failure::Usage(format!("--{name}: {got}, expected 0 to {}", count - 1))),
            given => Ok(given.unwrap_or(default)),
        };
        Ok(Position {
            row: position("row", self.row, image.height / 2, image.height)?,
            column: position("column", self.column, image.width / 2, image.width)?,
            channel: position("channel", self.channel, image.channels - 1, image.channels)?,
        })
    }

    /// Samples of the model. A trained model samples through a float blob, since the engine needs only one pass per image.
    fn own_images(&self, any: &AnyModel, count: usize) -> Result<ImageSet, Failure> {
        let made;
        let blob = match any {
            AnyModel::Blob(blob) => blob,
            AnyModel::Trained(trained) => {
                made = float_blob(trained)?;
                &made
            }
        };
        Ok(sample(blob.model()?, count, self.seed, Temperature::ONE, self.label, || ())?)
    }

    /// Model and layer of `--masks`; an empty layer means all. Handles `--masks MODEL` and `--masks MODEL LAYER`, where
    /// the option takes the model for its value.
    fn model_and_layer<'a>(&'a self, name: &'a str) -> Result<(Option<&'a Path>, &'a str), Failure> {
        match self.models.as_slice() {
            [] if is_model(Path::new(name)) && !layers(None)?.0.iter().any(|layer| layer.name == name) => {
                Ok((Some(Path::new(name)), ""))
            }
            [] => Ok((None, name)),
            [path] if is_model(path) && !has_models_ending(Path::new(name)) => Ok((Some(path), name)),
            [layer] if is_model(Path::new(name)) && !is_model(layer) => {
                Ok((Some(Path::new(name)), layer.to_str().unwrap_or_default()))
            }
            [path] if !is_model(Path::new(name)) => Ok((Some(path), name)),
            _ => Err(Failure::Usage("--masks: expected one model".to_string())),
        }
    }

    fn draw_masks(&self, name: &str) -> Result<(), Failure> {
        let (path, name) = self.model_and_layer(name)?;
        let (layers, groups) = layers(path)?;
        let mut out = std::io::stdout();
        if name.is_empty() {
            let width = layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0);
            for layer in &layers {
                writeln!(out, "{:width$}  {:<15}  {}", layer.name, layer.kind, layer.summary())?;
            }
            return Ok(());
        }
        let Some(layer) = layers.iter().find(|layer| layer.name == name) else {
            let file = path.map_or_else(|| "the built-in model".to_string(), files::display_name);
            let names: Vec<&str> = layers.iter().map(|layer: &Layer| layer.name.as_str()).collect();
            return Err(Failure::Usage(format!(
                "--masks: {file} has no layer `{name}`, expected one of {}",
                names.join(", ")
            )));
        };
        layer.picture(groups)?.write_png(&self.output)?;
        if self.output.as_path() != Path::new("-") {
            writeln!(out, "{}: {}: {}", layer.name, layer.summary(), files::display_name(&self.output))?;
        }
        Ok(())
    }
}

/// True if the path looks like a model's, not a layer's name.
fn is_model(path: &Path) -> bool {
    has_models_ending(path) || path.is_file() || path == Path::new(files::STANDARD)
}

fn has_models_ending(path: &Path) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| matches!(ending, "prnn" | "safetensors"))
}

/// Masked layers of a model, and its number of colour groups.
fn layers(path: Option<&Path>) -> Result<(Vec<Layer>, usize), Failure> {
    Ok(match &model::read_or(path, BuiltIn::Digits)? {
        AnyModel::Blob(blob) => (masks::of_blob(&blob.model()?), blob.model()?.groups()),
        AnyModel::Trained(trained) => {
            let groups = trained.nodes().last().map_or(1, |last| last.features.groups);
            (masks::of_nodes(trained.nodes()), groups)
        }
    })
}

/// Title of a map: the file name, or the folder's for a file named `model`.
fn title(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name);
    match (path.file_stem(), folder) {
        (Some(stem), _) if stem == files::STANDARD => files::display_name(path),
        (Some(stem), Some(folder)) if stem == "model" => folder.to_string_lossy().into_owned(),
        (Some(stem), _) => stem.to_string_lossy().into_owned(),
        (None, _) => files::display_name(path),
    }
}

impl Measured {
    fn to_text(&self) -> String {
        let Panel { title, dependence } = &self.panel;
        let Position { row, column, channel } = dependence.target();
        let colour =
            if dependence.image().channels > 1 { format!(" {}", ["R", "G", "B"][channel]) } else { String::new() };
        let allowed = self.allowed.map_or(String::new(), |allowed| format!(" (its masks allow {allowed})"));
        let far = dependence.farthest().map_or(String::new(), |(i, j)| {
            let (above, aside) = (row - i, j.abs_diff(column));
            let side = match j.cmp(&column) {
                std::cmp::Ordering::Less => format!("{aside} to the left"),
                std::cmp::Ordering::Equal => "straight".to_string(),
                std::cmp::Ordering::Greater => format!("{aside} to the right"),
            };
            format!("; the farthest lies {above} rows above, {side}")
        });
        format!(
            "{title}: row {row}, column {column}{colour} depends on {} of {} pixels{allowed}, nine tenths of it on {}{far} \
             ({} images, {})",
            dependence.pixels(),
            dependence.ideal(),
            dependence.most(),
            self.images,
            self.run_by
        )
    }

    fn to_json(&self) -> Value {
        let Panel { title, dependence } = &self.panel;
        let Position { row, column, channel } = dependence.target();
        json!({"model": title, "row": row, "column": column, "channel": channel, "pixels": dependence.pixels(),
               "ideal_pixels": dependence.ideal(), "masks_allow_pixels": self.allowed,
               "nine_tenths_pixels": dependence.most(), "farthest": dependence.farthest().map(|(i, j)| [i, j]),
               "images": self.images, "run_by": self.run_by})
    }
}
