//! Kinds 13 and 14: segments of a graph.

use super::super::bytes::{u8_at, u16_at};
use super::super::header::Header;
use std::ops::Range;

/// Ops that run at one position after the other.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Indices of the ops.
    pub ops: Range<usize>,
    /// Rows between the pixel and the position.
    pub rows_ahead: usize,
}

impl Segment {
    /// Segments of a blob. Without graph, one has all ops.
    pub fn all(blob: &[u8], header: &Header) -> Vec<Self> {
        if u8_at(header.record(blob, 0), 0) != 13 {
            return vec![Self { ops: 0..header.op_count, rows_ahead: 0 }];
        }
        let (mut segments, mut at) = (Vec::new(), 1);
        while at < header.op_count {
            let record = header.record(blob, at);
            let ops = at + 1..at + 1 + usize::from(u16_at(record, 2));
            at = ops.end;
            segments.push(Self { ops, rows_ahead: u16_at(record, 6).into() });
        }
        segments
    }

    /// Rows at which the ops run before the pixels of row `row`: at the first one all rows that are not further ahead.
    pub fn rows(&self, row: usize, height: usize) -> Range<usize> {
        let last = row + self.rows_ahead;
        (if row == 0 { 0 } else { last }).min(height)..(last + 1).min(height)
    }
}
