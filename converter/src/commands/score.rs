//! `pixelrnn score`.

use super::describe::Describe;
use super::input::{Input, report_notice};
use super::model::{self, AnyModel, BuiltIn};
use super::{Failure, output, progress};
use pixelrnn_converter::images::{ImageSet, Range, npy};
use pixelrnn_converter::roc::Comparison;
use pixelrnn_converter::run::{Score, Scorer};
use pixelrnn_converter::{Error, Reference, files};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images: .npy, .npz, IDX (plain or .gz), PNG or a folder of PNGs; `-` is standard input
    images: PathBuf,
    /// Blob (.prnn), run by the integer engine, or trained model (.safetensors), run by the float reference
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    #[command(flatten)]
    describe: Describe,
    /// Labels of the images, for a model with classes: .npy or IDX; for a folder also lines `name,label`
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Levels of the image values, if ambiguous: the number of levels of the model, or 256
    #[arg(long, value_name = "L", value_parser = clap::value_parser!(u16).range(2..=256))]
    levels_in: Option<u16>,
    /// Score only the first N images
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Write the nats of each image: .npy of float64 [N]
    #[arg(long, value_name = "FILE")]
    nats: Option<PathBuf>,
    /// Write all logits: .npy of float32 [N, C, L or 1, H, W]. Softmax logits of a blob are determined up to a constant
    /// per value
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
    /// Scale whose logits are written, in a model of several: from 0 for the smallest image; the largest by default
    #[arg(long, value_name = "N", requires = "logits")]
    scale: Option<usize>,
    /// Other images to distinguish from the first ones by their nats. Prints the area under the ROC curve: the
    /// probability that one of these costs more than one of the first. 1 is perfect separation, 0.5 is chance
    #[arg(long, value_name = "IMAGES")]
    against: Option<PathBuf>,
    /// Labels of the other images, for a model with classes
    #[arg(long, value_name = "FILE", requires = "against")]
    against_labels: Option<PathBuf>,
    /// Levels of the other images' values; see --levels-in
    #[arg(long, value_name = "L", requires = "against", value_parser = clap::value_parser!(u16).range(2..=256))]
    against_levels_in: Option<u16>,
    /// Draw both histograms of nats and the ROC curve, a PNG file
    #[arg(long, value_name = "FILE", requires = "against")]
    plot: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        output::check_ending("--nats", self.nats.as_deref(), &["npy"])?;
        output::check_ending("--logits", self.logits.as_deref(), &["npy"])?;
        output::check_ending("--plot", self.plot.as_deref(), &["png"])?;
        let any = model::read_described_or(
            self.model.as_deref(),
            &self.describe,
            BuiltIn::for_labels(self.labels.is_some()),
        )?;
        let reference;
        let (scorer, classes, kind) = match &any {
            AnyModel::Blob(blob) => {
                let model = blob.model()?;
                (Scorer::Engine(model), model.classes(), super::engine_name(model.weights()))
            }
            AnyModel::Trained(trained) => {
                reference = Reference::new(trained);
                (Scorer::Reference(&reference), trained.description().classes, "float reference")
            }
        };
        let image = scorer.image();
        let resize = |size| scorer.check_size(size);
        let read_sets = |path: &Path, labels, levels_in| {
            let input = Input { labels, count: self.count, levels_in, resize: Some(&resize) };
            let read = input.read_sets(path, &image, classes)?;
            report_notice(read.notice.as_ref(), path);
            Ok::<_, Failure>((read.sets, read.labels))
        };
        let (sets, labels) = read_sets(&self.images, self.labels.as_deref(), self.levels_in)?;
        if self.logits.is_some() && sets.len() > 1 {
            let name = files::display_name(&self.images);
            return Err(Failure::Usage(format!("--logits: {name} has images of several sizes")));
        }
        if self.against.is_some() {
            model::require_labels("--against-labels", self.against_labels.is_some(), classes)?;
        }
        // Read all inputs first: a bad file must fail before the work starts.
        let read_other = |path| read_sets(path, self.against_labels.as_deref(), self.against_levels_in);
        let other = self.against.as_deref().map(read_other).transpose()?;
        let coarse = self.scale.map(|scale| of_scale(&scorer, &sets, scale)).transpose()?.flatten();
        let number = |sets: &[ImageSet]| sets.iter().map(|set| set.count).sum::<usize>();
        let count = number(&sets);
        let bar = progress::bar("scoring", count + other.as_ref().map_or(0, |(sets, _)| number(sets)));
        let whole = self.logits.is_some() && coarse.is_none();
        let scores = scorer.score_sets(&sets, labels.as_deref(), whole, || bar.inc(1))?;
        let compared = other.map(|(other, labels)| {
            let others = nats(&scorer.score_sets(&other, labels.as_deref(), false, || bar.inc(1))?);
            Ok::<_, Error>((mean(&others), others.len(), values(&other), Comparison::new(&nats(&scores), &others)?))
        });
        let compared = compared.transpose()?;
        bar.finish_and_clear();

        if let AnyModel::Trained(trained) = &any {
            model::report_closed_weights(trained, self.model.as_deref());
        }
        let at_floor: usize = scores.iter().map(|score| score.at_floor).sum();
        let nats = nats(&scores);
        if let Some(path) = &self.nats {
            npy::write(path, &[nats.len()], &nats)?;
        }
        if let Some(path) = &self.logits {
            let of_coarse = coarse.map(|(reference, set)| {
                let scores = Scorer::Reference(&reference).score_all(&set, labels.as_deref(), true, || ())?;
                Ok::<_, Error>((scores, [set.height, set.width]))
            });
            let own = sets.first().map_or([0; 2], |set| [set.height, set.width]);
            let (scores, [height, width]) = of_coarse.transpose()?.unwrap_or((scores.clone(), own));
            let logits: Vec<f32> = scores.iter().flat_map(|s| s.logits.iter().copied()).collect();
            npy::write(path, &[count, image.channels, scorer.logits_per_channel(), height, width], &logits)?;
        }
        if let (Some(plot), Some(path), Some((_, _, _, compared))) = (&self.plot, &self.against, &compared) {
            // File names only: the legend has no room for folders.
            let names = [&self.images, path].map(|path| {
                path.file_name().map_or_else(|| files::display_name(path), |name| files::display_name(Path::new(name)))
            });
            let picture =
                compared.picture([&names[0], &names[1]]).map_err(|e| e.in_file(plot.display().to_string()))?;
            picture.write_png(plot)?;
        }
        let scales = (0..scores.first().map_or(0, |score| score.by_scale.len()))
            .map(|scale| mean(&scores.iter().map(|score| score.by_scale[scale]).collect::<Vec<_>>()))
            .collect();
        let compared =
            compared.map(|(mean, count, values, compared)| (Mean { count, values, nats: mean }, compared.area()));
        let own = Mean { count, values: values(&sets), nats: mean(&nats) };
        let summary = Summary { own, kind, scales, at_floor, compared };
        let text = if self.json { summary.to_json() } else { summary.to_text() };
        writeln!(std::io::stdout(), "{text}")?;
        Ok(())
    }
}

/// Mean likelihood of images.
struct Mean {
    count: usize,
    /// Values of all images.
    values: usize,
    /// Nats an image.
    nats: f64,
}

impl Mean {
    fn bits_per_dim(&self) -> f64 {
        self.nats * self.count as f64 / (self.values as f64 * std::f64::consts::LN_2)
    }
}

/// The result.
struct Summary {
    own: Mean,
    /// Executor.
    kind: &'static str,
    /// Nats of each scale, from the smallest image; empty in a model of one.
    scales: Vec<f64>,
    at_floor: usize,
    /// Other images, and the area under the ROC curve.
    compared: Option<(Mean, f64)>,
}

impl Summary {
    fn to_json(&self) -> String {
        let Self { own, kind, scales, at_floor, compared } = self;
        let mut all = json!({"images": own.count, "nats": own.nats, "bits_per_dim": own.bits_per_dim(), "run_by": kind,
                             "values_at_floor": at_floor});
        if !scales.is_empty() {
            all["nats_by_scale"] = scales.clone().into();
        }
        if let Some((other, area)) = compared {
            all["against"] = json!({"images": other.count, "nats": other.nats, "bits_per_dim": other.bits_per_dim()});
            all["auc"] = (*area).into();
        }
        all.to_string()
    }

    fn to_text(&self) -> String {
        let Self { own, kind, scales, at_floor, compared } = self;
        let (Mean { count, values, nats }, bits) = (own, own.bits_per_dim());
        let mut lines = vec![format!("{count} images, {nats:.4} nats an image, {bits:.5} bits/dim ({kind})")];
        if !scales.is_empty() {
            let scales: Vec<_> = scales.iter().map(|nats| format!("{nats:.4}")).collect();
            lines.push(format!("nats by scale, from the smallest image: {}", scales.join(", ")));
        }
        if *at_floor > 0 {
            let least = if *kind == "float reference" { "less than or " } else { "" };
            lines.push(format!(
                "{at_floor} of {values} values have {least}the least probability of a blob, 2^-24 (16.6355 nats)"
            ));
        }
        if let Some((other, area)) = compared {
            let bits = other.bits_per_dim();
            lines.push(format!("{} other images, {:.4} nats an image, {bits:.5} bits/dim", other.count, other.nats));
            lines.push(format!("area under the ROC curve: {area:.5}"));
        }
        lines.join("\n")
    }
}

/// A smaller scale of a trained model, and its images; `None` for the largest.
fn of_scale(scorer: &Scorer<'_>, sets: &[ImageSet], scale: usize) -> Result<Option<(Reference, ImageSet)>, Failure> {
    let count = match scorer {
        Scorer::Reference(reference) => reference.scales().len(),
        Scorer::Engine(_) => 1,
    };
    let Some(above) = count.checked_sub(scale + 1) else {
        return Err(Failure::Usage(format!("--scale: {scale}, expected 0 to {}", count - 1)));
    };
    let (Scorer::Reference(reference), Some(set), 1..) = (scorer, sets.first(), above) else { return Ok(None) };
    let resized = reference.with_size(set.height, set.width)?;
    let (mut reference, mut set) = (&resized, set.clone());
    for _ in 0..above {
        let Some(smaller) = reference.smaller() else { break };
        let image = smaller.image();
        let data = set.iter().filter_map(|image| reference.smaller_image(image)).flatten().collect();
        set = ImageSet::new([image.channels, image.height, image.width], data, Range::Levels)?;
        reference = smaller;
    }
    Ok(Some((reference.clone(), set)))
}

/// Values of all images.
fn values(sets: &[ImageSet]) -> usize {
    sets.iter().map(|set| set.data.len()).sum()
}

fn nats(scores: &[Score]) -> Vec<f64> {
    scores.iter().map(|score| score.nats).collect()
}

fn mean(nats: &[f64]) -> f64 {
    nats.iter().sum::<f64>() / nats.len().max(1) as f64
}
