//! `pixelrnn inspect`.

use super::model::{AnyModel, BuiltIn, report_closed_weights};
use super::{Failure, inspect_description};
use pixelrnn::blob::{Destination, HEADER_BYTES, GraphOp, Instruction, Phase, SegmentRecord, Layout, NumberFormat, RECORD_BYTES, kind};
use pixelrnn::network::{Image, Op, Output};
use pixelrnn::{Model, Plan};
use pixelrnn_converter::TrainedModel;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Blob (.prnn) or trained model (.safetensors) [default: built-in digits]
    model: Option<PathBuf>,
    /// List the tensors that a description asks for, with their shapes: a JSON file of a preset or a list of ops, the value
    /// of the key `pixelrnn` in a trained model's metadata; `-` is standard input
    #[arg(long, value_name = "JSON", conflicts_with = "model")]
    describe: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Row of the table.
struct Row {
    name: String,
    op: String,
    shape: String,
    flash: usize,
    ram: usize,
    multiply_adds: usize,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        if let Some(path) = &self.describe {
            let description = inspect_description::read(path)?;
            let title = describe(&description.image, description.output, description.classes);
            return inspect_description::print(&description, &title, self.json);
        }
        let mut out = std::io::stdout();
        let (title, rows, totals) = match AnyModel::read_or(self.model.as_deref(), BuiltIn::Digits)? {
            AnyModel::Blob(blob) => of_blob(&blob.model()?),
            AnyModel::Trained(trained) => {
                report_closed_weights(&trained, self.model.as_deref());
                of_trained(&trained)
            }
        };
        if self.json {
            let ops: Vec<Value> = rows
                .iter()
                .map(|r| {
                    json!({"name": r.name, "op": r.op, "shape": r.shape, "flash_bytes": r.flash, "ram_bytes": r.ram,
                           "multiply_adds": r.multiply_adds})
                })
                .collect();
            let mut all = totals;
            all["ops"] = ops.into();
            writeln!(out, "{all}")?;
            return Ok(());
        }
        writeln!(out, "{title}")?;
        let width = rows.iter().map(|r| r.name.len()).max().unwrap_or(0).max(4);
        let shapes = rows.iter().map(|r| r.shape.len()).max().unwrap_or(0).max(5);
        writeln!(
            out,
            "{:width$}  {:<15}  {:<shapes$}  {:>9}  {:>9}  {:>13}",
            "name", "op", "shape", "flash", "RAM", "mul-adds/pixel"
        )?;
        for r in &rows {
            writeln!(
                out,
                "{:width$}  {:<15}  {:<shapes$}  {:>9}  {:>9}  {:>13}",
                r.name, r.op, r.shape, r.flash, r.ram, r.multiply_adds
            )?;
        }
        for key in ["layout", "identity"] {
            if let Some(text) = totals[key].as_str() {
                writeln!(out, "{key:<16}{text:>24}")?;
            }
        }
        for (key, value) in totals.as_object().into_iter().flatten().filter(|(_, v)| v.is_u64()) {
            writeln!(out, "{:<28}{value:>12}", key.replace('_', " "))?;
        }
        Ok(())
    }
}

fn describe(image: &Image, output: Output, classes: usize) -> String {
    let Image { height, width, channels, levels } = image;
    let output = match output {
        Output::Softmax => "softmax",
        Output::Bernoulli => "bernoulli",
    };
    let classes = if classes > 0 { format!(", {classes} classes") } else { String::new() };
    format!("{height}x{width}x{channels}, {levels} levels, {output}{classes}")
}

fn of_blob(model: &Model<'_>) -> (String, Vec<Row>, Value) {
    let image = model.image();
    let mut notes = model.notes();
    let mut rows = Vec::new();
    let weights = model.weights();
    let (kind, title, narrow, wide) = match weights {
        NumberFormat::I8 => ("i8", "8-bit weights", "i8", "i16"),
        NumberFormat::I8A16 => ("i8", "8-bit weights, 16-bit activations", "i16", "i16"),
        NumberFormat::F16 => ("f16", "f16 weights", "f32", "f32"),
        NumberFormat::F32 => ("f32", "f32 weights", "f32", "f32"),
    };
    // Bytes per output of a matrix beside its weights: multiplier and biases.
    let factor = if weights.has_multipliers() { 4 } else { 0 };
    let biases = |[bias, class_bias]: [u32; 2]| {
        (if bias == 0 { 0 } else { 4 }) + (if class_bias == 0 { 0 } else { 4 * model.classes() })
    };
    for instruction in model.instructions().flatten() {
        let name = notes.next().and_then(|n| n.splitn(3, ' ').nth(2)).unwrap_or("").to_string();
        let multiply_adds = instruction.multiply_adds(model.groups());
        let (shape, numbers) = match instruction {
            Instruction::MaskedConv(c) => {
                let to = match c.destination() {
                    Some(Destination::Activation) => narrow.to_string(),
                    Some(Destination::Residual) => wide.to_string(),
                    Some(Destination::Accumulate) => format!("+{wide}"),
                    Some(Destination::Logits) | None => "logits".to_string(),
                };
                let mask = if c.mask == 0 { 'A' } else { 'B' };
                let dilation = if c.dilation > 1 { format!(" d{}", c.dilation) } else { String::new() };
                let [height, width] = c.kernel;
                (
                    format!("{height}x{width}{dilation} {mask} {} -> {} {to}", c.inputs, c.outputs),
                    usize::from(c.outputs) * (factor + biases([c.bias, c.class_bias])),
                )
            }
            Instruction::Quantize(q) => (format!("{} {wide} -> {narrow}", q.count), 0),
            Instruction::Elementwise(op) => (format!("{} {wide}", op.operands().count), 0),
            Instruction::Graph(op) => match op {
                GraphOp::Conv(c) => {
                    let to = match c.destination() {
                        Some(Destination::Activation) => narrow.to_string(),
                        Some(Destination::Residual) => wide.to_string(),
                        Some(Destination::Accumulate) => format!("+{wide}"),
                        Some(Destination::Logits) | None => "logits".to_string(),
                    };
                    let taps = c.taps() + usize::from(c.centre > 0);
                    let plural = if taps == 1 { "" } else { "s" };
                    (
                        format!("{taps} tap{plural} {} -> {} {to}", c.inputs, c.outputs),
                        usize::from(c.outputs) * (factor + biases([c.bias, c.class_bias])),
                    )
                }
                GraphOp::Table(t) => {
                    let count = t.rows(model.classes(), image.levels) * usize::from(t.count);
                    (format!("{} {wide}", t.count), count * weights.residual_bytes())
                }
                GraphOp::Keep(k) => {
                    let dtype = if k.dtype == 0 { narrow } else { wide };
                    (format!("{} {dtype}, {} pixels", k.count, k.pixels[0]), 0)
                }
                GraphOp::Load(l) => (format!("{} {}", l.count, if l.dtype == 0 { narrow } else { wide }), 0),
                GraphOp::Join(j) => (format!("{} {wide}", j.count), 0),
                GraphOp::Logits(l) => (format!("{} {wide} -> logits", l.count), 0),
                GraphOp::Segment(s) => (segment(s), 0),
                GraphOp::Graph(_) => (String::new(), 0),
            },
            Instruction::RowLstm(l) | Instruction::DiagonalLeft(l) | Instruction::DiagonalRight(l) => {
                let gates = 4 * usize::from(l.hidden);
                let rows = if l.kind == kind::ROW_LSTM { 1 } else { image.height };
                let initial =
                    if l.initial == 0 { 0 } else { 2 * rows * usize::from(l.hidden) * weights.residual_bytes() };
                (
                    format!("1x{} B {} -> {} {wide}", l.kernel, l.inputs, l.hidden),
                    gates * (2 * factor + biases([l.bias, l.class_bias])) + initial,
                )
            }
        };
        rows.push(Row {
            name,
            op: instruction.kind().into(),
            shape,
            flash: RECORD_BYTES
                + instruction.weights(image.channels, model.layout()) * weights.weight_bytes()
                + numbers,
            ram: instruction.state_bytes(image.height, image.width, weights, Plan::Pixel),
            multiply_adds,
        });
    }
    let header = model.header();
    let layout = match model.layout() {
        Layout::RowMajor => "row-major",
        Layout::Tiled => "tiled 4x4",
        Layout::TiledPairs => "tiled 4x4 for smlad",
    };
    let totals = json!({
        "kind": "blob", "layout": layout, "identity": format!("{:016x}", model.identity()), "image": describe(&image, model.output(), model.classes()), "weights": kind,
        "flash_bytes": header.length, "header_bytes": HEADER_BYTES, "ram_bytes": header.state_bytes,
        "ram_bytes_row_at_a_time": 4 * model.state_words_for(Plan::Row),
        "register_bytes": header.register_bytes, "im2col_bytes": header.im2col_bytes, "logit_bytes": 4 * image.levels,
        "multiply_adds_per_pixel": model.multiply_adds(),
        "multiply_adds_per_image": model.multiply_adds() * image.height * image.width,
    });
    (format!("blob, {title}: {}", describe(&image, model.output(), model.classes())), rows, totals)
}

fn of_trained(trained: &TrainedModel) -> (String, Vec<Row>, Value) {
    let description = trained.description();
    let mut rows = Vec::new();
    let mut parameters = 0;
    for node in trained.nodes() {
        let mut count = 0;
        node.tensors(description.classes, |spec| {
            count += trained.tensors().get(spec.name.as_str()).map_or(0, |t| t.data.len());
        });
        parameters += count;
        let shape = match node.op {
            Op::Conv(c) => {
                let [height, width] = c.kernel;
                format!("{height}x{width} {:?} {} -> {}", c.mask, c.inputs.count, c.outputs.count)
            }
            _ => format!("{}", node.features.count),
        };
        rows.push(Row {
            name: node.name.to_string(),
            op: node.op.kind().into(),
            shape,
            flash: 4 * count,
            ram: 0,
            multiply_adds: 0,
        });
    }
    let what = describe(&description.image, description.output, description.classes);
    let totals = json!({"kind": "trained model", "image": what, "parameters": parameters,
                        "float_bytes": 4 * parameters});
    (format!("trained model, float weights: {what}"), rows, totals)
}

/// When the ops of a segment run.
fn segment(segment: &SegmentRecord) -> String {
    match segment.phase() {
        Some(Phase::Given) => format!("rows, {} ahead", segment.rows_ahead),
        Some(Phase::Above) => format!("pixel, {} columns ahead", segment.columns_ahead),
        Some(Phase::Past) | None => "pixel".into(),
        Some(Phase::Itself) => "after the pixel".into(),
        Some(Phase::Row) => "after the row".into(),
    }
}
