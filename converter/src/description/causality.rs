//! Causality of a network: no prediction may depend on its own value or a later one.

use super::graph::Graph;
use crate::error::Error;
use pixelrnn::network::{Class, Node, Op};

/// Refuses a network whose logits know more than earlier values, and names the op that lets it in.
pub(super) fn check(graph: &Graph) -> Result<(), Error> {
    match graph.nodes.last() {
        Some(last) if last.class > Class::Past => Err(lets_in(graph, last.output, last.class, "the logits")),
        _ => Ok(()),
    }
}

/// Error that names the first op on the way to value `to`, of `class`, which `reader` must not read.
pub(super) fn lets_in(graph: &Graph, to: usize, class: Class, reader: &str) -> Error {
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
    let (op, class, mend) = match first {
        Some(node) => (graph.label(node.output), node.class, mended(node)),
        None => (reader, class, "it reads the image; put a convolution with mask A between them"),
    };
    Error::Leak { op: op.to_string(), class, mend, reader: reader.to_string() }
}

fn read(node: &Node) -> &[usize] {
    &node.inputs[..node.op.arity()]
}

/// Advice on how to take away what an op lets in.
fn mended(node: &Node) -> &'static str {
    match (&node.op, node.class) {
        (Op::Conv(conv), Class::Itself) if conv.centred_mask().is_some() => "give it mask A",
        (Op::Conv(conv), Class::Row) if conv.mask.is_none() && conv.taps().all(|(u, v)| conv.offset(u, v).1 <= 0) => {
            "its centre mixes the colours of a pixel; give it mask B"
        }
        (_, Class::Row) => "shift it down by one",
        _ => "read it through a mask A, or shift it by one",
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
