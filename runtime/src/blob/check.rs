//! Checks of a blob's ops and of the size of their state, on which the executors rely. The header is checked in [`super::header`].

use super::bytes::is_array;
use super::error::BlobError;
use super::features::missing_for_op;
use super::format::Layout;
use super::limits::{MAX_MULTIPLY_ADDS, MAX_STATE_BYTES};
use super::plan::Plan;
use super::raw::Raw;
use super::record::{
    ConvRecord, DType, Destination, GRAPH, Instruction, LSTM, LstmRecord, MatrixDescriptor, Vector, kind,
};
use crate::network::Image;

mod graph;

use graph::Place;

/// Name of the first invalid field of an op.
type Checked = Result<(), &'static str>;

/// Error that names `field` unless `right`.
#[inline]
fn ensure(right: bool, field: &'static str) -> Checked {
    if right { Ok(()) } else { Err(field) }
}

/// Checks all ops, the declared size of the state, and the limit on multiply-adds per pixel.
pub(super) fn ops(model: &Raw<'_>) -> Result<(), BlobError> {
    let (needed, declared) = (state(model)?, model.header().state_bytes);
    if u64::from(declared) != needed || declared > MAX_STATE_BYTES {
        return Err(BlobError::State { declared, needed });
    }
    Ok(())
}

/// Checks all ops and the limit on multiply-adds per pixel, and returns the bytes of the state.
pub(super) fn state(model: &Raw<'_>) -> Result<u64, BlobError> {
    let Image { height, width, .. } = model.image();
    let mut multiply_adds = 0;
    let mut needed = model.op_state_start();
    let mut places = graph::Places::new(model);
    for (op, record) in model.records().iter().enumerate() {
        let instruction = record.instruction().ok_or(match missing_for_op(record.kind()) {
            Some(feature) => BlobError::Feature { feature },
            None => BlobError::Op { op, field: "kind" },
        })?;
        let place = places.next(op, instruction);
        let checked = place.and_then(|place| self::op(model, op, instruction, &place));
        // Sizes are computed of checked fields alone.
        let counted = checked.and_then(|()| places.count(op, instruction));
        counted.map_err(|field| BlobError::Op { op, field })?;
        needed += instruction.state_bytes(height, width, model.weights(), Plan::Pixel) as u64;
        // Left out on devices to save code; a watchdog limits the time of a pixel there.
        if cfg!(feature = "std") {
            multiply_adds += instruction.multiply_adds(model.groups()) as u64;
        }
    }
    places.finish().map_err(|field| BlobError::Op { op: 0, field })?;
    if multiply_adds > u64::from(MAX_MULTIPLY_ADDS) {
        return Err(BlobError::Work { multiply_adds });
    }
    Ok(needed)
}

/// Checks one op, after all ops before it.
fn op(model: &Raw<'_>, op: usize, instruction: Instruction<'_>, place: &Place) -> Checked {
    let vectors = instruction.vectors();
    let names = match instruction {
        Instruction::Elementwise(op) if op.arity() > 1 => ["a", "b", "t", "output"],
        Instruction::Elementwise(_)
        | Instruction::MaskedConv(_)
        | Instruction::Quantize(_)
        | Instruction::RowLstm(_)
        | Instruction::DiagonalLeft(_)
        | Instruction::DiagonalRight(_)
        | Instruction::Graph(_) => ["input", "output", "output", "output"],
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
        Instruction::Elementwise(op) => {
            op.wrong_field().map_or(Ok(()), Err)?;
            let operands = op.operands();
            // Halves of a group are whole only in equal groups.
            let whole = !operands.halves || model.groups() == 1 || operands.count.is_multiple_of(3);
            ensure(whole && (!operands.halves || operands.count <= u16::MAX / 2), "count")?;
        }
        Instruction::Quantize(_) => {}
        Instruction::Graph(op) => {
            if GRAPH {
                graph::op(model, op, place)?;
            }
        }
    }
    flow(model, op, instruction, place)
}

/// Checks the data flow of an op: each input was written as a whole by an earlier op at this position, so nothing depends on
/// previous contents of the memory. The output overlaps neither the image nor, in a model with colour groups, an earlier output,
/// and overlaps an input only in place.
fn flow(model: &Raw<'_>, op: usize, instruction: Instruction<'_>, place: &Place) -> Checked {
    let channels = model.image().channels;
    let image = Vector { at: 0, count: channels as u16, kind: DType::Activation };
    let vectors = instruction.vectors();
    let mut sound = vectors.inputs.map(|input| place.reads_image && input == Some(image));
    let mut clash = vectors.output.is_some_and(|output| overlap(model, output, image));
    let (mut together, mut other_phase) = (true, false);
    for (at, earlier) in model.records().iter().enumerate().take(op) {
        if let Some(segment) = earlier.segment() {
            together = place.shares_registers(at, segment);
            other_phase = segment.phase != place.segment.phase;
        }
        let Some(instruction) = earlier.instruction() else { continue };
        // A change in place must not come before an op of another phase that reads what is changed.
        if place.grouped
            && other_phase
            && let Some(output) = vectors.output
        {
            clash |= instruction.vectors().inputs.iter().flatten().any(|input| overlap(model, output, *input));
        }
        let Some(earlier) = instruction.vectors().output else { continue };
        for (n, (input, sound)) in vectors.inputs.iter().zip(&mut sound).enumerate() {
            // The last write counts.
            if let Some(input) = input
                && overlap(model, earlier, *input)
            {
                let whole = n > 0 || !place.all_groups || graph::is_whole(instruction);
                *sound = earlier == *input && together && whole;
            }
        }
        if let Some(output) = vectors.output
            && model.groups() > 1
            && overlap(model, earlier, output)
        {
            let in_place = earlier == output && vectors.inputs.contains(&Some(output));
            clash |= !in_place;
        }
    }
    for (input, sound) in vectors.inputs.iter().zip(sound) {
        let Some(input) = input else { continue };
        ensure(sound, "input")?;
        // A residual may change in place. The input of a product must not: it is kept after the product.
        if let Some(output) = vectors.output
            && overlap(model, *input, output)
        {
            clash |= *input != output || input.kind == DType::Activation;
        }
    }
    ensure(!clash, "output")
}

/// True if two vectors share bytes; both lie within the registers.
fn overlap(model: &Raw<'_>, a: Vector, b: Vector) -> bool {
    a.at < end(model, b) && b.at < end(model, a)
}

/// Offset of the end of a vector that lies within the registers.
fn end(model: &Raw<'_>, v: Vector) -> u32 {
    v.at + u32::from(v.count) * bytes(model, v.kind) as u32
}

fn conv(model: &Raw<'_>, conv: &ConvRecord) -> Checked {
    let Image { height, width, .. } = model.image();
    let destination = conv.destination().ok_or("destination")?;
    ensure(conv.mask <= 1, "mask")?;
    ensure(conv.logit_shift <= 16, "logit_shift")?;
    ensure(conv.kernel.iter().chain([&conv.dilation]).all(|k| (1..=127).contains(k)), "kernel")?;
    let kept = conv.kept_pixels(height, width);
    ensure(within_limit(kept, bytes(model, DType::Activation) * usize::from(conv.inputs)), "inputs")?;
    ensure(destination != Destination::Logits || usize::from(conv.outputs) == logits(model), "outputs")?;
    let im2col = matrix(model, ["inputs", "weights", "multipliers"], &conv.matrix())?;
    ensure(im2col <= model.header().im2col_bytes as usize, "im2col_bytes")
}

/// Number of logits of a pixel.
fn logits(model: &Raw<'_>) -> usize {
    let Image { channels, levels, .. } = model.image();
    channels * model.output().logits_per_channel(levels)
}

fn lstm(model: &Raw<'_>, lstm: &LstmRecord) -> Checked {
    let Image { width, height, .. } = model.image();
    let hidden = usize::from(lstm.hidden);
    let row_lstm = lstm.kind == kind::ROW_LSTM;
    ensure((1..=127).contains(&lstm.kernel) && (row_lstm || lstm.kernel == 1), "kernel")?;
    // Bound for all plans: four accumulators per unit and column, in addition to inputs and states.
    ensure(within_limit(width + usize::from(lstm.kernel), 32 * hidden + 4 * usize::from(lstm.inputs)), "hidden")?;
    let over_input = matrix(model, ["hidden", "weights_x", "multipliers_x"], &lstm.over_input())?;
    let over_state = matrix(model, ["hidden", "weights_h", "multipliers_h"], &lstm.over_state())?;
    ensure(over_input + over_state <= model.header().im2col_bytes as usize, "im2col_bytes")?;
    if model.weights().has_multipliers() {
        array(model, "cell_bits", lstm.cell_bits, hidden, 1)?;
        let bits: Option<&[u8]> = model.slice(lstm.cell_bits, 0..hidden);
        ensure(bits.is_some_and(|bits| bits.iter().all(|bits| (7..=14).contains(&(bits >> 4)))), "cell_bits")?;
    }
    let states = if row_lstm { 1 } else { height } * 2 * hidden;
    if lstm.initial == 0 {
        Ok(())
    } else {
        array(model, "initial", lstm.initial, states, bytes(model, DType::Residual))
    }
}

/// Checks the size, weights and multipliers of a matrix, in fields called `names`. Returns the bytes of its inputs.
#[inline(never)]
fn matrix(model: &Raw<'_>, names: [&'static str; 3], matrix: &MatrixDescriptor) -> Result<usize, &'static str> {
    let [size, weights, multipliers] = names;
    let (groups, layout) = (model.groups(), model.layout());
    let (sums, length) = (matrix.sums(), matrix.length(groups, groups - 1));
    ensure(matrix.left_shift <= 31, "left_shift")?;
    ensure(within_limit(length, sums), size)?;
    // Blocks are read four weights at a time.
    ensure(layout == Layout::RowMajor || matrix.weights.is_multiple_of(4), weights)?;
    let count = matrix.weights_before(groups, groups, layout);
    array(model, weights, matrix.weights, count, model.weights().weight_bytes())?;
    match matrix.bias {
        Some(0) => ensure(matrix.class_bias != 0 && model.classes() != 0, "bias")?,
        Some(bias) => array(model, "bias", bias, sums, 4)?,
        None => {}
    }
    if model.weights().has_multipliers() {
        array(model, multipliers, matrix.multipliers, sums, 4)?;
    }
    if matrix.class_bias != 0 {
        ensure(model.classes() > 0, "class_bias")?;
        let count = sums.checked_mul(model.classes()).ok_or("class_bias")?;
        array(model, "class_bias", matrix.class_bias, count, 4)?;
    }
    Ok(bytes(model, DType::Activation) * layout.row(length))
}

/// Bytes per element.
const fn bytes(model: &Raw<'_>, dtype: DType) -> usize {
    dtype.bytes(model.weights())
}

/// Checks that an array of `count` elements of `size` bytes lies in the blob at `at`, aligned.
#[inline(never)]
fn array(model: &Raw<'_>, field: &'static str, at: u32, count: usize, size: usize) -> Checked {
    ensure(is_array(model.blob(), at, count, size), field)
}

/// Checks that a vector lies within the registers, aligned and not empty.
#[inline(never)]
fn register(model: &Raw<'_>, field: &'static str, v: Vector) -> Checked {
    let size = bytes(model, v.kind);
    let end = u64::from(v.at) + u64::from(v.count) * size as u64;
    let inside = end <= u64::from(model.header().register_bytes);
    ensure(v.count != 0 && (v.at as usize).is_multiple_of(size) && inside, field)
}

/// True if `a * b` bytes or elements are within [`MAX_STATE_BYTES`], so later sizes fit a 32-bit `usize`.
fn within_limit(a: usize, b: usize) -> bool {
    a.checked_mul(b).is_some_and(|product| product <= MAX_STATE_BYTES as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::raw::tests::digits;
    use crate::blob::{ConvRecord, Header, QuantizeRecord, RECORD_BYTES};
    use core::mem::offset_of;

    /// Offset of an op's record in the blobs of these tests.
    fn record(op: usize) -> usize {
        size_of::<Header>() + op * RECORD_BYTES
    }

    const OUTSIDE: [u8; 4] = 0x7fff_fff0_u32.to_le_bytes();
    /// Bytes of the registers of the digits' model, all of them used.
    const REGISTERS: u8 = 116;

    #[test]
    fn a_field_of_a_convolution_out_of_range_is_named() {
        // Op 0 reads the image, op 2 is a 1x1 convolution of activations to activations, and op 31 makes the logits.
        for (op, at, bytes, field) in [
            (0, offset_of!(ConvRecord, kind), &[99][..], "kind"),
            (31, offset_of!(ConvRecord, destination), &[Destination::Activation as u8], "destination"),
            (2, offset_of!(ConvRecord, destination), &[Destination::Logits as u8], "destination"),
            (2, offset_of!(ConvRecord, destination), &[4], "destination"),
            (0, offset_of!(ConvRecord, mask), &[1], "input"),
            (2, offset_of!(ConvRecord, mask), &[2], "mask"),
            (2, offset_of!(ConvRecord, left_shift), &[32], "left_shift"),
            (2, offset_of!(ConvRecord, kernel), &[0], "kernel"),
            (2, offset_of!(ConvRecord, kernel), &[1, 128], "kernel"),
            (2, offset_of!(ConvRecord, dilation), &[0], "kernel"),
            (2, offset_of!(ConvRecord, kernel), &[3, 3], "im2col_bytes"),
            (2, offset_of!(ConvRecord, outputs), &[0], "output"),
            (31, offset_of!(ConvRecord, outputs), &[2], "outputs"),
            (2, offset_of!(ConvRecord, logit_shift), &[17], "logit_shift"),
            (2, offset_of!(ConvRecord, weights), &OUTSIDE, "weights"),
            (2, offset_of!(ConvRecord, bias), &OUTSIDE, "bias"),
            (2, offset_of!(ConvRecord, bias), &[0; 4], "bias"),
            (2, offset_of!(ConvRecord, multipliers), &OUTSIDE, "multipliers"),
            (2, offset_of!(ConvRecord, multipliers), &[1], "multipliers"),
            (2, offset_of!(ConvRecord, class_bias), &[1], "class_bias"),
        ] {
            let error = digits().set(record(op) + at, bytes).seal().error();
            assert_eq!(error, Some(BlobError::Op { op, field }), "{bytes:?} at {at} of op {op}");
        }
    }

    #[test]
    fn a_register_that_is_outside_misaligned_or_not_written_is_named() {
        let (input, output) = (offset_of!(ConvRecord, input), offset_of!(ConvRecord, output));
        for (op, at, to, field) in [
            (0, input, 4, "input"),         // not the image
            (2, input, REGISTERS, "input"), // outside
            (2, input, 70, "input"),        // written in part
            (0, output, 5, "output"),       // 16 bits at an odd byte
            (2, output, REGISTERS, "output"),
            (2, output, 69, "output"),                            // overlaps the input
            (1, offset_of!(QuantizeRecord, output), 0, "output"), // overlaps the image
        ] {
            let error = digits().set(record(op) + at, &[to]).seal().error();
            assert_eq!(error, Some(BlobError::Op { op, field }), "register {to} at {at} of op {op}");
        }
    }

    #[test]
    fn a_factor_that_no_shift_can_be_is_named() {
        let rescale = record(1) + offset_of!(QuantizeRecord, rescale);
        for (at, value) in [(0, -1), (2, 0), (2, 31)] {
            let error = digits().set(rescale + at, &i16::to_le_bytes(value)).seal().error();
            assert_eq!(error, Some(BlobError::Op { op: 1, field: "rescale" }));
        }
    }

    #[test]
    fn a_state_that_is_not_what_the_ops_need_is_refused_with_both_sizes() {
        let right = crate::blob::state_words(include_bytes!("../../testdata/mnist-pixelcnn.prnn")) as u32 * 4;
        for declared in [0, right - 4, right + 4] {
            let error = digits().set(offset_of!(Header, state_bytes), &declared.to_le_bytes()).seal().error();
            assert_eq!(error, Some(BlobError::State { declared, needed: right.into() }));
        }
    }

    #[test]
    fn vectors_that_touch_do_not_overlap() {
        let aligned = digits();
        let raw = aligned.raw();
        let narrow = |at, count| Vector { at, count, kind: DType::Activation };
        let wide = |at, count| Vector { at, count, kind: DType::Residual };
        for (a, b, expected) in [
            (narrow(0, 4), narrow(4, 4), false),
            (narrow(0, 5), narrow(4, 4), true),
            (wide(0, 2), narrow(4, 1), false),
            (wide(0, 3), narrow(5, 1), true),
            (narrow(6, 1), wide(4, 2), true),
        ] {
            assert_eq!((overlap(&raw, a, b), overlap(&raw, b, a)), (expected, expected), "{a:?} and {b:?}");
        }
    }

    #[cfg(feature = "lstm")]
    mod lstm {
        use super::*;
        use crate::blob::DepthGateRecord;
        use crate::blob::raw::tests::Blob;

        const COLOUR: &[u8] = include_bytes!("../../testdata/row_lstm_rgb_classes.prnn");

        fn error(op: usize, at: usize, bytes: &[u8]) -> Option<BlobError> {
            Blob::<{ COLOUR.len() }>::new(COLOUR).set(record(op) + at, bytes).seal().error()
        }

        #[test]
        fn a_field_of_an_lstm_out_of_range_is_named() {
            for (at, bytes, field) in [
                (offset_of!(LstmRecord, kernel), &[0][..], "kernel"),
                (offset_of!(LstmRecord, left_shift_x), &[32], "left_shift"),
                (offset_of!(LstmRecord, left_shift_h), &[32], "left_shift"),
                (offset_of!(LstmRecord, to_hidden), &[0, 0, 31, 0], "rescale"),
                (offset_of!(LstmRecord, weights_x), &OUTSIDE, "weights_x"),
                (offset_of!(LstmRecord, bias), &OUTSIDE, "bias"),
                (offset_of!(LstmRecord, multipliers_x), &OUTSIDE, "multipliers_x"),
                (offset_of!(LstmRecord, weights_h), &OUTSIDE, "weights_h"),
                (offset_of!(LstmRecord, multipliers_h), &OUTSIDE, "multipliers_h"),
                (offset_of!(LstmRecord, class_bias), &OUTSIDE, "class_bias"),
                (offset_of!(LstmRecord, initial), &OUTSIDE, "initial"),
                (offset_of!(LstmRecord, cell_bits), &OUTSIDE, "cell_bits"),
                (offset_of!(LstmRecord, cell_bits), &[0; 4], "cell_bits"), // "PRNN" is no bits
            ] {
                assert_eq!(error(2, at, bytes), Some(BlobError::Op { op: 2, field }), "{bytes:?} at {at}");
            }
        }

        #[test]
        fn each_operand_of_an_elementwise_op_has_a_name() {
            for (at, field) in [
                (offset_of!(DepthGateRecord, a), "a"),
                (offset_of!(DepthGateRecord, b), "b"),
                (offset_of!(DepthGateRecord, t), "t"),
                (offset_of!(DepthGateRecord, output), "output"),
            ] {
                assert_eq!(error(6, at, &OUTSIDE), Some(BlobError::Op { op: 6, field }));
            }
        }
    }
}
