//! Masked convolution, and its gradients.

mod forward;
mod tiles;
mod weights;

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use pixelrnn::network::{ColourGroups, Features, Mask, MaskedConv};

pub(crate) use forward::convolve;
pub(crate) use weights::{Sums, SumsMetadata, weight_gradient};

/// A masked convolution over images of a size, which kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Conv {
    inputs: Channels,
    outputs: Channels,
    kernel: [usize; 2],
    dilation: usize,
    own: bool,
    height: usize,
    width: usize,
    relu: bool,
}

/// Features, and how they are dealt out to colours; see [`Features`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Channels {
    count: usize,
    groups: usize,
    part: usize,
    contiguous: bool,
}

impl Channels {
    /// Features of no colour.
    const fn plain(count: usize) -> Self {
        Self { count, groups: 1, part: count, contiguous: true }
    }
}

impl From<Features> for Channels {
    fn from(f: Features) -> Self {
        let contiguous = f.order == ColourGroups::Contiguous;
        Self { count: f.count, groups: f.groups, part: f.count / f.parts, contiguous }
    }
}

impl Conv {
    /// `conv` over images of `height` by `width` pixels, or over their positive part if `relu`.
    pub(crate) fn new(conv: &MaskedConv, [height, width]: [usize; 2], relu: bool) -> Self {
        Self {
            inputs: conv.inputs.into(),
            outputs: conv.outputs.into(),
            kernel: conv.kernel,
            dilation: conv.dilation,
            own: conv.mask == Mask::B,
            height,
            width,
            relu,
        }
    }

    /// A convolution of single pixels, all of whose weights are open, over images of `height` by `width` of them.
    pub(crate) const fn of_pixels([inputs, outputs]: [usize; 2], [height, width]: [usize; 2]) -> Self {
        Self {
            inputs: Channels::plain(inputs),
            outputs: Channels::plain(outputs),
            kernel: [1, 1],
            dilation: 1,
            own: true,
            height,
            width,
            relu: false,
        }
    }

    const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// The shape of the weights.
    pub(crate) const fn weight(self) -> [usize; 4] {
        [self.outputs.count, self.inputs.count, self.kernel[0], self.kernel[1]]
    }

    /// Taps, open or not.
    const fn taps(self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The number of the tap at the centre. Those before it are open.
    const fn centre(self) -> usize {
        self.kernel[0] / 2 * self.kernel[1] + self.kernel[1] / 2
    }

    /// How many taps there are up to the last that is open for some features.
    const fn open(self) -> usize {
        self.centre() + (self.own || self.coloured()) as usize
    }

    /// Features that are read, and that are made, by the convolution or, `turned` around, by its gradient.
    const fn reads(self, turned: bool) -> usize {
        if turned { self.outputs.count } else { self.inputs.count }
    }

    const fn makes(self, turned: bool) -> usize {
        self.reads(!turned)
    }

    /// Whether the centre is open for some features and not for others.
    const fn coloured(self) -> bool {
        self.inputs.groups > 1
    }
}

/// The colour of a feature.
#[cube]
fn colour(feature: usize, #[comptime] channels: Channels) -> usize {
    let feature = feature % comptime!(channels.part);
    if comptime!(channels.contiguous) {
        feature / comptime!(channels.part / channels.groups)
    } else {
        feature % comptime!(channels.groups)
    }
}

/// Whether the centre is open from one feature to another.
#[cube]
fn centre_open(input: usize, output: usize, #[comptime] conv: Conv) -> bool {
    let from = colour(input, conv.inputs);
    let to = colour(output, conv.outputs);
    if comptime!(conv.own) { from <= to } else { from < to }
}

/// The row and the column of a pixel.
#[cube]
fn row_and_column(pixel: usize, #[comptime] conv: Conv) -> (i32, i32) {
    ((pixel / comptime!(conv.width)) as i32, (pixel % comptime!(conv.width)) as i32)
}

/// Whether a tap is open from one feature to another.
#[cube]
fn is_open(tap: usize, input: usize, output: usize, #[comptime] conv: Conv) -> bool {
    let mut open = tap < comptime!(conv.open());
    if comptime!(conv.coloured()) {
        if tap == comptime!(conv.centre()) {
            open = centre_open(input, output, conv);
        }
    }
    open
}

/// Rows and columns from a pixel to the one that a tap reads.
#[cube]
fn offset(tap: usize, #[comptime] conv: Conv) -> (i32, i32) {
    let down = (tap / comptime!(conv.kernel[1])) as i32 - comptime!((conv.kernel[0] / 2) as i32);
    let right = (tap % comptime!(conv.kernel[1])) as i32 - comptime!((conv.kernel[1] / 2) as i32);
    (down * comptime!(conv.dilation as i32), right * comptime!(conv.dilation as i32))
}

/// Whether a pixel is inside the image.
#[cube]
fn inside(row: i32, column: i32, #[comptime] conv: Conv) -> bool {
    row >= 0 && row < comptime!(conv.height as i32) && column >= 0 && column < comptime!(conv.width as i32)
}
