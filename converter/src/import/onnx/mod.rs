//! Networks in ONNX files: the graph is the description.
//!
//! Nodes whose inputs are stored are evaluated; all others become the ops of a network, its masks and colours found from zeros in the
//! weights. A network whose prediction could see its own value or a later one is refused, by the name of the node that lets it in.
//!
//! ```no_run
//! use pixelrnn_converter::import::onnx;
//!
//! let trained = onnx::read("pixelcnn.onnx".as_ref())?;
//! trained.write("pixelcnn.safetensors".as_ref())?;
//! # Ok::<(), pixelrnn_converter::Error>(())
//! ```

mod arrays;
mod constant;
mod error;
mod fold;
mod input;
mod ir;
mod label;
mod layers;
mod logits;
mod maps;
mod masks;
mod moves;
mod node;
mod place;
mod pointwise;
mod proto;
mod resolve;
mod shapes;
mod tidy;
mod walk;

pub use error::OnnxError;

use crate::error::Error;
use crate::{TrainedModel, files};
use maps::Kind;
use pixelrnn::network::{ColourGroups, Image, InputMap};
use place::Placer;
use prost::Message;
use resolve::{Failure, Frame};
use std::path::Path;
use walk::Walked;

/// Longest side of an image, for a graph.
const MAX_SIDE: usize = 4096;

/// Most features of a map.
const MAX_FEATURES: usize = pixelrnn::network::MAX_FEATURES;

/// Longest side of a kernel.
const MAX_KERNEL: usize = pixelrnn::network::taps::MAX_KERNEL;

/// Largest row and column of an anchor.
const MAX_ANCHOR: usize = pixelrnn::network::MAX_ANCHOR;

/// Order of the logits of a pixel in the graph's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogitOrder {
    /// All levels of R, then of G, then of B.
    ChannelMajor,
    /// All channels of level 0, then of level 1, and so on.
    LevelMajor,
}

/// Values that the graph's input holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InputRange {
    /// Levels, 0 to L - 1.
    Levels,
    /// 0 to 1: a level divided by L - 1.
    Unit,
    /// A level times `scale` plus `shift`.
    Map(InputMap),
}

/// What a graph may leave open.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// Height and width of the image, where the graph does not fix them.
    pub image: Option<[usize; 2]>,
    /// Number of levels that the output is expected to have.
    pub levels: Option<usize>,
    /// Values of the input. By default levels for an input of integers and for one that the graph first makes smaller, else 0 to 1.
    pub input: Option<InputRange>,
    /// Order of the logits, where shape and weights do not tell.
    pub logits: Option<LogitOrder>,
}

/// A network read from a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The network with its weights.
    pub model: TrainedModel,
    /// Sentences about what was taken for granted.
    pub notes: Vec<String>,
}

/// Reads the network of the ONNX file at `path`.
///
/// # Errors
/// See [`read_with`].
pub fn read(path: &Path) -> Result<TrainedModel, Error> {
    read_with(path, &Options::default()).map(|imported| imported.model)
}

/// Reads the network of the ONNX file at `path`, with data in files beside it.
///
/// # Errors
/// When the file cannot be read; see also [`from_bytes`].
pub fn read_with(path: &Path, options: &Options) -> Result<Imported, Error> {
    let bytes = files::read(path)?;
    from_bytes(&bytes, Some(folder_of(path)), options).map_err(|e| e.in_file(files::display_name(path)))
}

/// Folder of the files with a graph's data.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads a network from the untrusted bytes of an ONNX file; `folder` holds the files with its data, if they are not in it.
///
/// # Errors
/// [`OnnxError`] when the bytes are damaged, when a node has no counterpart among the ops of a network, when the graph leaves open what
/// `options` do not give, and when the network leaks. See also [`TrainedModel::new`].
pub fn from_bytes(bytes: &[u8], folder: Option<&Path>, options: &Options) -> Result<Imported, Error> {
    let model = proto::Model::decode(bytes).map_err(|e| OnnxError::Protobuf(e.to_string()))?;
    let walked = walk::walk(&model, folder, options)?;
    let logits = logits::find(&walked, options)?;
    let base = base(&walked, logits.id);
    let [height, width] = walked.input.size;
    let image = Image { height, width, channels: walked.input.channels, levels: logits.levels };
    let mut notes = Vec::new();
    let range = range(&walked, base, logits.levels, options, &mut notes)?;
    check_embeddings(&walked, logits.id, range, logits.levels)?;
    let (scale, shift) = base.unwrap_or((1.0, 0.0));
    let input = InputMap { scale: scale * range.scale, shift: scale * range.shift + shift };
    let mut placer = Placer::new(&walked.expressions, &walked.nodes, walked.input.size, (scale, shift));
    let output = placer.place_all(logits.id)?;
    let (program, output) = tidy::tidy(placer.program, output);
    if program.steps.is_empty() {
        return Err(OnnxError::Graph("the output is the image itself".into()).into());
    }

    let frame = Frame { image, input, classes: walked.classes };
    let colours: &[ColourGroups] = if image.channels == 1 {
        &[ColourGroups::Cyclic]
    } else {
        &[ColourGroups::Cyclic, ColourGroups::Contiguous, ColourGroups::None]
    };
    let mut best: Option<Failure> = None;
    for colours in colours {
        let mut found = Vec::new();
        for (order, features) in &logits.orders {
            let mut program = program.clone();
            let groups = image.channels > 1 && *colours != ColourGroups::None;
            let last = logits::arrange(&mut program, output, features, groups);
            let (program, _) = program.live(last);
            match resolve::resolve(&program, &walked.nodes, &logits, *colours, frame) {
                Ok(model) => found.push((*order, model)),
                Err(failure) if best.as_ref().is_none_or(|best| failure.step > best.step) => best = Some(failure),
                Err(_) => {}
            }
        }
        match found.len() {
            0 => {}
            1 => {
                let model = found.remove(0).1;
                return Ok(Imported { model, notes });
            }
            _ => {
                let what = "it does not tell whether the logits are [C, L] or [L, C]: give their order (`--logit-order channel-major` or `level-major`)";
                let name = walked.output_name.to_string();
                return Err(OnnxError::End { end: "output", name, what: what.into() }.into());
            }
        }
    }
    let open = || OnnxError::Graph("the output is no network".into()).into();
    Err(best.map_or_else(open, |failure| failure.error))
}

/// Expressions that the output needs.
fn needed(walked: &Walked<'_>, output: usize) -> Vec<bool> {
    let mut needed = vec![false; walked.expressions.len()];
    needed[output] = true;
    for id in (0..=output).rev() {
        if needed[id] {
            for read in walked.expressions[id].kind.reads() {
                needed[read] = true;
            }
        }
    }
    needed
}

/// Factor and offset that the graph gives the image; the first, if it does so in several ways.
fn base(walked: &Walked<'_>, output: usize) -> Option<(f32, f32)> {
    let needed = needed(walked, output);
    walked.expressions.iter().zip(needed).find_map(|(expression, needed)| match expression.kind {
        Kind::Image { scale, shift } if needed && scale != 0.0 => Some((scale, shift)),
        _ => None,
    })
}

/// The graph's input as a function of the level.
fn range(
    walked: &Walked<'_>,
    base: Option<(f32, f32)>,
    levels: usize,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<InputMap, OnnxError> {
    let identity = InputMap { scale: 1.0, shift: 0.0 };
    let unit = InputMap::unit(levels);
    let name = walked.input.name;
    match (options.input, base) {
        (Some(InputRange::Levels), _) => return Ok(identity),
        (Some(InputRange::Unit), _) => return Ok(unit),
        (Some(InputRange::Map(map)), _) => return Ok(map),
        (None, _) if walked.input.integers => return Ok(identity),
        // A table is looked up by whole numbers.
        (None, None) => {
            let index = walked.expressions.iter().find_map(|expression| match expression.kind {
                Kind::Embed { index, .. } => Some(index.0),
                _ => None,
            });
            return Ok(if index.is_some_and(|scale| scale > 1.0) { unit } else { identity });
        }
        (None, Some(_)) => {}
    }
    let (scale, shift) = base.unwrap_or((1.0, 0.0));
    let steps = (levels - 1) as f32;
    // Both are the same then.
    if levels == 2 {
        return Ok(unit);
    }
    if (scale, shift) == (1.0, 0.0) {
        notes.push(format!("input `{name}` is taken for values from 0 to 1, a level divided by {steps}"));
        return Ok(unit);
    }
    if scale.abs() >= 0.9 {
        notes.push(format!("input `{name}` is taken for values from 0 to 1, which the graph multiplies by {scale}"));
        return Ok(unit);
    }
    if scale.abs() * steps >= 0.2 {
        notes.push(format!(
            "input `{name}` is taken for levels from 0 to {steps}, which the graph multiplies by {scale}"
        ));
        return Ok(identity);
    }
    let what = format!(
        "the graph multiplies it by {scale}, which tells neither levels from 0 to {steps} nor values from 0 to 1: say which (`--reads levels` or `unit`)"
    );
    Err(OnnxError::End { end: "input", name: name.to_string(), what })
}

/// Checks that embeddings look up each level by its own number, and have one row for each.
fn check_embeddings(walked: &Walked<'_>, output: usize, range: InputMap, levels: usize) -> Result<(), OnnxError> {
    let needed = needed(walked, output);
    for (expression, _) in walked.expressions.iter().zip(needed).filter(|(_, needed)| *needed) {
        let Kind::Embed { table, index: (scale, shift), .. } = &expression.kind else { continue };
        let refused = |what: String| match expression.node.and_then(|node| walked.nodes.get(node)) {
            Some(node) => node.refused(what),
            None => OnnxError::Graph(what),
        };
        let rows = table.len() / expression.features.max(1);
        if rows != levels {
            return Err(refused(format!("a table of {rows} rows for {levels} levels")));
        }
        let index = |level: usize| (level as f32 * range.scale + range.shift) * scale + shift;
        if (0..levels).any(|level| (index(level) - level as f32).abs() > 1e-3) {
            return Err(refused(format!(
                "it looks up level 1 by {}: say what the input holds (`--reads levels` or `unit`)",
                index(1)
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
