//! Lists of ops for tests, around ops of their own.

use super::*;

pub(super) const FIRST: &str =
    r#"{"op": "masked_conv", "name": "in", "mask": "A", "kernel": [3, 3], "out": 6, "as": "x"}"#;

/// Gray list with `ops` between a first convolution of 6 features, the value `x`, and the last one.
pub(super) fn gray(ops: &str) -> String {
    with_ops(&format!("{FIRST}, {ops}, {OUTPUT}"))
}

/// The same in colour.
pub(super) fn rgb(ops: &str) -> String {
    gray(ops)
        .replace("\"channels\": 1", "\"channels\": 3")
        .replace(OUTPUT, &OUTPUT.replace("\"out\": 4", "\"out\": 12"))
}

pub(super) fn contiguous(json: &str) -> String {
    json.replacen('{', r#"{"colour_groups": "contiguous", "#, 1)
}

pub(super) fn ungrouped(json: &str) -> String {
    json.replacen('{', r#"{"colour_groups": "none", "#, 1)
}

pub(super) fn with_classes(json: &str) -> String {
    json.replacen('{', r#"{"classes": 3, "#, 1)
}

/// Nodes of an accepted list, which is written and read back unchanged.
#[track_caller]
pub(super) fn nodes(json: &str) -> Vec<Node> {
    let description = Description::from_json(json).unwrap_or_else(|e| panic!("{e}: {json}"));
    assert_eq!(Description::from_json(&description.to_json()).unwrap(), description);
    description.nodes().unwrap()
}

/// Values that each node reads.
pub(super) fn edges(nodes: &[Node]) -> Vec<Vec<usize>> {
    nodes.iter().map(|node| node.inputs[..node.op.arity()].to_vec()).collect()
}

pub(super) fn groups(node: &Node) -> Vec<usize> {
    (0..node.features.count).map(|f| node.features.group(f)).collect()
}
