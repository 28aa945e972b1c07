//! The architectures of the paper, expanded to op lists.

use super::builder::Builder;
use super::error::NetworkError;
use super::image::{Image, MAX_LEVELS, Output};
use super::masks::{ColourGroups, Mask};
use super::ops::{Activation, Name, Node};
use core::fmt::Write;

/// Which layer the blocks of a preset are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Residual blocks of masked convolutions.
    PixelCnn,
    /// Residual blocks around a Row LSTM.
    RowLstm,
    /// Residual blocks around a Diagonal BiLSTM.
    DiagonalBilstm,
}

/// A network given by a few numbers, as in the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // the options of the paper, each on or off by itself
pub struct Preset {
    /// Which layer the blocks are made of.
    pub architecture: Architecture,
    /// The images.
    pub image: Image,
    /// h: the residual stream has 2h features.
    pub hidden: usize,
    /// Blocks.
    pub layers: usize,
    /// Side of the first, mask-A kernel.
    pub input_kernel: usize,
    /// Side of the blocks' kernels; unused by the Diagonal BiLSTM.
    pub kernel: usize,
    /// Features between the two 1x1 layers of the head.
    pub head: usize,
    /// The distribution over a value's levels.
    pub output: Output,
    /// Whether a block adds to x (the default) or replaces it.
    pub residual: bool,
    /// Whether the head reads a sum over all blocks.
    pub skip: bool,
    /// Highway gating over depth.
    pub depth_gate: bool,
    /// Whether LSTMs learn their initial state.
    pub initial_state: bool,
    /// Classes to condition on; 0: none.
    pub classes: usize,
    /// How features are dealt out to R, G and B.
    pub colour_groups: ColourGroups,
}

/// Checks an image's numbers and that its output fits them.
///
/// # Errors
/// Which number is out of range, and what it may be.
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
    /// Checks all numbers, alone and together.
    ///
    /// # Errors
    /// Which setting is out of range or contradicts which other.
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
        if self.initial_state && self.architecture == Architecture::PixelCnn {
            return Err(NetworkError::Conflict { what: "`initial_state` needs an LSTM; a pixel_cnn has no state" });
        }
        Ok(())
    }

    /// Hands the network's nodes to `emit`, in order.
    ///
    /// # Errors
    /// As [`Preset::check`], and when a number of features does not divide into contiguous colour groups.
    pub fn expand(&self, emit: impl FnMut(Node)) -> Result<(), NetworkError> {
        self.check()?;
        let mut net = Builder::new(self.image, self.colour_groups, self.classes, emit);
        net.preset_conv("input", Mask::A, self.input_kernel, 2 * self.hidden, false)?;
        for n in 0..self.layers {
            self.block(&mut net, n)?;
        }
        if self.skip {
            net.skip_sum()?;
        }
        net.activation(Activation::Relu)?;
        net.preset_conv("head.0", Mask::B, 1, self.head, false)?;
        net.activation(Activation::Relu)?;
        net.preset_logits("head.1", self.output)?;
        net.finish().map(|_| ())
    }

    fn block<F: FnMut(Node)>(&self, net: &mut Builder<F>, n: usize) -> Result<(), NetworkError> {
        let name = |part: &str| {
            let mut name = Name::new();
            // "blocks.255.reduce" is far below the capacity.
            let _ = write!(name, "blocks.{n}{part}");
            name
        };
        if self.residual {
            net.begin_residual()?;
        }
        match self.architecture {
            Architecture::PixelCnn => {
                net.activation(Activation::Relu)?;
                net.preset_conv(&name(".reduce"), Mask::B, 1, self.hidden, true)?;
                net.activation(Activation::Relu)?;
                net.preset_conv(&name(".conv"), Mask::B, self.kernel, self.hidden, false)?;
                net.activation(Activation::Relu)?;
            }
            Architecture::RowLstm => net.preset_row_lstm(&name(""), self.hidden, self.kernel, self.initial_state)?,
            Architecture::DiagonalBilstm => {
                net.preset_diagonal_bilstm(&name(""), self.hidden, self.initial_state)?;
            }
        }
        net.preset_conv(&name(".expand"), Mask::B, 1, 2 * self.hidden, false)?;
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
}
