//! Blob writer: places the parts, fills in the header, and checks the result.

use super::plan::Held;
use crate::blob::Blob;
use crate::description::Description;
use crate::error::Error;
use pixelrnn::Plan;
use pixelrnn::blob::{
    GraphOp, GraphRecord, HEADER_BYTES, Header, Instruction, KeepRecord, MAGIC, NumberFormat, RECORD_BYTES, Record,
    SegmentRecord, VERSION, checksum,
};
use pixelrnn::network::{ColourGroups, Image, Output};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Alignment of weights and other arrays, in bytes.
const ALIGN: usize = 4;

/// A blob under construction. Header and ops precede `data`; offsets are from the start of the blob.
pub(super) struct BlobWriter {
    header: Header,
    weights: NumberFormat,
    data: Vec<u8>,
    records: Vec<Record>,
    notes: String,
    ops: usize,
    /// Index of the record of each map.
    pub(super) maps: BTreeMap<Held, u16>,
    /// True if one pass computes the logits of all channels.
    ungrouped: bool,
}

const PLANS: [Plan; 2] = [Plan::Pixel, Plan::Row];

impl BlobWriter {
    pub(super) fn new(description: &Description, weights: NumberFormat, ops: usize) -> Self {
        let image = description.image;
        let header = Header {
            magic: MAGIC,
            version: VERSION,
            weights: weights as u8,
            height: image.height as u16,
            width: image.width as u16,
            channels: image.channels as u8,
            output: match description.output {
                Output::Softmax => 0,
                Output::Bernoulli => 1,
            },
            levels: image.levels as u16,
            classes: description.classes as u16,
            op_count: ops as u16,
            ops: HEADER_BYTES as u32,
            ..bytemuck::Zeroable::zeroed()
        };
        let ungrouped = description.colour_groups == ColourGroups::None && image.channels > 1;
        Self {
            header,
            weights,
            data: Vec::new(),
            records: Vec::with_capacity(ops),
            notes: String::new(),
            ops,
            maps: BTreeMap::new(),
            ungrouped,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> u32 {
        self.data.resize(self.data.len().next_multiple_of(ALIGN), 0);
        let at = HEADER_BYTES + self.ops * RECORD_BYTES + self.data.len();
        self.data.extend_from_slice(bytes);
        at as u32
    }

    pub(super) fn input_table(&mut self, at: u32) {
        self.header.input_table = at;
    }

    pub(super) fn weights(&mut self, weights: &[i8]) -> u32 {
        self.put(bytemuck::cast_slice(weights))
    }

    /// Writes an array and returns its offset.
    pub(super) fn numbers<T: bytemuck::NoUninit>(&mut self, numbers: &[T]) -> u32 {
        // The runtime builds on little-endian targets only.
        self.put(bytemuck::cast_slice(numbers))
    }

    /// Index of the record of a map; 0 for one that is not there, which readers refuse.
    pub(super) fn map_of(&self, held: Held) -> u16 {
        self.maps.get(&held).copied().unwrap_or(0)
    }

    /// Fills in where the maps and the states of segments lie, under both plans.
    fn place_states(&mut self, image: Image) {
        let (mut maps, mut states) = ([0; 2], [0; 2]);
        for record in &mut self.records {
            let Some(instruction) = record.instruction() else { continue };
            let size = PLANS.map(|plan| instruction.state_bytes(image.height, image.width, self.weights, plan) as u32);
            let add = |to: &mut [u32; 2]| to.iter_mut().zip(size).for_each(|(to, size)| *to += size);
            match instruction {
                Instruction::Graph(GraphOp::Segment(segment)) => {
                    *record = Record::from(SegmentRecord { state: states, ..*segment });
                }
                Instruction::Graph(GraphOp::Keep(keep)) => {
                    let placed = Record::from(KeepRecord { at: maps, ..*keep });
                    add(&mut maps);
                    *record = placed;
                }
                _ => add(&mut states),
            }
        }
        if let Some(record) = self.records.first_mut()
            && let Some(Instruction::Graph(GraphOp::Graph(graph))) = record.instruction()
        {
            *record = Record::from(GraphRecord { map_bytes: maps, ..*graph });
        }
    }

    /// Reserves an im2col buffer for `length` activations.
    pub(super) fn patch(&mut self, length: usize) {
        let bytes = (length * self.weights.activation_bytes()).next_multiple_of(ALIGN);
        self.header.im2col_bytes = self.header.im2col_bytes.max(bytes as u32);
    }

    /// Appends an op and its note (see the blob format).
    pub(super) fn op(&mut self, record: Record, value: usize, step: f64, name: &str) {
        self.records.push(record);
        // Writing to a string cannot fail.
        let _ = writeln!(self.notes, "{value} {step:e} {name}");
    }

    /// Completes the blob, then parses and checks it as an engine does.
    pub(super) fn finish(mut self, register_bytes: u32) -> Result<Blob, Error> {
        let notes = std::mem::take(&mut self.notes);
        self.header.notes = self.put(notes.as_bytes());
        self.header.notes_bytes = notes.len() as u32;
        self.header.register_bytes = register_bytes;
        let image = self.header.image();
        self.place_states(image);
        let ops: usize = self
            .records
            .iter()
            .filter_map(Record::instruction)
            .map(|op| op.state_bytes(image.height, image.width, self.weights, Plan::Pixel))
            .sum();
        let logits = if self.ungrouped { image.channels * image.levels } else { image.levels };
        let state = register_bytes as usize + 4 * logits + self.header.im2col_bytes as usize + ops;
        let length = HEADER_BYTES + self.ops * RECORD_BYTES + self.data.len();
        let too_large = |_| Error::BlobTooLarge { bytes: length.max(state) };
        self.header.state_bytes = u32::try_from(state).map_err(too_large)?;
        self.header.length = u32::try_from(length).map_err(too_large)?;

        let mut blob = Vec::with_capacity(length);
        blob.extend_from_slice(bytemuck::bytes_of(&self.header));
        blob.extend_from_slice(bytemuck::cast_slice(&self.records));
        blob.extend_from_slice(&self.data);
        let identity = std::mem::offset_of!(Header, identity);
        // The checksum field is still 0 here.
        let name = Sha256::digest(&blob);
        blob[identity..identity + 8].copy_from_slice(&name[..8]);
        let sum = checksum(&blob).to_le_bytes();
        let field = std::mem::offset_of!(Header, checksum);
        blob[field..field + 4].copy_from_slice(&sum);
        let blob = Blob::new(&blob);
        blob.model()?;
        Ok(blob)
    }
}
