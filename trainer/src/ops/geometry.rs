//! Geometry of a convolution: offsets of its open taps in a padded image, and its weights as a matrix.

use pixelrnn::network::Conv;

/// Zero padding of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Padding {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

/// A convolution as a matrix; see [`crate::kernels::Forward`]. A row is one feature read at one tap.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    /// Tap and feature read by row `k`.
    rows: Vec<(Tap, usize)>,
    /// Input features.
    inputs: usize,
    /// Output features, the length of a row.
    outputs: usize,
    /// Index of each element in the weight tensor, `[rows, outputs]`. [`CLOSED`] if the mask is closed.
    places: Vec<usize>,
    /// Padding needed by the taps.
    pub padding: Padding,
}

/// Marker for a masked-out weight.
const CLOSED: usize = usize::MAX;

/// A tap as an offset from the current pixel.
#[derive(Clone, Copy, Debug)]
struct Tap {
    rows: isize,
    columns: isize,
}

/// A convolution, and its input gradient, which is also a convolution.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    conv: Conv,
    pub forward: Matrix,
    pub transposed: Matrix,
}

impl Geometry {
    /// `conv` over images of at most `height` by `width` pixels. Taps that never read inside such an image are left out.
    pub(super) fn new(conv: &Conv, [height, width]: [usize; 2]) -> Self {
        let (inputs, outputs, [kh, kw]) = (conv.inputs.count, conv.outputs.count, conv.kernel);
        let place = |u: usize, v: usize, c: usize, o: usize| {
            if conv.open(u, v, c, o) { ((o * inputs + c) * kh + u) * kw + v } else { CLOSED }
        };
        let mut forward = Matrix::new(inputs, outputs);
        let mut transposed = Matrix::new(outputs, inputs);
        for u in 0..kh {
            for v in 0..kw {
                let (rows, columns) = conv.offset(u, v);
                if rows.unsigned_abs() >= height || columns.unsigned_abs() >= width {
                    continue;
                }
                for c in 0..inputs {
                    forward.push(Tap { rows, columns }, c, (0..outputs).map(|o| place(u, v, c, o)));
                }
                let (rows, columns) = (-rows, -columns);
                for o in 0..outputs {
                    transposed.push(Tap { rows, columns }, o, (0..inputs).map(|c| place(u, v, c, o)));
                }
            }
        }
        Self { conv: *conv, forward, transposed }
    }

    pub(super) fn conv(&self) -> &Conv {
        &self.conv
    }
}

impl Matrix {
    fn new(inputs: usize, outputs: usize) -> Self {
        Self { rows: Vec::new(), inputs, outputs, places: Vec::new(), padding: Padding::default() }
    }

    /// Adds a row, unless it is entirely closed.
    fn push(&mut self, tap: Tap, feature: usize, places: impl Iterator<Item = usize>) {
        let before = self.places.len();
        self.places.extend(places);
        if self.places[before..].iter().all(|&place| place == CLOSED) {
            self.places.truncate(before);
            return;
        }
        self.rows.push((tap, feature));
        let padding = &mut self.padding;
        padding.top = padding.top.max((-tap.rows).max(0) as usize);
        padding.bottom = padding.bottom.max(tap.rows.max(0) as usize);
        padding.left = padding.left.max((-tap.columns).max(0) as usize);
        padding.right = padding.right.max(tap.columns.max(0) as usize);
    }

    /// Number of input features.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of output features.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Offset of the input for row `k` from a pixel's first float, in images with `width` pixels per row.
    pub(super) fn offsets(&self, width: usize) -> Vec<usize> {
        let padded = self.padding.padded(width) as isize;
        let offset = |&(tap, feature): &(Tap, usize)| {
            let row = self.padding.top as isize + tap.rows;
            let column = self.padding.left as isize + tap.columns;
            ((row * padded + column) * self.inputs as isize) as usize + feature
        };
        self.rows.iter().map(offset).collect()
    }

    /// Packs the weight tensor into matrix rows with stride `stride`.
    pub(super) fn pack(&self, weight: &[f32], stride: usize) -> Vec<f32> {
        let mut packed = vec![0.0; self.len() * stride];
        for (row, places) in packed.chunks_exact_mut(stride).zip(self.places.chunks_exact(self.outputs)) {
            for (to, &place) in row.iter_mut().zip(places) {
                if place != CLOSED {
                    *to = weight[place];
                }
            }
        }
        packed
    }

    /// Inverse of [`Matrix::pack`]: a weight tensor with `count` elements, zero for closed taps.
    pub(super) fn unpack(&self, packed: &[f32], stride: usize, count: usize) -> Vec<f32> {
        let mut weight = vec![0.0; count];
        for (row, places) in packed.chunks_exact(stride).zip(self.places.chunks_exact(self.outputs)) {
            for (&from, &place) in row.iter().zip(places) {
                if place != CLOSED {
                    weight[place] = from;
                }
            }
        }
        weight
    }
}

impl Padding {
    /// Pixels per padded row.
    pub(super) fn padded(self, width: usize) -> usize {
        self.left + width + self.right
    }

    /// True if the image needs no padding.
    pub(super) fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// Copies an image with `width` pixels of `features` floats to `to` with zero padding, applying `f` to each value.
    ///
    /// `to` is empty, or holds an image padded the same way.
    pub(super) fn apply(
        self,
        image: &[f32],
        width: usize,
        features: usize,
        to: &mut Vec<f32>,
        f: impl Fn(f32) -> f32 + Copy,
    ) {
        let (row, padded_row) = (width * features, self.padded(width) * features);
        let rows = image.len() / row;
        // Later images of a batch reuse the zeros of the first one.
        to.resize((self.top + rows + self.bottom) * padded_row, 0.0);
        let inside = to[self.top * padded_row..].chunks_exact_mut(padded_row);
        for (to, from) in inside.zip(image.chunks_exact(row)) {
            for (to, &x) in to[self.left * features..][..row].iter_mut().zip(from) {
                *to = f(x);
            }
        }
    }
}
