//! Mutated graphs: other records in other segments, with places for what they keep.

use super::{fields, seal};
use crate::integer_model::bytes::{offset_at, u16_at};
use crate::integer_model::header::Header;
use crate::random::Random;
use pixelrnn::blob::{GraphOp, Instruction, NumberFormat, RECORD_BYTES, Record};
use pixelrnn::network::Image;
use pixelrnn::{BlobError, Model, Plan};
use pixelrnn_converter::Blob;

/// An op, with the index that it had, which loads and convolutions of its map name.
type Op = (u16, [u8; RECORD_BYTES]);

/// Records of a graph.
struct Records {
    graph: [u8; RECORD_BYTES],
    segments: Vec<([u8; RECORD_BYTES], Vec<Op>)>,
    next: u16,
}

/// Bytes of the registers and of the im2col buffer beyond those that are used, for larger vectors.
const ROOM: u32 = 256;

impl Records {
    fn of(blob: &[u8]) -> Self {
        let header = Header::parse(blob).expect("a blob");
        let all = blob[header.ops..].as_chunks::<RECORD_BYTES>().0;
        let (mut segments, mut at): (Vec<([u8; RECORD_BYTES], Vec<Op>)>, _) = (Vec::new(), 1);
        while at < header.op_count {
            let end = at + 1 + usize::from(u16_at(&all[at], 2));
            segments.push((all[at], (at + 1..end).map(|op| (op as u16, all[op])).collect()));
            at = end;
        }
        Self { graph: all[0], segments, next: header.op_count as u16 }
    }

    /// Segment and index of a random op.
    fn any(&self, random: &mut Random) -> (usize, usize) {
        let segment = random.below(self.segments.len());
        (segment, random.below(self.segments[segment].1.len().max(1)))
    }

    /// Changes the records in one way.
    fn change(&mut self, registers: usize, random: &mut Random) {
        let (segment, op) = self.any(random);
        let written: Vec<_> =
            self.segments.iter().flat_map(|(_, ops)| ops.iter().filter_map(|(_, op)| residual(op))).collect();
        let ops = &mut self.segments[segment].1;
        match random.below(8) {
            0 if op > 0 => ops.swap(op - 1, op),
            1 if ops.len() > 1 => {
                ops.remove(op);
            }
            2 if !ops.is_empty() => {
                let (copy, to) = (ops[op].1, random.below(ops.len() + 1));
                ops.insert(to, (self.next, copy));
                self.next += 1;
            }
            3 => {
                let moved = self.segments.remove(segment);
                self.segments.insert(random.below(self.segments.len() + 1), moved);
            }
            4 => {
                // A ReLU in place, of a register that an op writes.
                if let Some((at, count)) = written.get(random.below(written.len().max(1))) {
                    let mut relu = [0; RECORD_BYTES];
                    relu[0] = 3;
                    relu[4..8].copy_from_slice(&at.to_le_bytes());
                    relu[8..12].copy_from_slice(&at.to_le_bytes());
                    relu[12..14].copy_from_slice(&count.to_le_bytes());
                    ops.insert(op, (self.next, relu));
                    self.next += 1;
                }
            }
            5 if op > 0 => {
                let later = ops.split_off(op);
                let (record, _) = self.segments[segment];
                self.segments.insert(segment + 1, (record, later));
            }
            6 => small(&mut self.segments[segment].0, &[1, 4, 6], random),
            _ => {
                if let Some((_, record)) = ops.get_mut(op) {
                    let places = match record[0] {
                        15 => &[12, 16][..],
                        16 => &[2, 8, 10],
                        17 => &[2, 4, 5, 6, 23, 40, 41, 42, 44],
                        18 => &[1],
                        19 => &[28, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50],
                        _ => &[],
                    };
                    if places.is_empty() {
                        let fields = fields(record[0]);
                        let registers = registers as u32 & !1;
                        if let Some((_, at, 4)) = fields.get(random.below(fields.len().max(1))) {
                            record[*at..at + 4]
                                .copy_from_slice(&(random.below(registers as usize) as u32).to_le_bytes());
                        }
                    } else {
                        small(record, places, random);
                    }
                }
            }
        }
    }

    /// A copy of `blob` with these records, and with places for maps and states.
    fn put(self, blob: &[u8]) -> Vec<u8> {
        let (mut records, mut new) = (vec![self.graph], Vec::new());
        for (mut segment, ops) in self.segments.into_iter().filter(|(_, ops)| !ops.is_empty()) {
            segment[2..4].copy_from_slice(&(ops.len() as u16).to_le_bytes());
            records.push(segment);
            for (op, record) in ops {
                new.push((op, records.len() as u16));
                records.push(record);
            }
        }
        for record in &mut records {
            let field = match record[0] {
                16 => 2,
                17 => 42,
                _ => continue,
            };
            let map = u16_at(record, field);
            if let Some((_, now)) = new.iter().find(|(op, _)| *op == map) {
                record[field..field + 2].copy_from_slice(&now.to_le_bytes());
            }
        }
        with_records(blob, &records)
    }
}

/// Register and number of features of the residual that a few kinds of ops write.
fn residual(record: &[u8; RECORD_BYTES]) -> Option<(u32, u16)> {
    let (at, count) = match record[0] {
        3 | 4 | 10 | 11 | 12 | 21 | 22 => (8, 12),
        5 | 20 => (12, 16),
        18 => (4, 2),
        19 => (16, 2),
        1 | 17 if record[1] == 1 => (12, 18),
        _ => return None,
    };
    Some((offset_at(record, at) as u32, u16_at(record, count)))
}

/// Changes one of the bytes at `places` by a little.
fn small(record: &mut [u8; RECORD_BYTES], places: &[usize], random: &mut Random) {
    let at = random.choose(places);
    let value = random.choose(&[0, 1, 2, 3, 4, record[at].wrapping_add(1), record[at].wrapping_sub(1)]);
    record[at] = value;
}

/// Changes the graph of `blob` in a few ways, places what its ops keep, and updates sizes and checksum.
///
/// # Panics
/// Panics if `blob` is no valid graph.
pub fn structure(blob: &[u8], random: &mut Random) -> Vec<u8> {
    let mut records = Records::of(blob);
    let registers = Header::parse(blob).expect("a blob").register_bytes;
    for _ in 0..random.between(1, 3) {
        records.change(registers, random);
    }
    records.put(&roomy(blob))
}

/// Places what the ops of `blob` keep, and updates sizes and checksum. A blob that is no graph has its sizes updated.
///
/// # Panics
/// Panics if the header of `blob` is invalid.
pub fn placed(blob: &[u8]) -> Vec<u8> {
    let header = Header::parse(blob).expect("a blob");
    let records: Vec<_> = blob[header.ops..].as_chunks().0[..header.op_count].to_vec();
    let mut bytes = blob.to_vec();
    place(&mut bytes, header.ops, records);
    bytes
}

/// A copy of `blob` with room for longer vectors.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn roomy(blob: &[u8]) -> Vec<u8> {
    let header = Header::parse(blob).expect("a blob");
    let mut bytes = blob.to_vec();
    for (field, is) in [(20, header.register_bytes), (24, header.im2col_bytes)] {
        bytes[field..field + 4].copy_from_slice(&(is as u32 + ROOM).to_le_bytes());
    }
    seal(&mut bytes);
    placed(&bytes)
}

/// A copy of `blob` with other records behind its data.
fn with_records(blob: &[u8], records: &[[u8; RECORD_BYTES]]) -> Vec<u8> {
    let mut bytes = blob.to_vec();
    bytes.resize(blob.len().next_multiple_of(4), 0);
    let at = bytes.len();
    bytes.extend(records.concat());
    let length = bytes.len() as u32;
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    bytes[38..40].copy_from_slice(&(records.len() as u16).to_le_bytes());
    bytes[44..48].copy_from_slice(&(at as u32).to_le_bytes());
    place(&mut bytes, at, records.to_vec());
    bytes
}

/// Writes `records` at `at`, with places for maps and states, and updates sizes and checksum.
fn place(bytes: &mut [u8], at: usize, mut records: Vec<[u8; RECORD_BYTES]>) {
    let [height, width, levels] = [28, 30, 34].map(|field| u16_at(bytes, field).into());
    let image = Image { height, width, channels: bytes[32].into(), levels };
    let weights = match bytes[7] {
        0 => NumberFormat::I8,
        1 => NumberFormat::F16,
        2 => NumberFormat::F32,
        _ => NumberFormat::I8A16,
    };
    let (mut maps, mut states) = ([0u32; 2], [0u32; 2]);
    let put = |record: &mut [u8; RECORD_BYTES], field: usize, values: [u32; 2]| {
        record[field..field + 8].copy_from_slice(&values.map(u32::to_le_bytes).concat());
    };
    for record in &mut records {
        let aligned: Record = bytemuck::pod_read_unaligned(record);
        let Some(instruction) = aligned.instruction() else { continue };
        let size = [Plan::Pixel, Plan::Row]
            .map(|plan| instruction.state_bytes(image.height, image.width, weights, plan) as u32);
        let add = |to: &mut [u32; 2]| to.iter_mut().zip(size).for_each(|(to, size)| *to = to.wrapping_add(size));
        match instruction {
            Instruction::Graph(GraphOp::Segment(_)) => put(record, 8, states),
            Instruction::Graph(GraphOp::Keep(_)) => {
                put(record, 20, maps);
                add(&mut maps);
            }
            _ => add(&mut states),
        }
    }
    if records[0][0] == 13 {
        put(&mut records[0], 4, maps);
    }
    bytes[at..at + RECORD_BYTES * records.len()].copy_from_slice(&records.concat());
    seal(bytes);
    if let Err(BlobError::State { needed, .. }) = Model::new(Blob::new(bytes).bytes()) {
        bytes[16..20].copy_from_slice(&(needed as u32).to_le_bytes());
        seal(bytes);
    }
}
