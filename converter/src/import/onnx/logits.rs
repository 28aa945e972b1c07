//! The graph's output: which feature is the logit of which channel and level.

use super::error::OnnxError;
use super::ir::{Op, Program, Step, Value};
use super::maps::{Atom, Function, Held, Id, Kernel, Kind};
use super::walk::Walked;
use super::{LogitOrder, Options};
use pixelrnn::network::{MAX_LEVELS, Output};

/// Logits of a network.
#[derive(Clone, Debug)]
pub(super) struct Logits {
    /// Expression that makes them.
    pub(super) id: Id,
    pub(super) output: Output,
    pub(super) levels: usize,
    /// Orders that the graph leaves open, best first: for each logit, channel-major, the feature that holds it.
    pub(super) orders: Vec<(LogitOrder, Vec<usize>)>,
}

/// Finds the logits in what the graph puts out.
pub(super) fn find(walked: &Walked<'_>, options: &Options) -> Result<Logits, OnnxError> {
    let refused = |what: String| OnnxError::End { end: "output", name: walked.output_name.to_string(), what };
    let Held { mut id, axes } = walked.output.clone();
    let channels = walked.input.channels;
    let mut normalized = None;
    match walked.expressions[id].kind {
        Kind::Softmax { x, size } => (id, normalized) = (x, Some(size)),
        Kind::Function { x, function: Function::Sigmoid } if walked.expressions[id].features == channels => id = x,
        _ => {}
    }
    let expression = &walked.expressions[id];
    let features = expression.features;
    if expression.size != walked.input.size {
        let node = expression.node.and_then(|node| walked.nodes.get(node));
        let what = format!("{}x{}", expression.size[0], expression.size[1]);
        let image = format!("{}x{}", walked.input.size[0], walked.input.size[1]);
        return Err(refused(format!(
            "it has {what} pixels and the image {image}; {} makes it: pad each convolution so that the size stays",
            node.map_or_else(|| "the input".into(), super::node::Node::label)
        )));
    }
    if !features.is_multiple_of(channels) {
        return Err(refused(format!(
            "{features} features for {channels} channels, expected a multiple: one logit for each level. A mixture of logistics has no counterpart"
        )));
    }
    let count = features / channels;
    let (output, levels) = if count == 1 { (Output::Bernoulli, 2) } else { (Output::Softmax, count) };
    if levels > MAX_LEVELS {
        return Err(refused(format!("{levels} logits for each value, expected at most {MAX_LEVELS} levels")));
    }
    if let Some(asked) = options.levels.filter(|asked| *asked != levels) {
        return Err(refused(format!("logits of {levels} levels, and {asked} are asked for")));
    }
    if normalized.is_some_and(|size| size != count) {
        return Err(refused(format!(
            "its softmax runs over {} numbers, expected the {count} logits of one value",
            normalized.unwrap_or(0)
        )));
    }
    let digits: Vec<(usize, usize)> = axes
        .iter()
        .flatten()
        .filter_map(|atom| if let Atom::Feature { size, stride } = atom { Some((*size, *stride)) } else { None })
        .collect();
    let orders = orders(&digits, channels, count, options.logits).ok_or_else(|| {
        refused(format!(
            "its shape {:?} does not tell {channels} channels and {count} levels apart",
            walked.output.shape()
        ))
    })?;
    Ok(Logits { id, output, levels, orders })
}

/// Orders that the digits of the features in the output allow.
fn orders(
    digits: &[(usize, usize)],
    channels: usize,
    count: usize,
    asked: Option<LogitOrder>,
) -> Option<Vec<(LogitOrder, Vec<usize>)>> {
    // Feature of entry `n` of the output's axes, taken together.
    let feature = |mut n: usize| {
        digits.iter().rev().fold(0, |sum, (size, stride)| {
            let digit = n % size;
            n /= size;
            sum + digit * stride
        })
    };
    let major = |c: usize, l: usize| feature(c * count + l);
    let minor = |c: usize, l: usize| feature(l * channels + c);
    let table = |f: &dyn Fn(usize, usize) -> usize| {
        (0..channels).flat_map(|c| (0..count).map(move |l| (c, l))).map(|(c, l)| f(c, l)).collect::<Vec<_>>()
    };
    if channels == 1 || count == 1 {
        return Some(vec![(LogitOrder::ChannelMajor, table(&major))]);
    }
    let both = || {
        [(LogitOrder::ChannelMajor, table(&major)), (LogitOrder::LevelMajor, table(&minor))]
            .into_iter()
            .filter(|(order, _)| asked.is_none_or(|asked| asked == *order))
            .collect()
    };
    match digits {
        [_] => Some(both()),
        [(size, _), _] | [(size, _), _, _] if *size == channels && asked != Some(LogitOrder::LevelMajor) => {
            Some(vec![(LogitOrder::ChannelMajor, table(&major))])
        }
        [.., (size, _)] if *size == channels => Some(vec![(LogitOrder::LevelMajor, table(&minor))]),
        _ => None,
    }
}

/// Brings the features of the output into the order of `order`, and ends a network of colours in a convolution.
pub(super) fn arrange(program: &mut Program, output: Value, order: &[usize], ends_in_conv: bool) -> Value {
    let same = order.iter().enumerate().all(|(n, f)| n == *f);
    let last_is_conv = matches!(program.step(output), Some(Step { op: Op::Conv { .. }, .. }));
    if same && (last_is_conv || !ends_in_conv) {
        return output;
    }
    let alone = program.readers(output)[output] == 1;
    if let Some(Step { op: Op::Conv { kernel, .. }, .. }) =
        output.checked_sub(1).filter(|_| alone).and_then(|n| program.steps.get_mut(n))
    {
        let run = kernel.weight.len() / order.len().max(1);
        kernel.weight = order.iter().flat_map(|f| kernel.weight[f * run..(f + 1) * run].to_vec()).collect();
        if let Some(bias) = &mut kernel.bias {
            *bias = order.iter().map(|f| bias[*f]).collect();
        }
        return output;
    }
    let count = order.len();
    let weight = order.iter().flat_map(|f| (0..count).map(move |n| f32::from(u8::from(n == *f)))).collect();
    let kernel = Kernel {
        shape: [count, count, 1, 1],
        weight,
        bias: None,
        dilation: [1, 1],
        before: [0, 0],
        name: "logits".into(),
    };
    let node = program.step(output).and_then(|step| step.node);
    let op = Op::Conv { kernel: Box::new(kernel), anchor: [0, 0], dilation: 1 };
    program.push(Step { op, inputs: vec![output], features: count, node })
}
