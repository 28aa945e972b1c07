//! Reads a blob in place and checks all of it once, so that an engine can trust it.

use super::error::BlobError;
use super::header::{self, HEADER_BYTES, Header, Layout, MAGIC, VERSION, Weights};
use super::record::{
    AddRecord, ConvRecord, Destination, Form, Instruction, LstmRecord, RECORD_BYTES, Record, Vector, kind,
};
use crate::engine::Plan;
use crate::model::{Image, Output, check_image};
use crate::numbers::Rescale;
use bytemuck::Pod;

/// The largest state that a blob may ask for, in bytes.
pub const MAX_STATE_BYTES: u32 = 1 << 30;

/// A checked model, read in place.
///
/// ```
/// use pixelrnn::{BlobError, Model};
///
/// assert_eq!(Model::new(&[0; 8]).unwrap_err(), BlobError::TooShort { got: 8 });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    blob: &'a [u8],
    header: &'a Header,
    records: &'a [Record],
    output: Output,
    weights: Weights,
    layout: Layout,
}

impl<'a> Model<'a> {
    /// Checks `blob` from its checksum to the last offset, and reads it in place from then on.
    ///
    /// # Errors
    /// What is wrong with the blob; see [`BlobError`].
    pub fn new(blob: &'a [u8]) -> Result<Self, BlobError> {
        let head = blob.get(..HEADER_BYTES).ok_or(BlobError::TooShort { got: blob.len() })?;
        let header: &Header = bytemuck::try_from_bytes(head).map_err(|_| BlobError::Misaligned)?;
        if header.magic != MAGIC {
            return Err(BlobError::Magic);
        }
        if header.version != VERSION {
            return Err(BlobError::Version { got: header.version });
        }
        if header.length as usize != blob.len() {
            return Err(BlobError::Length { declared: header.length, got: blob.len() });
        }
        if header.checksum != header::checksum(blob) {
            return Err(BlobError::Checksum);
        }
        let records = slice(blob, header.ops, header.op_count as usize, RECORD_BYTES)
            .and_then(|bytes| bytemuck::try_cast_slice(bytes).ok())
            .ok_or(BlobError::Header { field: "ops" })?;
        let output = header.output().ok_or(BlobError::Header { field: "output" })?;
        let weights = header.weights().ok_or(BlobError::Header { field: "weights" })?;
        let layout = header.layout().ok_or(BlobError::Header { field: "layout" })?;
        let model = Self { blob, header, records, output, weights, layout };
        model.check_header()?;
        model.check_ops()?;
        Ok(model)
    }

    fn check_header(&self) -> Result<(), BlobError> {
        let h = self.header;
        let field = |field| Err(BlobError::Header { field });
        if check_image(&h.image(), self.output).is_err() {
            return field("image");
        }
        if h.reserved != [0; 2] {
            return field("reserved");
        }
        if !h.register_bytes.is_multiple_of(4) || (h.register_bytes as usize) < self.activation() * h.image().channels {
            return field("register_bytes");
        }
        if !h.patch_bytes.is_multiple_of(4) {
            return field("patch_bytes");
        }
        if self.check_numbers("input_table", h.input_table, h.image().levels, self.activation()).is_err() {
            return field("input_table");
        }
        if slice(self.blob, h.notes, h.notes_bytes as usize, 1).is_none() {
            return field("notes");
        }
        Ok(())
    }

    fn check_ops(&self) -> Result<(), BlobError> {
        let Image { height, width, channels, .. } = self.image();
        let header = self.header;
        let mut needed =
            u64::from(header.register_bytes) + 4 * u64::from(header.levels) + u64::from(header.patch_bytes);
        for (op, record) in self.records.iter().enumerate() {
            let instruction = record.instruction().ok_or(BlobError::Op { op, field: "kind" })?;
            let first_reads_image = op != 0
                || matches!(&instruction, Instruction::MaskedConv(c)
                    if c.mask == 0 && c.input == 0 && usize::from(c.inputs) == channels);
            let is_last = op + 1 == self.records.len();
            let makes_logits = matches!(&instruction, Instruction::MaskedConv(c)
                if c.destination() == Some(Destination::Logits));
            let checked = if !first_reads_image {
                Err("input")
            } else if is_last != makes_logits {
                Err("destination")
            } else {
                self.check_op(&instruction).and_then(|()| self.check_flow(op, &instruction))
            };
            checked.map_err(|field| BlobError::Op { op, field })?;
            needed += instruction.state_bytes(height, width, self.weights, Plan::Pixel) as u64;
        }
        if self.records.is_empty() {
            return Err(BlobError::Header { field: "op_count" });
        }
        let declared = self.header.state_bytes;
        if u64::from(declared) != needed || declared > MAX_STATE_BYTES {
            return Err(BlobError::State { declared, needed });
        }
        Ok(())
    }

    /// Whether what the op reads was written by an op before it, in one piece, at this pixel: nothing may depend on what
    /// stood in the memory before.
    fn check_flow(&self, op: usize, instruction: &Instruction<'_>) -> Result<(), &'static str> {
        let channels = self.image().channels;
        let image = Vector { at: 0, count: channels as u16, kind: Form::Activation };
        let vectors = |op: Option<Instruction<'_>>| op.map(|op| op.vectors()).unwrap_or_default();
        let own = instruction.vectors();
        let written = |before: usize| self.records.iter().take(before).map(|r| vectors(r.instruction()).output);
        for input in own.inputs.into_iter().flatten() {
            let writer = written(op).flatten().rfind(|output| self.overlap(*output, input));
            let sound = match writer {
                Some(writer) => writer == input,
                None => op == 0 && input == image,
            };
            if !sound {
                return Err("input");
            }
        }
        let Some(output) = own.output else { return Ok(()) };
        let in_place = |other: &Vector| *other == output && own.inputs.contains(&Some(output));
        let clash = |other: Vector| channels > 1 && self.overlap(other, output) && !in_place(&other);
        // The stream may change in place; an input of products is kept after they are done.
        let torn =
            |input: &Vector| self.overlap(*input, output) && (*input != output || input.kind == Form::Activation);
        let torn = own.inputs.iter().flatten().any(torn);
        if torn || self.overlap(output, image) || written(op).flatten().any(clash) {
            return Err("output");
        }
        Ok(())
    }

    /// Whether two vectors share bytes.
    fn overlap(&self, a: Vector, b: Vector) -> bool {
        let end = |v: Vector| u64::from(v.at) + u64::from(v.count) * v.kind.bytes(self.weights) as u64;
        u64::from(a.at) < end(b) && u64::from(b.at) < end(a)
    }

    fn check_op(&self, instruction: &Instruction<'_>) -> Result<(), &'static str> {
        let narrow = |field, at: u32, count: u16| self.check_register(field, at, count, self.activation());
        let wide = |field, at: u32, count: u16| self.check_register(field, at, count, self.stream());
        match *instruction {
            Instruction::MaskedConv(conv) => self.check_conv(conv),
            Instruction::Quantize(q) => {
                wide("input", q.input, q.count)?;
                narrow("output", q.output, q.count)?;
                self.valid(&[q.rescale]).then_some(()).ok_or("rescale")
            }
            Instruction::Relu(r) => {
                wide("input", r.input, r.count)?;
                wide("output", r.output, r.count)
            }
            Instruction::Elu(e) => {
                wide("input", e.input, e.count)?;
                wide("output", e.output, e.count)?;
                self.valid(&[e.exponent]).then_some(()).ok_or("exponent")
            }
            Instruction::DepthGate(d) => {
                for (field, at) in [("a", d.a), ("b", d.b), ("t", d.t), ("output", d.output)] {
                    wide(field, at, d.count)?;
                }
                self.valid(&[d.rescale_a, d.rescale_b, d.rescale_t]).then_some(()).ok_or("rescale")
            }
            Instruction::RowLstm(lstm) | Instruction::DiagonalLeft(lstm) | Instruction::DiagonalRight(lstm) => {
                self.check_lstm(lstm)
            }
            Instruction::Add(AddRecord { a, b, output, count, negate, rescale_a, rescale_b, .. }) => {
                wide("a", *a, *count)?;
                wide("b", *b, *count)?;
                wide("output", *output, *count)?;
                if *negate > 1 {
                    return Err("negate");
                }
                self.valid(&[*rescale_a, *rescale_b]).then_some(()).ok_or("rescale")
            }
        }
    }

    fn check_conv(&self, conv: &ConvRecord) -> Result<(), &'static str> {
        let groups = self.image().channels;
        let outputs = usize::from(conv.outputs);
        let destination = conv.destination().ok_or("destination")?;
        if conv.mask > 1 {
            return Err("mask");
        }
        if conv.left > 31 || conv.logit_shift > 31 {
            return Err("left");
        }
        if conv.kernel.iter().chain([&conv.dilation]).any(|k| !(1..=127).contains(k)) {
            return Err("kernel");
        }
        let kept = conv.kept_pixels(self.image().height, self.image().width);
        let length = conv.length(groups, groups - 1);
        check_sizes("inputs", &[(kept, self.activation() * usize::from(conv.inputs)), (length, outputs)])?;
        self.check_register("input", conv.input, conv.inputs, self.activation())?;
        match destination {
            Destination::Activation => self.check_register("output", conv.output, conv.outputs, self.activation())?,
            Destination::Stream | Destination::Accumulate => {
                self.check_register("output", conv.output, conv.outputs, self.stream())?;
            }
            Destination::Logits => {
                if outputs != groups * self.output.logits_per_channel(self.image().levels) {
                    return Err("outputs");
                }
            }
        }
        if self.activation() * self.layout.row(length) > self.header.patch_bytes as usize {
            return Err("patch_bytes");
        }
        self.check_weights("weights", conv.weights, conv.weights_before(groups, groups, self.layout))?;
        self.check_numbers("bias", conv.bias, outputs, 4)?;
        self.check_multipliers("multipliers", conv.multipliers, outputs)?;
        self.check_class_bias(conv.class_bias, outputs)
    }

    fn check_lstm(&self, lstm: &LstmRecord) -> Result<(), &'static str> {
        let Image { channels: groups, height, .. } = self.image();
        let gates = 4 * usize::from(lstm.hidden);
        if lstm.cell_bits > 15 {
            return Err("cell_bits");
        }
        if lstm.left_x > 31 || lstm.left_h > 31 {
            return Err("left");
        }
        if lstm.kernel == 0 || lstm.kernel > 127 || (lstm.kind != kind::ROW_LSTM && lstm.kernel != 1) {
            return Err("kernel");
        }
        let hidden = usize::from(lstm.hidden);
        let columns = self.image().width + usize::from(lstm.kernel);
        let lengths = [lstm.x_length(groups, groups - 1), lstm.h_length()];
        // Under every plan: four sums a unit and column, beside inputs and states.
        let kept = (columns, 32 * hidden + 4 * usize::from(lstm.inputs));
        check_sizes("hidden", &[kept, (lengths[0], gates), (lengths[1], gates)])?;
        if !self.valid(&[lstm.to_hidden, lstm.to_output]) {
            return Err("rescale");
        }
        self.check_register("input", lstm.input, lstm.inputs, self.activation())?;
        self.check_register("output", lstm.output, lstm.hidden, self.stream())?;
        let patch: usize = lengths.iter().map(|length| self.layout.row(*length)).sum();
        if self.activation() * patch > self.header.patch_bytes as usize {
            return Err("patch_bytes");
        }
        self.check_weights("weights_x", lstm.weights_x, lstm.x_weights_before(groups, groups, self.layout))?;
        self.check_weights("weights_h", lstm.weights_h, lstm.h_weights(self.layout))?;
        self.check_numbers("bias", lstm.bias, gates, 4)?;
        self.check_multipliers("multipliers_x", lstm.multipliers_x, gates)?;
        self.check_multipliers("multipliers_h", lstm.multipliers_h, gates)?;
        self.check_class_bias(lstm.class_bias, gates)?;
        let rows = if lstm.kind == kind::ROW_LSTM { 1 } else { height };
        if lstm.initial == 0 {
            return Ok(());
        }
        self.check_numbers("initial", lstm.initial, rows * 2 * usize::from(lstm.hidden), self.stream())
    }

    /// Bytes of an activation.
    const fn activation(&self) -> usize {
        self.weights.activation_bytes()
    }

    /// Bytes of a value of the stream.
    const fn stream(&self) -> usize {
        self.weights.stream_bytes()
    }

    /// Whether factors are in range; floats have none.
    fn valid(&self, factors: &[Rescale]) -> bool {
        !self.weights.has_multipliers() || factors.iter().all(|factor| factor.is_valid())
    }

    #[inline(never)]
    fn check_weights(&self, field: &'static str, at: u32, count: usize) -> Result<(), &'static str> {
        // Blocks are read four weights at a time.
        let aligned = self.layout == Layout::Rows || at.is_multiple_of(4);
        if aligned { self.check_numbers(field, at, count, self.weights.weight_bytes()) } else { Err(field) }
    }

    #[inline(never)]
    fn check_multipliers(&self, field: &'static str, at: u32, count: usize) -> Result<(), &'static str> {
        if self.weights.has_multipliers() { self.check_numbers(field, at, count, 4) } else { Ok(()) }
    }

    #[inline(never)]
    fn check_numbers(&self, field: &'static str, at: u32, count: usize, size: usize) -> Result<(), &'static str> {
        let whole = (at as usize).is_multiple_of(size) && slice(self.blob, at, count, size).is_some();
        whole.then_some(()).ok_or(field)
    }

    fn check_class_bias(&self, at: u32, count: usize) -> Result<(), &'static str> {
        let count = count.checked_mul(self.classes()).ok_or("class_bias")?;
        if at == 0 { Ok(()) } else { self.check_numbers("class_bias", at, count, 4) }
    }

    #[inline(never)]
    fn check_register(&self, field: &'static str, at: u32, count: u16, size: usize) -> Result<(), &'static str> {
        let end = u64::from(at) + u64::from(count) * size as u64;
        if count == 0 || !(at as usize).is_multiple_of(size) || end > u64::from(self.header.register_bytes) {
            return Err(field);
        }
        Ok(())
    }

    /// Bytes of the state before the ops' own: registers, logits, patch.
    fn op_state_start(&self) -> usize {
        self.header.register_bytes as usize + 4 * self.image().levels + self.header.patch_bytes as usize
    }

    /// The blob itself.
    pub const fn blob(&self) -> &'a [u8] {
        self.blob
    }

    /// The header.
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// The images that the model makes.
    pub const fn image(&self) -> Image {
        self.header.image()
    }

    /// The distribution over a value's levels.
    pub const fn output(&self) -> Output {
        self.output
    }

    /// Type of the weights.
    pub const fn weights(&self) -> Weights {
        self.weights
    }

    /// How the weights lie.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// Classes to condition on; 0: none.
    pub const fn classes(&self) -> usize {
        self.header.classes as usize
    }

    /// Size of the state that an engine needs, in words of four bytes.
    pub const fn state_words(&self) -> usize {
        (self.header.state_bytes as usize).div_ceil(4)
    }

    /// Size of the state that an engine needs under `plan`, in words of four bytes.
    pub fn state_words_for(&self, plan: Plan) -> usize {
        let Image { height, width, .. } = self.image();
        let own = self.instructions().flatten().map(|op| op.state_bytes(height, width, self.weights, plan) as u64);
        let words = (self.op_state_start() as u64 + own.sum::<u64>()).div_ceil(4);
        // More than there can be is more than any buffer has.
        usize::try_from(words).unwrap_or(usize::MAX)
    }

    /// The ops, in the order in which they run.
    pub fn instructions(&self) -> impl ExactSizeIterator<Item = Option<Instruction<'a>>> + use<'a> {
        self.records.iter().map(Record::instruction)
    }

    /// A line for each op, where the converter wrote them: the network's value that it makes, what a step of it is
    /// worth, and the op's name. No engine needs them, and none are given where they are not UTF-8.
    pub fn notes(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let bytes = slice(self.blob, self.header.notes, self.header.notes_bytes as usize, 1).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default().lines()
    }

    /// Multiply-adds that a pixel costs.
    pub fn multiply_adds(&self) -> usize {
        let groups = self.image().channels;
        self.instructions().flatten().map(|op| op.multiply_adds(groups)).sum()
    }

    /// One row of an LSTM's initial states: `h`, then `c`; empty where they are zero.
    pub(crate) fn initial<T: Pod>(&self, lstm: &LstmRecord, row: usize) -> Option<(&'a [T], &'a [T])> {
        if lstm.initial == 0 {
            return Some((&[], &[]));
        }
        let hidden = usize::from(lstm.hidden);
        let states: &[T] = self.numbers(lstm.initial, (row + 1) * 2 * hidden)?;
        states.get(row * 2 * hidden..)?.split_at_checked(hidden)
    }

    /// `count` numbers of the blob from `at` on.
    pub(crate) fn numbers<T: Pod>(&self, at: u32, count: usize) -> Option<&'a [T]> {
        bytemuck::try_cast_slice(slice(self.blob, at, count, size_of::<T>())?).ok()
    }
}

/// `count` elements of `size` bytes from `at` on.
fn slice(blob: &[u8], at: u32, count: usize, size: usize) -> Option<&[u8]> {
    let at = at as usize;
    blob.get(at..at.checked_add(count.checked_mul(size)?)?)
}

/// Refuses an op that keeps or has more than can be counted where addresses have 32 bits: what follows counts in `usize`.
fn check_sizes(field: &'static str, counts: &[(usize, usize)]) -> Result<(), &'static str> {
    let fits = |(a, b): &(usize, usize)| *a as u64 * *b as u64 <= u64::from(MAX_STATE_BYTES);
    if counts.iter().all(fits) { Ok(()) } else { Err(field) }
}
