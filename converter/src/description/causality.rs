//! Causality of a network: no prediction may depend on its own value or a later one.

use super::graph::Graph;
use crate::error::Error;
use pixelrnn::network::{Class, Conv, Mask, Node, Op};

/// Refuses a network whose logits know more than earlier values, and names the op that lets it in.
pub(super) fn check(graph: &Graph) -> Result<(), Error> {
    match graph.nodes.last() {
        Some(last) if last.class > Class::Past => Err(lets_in(graph, last.output, "the logits")),
        _ => Ok(()),
    }
}

/// Error that names the first op on the way to value `to`, which knows more than earlier values and which `reader` must not read.
pub(super) fn lets_in(graph: &Graph, to: usize, reader: &str) -> Error {
    let leaks = |value: usize| match value.checked_sub(1).and_then(|n| graph.nodes.get(n)) {
        Some(node) => node.class > Class::Past,
        None => value == 0,
    };
    // Values that reach `to` through values that all know too much.
    let mut on_the_way = vec![false; to + 1];
    on_the_way[to] = true;
    for node in graph.nodes[..to].iter().rev().filter(|node| node.class > Class::Past) {
        if on_the_way[node.output] {
            for &input in read(node).iter().filter(|input| leaks(**input)) {
                on_the_way[input] = true;
            }
        }
    }
    let first = graph.nodes[..to].iter().find(|node| on_the_way[node.output] && node.class > Class::Past);
    let (op, (knows, mend)) = match first {
        Some(node) => (graph.label(node.output), advice(graph, node)),
        None => (reader, (VALUE, "put a convolution with mask A between it and the image")),
    };
    Error::Leak { op: op.to_string(), knows, mend, reader: reader.to_string() }
}

fn read(node: &Node) -> &[usize] {
    &node.inputs[..node.op.arity()]
}

const VALUE: &str = "the value at its own pixel";
const COLOURS: &str = "later colours of its own pixel";
const ROW: &str = "its own row";

/// What an op lets in, and how to take it away. The op reads values of class past or less, or the image.
fn advice(graph: &Graph, node: &Node) -> (&'static str, &'static str) {
    const PASS_ON: (&str, &str) = (VALUE, "read it through a mask A, or shift it by one");
    let Op::Conv(conv) = &node.op else { return PASS_ON };
    if graph.skips.contains(&node.output) {
        // Its mask is not a choice.
        return PASS_ON;
    }
    let masked = |mask| Conv { mask: Some(mask), ..*conv };
    let enough_b = masked(Mask::B).class(graph.class(node.inputs[0])).is_some_and(|class| class <= Class::Past);
    let mask = if enough_b { "give it mask B" } else { "give it mask A" };
    let offsets = || conv.taps().map(|(u, v)| conv.offset(u, v));
    let left = masked(Mask::A).taps().next().is_some();
    match node.class {
        Class::Row if offsets().all(|(row, column)| row < 0 || column <= 0) => (COLOURS, mask),
        Class::Row if left && offsets().all(|(row, _)| row == 0) => (ROW, mask),
        Class::Row => (ROW, "shift it down by one"),
        // A mask A would close all that it reads.
        _ if conv.mask.is_none() && !left => (VALUE, "shift it to the right by one"),
        _ => (VALUE, mask),
    }
}

/// Refuses values that nothing reads.
pub(super) fn check_read(graph: &Graph) -> Result<(), Error> {
    let mut used = vec![false; graph.nodes.len() + 1];
    for &input in graph.nodes.iter().flat_map(read) {
        used[input] = true;
    }
    let dead = graph.nodes.iter().rev().skip(1).rev().find(|node| !used[node.output]);
    dead.map_or(Ok(()), |node| Err(Error::NotRead(graph.label(node.output).to_string())))
}
