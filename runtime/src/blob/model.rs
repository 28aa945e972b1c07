//! Checked model, read in place from its blob.

use super::bytes::slice;
use super::check;
use super::error::{BlobError, SizeError};
use super::format::{Layout, NumberFormat};
use super::header::Header;
use super::limits::MAX_STATE_BYTES;
use super::plan::Plan;
use super::raw::Raw;
use super::record::{Destination, GRAPH, GraphOp, Instruction, LSTM, LstmRecord, Record};
use crate::network::{Image, Output, check_image};
use bytemuck::Pod;
use core::ops::Range;

/// Checked model, read in place.
///
/// ```
/// use pixelrnn::{BlobError, Model};
///
/// assert_eq!(Model::new(&[0; 8]).unwrap_err(), BlobError::TooShort { got: 8 });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    raw: Raw<'a>,
}

impl<'a> Model<'a> {
    /// Checks `blob` completely, from its checksum to the last offset. It is read in place afterwards.
    ///
    /// # Errors
    /// The first check that fails; see [`BlobError`].
    pub fn new(blob: &'a [u8]) -> Result<Self, BlobError> {
        let raw = Raw::read(blob)?;
        check::ops(&raw)?;
        Ok(Self { raw })
    }

    /// The same model for images of another size, which its layers do not care about: convolutions and LSTMs slide over images of any
    /// size. The state grows with the width; see [`Model::state_words`]. The identity stays.
    ///
    /// ```
    /// use pixelrnn::{Argmax, Engine, SizeError};
    ///
    /// # pixelrnn::include_model!(mod digits = "../../testdata/mnist-pixelcnn.prnn");
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let model = digits::model()?.with_size(7, 40)?;
    /// let mut state = vec![0; model.state_words()];
    /// let mut engine = Engine::new(model, &mut state)?;
    /// assert_eq!(engine.pixels(&mut Argmax).count(), 7 * 40);
    /// assert_eq!(digits::model()?.with_size(0, 40).unwrap_err(), SizeError::Range { height: 0, width: 40 });
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A size out of range; a graph, whose maps are laid out for one size; a Diagonal BiLSTM with initial states, of which there is one a
    /// row; a state beyond the limit.
    pub fn with_size(&self, height: usize, width: usize) -> Result<Self, SizeError> {
        let own = self.image();
        if (own.height, own.width) == (height, width) {
            return Ok(*self);
        }
        let range = SizeError::Range { height, width };
        check_image(&Image { height, width, ..own }, self.output()).map_err(|_| range)?;
        let side = |side: usize| u16::try_from(side).map_err(|_| range);
        let raw = self.raw.resized([side(height)?, side(width)?]);
        if self.is_graph() {
            return Err(SizeError::Graph);
        }
        let by_row = |op: Instruction<'_>| match op {
            Instruction::DiagonalLeft(lstm) | Instruction::DiagonalRight(lstm) => lstm.initial != 0,
            _ => false,
        };
        if height != own.height && self.instructions().flatten().any(by_row) {
            return Err(SizeError::InitialStates { rows: own.height });
        }
        let needed = check::state(&raw).map_err(|_| SizeError::State)?;
        let needed = u32::try_from(needed).ok().filter(|needed| *needed <= MAX_STATE_BYTES).ok_or(SizeError::State)?;
        Ok(Self { raw: raw.with_state_bytes(needed) })
    }

    /// Identity of the model, the same for all layouts of its weights. Compressed files store it.
    pub const fn identity(&self) -> u64 {
        u64::from_le_bytes(self.header().identity)
    }

    /// Bytes of the blob.
    pub const fn blob(&self) -> &'a [u8] {
        self.raw.blob()
    }

    /// Header of the blob.
    #[doc(hidden)]
    pub const fn header(&self) -> &'a Header {
        self.raw.header()
    }

    /// Size and levels of the model's images.
    pub const fn image(&self) -> Image {
        self.raw.image()
    }

    /// Distribution over a value's levels.
    pub const fn output(&self) -> Output {
        self.raw.output()
    }

    /// Number format.
    pub const fn weights(&self) -> NumberFormat {
        self.raw.weights()
    }

    /// Layout of the weights.
    pub const fn layout(&self) -> Layout {
        self.raw.layout()
    }

    /// Colour groups, each predicted by a pass of its own: one per channel, or one for all.
    #[doc(hidden)]
    pub fn groups(&self) -> usize {
        self.raw.groups()
    }

    /// Words of the logits that one pass computes.
    pub(crate) fn logit_words(&self) -> usize {
        self.raw.logit_words()
    }

    /// True if the ops are in segments.
    pub(crate) fn is_graph(&self) -> bool {
        GRAPH && self.records().first().is_some_and(|record| record.graph().is_some())
    }

    /// Words of all maps of a graph under `plan`.
    pub(crate) fn map_words(&self, plan: Plan) -> usize {
        let graph = self.records().first().and_then(Record::graph);
        graph.map_or(0, |graph| (graph.map_bytes[plan as usize] / 4) as usize)
    }

    /// Index of the op that makes the logits.
    #[doc(hidden)]
    pub fn logits_op(&self) -> usize {
        if !self.is_graph() {
            return self.records().len().saturating_sub(1);
        }
        let makes = |op: Option<Instruction<'_>>| match op {
            Some(Instruction::MaskedConv(conv)) => conv.destination() == Some(Destination::Logits),
            Some(Instruction::Graph(GraphOp::Conv(conv))) => conv.destination() == Some(Destination::Logits),
            Some(Instruction::Graph(GraphOp::Logits(_))) => true,
            _ => false,
        };
        self.instructions().position(makes).unwrap_or(0)
    }

    /// Classes to condition on; 0: none.
    pub const fn classes(&self) -> usize {
        self.raw.classes()
    }

    /// State that an engine needs, in 32-bit words.
    pub const fn state_words(&self) -> usize {
        (self.raw.state_bytes() as usize).div_ceil(4)
    }

    /// State that an engine needs under `plan`, in 32-bit words.
    pub fn state_words_for(&self, plan: Plan) -> usize {
        if !(LSTM || GRAPH) || plan == Plan::Pixel {
            return self.state_words();
        }
        let Image { height, width, .. } = self.image();
        let op_state =
            self.instructions().flatten().map(|op| op.state_bytes(height, width, self.weights(), plan) as u64);
        let words = (self.raw.op_state_start() + op_state.sum::<u64>()).div_ceil(4);
        // Saturates: no buffer is that large.
        usize::try_from(words).unwrap_or(usize::MAX)
    }

    /// Op records as stored in the blob.
    #[doc(hidden)]
    pub const fn records(&self) -> &'a [Record] {
        self.raw.records()
    }

    /// Ops in order of execution.
    #[doc(hidden)]
    pub fn instructions(&self) -> impl ExactSizeIterator<Item = Option<Instruction<'a>>> + use<'a> {
        self.raw.instructions()
    }

    /// One line per op, if the converter wrote them: the network value that it computes, the size of a quantization step, and
    /// the op's name. Engines do not read notes; notes that are not UTF-8 are omitted.
    #[doc(hidden)]
    pub fn notes(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let bytes = slice(self.blob(), self.header().notes, self.header().notes_bytes as usize, 1).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default().lines()
    }

    /// Multiply-adds per pixel.
    pub fn multiply_adds(&self) -> usize {
        let groups = self.groups();
        self.instructions().flatten().map(|op| op.multiply_adds(groups)).sum()
    }

    /// Activation of each level, as bytes: [`NumberFormat::activation_bytes`] each.
    #[doc(hidden)]
    pub fn input_table(&self) -> &'a [u8] {
        let bytes = self.image().levels * self.weights().activation_bytes();
        let start = self.header().input_table as usize;
        self.blob().get(start..start + bytes).unwrap_or_default()
    }

    /// Output distribution, and the left shift of its logits in bits.
    #[cfg(feature = "std")]
    pub(crate) fn logits(&self) -> (crate::network::Output, u8) {
        let shift = match self.records().get(self.logits_op()).and_then(Record::instruction) {
            Some(Instruction::MaskedConv(conv)) => conv.logit_shift,
            Some(Instruction::Graph(GraphOp::Conv(conv))) => conv.logit_shift,
            Some(Instruction::Graph(GraphOp::Logits(logits))) => logits.logit_shift,
            _ => 0,
        };
        (self.output(), shift)
    }

    /// Bits of an LSTM's units, see [`LstmRecord::cell_bits`]; empty for a float blob.
    #[doc(hidden)]
    pub fn cell_bits(&self, lstm: &LstmRecord) -> Option<&'a [u8]> {
        if self.weights().has_multipliers() { self.slice(lstm.cell_bits, 0..lstm.hidden.into()) } else { Some(&[]) }
    }

    /// Initial states `h` and `c` of an LSTM in one row; empty if they are zero.
    pub(crate) fn initial<T: Pod>(&self, lstm: &LstmRecord, row: usize) -> Option<(&'a [T], &'a [T])> {
        if lstm.initial == 0 {
            return Some((&[], &[]));
        }
        let hidden = usize::from(lstm.hidden);
        self.slice(lstm.initial, row * 2 * hidden..(row + 1) * 2 * hidden)?.split_at_checked(hidden)
    }

    /// Elements `range` of the array at offset `at`.
    pub(crate) fn slice<T: Pod>(&self, at: u32, range: Range<usize>) -> Option<&'a [T]> {
        self.raw.slice(at, range)
    }
}
