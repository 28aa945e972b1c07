//! Drafts of lists of ops, from convolutions in the order of the file.

use super::{Candidate, Suggestion, output_of, usual_guesses, usual_size};
use crate::description::{Description, NetworkSpec, OpKind, OpSpec};
use crate::import::parts::Source;
use crate::import::stored::Contents;
use pixelrnn::network::{ColourGroups, Image, InputMap, Mask, Output};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Maximum number of convolutions in a draft, and of weights of one that are looked at for zeros.
const LAYERS: usize = 400;
const WEIGHTS: usize = 1 << 22;

/// An op with tensors.
enum Layer<'a> {
    Conv { name: &'a str, shape: [usize; 4], source: Source },
    Norm { name: &'a str },
}

impl Layer<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Conv { name, .. } | Self::Norm { name } => name,
        }
    }
}

/// Drafts a list of ops if the file has convolutions.
pub(super) fn draft(contents: &Contents, candidates: &[Candidate]) -> Option<Suggestion> {
    let layers = layers(candidates);
    let convs: Vec<(&str, [usize; 4], Source)> = layers
        .iter()
        .filter_map(|layer| match layer {
            Layer::Conv { name, shape, source } => Some((*name, *shape, *source)),
            Layer::Norm { .. } => None,
        })
        .collect();
    let (&(_, [_, channels, ..], _), &(_, [logits, ..], _)) = (convs.first()?, convs.last()?);
    if convs.len() > LAYERS || (channels != 1 && channels != 3) {
        return None;
    }
    let fitting = output_of(logits, channels);
    let (output, levels) = fitting.unwrap_or((Output::Softmax, 256));
    let mut guesses = Vec::new();
    let masks: Vec<Found> =
        convs.iter().enumerate().map(|(n, conv)| open_taps(contents, candidates, n, conv)).collect();
    let gap = convs.windows(2).find(|pair| pair[0].1[0] != pair[1].1[1]);
    let (ops, residuals) = ops(&layers, &masks, gap.is_none());
    let [height, width] = usual_size(channels);
    let description = Description {
        image: Image { height, width, channels, levels },
        output,
        input: InputMap::unit(levels),
        classes: 0,
        colour_groups: ColourGroups::default(),
        network: NetworkSpec::Ops(ops),
        conditioning: None,
    };
    guesses.extend(usual_guesses(&description));
    if let Some(pair) = gap {
        guesses.push(format!(
            "this list is a draft: `{}` has {} inputs, `{}` before it {} outputs; write with \"in\" and \"as\" which values the \
             ops read, and add what has no tensors, such as gate, concat and slice",
            pair[1].0, pair[1].1[1], pair[0].0, pair[0].1[0]
        ));
    }
    if fitting.is_none() {
        guesses.push(format!(
            "the levels and the output: `{}` has {logits} outputs",
            convs.last().map_or("", |conv| conv.0)
        ));
    }
    if masks.iter().any(|found| found.guessed) {
        guesses.push("the masks: A in the first layer, B in all others".to_string());
    }
    if convs.iter().any(|(_, [.., rows, columns], _)| rows * columns > 1) {
        guesses.push("the dilation of all kernels, 1".to_string());
    }
    guesses.push("the activations, which have no tensors: a relu between convolutions".to_string());
    if residuals > 0 {
        guesses.push(format!("{residuals} residual blocks: each adds its input"));
    } else if convs.len() > 2 {
        guesses
            .push("no residuals: a block that adds its input wants {\"op\": \"residual\", \"ops\": […]}".to_string());
    }
    let read: BTreeSet<&str> = layers.iter().map(Layer::name).collect();
    let others: Vec<String> = candidates
        .iter()
        .filter(|c| !c.name.ends_with("num_batches_tracked") && !c.name.ends_with("mask"))
        .filter(|c| c.name.rsplit_once('.').is_none_or(|(op, _)| !read.contains(op)))
        .filter(|c| matches!(c.source, Source::Plain(_)) && !is_part(&c.name))
        .map(|c| format!("`{}` {:?}", c.name, c.shape))
        .collect();
    if !others.is_empty() {
        let more = others.len().saturating_sub(4);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown = others.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        guesses.push(format!("no op of the list reads {shown}{more}"));
    }
    let fits = gap.is_none() && others.is_empty() && description.nodes().is_ok();
    Some(Suggestion { json: by_line(&description), key: None, fits, guesses })
}

fn is_part(name: &str) -> bool {
    ["_g", "_v", "_orig", "original0", "original1"].iter().any(|ending| name.ends_with(ending))
}

/// Convolutions and batch normalizations, in order.
fn layers(candidates: &[Candidate]) -> Vec<Layer<'_>> {
    let layer = |candidate: &'_ Candidate| {
        let (name, shape) = (&candidate.name, &candidate.shape);
        None.or_else(|| {
            let shape: [usize; 4] = shape.as_slice().try_into().ok()?;
            let name = name.strip_suffix(".weight")?;
            shape.iter().all(|side| *side > 0).then_some((name.len(), Some((shape, candidate.source))))
        })
        .or_else(|| Some((name.strip_suffix(".running_mean")?.len(), None)))
    };
    candidates
        .iter()
        .filter_map(|candidate| {
            let (length, conv) = layer(candidate)?;
            let name = &candidate.name[..length];
            Some(match conv {
                Some((shape, source)) => Layer::Conv { name, shape, source },
                None => Layer::Norm { name },
            })
        })
        .collect()
}

/// The open taps of a kernel, and true if nothing in the file shows them.
#[derive(Clone, Copy, Debug)]
struct Found {
    taps: Taps,
    guessed: bool,
}

/// Open taps of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taps {
    /// Those of a mask.
    Masked(Mask),
    /// These rows from the top, whole.
    Rows(usize),
}

/// The open taps of a convolution: by its stored mask or by its zeros, else mask A for the first and B for others.
fn open_taps(contents: &Contents, candidates: &[Candidate], n: usize, conv: &(&str, [usize; 4], Source)) -> Found {
    let (name, [.., rows, columns], source) = *conv;
    let usual = Taps::Masked(if n == 0 { Mask::A } else { Mask::B });
    let guess = Found { taps: usual, guessed: rows * columns > 1 || n == 0 };
    let stored = candidates.iter().find(|c| {
        c.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| rest.contains("mask"))
            && c.shape.len() >= 2
            && c.shape[c.shape.len() - 2..] == [rows, columns]
    });
    let source = stored.map_or(source, |stored| stored.source);
    let index = source.shaped();
    let (name, tensor) = &contents.tensors[index];
    if rows * columns == 1 || matches!(source, Source::WeightNorm { .. }) || tensor.count() > WEIGHTS {
        return guess;
    }
    let Ok(bytes) = tensor.bytes(name) else { return guess };
    let size = (tensor.dtype.bitsize() / 8).max(1);
    // True for each tap that is open somewhere.
    let mut open = vec![false; rows * columns];
    for (at, number) in bytes.chunks_exact(size).enumerate() {
        open[at % (rows * columns)] |= number.iter().any(|byte| *byte != 0);
    }
    let (row, own) = (rows / 2, columns / 2);
    let (past, below) = open.split_at((row + 1) * columns);
    let (above, beside) = past.split_at(row * columns);
    let taps = match (below.contains(&true), beside[own], beside[own + 1..].contains(&true)) {
        (true, ..) | (false, false, true) => return guess,
        // Nothing is closed: the masks, if there are any, are not in the file.
        (false, true, true) if below.is_empty() => return guess,
        (false, true, true) => Taps::Rows(row + 1),
        (false, false, false) if !beside.contains(&true) && above.contains(&true) => Taps::Rows(row),
        (false, false, false) => Taps::Masked(Mask::A),
        (false, true, false) if below.is_empty() && own + 1 == columns => return guess,
        (false, true, false) => Taps::Masked(Mask::B),
    };
    Found { taps, guessed: false }
}

/// The convolution `name` with the taps `found` of a kernel of this size.
fn conv_of(name: &str, out: usize, [rows, columns]: [usize; 2], found: Found) -> OpKind {
    let name = name.to_string();
    match found.taps {
        Taps::Masked(mask) => OpKind::MaskedConv { name, mask, kernel: [rows, columns], out, dilation: 1, parts: 1 },
        Taps::Rows(count) => {
            let anchor = Some([rows / 2, columns / 2]);
            OpKind::Conv { name, kernel: [count, columns], out, anchor, dilation: 1, mask: None, parts: 1 }
        }
    }
}

/// The ops of a list, and the number of its residual blocks. Layers below one numbered module, with as many outputs as inputs, are
/// taken for a block if `blocks`.
fn ops(layers: &[Layer], masks: &[Found], blocks: bool) -> (Vec<OpSpec>, usize) {
    let mut ops: Vec<OpSpec> = Vec::new();
    let (mut at, mut conv, mut residuals) = (0, 0, 0);
    while at < layers.len() {
        let count = if blocks { block(&layers[at..]) } else { 0 };
        let run = &layers[at..at + count.max(1)];
        let mut own = Vec::new();
        for layer in run {
            match layer {
                Layer::Norm { name } => own.push(OpKind::BatchNorm { name: (*name).to_string(), eps: 1e-5 }.into()),
                Layer::Conv { name, shape: [out, _, rows, columns], .. } => {
                    if conv > 0 {
                        own.push(OpKind::Relu {}.into());
                    }
                    own.push(conv_of(name, *out, [*rows, *columns], masks[conv]).into());
                    conv += 1;
                }
            }
        }
        if count > 0 {
            residuals += 1;
            ops.push(OpKind::Residual { ops: own, scale: 1.0 }.into());
        } else {
            ops.extend(own);
        }
        at += run.len();
    }
    (ops, residuals)
}

/// Number of layers of the block that `layers` begin with; 0 without one.
fn block(layers: &[Layer]) -> usize {
    let Some(parent) = layers.first().and_then(|layer| numbered(layer.name())) else { return 0 };
    let count =
        layers.iter().take_while(|layer| layer.name().strip_prefix(parent).is_some_and(|r| r.starts_with('.'))).count();
    let convs: Vec<_> = layers[..count]
        .iter()
        .filter_map(|l| if let Layer::Conv { shape, .. } = l { Some(shape) } else { None })
        .collect();
    match convs[..] {
        [first, .., last] if first[1] == last[0] => count,
        _ => 0,
    }
}

/// The part of a name up to a number that is not its end: `blocks.3` of `blocks.3.conv.1`.
fn numbered(name: &str) -> Option<&str> {
    let parts: Vec<&str> = name.split('.').collect();
    let place = parts[..parts.len() - 1].iter().position(|part| part.parse::<u32>().is_ok())?;
    Some(&name[..parts[..=place].iter().map(|part| part.len() + 1).sum::<usize>() - 1])
}

/// JSON of a list of ops with a line for each.
fn by_line(description: &Description) -> String {
    let NetworkSpec::Ops(ops) = &description.network else { return description.to_json() };
    let mut whole: Value = serde_json::from_str(&description.to_json()).unwrap_or_else(|_| json!({}));
    if let Some(fields) = whole.as_object_mut() {
        fields.remove("ops");
        // The defaults.
        for (key, default) in [("classes", json!(0)), ("colour_groups", json!("cyclic"))] {
            if fields.get(key) == Some(&default) {
                fields.remove(key);
            }
        }
    }
    let head = whole.to_string();
    let head = head.strip_suffix('}').unwrap_or(&head);
    let line = |op: &OpSpec| format!("  {}", serde_json::to_string(op).unwrap_or_default());
    let lines: Vec<String> = ops.iter().map(line).collect();
    format!("{head},\n \"ops\": [\n{}\n ]}}", lines.join(",\n"))
}
