//! `pixelrnn inspect --describe`: the tensors that a description asks for, and the classes of its values.

use super::Failure;
use super::inspect::kernel_of;
use pixelrnn::network::{Node, Op};
use pixelrnn_converter::description::ScaleNodes;
use pixelrnn_converter::{Description, Error, files};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// A tensor of the network.
struct Tensor {
    name: String,
    shape: Vec<usize>,
    required: bool,
}

impl Tensor {
    fn numbers(&self) -> usize {
        self.shape.iter().fold(1, |product: usize, &side| product.saturating_mul(side))
    }
}

/// A value of the network.
struct Made {
    name: String,
    op: String,
    features: usize,
    class: &'static str,
}

/// Reads the JSON description in the file at `path`; `-` is standard input.
pub fn read(path: &Path) -> Result<Description, Error> {
    let bytes = files::read(path)?;
    std::str::from_utf8(&bytes)
        .map_err(|e| Error::Json(e.to_string()))
        .and_then(Description::from_json)
        .map_err(|e| e.in_file(files::display_name(path)))
}

/// Prints the values of `description` with their classes, and name, shape and presence of each tensor with the number of numbers.
/// `title` is the network in one line.
pub fn print(description: &Description, title: &str, as_json: bool) -> Result<(), Failure> {
    let (tensors, values) = (tensors(description)?, values(description)?);
    let count = |required: bool| {
        let chosen = tensors.iter().filter(|tensor| tensor.required == required);
        chosen.map(Tensor::numbers).fold(0, usize::saturating_add)
    };
    let (required, optional) = (count(true), count(false));
    let mut out = std::io::stdout();
    if as_json {
        let list: Vec<Value> =
            tensors.iter().map(|t| json!({"name": t.name, "shape": t.shape, "required": t.required})).collect();
        let made: Vec<Value> = values
            .iter()
            .map(|v| json!({"name": v.name, "op": v.op, "features": v.features, "class": v.class}))
            .collect();
        let all = json!({"kind": "description", "image": title, "values": made, "tensors": list,
                         "required_parameters": required, "optional_parameters": optional});
        writeln!(out, "{all}")?;
        return Ok(());
    }
    writeln!(out, "description: {title}")?;
    let shapes: Vec<String> = tensors.iter().map(|tensor| format!("{:?}", tensor.shape)).collect();
    let names = tensors.iter().map(|tensor| tensor.name.len()).max().unwrap_or(0).max(4);
    let width = shapes.iter().map(String::len).max().unwrap_or(0).max(5);
    writeln!(out, "{:names$}  {:<width$}  {:>10}  presence", "name", "shape", "numbers")?;
    for (tensor, shape) in tensors.iter().zip(&shapes) {
        let presence = if tensor.required { "required" } else { "optional" };
        writeln!(out, "{:names$}  {shape:<width$}  {:>10}  {presence}", tensor.name, tensor.numbers())?;
    }
    writeln!(out, "{:<28}{required:>12}", "required parameters")?;
    writeln!(out, "{:<28}{optional:>12}", "optional parameters")?;
    print_values(&values, &mut out)?;
    Ok(())
}

/// Prints each value with its op and its class.
fn print_values(values: &[Made], out: &mut impl Write) -> std::io::Result<()> {
    let names = values.iter().map(|value| value.name.len()).max().unwrap_or(0).max(5);
    let ops = values.iter().map(|value| value.op.len()).max().unwrap_or(0).max(2);
    writeln!(out, "{:names$}  {:<ops$}  {:>8}  class", "value", "op", "features")?;
    for Made { name, op, features, class } in values {
        writeln!(out, "{name:names$}  {op:<ops$}  {features:>8}  {class}")?;
    }
    Ok(())
}

/// All values, in the order of the ops.
fn values(description: &Description) -> Result<Vec<Made>, Error> {
    let op = |node: &Node| match &node.op {
        Op::Conv(conv) => format!("{} {}", node.op.kind(), kernel_of(conv)),
        op => op.kind().to_string(),
    };
    let of_scale = |scale: ScaleNodes| {
        let prefix = scale.prefix;
        scale.nodes.into_iter().zip(scale.names).map(move |(node, name)| {
            let name = if name.is_empty() { name } else { format!("{prefix}{name}") };
            Made { name, op: op(&node), features: node.features.count, class: node.class.name() }
        })
    };
    Ok(description.nodes_of_scales()?.into_iter().flat_map(of_scale).collect())
}

/// All tensors, in the order of the ops.
fn tensors(description: &Description) -> Result<Vec<Tensor>, Error> {
    let mut tensors = Vec::new();
    for scale in description.nodes_of_scales()? {
        for node in &scale.nodes {
            node.tensors(scale.classes, |spec| {
                let name = format!("{}{}", scale.prefix, spec.name);
                tensors.push(Tensor { name, shape: spec.shape.to_vec(), required: spec.required });
            });
        }
    }
    Ok(tensors)
}
