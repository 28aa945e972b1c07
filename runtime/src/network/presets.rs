//! Architectures of the paper, expanded to op lists.

use super::builder::{Builder, ConvShape, Value};
use super::error::NetworkError;
use super::image::{Image, MAX_LEVELS, Output};
use super::list::Name;
use super::masks::{ColourGroups, Mask};
use super::ops::{Activation, Node};
use core::fmt::Write;

/// Layer type of a preset's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Residual blocks of masked convolutions.
    PixelCnn,
    /// Residual blocks around a Row LSTM.
    RowLstm,
    /// Residual blocks around a Diagonal BiLSTM.
    DiagonalBilstm,
    /// Gated blocks of a vertical and a horizontal stack (arXiv 1606.05328).
    GatedPixelCnn,
}

/// Network given by the hyperparameters of the paper (van den Oord et al., arXiv 1601.06759).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent options of the paper
pub struct Preset {
    /// Layer type of the blocks.
    pub architecture: Architecture,
    /// Size and levels of the images.
    pub image: Image,
    /// h: the residual has 2h features.
    pub hidden: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Side of the first kernel, which has mask A.
    pub input_kernel: usize,
    /// Side of the blocks' kernels; unused by the Diagonal BiLSTM.
    pub kernel: usize,
    /// Features between the two 1x1 convolutions of the head.
    pub head: usize,
    /// Distribution over a value's levels.
    pub output: Output,
    /// True (the default) if a block's output is added to its input, false if it replaces it.
    pub residual: bool,
    /// True if the head reads a sum of skip connections from all blocks.
    pub skip: bool,
    /// Highway gating over depth: `x + σ(gate(x)) · block(x)`.
    pub depth_gate: bool,
    /// True if LSTMs learn their initial state.
    pub initial_state: bool,
    /// Classes to condition on; 0: none.
    pub classes: usize,
    /// Assignment of features to R, G and B.
    pub colour_groups: ColourGroups,
}

/// Checks an image's size and levels, alone and with its output.
///
/// # Errors
/// [`NetworkError::Image`], with the property that is out of range and its valid range.
pub const fn check_image(image: &Image, output: Output) -> Result<(), NetworkError> {
    const SIDE: &str = "1 to 4096";
    if image.height == 0 || image.height > 4096 {
        return Err(NetworkError::Image { what: "height", got: image.height, expected: SIDE });
    }
    if image.width == 0 || image.width > 4096 {
        return Err(NetworkError::Image { what: "width", got: image.width, expected: SIDE });
    }
    if image.channels != 1 && image.channels != 3 {
        return Err(NetworkError::Image { what: "channels", got: image.channels, expected: "1 or 3" });
    }
    if image.levels < 2 || image.levels > MAX_LEVELS {
        return Err(NetworkError::Image { what: "levels", got: image.levels, expected: "2 to 256" });
    }
    if matches!(output, Output::Bernoulli) && image.levels != 2 {
        return Err(NetworkError::Image { what: "levels", got: image.levels, expected: "2 with a bernoulli output" });
    }
    Ok(())
}

impl Preset {
    /// Checks all settings, alone and together.
    ///
    /// # Errors
    /// The setting that is out of range, or the two that exclude each other.
    pub fn check(&self) -> Result<(), NetworkError> {
        check_image(&self.image, self.output)?;
        let ranges = [
            ("hidden", self.hidden, 1..=4096, "1 to 4096"),
            ("layers", self.layers, 0..=255, "0 to 255"),
            ("input_kernel", self.input_kernel, 1..=127, "1 to 127"),
            ("kernel", self.kernel, 1..=127, "1 to 127"),
            ("head", self.head, 1..=8192, "1 to 8192"),
            ("classes", self.classes, 0..=65_535, "0 to 65535"),
        ];
        for (what, got, range, expected) in ranges {
            if !range.contains(&got) {
                return Err(NetworkError::Range { what, got, expected });
            }
        }
        if self.depth_gate && !self.residual {
            return Err(NetworkError::Conflict {
                what: "`depth_gate` takes the place of the plain residual and needs `residual` true",
            });
        }
        if self.skip && self.layers == 0 {
            return Err(NetworkError::Conflict { what: "`skip` needs at least one layer" });
        }
        if self.architecture == Architecture::GatedPixelCnn {
            self.check_gated()?;
        }
        if self.initial_state && self.architecture == Architecture::PixelCnn {
            return Err(NetworkError::Conflict { what: "`initial_state` needs an LSTM; a pixel_cnn has no state" });
        }
        Ok(())
    }

    /// Passes the network's nodes to `emit`, in order.
    ///
    /// # Errors
    /// Same errors as [`Preset::check`]; [`NetworkError::UnevenGroups`] if features do not divide into contiguous groups.
    pub fn expand(&self, emit: impl FnMut(Node)) -> Result<(), NetworkError> {
        self.expand_conditioned(0, emit)
    }

    /// [`Preset::expand`] with a conditioning map of `features` features, in the larger of two scales: a 1x1 convolution of it, without
    /// bias, is added where classes are.
    ///
    /// # Errors
    /// See [`Preset::expand`].
    pub fn expand_conditioned(&self, features: usize, emit: impl FnMut(Node)) -> Result<(), NetworkError> {
        self.check()?;
        let mut net = Builder::new(self.image, self.colour_groups, self.classes, emit).conditioned(features);
        if self.architecture == Architecture::GatedPixelCnn {
            self.gated(&mut net)?;
        } else {
            let k = self.input_kernel;
            net.preset_conv("input", ConvShape::masked(Mask::A, [k, k], 2 * self.hidden), false)?;
            for n in 0..self.layers {
                self.block(&mut net, n)?;
            }
        }
        if self.skip {
            net.skip_sum()?;
        }
        net.activation(Activation::Relu)?;
        net.preset_conv("head.0", ConvShape::masked(Mask::B, [1, 1], self.head), false)?;
        net.activation(Activation::Relu)?;
        net.preset_logits("head.1", self.output)?;
        net.finish().map(|_| ())
    }

    fn block<F: FnMut(Node)>(&self, net: &mut Builder<F>, n: usize) -> Result<(), NetworkError> {
        let name = |part: &str| name_in_block(n, part);
        if self.residual {
            net.begin_residual()?;
        }
        match self.architecture {
            Architecture::PixelCnn => {
                net.activation(Activation::Relu)?;
                net.preset_conv(&name(".reduce"), ConvShape::masked(Mask::B, [1, 1], self.hidden), true)?;
                net.preset_condition(&name(".reduce.condition"), 1)?;
                net.activation(Activation::Relu)?;
                net.preset_conv(&name(".conv"), ConvShape::masked(Mask::B, [self.kernel; 2], self.hidden), false)?;
                net.activation(Activation::Relu)?;
            }
            Architecture::RowLstm => net.preset_row_lstm(&name(""), self.hidden, self.kernel, self.initial_state)?,
            Architecture::DiagonalBilstm => {
                net.preset_diagonal_bilstm(&name(""), self.hidden, self.initial_state)?;
            }
            // `expand` calls `gated` instead.
            Architecture::GatedPixelCnn => {}
        }
        net.preset_conv(&name(".expand"), ConvShape::masked(Mask::B, [1, 1], 2 * self.hidden), false)?;
        if self.depth_gate {
            net.end_gated(&name(".gate"))?;
        } else if self.residual {
            net.end_residual(1.0)?;
        }
        if self.skip {
            net.preset_skip(&name(".skip"))?;
        }
        Ok(())
    }

    fn check_gated(&self) -> Result<(), NetworkError> {
        for (what, got, least) in [("input_kernel", self.input_kernel, 3), ("kernel", self.kernel, 1)] {
            if got < least || got % 2 == 0 {
                let expected =
                    if least == 3 { "odd, 3 to 127, in a gated_pixel_cnn" } else { "odd in a gated_pixel_cnn" };
                return Err(NetworkError::Range { what, got, expected });
            }
        }
        if self.depth_gate {
            return Err(NetworkError::Conflict { what: "`depth_gate` does not apply to a gated_pixel_cnn" });
        }
        if self.initial_state {
            return Err(NetworkError::Conflict {
                what: "`initial_state` needs an LSTM; a gated_pixel_cnn has no state",
            });
        }
        Ok(())
    }

    /// The two stacks of a gated PixelCNN: the vertical one knows the rows above, the horizontal one also its own row.
    fn gated<F: FnMut(Node)>(&self, net: &mut Builder<F>) -> Result<(), NetworkError> {
        let (p, image) = (self.hidden, net.image());
        let split = |mask, kernel, anchor| ConvShape { mask, kernel, anchor, dilation: 1, out: 2 * p, parts: 2 };
        let half = self.input_kernel / 2;
        let vertical = split(None, [half, self.input_kernel], [half, half]);
        let horizontal = split(Some(Mask::A), [1, self.input_kernel], [0, half]);
        let name = |part: &str| {
            let mut name = Name::new();
            // The longest name is far below the capacity.
            let _ = write!(name, "input.{part}");
            name
        };
        let (mut v, mut h) = self.gated_block(net, name, [image; 2], [vertical, horizontal], self.layers == 0)?;

        let half = self.kernel / 2;
        let vertical = split(None, [half + 1, self.kernel], [half, half]);
        let horizontal = split(Some(Mask::B), [1, self.kernel], [0, half]);
        for n in 0..self.layers {
            let name = |part: &str| {
                let mut name = name_in_block(n, ".");
                let _ = write!(name, "{part}");
                name
            };
            let (next_v, out) = self.gated_block(net, name, [v, h], [vertical, horizontal], n + 1 == self.layers)?;
            v = next_v;
            if self.residual {
                net.add(&[h, out])?;
            }
            h = net.x();
            if self.skip {
                net.preset_skip(&name("skip"))?;
            }
        }
        Ok(())
    }

    /// One block: the vertical stack's next value, and what the horizontal one adds. The `last` block makes no next value.
    fn gated_block<F: FnMut(Node)>(
        &self,
        net: &mut Builder<F>,
        name: impl Fn(&str) -> Name,
        [v, h]: [Value; 2],
        [vertical, horizontal]: [ConvShape; 2],
        last: bool,
    ) -> Result<(Value, Value), NetworkError> {
        let p = self.hidden;
        net.set_x(v);
        net.preset_conv(&name("vertical"), vertical, true)?;
        net.preset_condition(&name("vertical.condition"), 2)?;
        let above = net.x();
        net.set_x(h);
        net.preset_conv(&name("horizontal"), horizontal, true)?;
        net.preset_condition(&name("horizontal.condition"), 2)?;
        let left = net.x();
        net.set_x(above);
        if !last {
            net.gate()?;
        }
        let next = net.x();
        net.set_x(above);
        let link = ConvShape { mask: None, kernel: [1, 1], anchor: [0, 0], dilation: 1, out: 2 * p, parts: 2 };
        net.preset_conv(&name("link"), link, false)?;
        net.add(&[left, net.x()])?;
        net.gate()?;
        net.preset_conv(&name("out"), ConvShape::masked(Mask::B, [1, 1], p), false)?;
        Ok((next, net.x()))
    }
}

/// `blocks.N` and a suffix.
fn name_in_block(n: usize, part: &str) -> Name {
    let mut name = Name::new();
    // The longest name, "blocks.255.horizontal", is far below the capacity.
    let _ = write!(name, "blocks.{n}{part}");
    name
}
