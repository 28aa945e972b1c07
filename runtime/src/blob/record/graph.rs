//! Structure of a graph: segments of ops, and the maps through which values pass between them.

use super::{DType, kind};
use crate::blob::Plan;
use crate::blob::format::NumberFormat;
use bytemuck::{Pod, Zeroable};

/// `graph`: first record of a blob whose ops are in segments.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct GraphRecord {
    /// [`super::kind::GRAPH`].
    pub kind: u8,
    /// 1 if the three values of a pixel are predicted at once, without colour groups; else 0.
    pub ungrouped: u8,
    /// Zero.
    pub pad: u16,
    /// Bytes of all maps under [`Plan::Pixel`] and under [`Plan::Row`].
    pub map_bytes: [u32; 2],
    /// Zero.
    pub reserved: [u32; 13],
}

/// Time at which the ops of a segment run, by the class of their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Before a row: of the row that is [`SegmentRecord::rows_ahead`] rows below, all columns.
    Given = 0,
    /// Before a pixel, [`SegmentRecord::columns_ahead`] columns to its right; under [`Plan::Row`] all columns before a row.
    Above = 1,
    /// At a pixel, once per colour group.
    Past = 2,
    /// After a pixel; in a model with colour groups after each colour, for its features.
    Itself = 3,
    /// After a row, all columns.
    Row = 4,
}

/// `segment`: the following `ops` ops, which run at the same position.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct SegmentRecord {
    /// [`super::kind::SEGMENT`].
    pub kind: u8,
    /// A [`Phase`].
    pub phase: u8,
    /// Number of ops, without this record.
    pub ops: u16,
    /// Columns between the pixel and the position of the ops, in phase [`Phase::Above`].
    pub columns_ahead: u16,
    /// Rows between the pixel and the position of the ops, in phase [`Phase::Given`].
    pub rows_ahead: u16,
    /// Bytes of op state before the segment's, without maps, under [`Plan::Pixel`] and under [`Plan::Row`].
    pub state: [u32; 2],
    /// Zero.
    pub reserved: [u32; 12],
}

impl SegmentRecord {
    /// Phase of the ops; `None` for an invalid byte.
    pub const fn phase(&self) -> Option<Phase> {
        Some(match self.phase {
            0 => Phase::Given,
            1 => Phase::Above,
            2 => Phase::Past,
            3 => Phase::Itself,
            4 => Phase::Row,
            _ => return None,
        })
    }
}

/// `keep`: a vector is written to a map, at the position of its segment.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct KeepRecord {
    /// [`super::kind::KEEP`].
    pub kind: u8,
    /// Element type: 0, activations; 1, residuals.
    pub dtype: u8,
    /// Zero point of activations; also the padding outside the image.
    pub zero_point: i8,
    /// Zero.
    pub pad: u8,
    /// Register read.
    pub input: u32,
    /// Features.
    pub count: u16,
    /// Zero.
    pub pad2: u16,
    /// Pixels kept under [`Plan::Pixel`] and under [`Plan::Row`]: pixel `p` is in slot `p mod pixels`.
    pub pixels: [u32; 2],
    /// Offset in the maps, in bytes, under [`Plan::Pixel`] and under [`Plan::Row`].
    pub at: [u32; 2],
    /// Zero.
    pub reserved: [u32; 9],
}

impl KeepRecord {
    /// Element type; `None` for an invalid byte.
    pub const fn dtype(&self) -> Option<DType> {
        dtype(self.dtype)
    }

    /// Pixels kept.
    pub const fn pixels(&self, plan: Plan) -> usize {
        self.pixels[plan as usize] as usize
    }

    /// Bytes of the map, a multiple of four.
    pub const fn map_bytes(&self, weights: NumberFormat, plan: Plan) -> usize {
        let size = match self.dtype() {
            Some(dtype) => dtype.bytes(weights),
            None => 0,
        };
        (self.pixels(plan) * self.count as usize * size).next_multiple_of(4)
    }
}

/// `load`: a vector of a map is read, `rows` up and `columns` to the left; 0 outside the image.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct LoadRecord {
    /// [`super::kind::LOAD`].
    pub kind: u8,
    /// Zero.
    pub pad: u8,
    /// Index of the record of the map, a [`KeepRecord`].
    pub map: u16,
    /// Register written, of the map's type and number of features.
    pub output: u32,
    /// Rows up.
    pub rows: u16,
    /// Columns to the left.
    pub columns: u16,
    /// Element type of the map: 0, activations; 1, residuals.
    pub dtype: u8,
    /// Zero.
    pub pad2: u8,
    /// Features of the map.
    pub count: u16,
    /// Zero.
    pub reserved: [u32; 12],
}

impl LoadRecord {
    /// Element type; `None` for an invalid byte.
    pub const fn dtype(&self) -> Option<DType> {
        dtype(self.dtype)
    }
}

/// Row of a table that a [`TableRecord`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TableIndex {
    /// The only row.
    Only = 0,
    /// The row of the label.
    Label = 1,
    /// The row of the pixel's value, in an image of one channel.
    Value = 2,
}

/// `table`: a row of a table becomes a residual.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct TableRecord {
    /// [`super::kind::TABLE`].
    pub kind: u8,
    /// A [`TableIndex`].
    pub index: u8,
    /// Features.
    pub count: u16,
    /// Register written, `i16`.
    pub output: u32,
    /// Offset of the table, `[rows, count]` of residuals.
    pub table: u32,
    /// Zero.
    pub reserved: [u32; 13],
}

impl TableRecord {
    /// Row that is read; `None` for an invalid byte.
    pub const fn index(&self) -> Option<TableIndex> {
        Some(match self.index {
            0 => TableIndex::Only,
            1 => TableIndex::Label,
            2 => TableIndex::Value,
            _ => return None,
        })
    }

    /// Rows of the table, in a model of `classes` classes and `levels` levels.
    pub const fn rows(&self, classes: usize, levels: usize) -> usize {
        match self.index {
            0 => 1,
            1 => classes,
            _ => levels,
        }
    }
}

const fn dtype(byte: u8) -> Option<DType> {
    match byte {
        0 => Some(DType::Activation),
        1 => Some(DType::Residual),
        _ => None,
    }
}

const _: () = assert!(
    size_of::<GraphRecord>() == 64
        && size_of::<SegmentRecord>() == 64
        && size_of::<KeepRecord>() == 64
        && size_of::<LoadRecord>() == 64
        && size_of::<TableRecord>() == 64
);

/// True if the kind is one of this file.
pub(crate) const fn is_graph_kind(kind: u8) -> bool {
    matches!(
        kind,
        kind::GRAPH | kind::SEGMENT | kind::KEEP | kind::LOAD | kind::TABLE | kind::CONV | kind::JOIN | kind::LOGITS
    )
}
