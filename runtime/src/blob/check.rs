//! Everything that a blob must be beyond its checksum, so that an engine can trust it.

use super::error::BlobError;
use super::header::Layout;
use super::included::missing_for_op;
use super::model::{MAX_MULTIPLY_ADDS, MAX_STATE_BYTES, Model, slice};
use super::record::{ConvRecord, DType, Destination, Instruction, LSTM, LstmRecord, MatrixDescriptor, Vector, kind};
use crate::blob::Plan;
use crate::network::{Image, check_image};

/// What is wrong with an op: the name of a field.
type Checked = Result<(), &'static str>;

/// An error that names `field`, unless all is `right`.
#[inline]
fn ensure(right: bool, field: &'static str) -> Checked {
    if right { Ok(()) } else { Err(field) }
}

/// Checks the header's fields.
pub(super) fn header(model: &Model<'_>) -> Result<(), BlobError> {
    let h = model.header();
    let image = h.image();
    let field = if check_image(&image, model.output()).is_err() {
        "image"
    } else if !h.register_bytes.is_multiple_of(4)
        || (h.register_bytes as usize) < bytes(model, DType::Activation) * image.channels
    {
        "register_bytes"
    } else if !h.im2col_bytes.is_multiple_of(4) {
        "patch_bytes"
    } else if numbers(model, "", h.input_table, image.levels, bytes(model, DType::Activation)).is_err() {
        "input_table"
    } else if slice(model.blob(), h.notes, h.notes_bytes as usize, 1).is_none() {
        "notes"
    } else {
        return Ok(());
    };
    Err(BlobError::Header { field })
}

/// Checks all ops, that they need as much memory as the header says, and that there is an end to what a pixel takes.
pub(super) fn ops(model: &Model<'_>) -> Result<(), BlobError> {
    let Image { height, width, channels, .. } = model.image();
    let mut multiply_adds = 0;
    let mut needed = model.op_state_start();
    for (op, record) in model.records().iter().enumerate() {
        let instruction = record.instruction().ok_or(match missing_for_op(record.kind()) {
            Some(feature) => BlobError::Feature { feature },
            None => BlobError::Op { op, field: "kind" },
        })?;
        self::op(model, op, instruction).map_err(|field| BlobError::Op { op, field })?;
        needed += instruction.state_bytes(height, width, model.weights(), Plan::Pixel) as u64;
        // It takes code that firmware has better use for: a watchdog sees to what takes too long there.
        if cfg!(feature = "std") {
            multiply_adds += instruction.multiply_adds(channels) as u64;
        }
    }
    if model.records().is_empty() {
        return Err(BlobError::Header { field: "op_count" });
    }
    let declared = model.header().state_bytes;
    if u64::from(declared) != needed || declared > MAX_STATE_BYTES {
        return Err(BlobError::State { declared, needed });
    }
    if multiply_adds > u64::from(MAX_MULTIPLY_ADDS) {
        return Err(BlobError::Work { multiply_adds });
    }
    Ok(())
}

/// Checks one op, those before it being right.
fn op(model: &Model<'_>, op: usize, instruction: Instruction<'_>) -> Checked {
    let conv = if let Instruction::MaskedConv(conv) = instruction { Some(conv) } else { None };
    let reads_image =
        conv.is_some_and(|c| c.mask == 0 && c.input == 0 && usize::from(c.inputs) == model.image().channels);
    ensure(op != 0 || reads_image, "input")?;
    let makes_logits = conv.is_some_and(|c| c.destination() == Some(Destination::Logits));
    ensure((op + 1 == model.records().len()) == makes_logits, "destination")?;

    let vectors = instruction.vectors();
    let names = match instruction {
        Instruction::Elementwise(op) if op.arity() > 1 => ["a", "b", "t", "output"],
        Instruction::Elementwise(_)
        | Instruction::MaskedConv(_)
        | Instruction::Quantize(_)
        | Instruction::RowLstm(_)
        | Instruction::DiagonalLeft(_)
        | Instruction::DiagonalRight(_) => ["input", "output", "output", "output"],
    };
    for (vector, name) in vectors.inputs.iter().chain([&vectors.output]).zip(names) {
        if let Some(vector) = vector {
            register(model, name, *vector)?;
        }
    }
    let valid = !model.weights().has_multipliers() || instruction.rescales().iter().all(|factor| factor.is_valid());
    ensure(valid, "rescale")?;
    match instruction {
        Instruction::MaskedConv(conv) => self::conv(model, conv)?,
        Instruction::RowLstm(lstm) | Instruction::DiagonalLeft(lstm) | Instruction::DiagonalRight(lstm) => {
            if LSTM {
                self::lstm(model, lstm)?;
            }
        }
        Instruction::Elementwise(op) => op.wrong_field().map_or(Ok(()), Err)?,
        Instruction::Quantize(_) => {}
    }
    flow(model, op, instruction)
}

/// Whether what the op reads was written by an op before it, in one piece, at this pixel: nothing may depend on what
/// stood in the memory before.
fn flow(model: &Model<'_>, op: usize, instruction: Instruction<'_>) -> Checked {
    let channels = model.image().channels;
    let image = Vector { at: 0, count: channels as u16, kind: DType::Activation };
    let own = instruction.vectors();
    let mut sound = own.inputs.map(|input| op == 0 && input == Some(image));
    let mut clash = own.output.is_some_and(|output| overlap(model, output, image));
    for earlier in model.records().iter().take(op) {
        let Some(earlier) = earlier.instruction().and_then(|earlier| earlier.vectors().output) else { continue };
        for (input, sound) in own.inputs.iter().zip(&mut sound) {
            // The latest counts.
            if let Some(input) = input
                && overlap(model, earlier, *input)
            {
                *sound = earlier == *input;
            }
        }
        if let Some(output) = own.output
            && channels > 1
            && overlap(model, earlier, output)
        {
            let in_place = earlier == output && own.inputs.contains(&Some(output));
            clash |= !in_place;
        }
    }
    for (input, sound) in own.inputs.iter().zip(sound) {
        let Some(input) = input else { continue };
        ensure(sound, "input")?;
        // The stream may change in place; an input of products is kept after they are done.
        if let Some(output) = own.output
            && overlap(model, *input, output)
        {
            clash |= *input != output || input.kind == DType::Activation;
        }
    }
    ensure(!clash, "output")
}

/// Whether two vectors share bytes; both are inside the registers.
fn overlap(model: &Model<'_>, a: Vector, b: Vector) -> bool {
    a.at < end(model, b) && b.at < end(model, a)
}

/// One past the last byte of a vector that is inside the registers.
fn end(model: &Model<'_>, v: Vector) -> u32 {
    v.at + u32::from(v.count) * bytes(model, v.kind) as u32
}

fn conv(model: &Model<'_>, conv: &ConvRecord) -> Checked {
    let Image { height, width, channels, levels } = model.image();
    let destination = conv.destination().ok_or("destination")?;
    ensure(conv.mask <= 1, "mask")?;
    ensure(conv.logit_shift <= 16, "logit_shift")?;
    ensure(conv.kernel.iter().chain([&conv.dilation]).all(|k| (1..=127).contains(k)), "kernel")?;
    let kept = conv.kept_pixels(height, width);
    ensure(few(kept, bytes(model, DType::Activation) * usize::from(conv.inputs)), "inputs")?;
    let outputs = channels * model.output().logits_per_channel(levels);
    ensure(destination != Destination::Logits || usize::from(conv.outputs) == outputs, "outputs")?;
    let patch = matrix(model, ["inputs", "weights", "multipliers"], &conv.matrix())?;
    ensure(patch <= model.header().im2col_bytes as usize, "patch_bytes")
}

fn lstm(model: &Model<'_>, lstm: &LstmRecord) -> Checked {
    let Image { width, height, .. } = model.image();
    let hidden = usize::from(lstm.hidden);
    let row_lstm = lstm.kind == kind::ROW_LSTM;
    ensure((1..=127).contains(&lstm.kernel) && (row_lstm || lstm.kernel == 1), "kernel")?;
    // Under every plan: four sums a unit and column, beside inputs and states.
    ensure(few(width + usize::from(lstm.kernel), 32 * hidden + 4 * usize::from(lstm.inputs)), "hidden")?;
    let over_input = matrix(model, ["hidden", "weights_x", "multipliers_x"], &lstm.over_input())?;
    let over_state = matrix(model, ["hidden", "weights_h", "multipliers_h"], &lstm.over_state())?;
    ensure(over_input + over_state <= model.header().im2col_bytes as usize, "patch_bytes")?;
    if model.weights().has_multipliers() {
        numbers(model, "cell_bits", lstm.cell_bits, hidden, 1)?;
        let bits: Option<&[u8]> = model.slice(lstm.cell_bits, 0..hidden);
        ensure(bits.is_some_and(|bits| bits.iter().all(|bits| (7..=14).contains(&(bits >> 4)))), "cell_bits")?;
    }
    let states = if row_lstm { 1 } else { height } * 2 * hidden;
    if lstm.initial == 0 {
        Ok(())
    } else {
        numbers(model, "initial", lstm.initial, states, bytes(model, DType::Residual))
    }
}

/// Checks an op's sums, whose fields are called `names`: their size, weights, multipliers. Gives the bytes of their inputs.
#[inline(never)]
fn matrix(model: &Model<'_>, names: [&'static str; 3], matrix: &MatrixDescriptor) -> Result<usize, &'static str> {
    let [size, weights, multipliers] = names;
    let (groups, layout) = (model.image().channels, model.layout());
    let (sums, length) = (matrix.sums(), matrix.length(groups, groups - 1));
    ensure(matrix.left_shift <= 31, "left_shift")?;
    ensure(few(length, sums), size)?;
    // Blocks are read four weights at a time.
    ensure(layout == Layout::RowMajor || matrix.weights.is_multiple_of(4), weights)?;
    let count = matrix.weights_before(groups, groups, layout);
    numbers(model, weights, matrix.weights, count, model.weights().weight_bytes())?;
    match matrix.bias {
        Some(0) => ensure(matrix.class_bias != 0 && model.classes() != 0, "bias")?,
        Some(bias) => numbers(model, "bias", bias, sums, 4)?,
        None => {}
    }
    if model.weights().has_multipliers() {
        numbers(model, multipliers, matrix.multipliers, sums, 4)?;
    }
    if matrix.class_bias != 0 {
        let count = sums.checked_mul(model.classes()).ok_or("class_bias")?;
        numbers(model, "class_bias", matrix.class_bias, count, 4)?;
    }
    Ok(bytes(model, DType::Activation) * layout.row(length))
}

/// Bytes of a number.
const fn bytes(model: &Model<'_>, form: DType) -> usize {
    form.bytes(model.weights())
}

/// Whether `count` numbers of `size` bytes lie in the blob from `at` on.
#[inline(never)]
fn numbers(model: &Model<'_>, field: &'static str, at: u32, count: usize, size: usize) -> Checked {
    ensure((at as usize).is_multiple_of(size) && slice(model.blob(), at, count, size).is_some(), field)
}

/// Whether a vector lies inside the registers.
#[inline(never)]
fn register(model: &Model<'_>, field: &'static str, v: Vector) -> Checked {
    let size = bytes(model, v.kind);
    let end = u64::from(v.at) + u64::from(v.count) * size as u64;
    let inside = end <= u64::from(model.header().register_bytes);
    ensure(v.count != 0 && (v.at as usize).is_multiple_of(size) && inside, field)
}

/// Whether what an op keeps or has can be counted where addresses have 32 bits: what follows counts in `usize`.
fn few(a: usize, b: usize) -> bool {
    a.checked_mul(b).is_some_and(|product| product <= MAX_STATE_BYTES as usize)
}
