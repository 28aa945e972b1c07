//! Formats of a blob: number format and weight layout.

/// Layout of a blob's weights. Engines read all layouts; the fastest depends on the instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Layout {
    /// All weights of an output, then all of the next one: for vectors along the inputs, with a horizontal sum.
    RowMajor = 0,
    /// Tiled 4x4: blocks of four outputs, with the remainder in the last one. A block is a sequence of tiles: for each four
    /// inputs, the four weights of each output. Missing inputs have weight 0. For instructions that multiply two or four
    /// adjacent pairs, such as `smlad` of Cortex-M.
    Tiled = 1,
    /// Tiled 4x4 for `smlad`: [`Layout::Tiled`] with the second and third of each four weights swapped. `sxtb16` extracts
    /// every other byte, so the two weights of a register match adjacent 16-bit activations. For 16-bit activations alone.
    #[cfg(feature = "a16")]
    TiledPairs = 2,
}

impl Layout {
    /// Outputs per block.
    pub const OUTPUTS: usize = 4;

    /// Inputs per tile of a block.
    pub const INPUTS: usize = 4;

    /// Weights per output with `length` inputs, padding included.
    #[inline(always)]
    pub const fn row(self, length: usize) -> usize {
        match self {
            Self::RowMajor => length,
            Self::Tiled => (length + (Self::INPUTS - 1)) & !(Self::INPUTS - 1),
            #[cfg(feature = "a16")]
            Self::TiledPairs => Self::Tiled.row(length),
        }
    }

    /// Index of a weight in a matrix of `outputs` outputs with `row` weights each; see [`Layout::row`].
    pub const fn index(self, outputs: usize, row: usize, output: usize, input: usize) -> usize {
        let in_four = match self {
            Self::RowMajor => return output * row + input,
            Self::Tiled => input % Self::INPUTS,
            #[cfg(feature = "a16")]
            Self::TiledPairs => [0, 2, 1, 3][input % Self::INPUTS],
        };
        let in_block = output % Self::OUTPUTS;
        let first = output - in_block;
        let outputs = if outputs - first < Self::OUTPUTS { outputs - first } else { Self::OUTPUTS };
        first * row + (input / Self::INPUTS * outputs + in_block) * Self::INPUTS + in_four
    }
}

/// Number format of a blob: its weights, activations and residuals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFormat {
    /// 8-bit weights and activations, 16-bit residuals.
    I8 = 0,
    /// 8-bit weights, 16-bit activations and residuals.
    #[cfg(feature = "a16")]
    I8A16 = 3,
    /// `f16` weights, all else `f32`.
    #[cfg(feature = "float")]
    F16 = 1,
    /// `f32` throughout.
    #[cfg(feature = "float")]
    F32 = 2,
}

impl NumberFormat {
    /// Bytes per weight.
    pub const fn weight_bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            #[cfg(feature = "a16")]
            Self::I8A16 => 1,
            #[cfg(feature = "float")]
            Self::F16 => 2,
            #[cfg(feature = "float")]
            Self::F32 => 4,
        }
    }

    /// Bytes per activation.
    pub const fn activation_bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            #[cfg(feature = "a16")]
            Self::I8A16 => 2,
            #[cfg(feature = "float")]
            Self::F16 | Self::F32 => 4,
        }
    }

    /// Bytes per value of a residual.
    pub const fn residual_bytes(self) -> usize {
        match self {
            Self::I8 => 2,
            #[cfg(feature = "a16")]
            Self::I8A16 => 2,
            #[cfg(feature = "float")]
            Self::F16 | Self::F32 => 4,
        }
    }

    /// True if accumulators are requantized by multipliers.
    pub const fn has_multipliers(self) -> bool {
        self.is_integer()
    }

    /// True if all numbers are integers, so that results are the same on every machine.
    pub const fn is_integer(self) -> bool {
        match self {
            Self::I8 => true,
            #[cfg(feature = "a16")]
            Self::I8A16 => true,
            #[cfg(feature = "float")]
            Self::F16 | Self::F32 => false,
        }
    }
}
