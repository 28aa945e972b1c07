//! The graph's inputs: the image, and a label.

use super::Options;
use super::error::OnnxError;
use super::maps::{Atom, Held, Kind, axis_of};
use super::proto;
use super::walk::{Known, Walk};
use std::collections::HashMap;

/// The image among the graph's inputs.
#[derive(Debug)]
pub(super) struct Found<'g> {
    pub(super) name: &'g str,
    /// Rows and columns.
    pub(super) size: [usize; 2],
    pub(super) channels: usize,
    pub(super) batch: usize,
    axes: Vec<Vec<Atom>>,
    /// True if it holds integers: levels.
    pub(super) integers: bool,
    /// A label, and the number of classes if it is given by one number for each.
    label: Option<(&'g str, Option<usize>)>,
}

/// Dimensions of an input; `None` for one that is not fixed.
fn dims(value: &proto::Value) -> Option<Vec<Option<usize>>> {
    let shape = value.kind.as_ref()?.tensor.as_ref()?.shape.as_ref()?;
    let fixed = |dim: &proto::Dimension| dim.value.and_then(|side| usize::try_from(side).ok()).filter(|side| *side > 0);
    Some(shape.dims.iter().map(fixed).collect())
}

/// Finds the image among the inputs that are read.
pub(super) fn find<'g>(
    graph: &'g proto::Graph,
    read: &HashMap<&str, usize>,
    options: &Options,
) -> Result<Found<'g>, OnnxError> {
    let stored = |name: &str| graph.initializers.iter().any(|tensor| tensor.name == name);
    let inputs = || graph.inputs.iter().filter(|input| read.contains_key(input.name.as_str()) && !stored(&input.name));
    let rank = |input: &proto::Value| dims(input).map_or(0, |dims| dims.len());
    let Some(image) = inputs().find(|input| rank(input) >= 3) else {
        let shown: Vec<String> = inputs().map(|input| format!("`{}`", input.name)).collect();
        return Err(OnnxError::Graph(format!(
            "no input is an image, expected one of [N, C, H, W]; the inputs that the output depends on: {}",
            if shown.is_empty() { "none".into() } else { shown.join(", ") }
        )));
    };
    let refused = |input: &proto::Value, what: String| OnnxError::End { end: "input", name: input.name.clone(), what };
    let mut label = None;
    for other in inputs().filter(|input| input.name != image.name) {
        let sides = dims(other).unwrap_or_default();
        label = match (label, sides.as_slice()) {
            (None, [] | [_] | [_, Some(1)]) => Some((other.name.as_str(), None)),
            (None, [_, Some(classes)]) if *classes <= super::label::MAX_CLASSES => {
                Some((other.name.as_str(), Some(*classes)))
            }
            _ => {
                let what = "a network reads one image, and at most one label: an integer [N], or one number for each class [N, K]";
                return Err(refused(other, what.into()));
            }
        };
    }
    let sides = dims(image).unwrap_or_default();
    let element = image.kind.as_ref().and_then(|kind| kind.tensor.as_ref()).map_or(0, |tensor| tensor.element);
    let integers = matches!(element, 2..=7 | 12 | 13);
    let order = order(&sides)
        .ok_or_else(|| refused(image, format!("shape {}, expected [N, C, H, W] of 1 or 3 channels", shown(&sides))))?;
    let side = |n: usize, given: Option<usize>, what: &str| {
        let fixed = order[n].and_then(|axis| sides[axis]);
        match (fixed, given) {
            (Some(fixed), Some(given)) if fixed != given => Err(refused(
                image,
                format!("its {what} is {fixed} in the graph, and {given} is asked for: export with that size"),
            )),
            (Some(side), _) | (None, Some(side)) if (1..=super::MAX_SIDE).contains(&side) => Ok(side),
            (Some(side), _) | (None, Some(side)) => {
                Err(refused(image, format!("its {what} is {side}, expected 1 to {}", super::MAX_SIDE)))
            }
            (None, None) => Err(refused(
                image,
                format!("its {what} is not fixed in the graph: give the image's size (`--image HEIGHTxWIDTH`)"),
            )),
        }
    };
    let height = side(2, options.image.map(|size| size[0]), "height")?;
    let width = side(3, options.image.map(|size| size[1]), "width")?;
    let channels = order[1].map_or(1, |axis| sides[axis].unwrap_or(1));
    let batch = order[0].map_or(1, |axis| sides[axis].unwrap_or(1));
    let axes = (0..sides.len()).map(|axis| {
        axis_of(match order.iter().position(|at| *at == Some(axis)) {
            Some(0) => Atom::Batch(batch),
            Some(1) => Atom::Feature { size: channels, stride: 1 },
            Some(2) => Atom::Row(height),
            _ => Atom::Column(width),
        })
    });
    let axes = axes.collect();
    Ok(Found { name: &image.name, size: [height, width], channels, batch, axes, integers, label })
}

/// Axes of batch, channels, rows and columns.
fn order(sides: &[Option<usize>]) -> Option<[Option<usize>; 4]> {
    let colours = |n: usize| matches!(sides[n], Some(1 | 3));
    match sides.len() {
        4 if colours(1) => Some([Some(0), Some(1), Some(2), Some(3)]),
        4 if colours(3) => Some([Some(0), Some(3), Some(1), Some(2)]),
        3 if sides[0] == Some(3) => Some([None, Some(0), Some(1), Some(2)]),
        3 if sides[2] == Some(3) => Some([None, Some(2), Some(0), Some(1)]),
        3 => Some([Some(0), None, Some(1), Some(2)]),
        _ => None,
    }
}

fn shown(sides: &[Option<usize>]) -> String {
    let all: Vec<String> = sides.iter().map(|side| side.map_or("?".into(), |side| side.to_string())).collect();
    format!("[{}]", all.join(", "))
}

impl<'g> Found<'g> {
    /// Makes the inputs known to the walk.
    pub(super) fn enter(&self, walk: &mut Walk<'g>) {
        let size = self.size;
        let support = size.map(|side| 0..side);
        let id = walk.push(None, Kind::Image { scale: 1.0, shift: 0.0 }, self.channels, (size, support));
        walk.set(self.name, Known::Map(Held { id, axes: self.axes.clone() }));
        if let Some((name, classes)) = self.label {
            let known = classes.map_or(Known::Label, |classes| Known::Table(super::label::identity(classes)));
            walk.classes = classes.unwrap_or(0);
            walk.set(name, known);
        }
    }
}
