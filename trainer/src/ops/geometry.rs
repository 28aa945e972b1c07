//! Where the open taps of a masked convolution find their numbers in a padded image.

use pixelrnn::model::MaskedConv;

/// Zeros around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Padding {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl Padding {
    /// The padding that the transposed convolution needs.
    fn turned(self) -> Self {
        Self { top: self.bottom, bottom: self.top, left: self.right, right: self.left }
    }

    fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// One open tap: its kernel row and column, and what it reads relative to the pixel being computed.
#[derive(Clone, Copy, Debug)]
struct Tap {
    u: usize,
    v: usize,
    rows: isize,
    columns: isize,
}

/// The open taps of a masked convolution.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    conv: MaskedConv,
    taps: Vec<Tap>,
    padding: Padding,
}

/// A convolution as a list of rows: see [`crate::kernels::Forward`].
pub(super) struct Rows {
    /// Kernel row, kernel column and input feature of row `k`.
    pub sources: Vec<(usize, usize, usize)>,
    /// Where row `k` finds its number, in floats after the pixel's first.
    pub offsets: Vec<usize>,
    pub padding: Padding,
}

impl Geometry {
    pub(super) fn new(conv: MaskedConv) -> Self {
        let mut taps = Vec::new();
        let mut padding = Padding::default();
        for u in 0..conv.kernel[0] {
            for v in 0..conv.kernel[1] {
                let open = |c| (0..conv.outputs.count).any(|o| conv.open(u, v, c, o));
                if (0..conv.inputs.count).any(open) {
                    let (rows, columns) = conv.offset(u, v);
                    padding.top = padding.top.max((-rows).max(0) as usize);
                    padding.bottom = padding.bottom.max(rows.max(0) as usize);
                    padding.left = padding.left.max((-columns).max(0) as usize);
                    padding.right = padding.right.max(columns.max(0) as usize);
                    taps.push(Tap { u, v, rows, columns });
                }
            }
        }
        Self { conv, taps, padding }
    }

    pub(super) fn conv(&self) -> &MaskedConv {
        &self.conv
    }

    /// Rows of the convolution itself, for images of `width` pixels a row.
    pub(super) fn forward(&self, width: usize) -> Rows {
        let (conv, padding) = (&self.conv, self.padding);
        let features = conv.inputs.count;
        let open = |tap: &Tap, c: usize| (0..conv.outputs.count).any(|o| conv.open(tap.u, tap.v, c, o));
        self.rows(width, padding, features, 1, open)
    }

    /// Rows of the convolution that makes the input's gradient of the output's.
    pub(super) fn transposed(&self, width: usize) -> Rows {
        let (conv, padding) = (&self.conv, self.padding.turned());
        let features = conv.outputs.count;
        let open = |tap: &Tap, o: usize| (0..conv.inputs.count).any(|c| conv.open(tap.u, tap.v, c, o));
        self.rows(width, padding, features, -1, open)
    }

    fn rows(
        &self,
        width: usize,
        padding: Padding,
        features: usize,
        sign: isize,
        open: impl Fn(&Tap, usize) -> bool,
    ) -> Rows {
        let padded = (padding.left + width + padding.right) as isize;
        let (mut sources, mut offsets) = (Vec::new(), Vec::new());
        for tap in &self.taps {
            let row = padding.top as isize + sign * tap.rows;
            let column = padding.left as isize + sign * tap.columns;
            for f in (0..features).filter(|&f| open(tap, f)) {
                sources.push((tap.u, tap.v, f));
                offsets.push(((row * padded + column) * features as isize) as usize + f);
            }
        }
        Rows { sources, offsets, padding }
    }
}

impl Padding {
    /// Copies an image of `width` pixels of `features` floats into `to` with zeros around, `f` applied to each number.
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
        // Only the first image of a batch finds the buffer empty; for the others the zeros are in place.
        to.resize((self.top + rows + self.bottom) * padded_row, 0.0);
        let inside = to[self.top * padded_row..].chunks_exact_mut(padded_row);
        for (to, from) in inside.zip(image.chunks_exact(row)) {
            for (to, &x) in to[self.left * features..][..row].iter_mut().zip(from) {
                *to = f(x);
            }
        }
    }

    /// Whether an image can be read where it lies.
    pub(super) fn none(self) -> bool {
        self.is_zero()
    }

    /// Pixels in a padded row.
    pub(super) fn padded(self, width: usize) -> usize {
        self.left + width + self.right
    }
}
