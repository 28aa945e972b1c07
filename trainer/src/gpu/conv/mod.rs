//! Masked convolution and its gradients.

mod forward;
mod tiles;
mod weights;

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use pixelrnn::network::{ColourGroups, Features, Mask, MaskedConv};

pub(crate) use forward::convolve;
pub(crate) use weights::{Sums, SumsMetadata, weight_gradient};

/// A masked convolution for a fixed image size. Kernels are compiled for each value.
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

/// Features and their assignment to colours; see [`Features`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Channels {
    count: usize,
    groups: usize,
    part: usize,
    contiguous: bool,
}

impl Channels {
    /// Features without colours.
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
    /// `conv` over images of `height` by `width` pixels, preceded by a ReLU if `relu`.
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

    /// A 1x1 convolution without mask over images of `height` by `width` pixels.
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

    /// Shape of the weights.
    pub(crate) const fn weight(self) -> [usize; 4] {
        [self.outputs.count, self.inputs.count, self.kernel[0], self.kernel[1]]
    }

    /// Number of taps, open or closed.
    const fn taps(self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Index of the central tap. All taps before it are open.
    const fn centre(self) -> usize {
        self.kernel[0] / 2 * self.kernel[1] + self.kernel[1] / 2
    }

    /// Number of taps up to the last one that is open for any feature.
    const fn open(self) -> usize {
        self.centre() + (self.own || self.coloured()) as usize
    }

    /// Number of input features; if `turned`, of the gradient's input.
    const fn reads(self, turned: bool) -> usize {
        if turned { self.outputs.count } else { self.inputs.count }
    }

    const fn makes(self, turned: bool) -> usize {
        self.reads(!turned)
    }

    /// True if the mask of the central tap differs between features.
    const fn coloured(self) -> bool {
        self.inputs.groups > 1
    }
}

/// Colour of a feature.
#[cube]
fn colour(feature: usize, #[comptime] channels: Channels) -> usize {
    let feature = feature % comptime!(channels.part);
    if comptime!(channels.contiguous) {
        feature / comptime!(channels.part / channels.groups)
    } else {
        feature % comptime!(channels.groups)
    }
}

/// True if the central tap is open between two features.
#[cube]
fn centre_open(input: usize, output: usize, #[comptime] conv: Conv) -> bool {
    let from = colour(input, conv.inputs);
    let to = colour(output, conv.outputs);
    if comptime!(conv.own) { from <= to } else { from < to }
}

/// Row and column of a pixel.
#[cube]
fn row_and_column(pixel: usize, #[comptime] conv: Conv) -> (i32, i32) {
    ((pixel / comptime!(conv.width)) as i32, (pixel % comptime!(conv.width)) as i32)
}

/// True if a tap is open between two features.
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

/// Row and column offset of a tap.
#[cube]
fn offset(tap: usize, #[comptime] conv: Conv) -> (i32, i32) {
    let down = (tap / comptime!(conv.kernel[1])) as i32 - comptime!((conv.kernel[0] / 2) as i32);
    let right = (tap % comptime!(conv.kernel[1])) as i32 - comptime!((conv.kernel[1] / 2) as i32);
    (down * comptime!(conv.dilation as i32), right * comptime!(conv.dilation as i32))
}

/// True if a pixel is inside the image.
#[cube]
fn inside(row: i32, column: i32, #[comptime] conv: Conv) -> bool {
    row >= 0 && row < comptime!(conv.height as i32) && column >= 0 && column < comptime!(conv.width as i32)
}
