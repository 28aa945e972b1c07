//! Lays a blob's weights out anew, for the instructions of another machine. What the model computes stays the same.

use crate::blob::Blob;
use crate::error::Error;
use pixelrnn::blob::{HEADER_BYTES, Header, Instruction, Layout, RECORD_BYTES, Record, Weights, checksum};
use std::mem::offset_of;

/// A matrix of weights in a blob: for each colour group, its outputs and their inputs.
struct Region {
    at: usize,
    groups: Vec<(usize, usize)>,
}

impl Region {
    fn bytes(&self, layout: Layout) -> usize {
        self.groups.iter().map(|(outputs, length)| outputs * layout.row(*length)).sum()
    }
}

/// Copies `blob` with its weights in `layout`.
///
/// # Errors
/// When the weights are floats, which lie in rows only, or matrices share their bytes, as no converter writes them.
pub fn arrange(blob: &Blob, layout: Layout) -> Result<Blob, Error> {
    let model = blob.model()?;
    let from = model.layout();
    if from == layout {
        return Ok(blob.clone());
    }
    if model.weights() != Weights::I8 {
        return Err(Error::FloatLayout);
    }
    let groups = model.image().channels;
    let mut regions: Vec<Region> = model.instructions().flatten().flat_map(|op| regions(&op, groups)).collect();
    regions.sort_by_key(|region| region.at);

    // The old blob from one matrix to the next, with each matrix replaced; `moves` says by how much what follows is moved.
    let old = blob.bytes();
    let (mut new, mut done) = (Vec::new(), 0);
    let mut moves: Vec<(usize, isize)> = Vec::new();
    for region in &regions {
        if region.at < done {
            return Err(Error::SharedWeights);
        }
        new.extend_from_slice(&old[done..region.at]);
        new.resize(new.len().next_multiple_of(ALIGN), 0);
        moves.push((region.at, new.len() as isize - region.at as isize));
        let mut at = region.at;
        for &(outputs, length) in &region.groups {
            let bytes = outputs * from.row(length);
            repack(&old[at..at + bytes], [from, layout], outputs, length, &mut new);
            at += bytes;
        }
        // Numbers of four bytes may follow.
        new.resize(new.len().next_multiple_of(ALIGN), 0);
        done = (region.at + region.bytes(from)).next_multiple_of(ALIGN).min(old.len());
        moves.push((done, new.len() as isize - done as isize));
    }
    new.extend_from_slice(&old[done..]);
    let moved = |at: u32| -> u32 {
        let by = moves.iter().take_while(|(from, _)| *from <= at as usize).last().map_or(0, |(_, by)| *by);
        (at as isize + by) as u32
    };
    finish(model.header(), layout, new, moved)
}

const ALIGN: usize = 4;

fn regions(op: &Instruction<'_>, groups: usize) -> Vec<Region> {
    match op {
        Instruction::MaskedConv(conv) => {
            let group = |g| {
                let (first, end) = conv.group(groups, g);
                (end - first, conv.length(groups, g))
            };
            vec![Region { at: conv.weights as usize, groups: (0..groups).map(group).collect() }]
        }
        Instruction::RowLstm(lstm) | Instruction::DiagonalLeft(lstm) | Instruction::DiagonalRight(lstm) => {
            let group = |g| {
                let (first, end) = lstm.group(groups, g);
                (4 * (end - first), lstm.x_length(groups, g))
            };
            let state = (4 * usize::from(lstm.hidden), lstm.h_length());
            vec![
                Region { at: lstm.weights_x as usize, groups: (0..groups).map(group).collect() },
                Region { at: lstm.weights_h as usize, groups: vec![state] },
            ]
        }
        Instruction::Quantize(_)
        | Instruction::Relu(_)
        | Instruction::Elu(_)
        | Instruction::Add(_)
        | Instruction::DepthGate(_) => Vec::new(),
    }
}

/// Appends `[outputs, length]` weights to `to`, from one layout to the other.
fn repack(from: &[u8], [old, new]: [Layout; 2], outputs: usize, length: usize, to: &mut Vec<u8>) {
    let start = to.len();
    to.resize(start + outputs * new.row(length), 0);
    for output in 0..outputs {
        for input in 0..length {
            to[start + place(new, outputs, length, output, input)] = from[place(old, outputs, length, output, input)];
        }
    }
}

/// Where a weight lies in a matrix of `[outputs, length]`.
fn place(layout: Layout, outputs: usize, length: usize, output: usize, input: usize) -> usize {
    match layout {
        Layout::Rows => output * length + input,
        Layout::Blocks => {
            let first = output - output % Layout::OUTPUTS;
            let in_block = Layout::OUTPUTS.min(outputs - first);
            let four = input / Layout::INPUTS;
            first * layout.row(length) + (four * in_block + output - first) * Layout::INPUTS + input % Layout::INPUTS
        }
    }
}

/// Puts the offsets, sizes and the checksum of a rearranged blob right.
fn finish(header: &Header, layout: Layout, mut bytes: Vec<u8>, moved: impl Fn(u32) -> u32) -> Result<Blob, Error> {
    let optional = |at: u32| if at == 0 { 0 } else { moved(at) };
    let mut header = Header {
        layout: match layout {
            Layout::Rows => 0,
            Layout::Blocks => 1,
        },
        length: bytes.len() as u32,
        input_table: moved(header.input_table),
        ops: moved(header.ops),
        notes: moved(header.notes),
        ..*header
    };
    let groups = header.image().channels;
    let ops = header.ops as usize;
    let mut patch = 0;
    for op in 0..usize::from(header.op_count) {
        let place = &mut bytes[ops + op * RECORD_BYTES..][..RECORD_BYTES];
        let record: Record = bytemuck::pod_read_unaligned(place);
        let record: Record = match record.instruction() {
            Some(Instruction::MaskedConv(c)) => {
                let mut c = *c;
                for at in [&mut c.weights, &mut c.bias, &mut c.multipliers] {
                    *at = moved(*at);
                }
                c.class_bias = optional(c.class_bias);
                patch = patch.max(layout.row(c.length(groups, groups - 1)));
                c.into()
            }
            Some(Instruction::RowLstm(l) | Instruction::DiagonalLeft(l) | Instruction::DiagonalRight(l)) => {
                let mut l = *l;
                for at in [&mut l.weights_x, &mut l.bias, &mut l.multipliers_x, &mut l.weights_h, &mut l.multipliers_h]
                {
                    *at = moved(*at);
                }
                l.class_bias = optional(l.class_bias);
                l.initial = optional(l.initial);
                patch = patch.max(layout.row(l.x_length(groups, groups - 1)) + layout.row(l.h_length()));
                l.into()
            }
            _ => record,
        };
        place.copy_from_slice(bytemuck::bytes_of(&record));
    }
    let patch = patch.next_multiple_of(ALIGN) as u32;
    header.state_bytes = header.state_bytes - header.patch_bytes + patch;
    header.patch_bytes = patch;
    bytes[..HEADER_BYTES].copy_from_slice(bytemuck::bytes_of(&header));
    let sum = checksum(&bytes).to_le_bytes();
    bytes[offset_of!(Header, checksum)..][..sum.len()].copy_from_slice(&sum);
    let blob = Blob::new(&bytes);
    blob.model()?;
    Ok(blob)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_four_inputs_of_four_outputs_and_the_last_what_is_left() {
        // Output o and input i as 10 o + i; five outputs, three inputs.
        let rows: Vec<u8> = (0..5).flat_map(|o| (0..3).map(move |i| 10 * o + i)).collect();
        let mut blocks = Vec::new();
        repack(&rows, [Layout::Rows, Layout::Blocks], 5, 3, &mut blocks);
        assert_eq!(blocks, [0, 1, 2, 0, 10, 11, 12, 0, 20, 21, 22, 0, 30, 31, 32, 0, 40, 41, 42, 0]);
        let mut back = Vec::new();
        repack(&blocks, [Layout::Blocks, Layout::Rows], 5, 3, &mut back);
        assert_eq!(back, rows);

        let rows: Vec<u8> = (0..2).flat_map(|o| (0..5).map(move |i| 10 * o + i)).collect();
        let mut blocks = Vec::new();
        repack(&rows, [Layout::Rows, Layout::Blocks], 2, 5, &mut blocks);
        assert_eq!(blocks, [0, 1, 2, 3, 10, 11, 12, 13, 4, 0, 0, 0, 14, 0, 0, 0]);
    }
}
