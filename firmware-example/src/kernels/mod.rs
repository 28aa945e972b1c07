//! Conformance of a kernel: every operation equals its definition, over lengths around the step sizes and over extreme
//! values.
//!
//! Boards, emulators and hosts run the same cases, each up to its [`Size`].

mod cells;
mod elementwise;
mod products;
mod softmax;
#[cfg(test)]
mod tests;

use pixelrnn::kernels::Kernel;

/// Largest cases of a run.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Inputs of a product.
    pub inputs: usize,
    /// Outputs of a product.
    pub outputs: usize,
    /// Elements of an elementwise operation, and units of an LSTM.
    pub elements: usize,
    /// Distance between the values of a sweep over all values.
    pub step: usize,
}

impl Size {
    /// Two tiles plus one output. Fits a stack of 4 KiB.
    pub const BOARD: Self = Self { inputs: 112, outputs: 9, elements: 17, step: 61 };

    /// More outputs than a vector kernel computes at once.
    pub const VECTORS: Self = Self { inputs: 130, outputs: 37, elements: 37, step: 61 };

    /// More outputs than a tile of the executor, and every value of a sweep.
    pub const HOST: Self = Self { inputs: 193, outputs: 70, elements: 70, step: 1 };

    /// Size for the compilation target, the largest that its buffers hold.
    pub const TARGET: Self = if cfg!(any(target_family = "wasm", all(target_arch = "aarch64", target_os = "none"))) {
        Self::VECTORS
    } else if cfg!(target_os = "none") {
        Self::BOARD
    } else {
        Self::HOST
    };
}

/// Case in which a kernel is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Method of [`Kernel`].
    pub operation: &'static str,
    /// Inputs of a product, otherwise 0.
    pub inputs: usize,
    /// Outputs, elements or units.
    pub outputs: usize,
    /// Kind of values.
    pub values: usize,
}

/// Runs `kernel` on all cases up to `size`, which is at most [`Size::TARGET`], and returns their number.
///
/// # Errors
/// Returns the first case with a wrong result.
pub fn check<K: Kernel>(kernel: K, size: Size) -> Result<u32, Wrong> {
    Ok(products::check(kernel, size)?
        + elementwise::check(kernel, size)?
        + cells::check(kernel, size)?
        + softmax::check(kernel, size)?)
}

/// Linear congruential generator.
struct Random(u32);

impl Random {
    /// Random upper bits; the lower ones are poor.
    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0
    }

    fn byte(&mut self) -> i8 {
        (self.bits() >> 24) as i8
    }
}

/// `Err(operation)` unless the operation was right.
fn right(right: bool, operation: &'static str) -> Result<(), &'static str> {
    if right { Ok(()) } else { Err(operation) }
}
