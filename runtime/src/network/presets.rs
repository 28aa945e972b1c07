//! Architectures of the paper, expanded to op lists.

use super::builder::Builder;
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
            // The longest name, "blocks.255.reduce", is far below the capacity.
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
