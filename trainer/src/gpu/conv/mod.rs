//! Convolution and its gradients.

mod forward;
mod tiles;
mod weights;

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use pixelrnn::network::{self, ColourGroups, Features, Mask};

pub(crate) use forward::convolve;
pub(crate) use weights::{Sums, SumsMetadata, weight_gradient};

/// A convolution for a fixed image size. Kernels are compiled for each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Conv {
    inputs: Channels,
    outputs: Channels,
    kernel: [usize; 2],
    anchor: [usize; 2],
    dilation: usize,
    mask: Taps,
    height: usize,
    width: usize,
    relu: bool,
}

/// Open taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Taps {
    /// All of them.
    All,
    /// Those before the anchor.
    Before,
    /// Those before the anchor, and the one at the anchor.
    AndOwn,
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

impl Channels {
    /// `None` if no single rule assigns all features.
    fn new(f: &Features) -> Option<Self> {
        let (part, order) = f.rule()?;
        Some(Self { count: f.count, groups: f.groups, part, contiguous: order == ColourGroups::Contiguous })
    }
}

impl Conv {
    /// `conv` over images of `height` by `width` pixels, preceded by a ReLU if `relu`. `None` if its mask distinguishes
    /// colours that no single rule assigns.
    pub(crate) fn new(conv: &network::Conv, [height, width]: [usize; 2], relu: bool) -> Option<Self> {
        let (inputs, outputs) = (&conv.inputs, &conv.outputs);
        let (mask, inputs, outputs) = match conv.mask {
            None => (Taps::All, Channels::plain(inputs.count), Channels::plain(outputs.count)),
            Some(Mask::A) => (Taps::Before, Channels::new(inputs)?, Channels::new(outputs)?),
            Some(Mask::B) => (Taps::AndOwn, Channels::new(inputs)?, Channels::new(outputs)?),
        };
        let (kernel, anchor, dilation) = (conv.kernel, conv.anchor, conv.dilation);
        Some(Self { inputs, outputs, kernel, anchor, dilation, mask, height, width, relu })
    }

    /// A 1x1 convolution without mask over images of `height` by `width` pixels.
    pub(crate) const fn of_pixels([inputs, outputs]: [usize; 2], [height, width]: [usize; 2]) -> Self {
        Self {
            inputs: Channels::plain(inputs),
            outputs: Channels::plain(outputs),
            kernel: [1, 1],
            anchor: [0, 0],
            dilation: 1,
            mask: Taps::All,
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

    /// Number of taps before the anchor in raster order. With a mask, these are open and others are not, but for the tap
    /// at the anchor.
    const fn before(self) -> usize {
        let [rows, columns] = self.kernel;
        let [row, column] = self.anchor;
        if row >= rows { self.taps() } else { row * columns + if column < columns { column } else { columns } }
    }

    /// True if a tap reads the pixel itself.
    const fn has_own(self) -> bool {
        self.anchor[0] < self.kernel[0] && self.anchor[1] < self.kernel[1]
    }

    /// Number of taps up to the last one that is open for any feature.
    const fn open(self) -> usize {
        match self.mask {
            Taps::All => self.taps(),
            Taps::Before => self.before() + (self.has_own() && self.inputs.groups > 1) as usize,
            Taps::AndOwn => self.before() + self.has_own() as usize,
        }
    }

    /// True if the only tap reads the pixel itself.
    const fn is_of_pixels(self) -> bool {
        self.taps() == 1 && self.has_own()
    }

    /// Number of input features; if `turned`, of the gradient's input.
    const fn reads(self, turned: bool) -> usize {
        if turned { self.outputs.count } else { self.inputs.count }
    }

    const fn makes(self, turned: bool) -> usize {
        self.reads(!turned)
    }

    /// True if the mask of the tap at the anchor differs between features.
    const fn coloured(self) -> bool {
        !matches!(self.mask, Taps::All) && self.inputs.groups > 1 && self.has_own()
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

/// True if the tap at the anchor is open between two features.
#[cube]
fn own_open(input: usize, output: usize, #[comptime] conv: Conv) -> bool {
    let from = colour(input, conv.inputs);
    let to = colour(output, conv.outputs);
    if comptime!(matches!(conv.mask, Taps::AndOwn)) { from <= to } else { from < to }
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
        if tap == comptime!(conv.before()) {
            open = own_open(input, output, conv);
        }
    }
    open
}

/// Row and column offset of a tap.
#[cube]
fn offset(tap: usize, #[comptime] conv: Conv) -> (i32, i32) {
    let down = (tap / comptime!(conv.kernel[1])) as i32 - comptime!(conv.anchor[0] as i32);
    let right = (tap % comptime!(conv.kernel[1])) as i32 - comptime!(conv.anchor[1] as i32);
    (down * comptime!(conv.dilation as i32), right * comptime!(conv.dilation as i32))
}

/// True if a pixel is inside the image.
#[cube]
fn inside(row: i32, column: i32, #[comptime] conv: Conv) -> bool {
    row >= 0 && row < comptime!(conv.height as i32) && column >= 0 && column < comptime!(conv.width as i32)
}
