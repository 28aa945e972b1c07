//! `pixelrnn inspect`.

use super::describe::{Describe, Part};
use super::model::{self, AnyModel, BuiltIn, report_closed_weights};
use super::{Failure, inspect_boards, inspect_description};
use pixelrnn::blob::{
    Destination, GraphOp, HEADER_BYTES, Instruction, Layout, NumberFormat, Phase, RECORD_BYTES, SegmentRecord, kind,
};
use pixelrnn::network::{Conv, Image, Op, Output};
use pixelrnn::{Model, Plan};
use pixelrnn_converter::description::ScaleNodes;
use pixelrnn_converter::{Error, TrainedModel};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Blob (.prnn) or trained model (.safetensors) [default: built-in digits]
    model: Option<PathBuf>,
    /// List the tensors that a description asks for, with their shapes, and its values, with their classes: a JSON file of a
    /// preset or a list of ops, the value of the key `pixelrnn` in a trained model's metadata; `-` is standard input. With a
    /// model that is a checkpoint, the description of its network
    #[arg(long, value_name = "JSON")]
    describe: Option<PathBuf>,
    #[command(flatten)]
    part: Part,
    /// Print what a blob takes of a board: flash, RAM, stack and instructions an image, and if it fits. `--fits` lists the names
    #[arg(long, value_name = "NAME", conflicts_with_all = ["describe", "fits"])]
    board: Option<String>,
    /// Print what a blob takes of each board
    #[arg(long, conflicts_with = "describe")]
    fits: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Row of the table.
struct Row {
    name: String,
    op: String,
    shape: String,
    /// Class of the value, for a trained model.
    class: Option<&'static str>,
    flash: usize,
    ram: usize,
    multiply_adds: usize,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        if let (Some(path), None) = (&self.describe, &self.model) {
            let description = inspect_description::read(path)?;
            let title = describe(&description.image, description.output, description.classes);
            return inspect_description::print(&description, &title, self.json);
        }
        if self.board.is_some() || self.fits {
            return inspect_boards::print(self.model.as_deref(), self.board.as_deref(), self.json);
        }
        let mut out = std::io::stdout();
        let describe = Describe { describe: self.describe, part: self.part };
        let (title, rows, totals) = match model::read_described_or(self.model.as_deref(), &describe, BuiltIn::Digits)? {
            AnyModel::Blob(blob) => of_blob(&blob.model()?),
            AnyModel::Trained(trained) => {
                report_closed_weights(&trained, self.model.as_deref());
                of_trained(&trained)?
            }
        };
        if self.json {
            let mut all = totals;
            all["ops"] = rows.iter().map(Row::to_json).collect();
            writeln!(out, "{all}")?;
            return Ok(());
        }
        writeln!(out, "{title}")?;
        print_table(&rows, &mut out)?;
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

impl Row {
    fn to_json(&self) -> Value {
        let mut row = json!({"name": self.name, "op": self.op, "shape": self.shape, "flash_bytes": self.flash,
                             "ram_bytes": self.ram, "multiply_adds": self.multiply_adds});
        if let Some(class) = self.class {
            row["class"] = class.into();
        }
        row
    }
}

/// Prints the rows, with the classes of the values where they have one.
fn print_table(rows: &[Row], out: &mut impl Write) -> std::io::Result<()> {
    let width = rows.iter().map(|r| r.name.len()).max().unwrap_or(0).max(4);
    let shapes = rows.iter().map(|r| r.shape.len()).max().unwrap_or(0).max(5);
    let with_classes = rows.iter().any(|r| r.class.is_some());
    let class =
        |class: Option<&str>| if with_classes { format!("  {:<5}", class.unwrap_or("")) } else { String::new() };
    writeln!(
        out,
        "{:width$}  {:<15}  {:<shapes$}{}  {:>9}  {:>9}  {:>13}",
        "name",
        "op",
        "shape",
        class(Some("class")),
        "flash",
        "RAM",
        "mul-adds/pixel"
    )?;
    for r in rows {
        writeln!(
            out,
            "{:width$}  {:<15}  {:<shapes$}{}  {:>9}  {:>9}  {:>13}",
            r.name,
            r.op,
            r.shape,
            class(r.class),
            r.flash,
            r.ram,
            r.multiply_adds
        )?;
    }
    Ok(())
}

/// Kernel, mask, anchor and dilation of a convolution, as far as they are not the default.
pub(super) fn kernel_of(conv: &Conv) -> String {
    let [height, width] = conv.kernel;
    let mask = conv.mask.map_or(String::new(), |mask| format!(" {mask:?}"));
    let anchor = if conv.anchor == Conv::centre(conv.kernel) {
        String::new()
    } else {
        format!(" at {},{}", conv.anchor[0], conv.anchor[1])
    };
    let dilation = if conv.dilation > 1 { format!(" d{}", conv.dilation) } else { String::new() };
    format!("{height}x{width}{anchor}{dilation}{mask}")
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
    let to = |destination: Option<Destination>| match destination {
        Some(Destination::Activation) => narrow.to_string(),
        Some(Destination::Residual) => wide.to_string(),
        Some(Destination::Accumulate) => format!("+{wide}"),
        Some(Destination::Logits) | None => "logits".to_string(),
    };
    for instruction in model.instructions().flatten() {
        let name = notes.next().and_then(|n| n.splitn(3, ' ').nth(2)).unwrap_or("").to_string();
        let multiply_adds = instruction.multiply_adds(model.groups());
        let (shape, numbers) = match instruction {
            Instruction::MaskedConv(c) => {
                let to = to(c.destination());
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
                    let to = to(c.destination());
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
            class: None,
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

fn of_trained(trained: &TrainedModel) -> Result<(String, Vec<Row>, Value), Error> {
    let (scales, description) = (trained.scales(), trained.description());
    let (mut rows, mut parameters) = (Vec::new(), 0);
    for (scale, nodes) in scales.iter().zip(description.nodes_of_scales()?) {
        parameters += rows_of_scale(scale, nodes, &mut rows);
    }
    let mut what = describe(&description.image, description.output, description.classes);
    if scales.len() > 1 {
        let sizes = description.scales();
        let sizes: Vec<_> = sizes.iter().map(|scale| format!("{}x{}", scale.image.height, scale.image.width)).collect();
        what = format!("{what}, {} scales: {}", scales.len(), sizes.join(", "));
    }
    let totals = json!({"kind": "trained model", "image": what, "parameters": parameters,
                        "float_bytes": 4 * parameters});
    Ok((format!("trained model, float weights: {what}"), rows, totals))
}

/// Adds the ops of a scale to `rows` and returns its number of weights.
fn rows_of_scale(trained: &TrainedModel, scale: ScaleNodes, rows: &mut Vec<Row>) -> usize {
    let mut parameters = 0;
    for (node, name) in scale.nodes.iter().zip(scale.names) {
        let name = if name.is_empty() { name } else { format!("{}{name}", scale.prefix) };
        let mut count = 0;
        node.tensors(scale.classes, |spec| {
            count += trained.tensors().get(spec.name.as_str()).map_or(0, |t| t.data.len());
        });
        parameters += count;
        let shape = match node.op {
            Op::Conv(conv) => format!("{} {} -> {}", kernel_of(&conv), conv.inputs.count, conv.outputs.count),
            Op::ConvTranspose(conv) => format!(
                "{0}x{0} stride {1}, {2} -> {3}",
                conv.kernel, conv.stride, conv.inputs.count, conv.outputs.count
            ),
            _ => format!("{}", node.features.count),
        };
        rows.push(Row {
            name,
            op: node.op.kind().into(),
            shape,
            class: Some(node.class.name()),
            flash: 4 * count,
            ram: 0,
            multiply_adds: 0,
        });
    }
    parameters
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
