//! What an engine computes with: integers, or floats where there is an FPU.

#[cfg(feature = "a16")]
mod a16;
#[cfg(feature = "float")]
mod float;
mod int8;

use crate::blob::{Elementwise, Layout};
use crate::fixed::Rescale;
use crate::kernels::{Gemv, Kernel, OUTPUT_TILE, map};
#[cfg(feature = "a16")]
pub use a16::Int8A16;
use bytemuck::Pod;
#[cfg(feature = "float")]
pub use float::Float;
pub use int8::Int8;

/// [`Gemv`] of an arithmetic's numbers.
pub type GemvOf<'a, A> = Gemv<'a, <A as Arithmetic>::Activation, <A as Arithmetic>::Weight, <A as Arithmetic>::Sum>;

/// Every step of an engine that depends on the type of its numbers.
///
/// The ops themselves are written once, over this trait. `docs/blob-format.md` states each function, for integers and for
/// floats.
pub trait Arithmetic {
    /// Weights, as the blob holds them.
    type Weight: Pod;
    /// What products read.
    type Activation: Pod;
    /// What passes between ops otherwise: the residual stream, gates and states.
    type Residual: Pod + Default;
    /// Sums, biases and multipliers.
    type Sum: Pod + Default;

    /// Biases of outputs that have none.
    const ZERO_BIAS: &'static [Self::Sum; OUTPUT_TILE];
    /// Whether sums are multiplied by factors that the blob holds.
    const MULTIPLIERS: bool;

    /// `sums[o] = bias[o] + Σ weights[o, k] · x[k]`; see [`Kernel`].
    fn products<K: Kernel>(
        kernel: K,
        layout: Layout,
        bias: &[Self::Sum],
        weights: &[Self::Weight],
        x: &[Self::Activation],
        sums: &mut [Self::Sum],
    );
    /// `a + b` of two sums.
    fn sum(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    /// Whether all sums are numbers. Floats may have grown beyond what they hold.
    #[inline(always)]
    fn finite(_sums: &[Self::Sum]) -> bool {
        true
    }
    /// Turns sums into units of their destination.
    fn scale<K: Kernel>(kernel: K, sums: &mut [Self::Sum], left_shift: u8, multipliers: &[Self::Sum]);
    /// Adds `more` to sums, then [`Arithmetic::scale`].
    fn scale_both<K: Kernel>(
        kernel: K,
        sums: &mut [Self::Sum],
        more: &[Self::Sum],
        left_shift: u8,
        multipliers: &[Self::Sum],
    );

    /// [`Arithmetic::products`] of weights in rows, then [`Arithmetic::scale`].
    #[inline(always)]
    fn gemv_scaled<K: Kernel>(kernel: K, rows: GemvOf<'_, Self>, sums: &mut [Self::Sum]) {
        Self::products(kernel, Layout::RowMajor, rows.bias, rows.weights, rows.x, sums);
        Self::scale(kernel, sums, rows.left_shift, rows.multipliers);
    }
    /// Adds what [`Arithmetic::gemv_scaled`] gives to `sums`; see [`Kernel::gemv_added`].
    #[inline(always)]
    fn gemv_added<K: Kernel>(_kernel: K, _rows: GemvOf<'_, Self>, _sums: &mut [Self::Sum]) -> bool {
        false
    }
    /// [`Arithmetic::gemv_scaled`], then [`Arithmetic::activations`]; `sums` are for the way there.
    #[inline(always)]
    fn gemv_activations<K: Kernel>(
        kernel: K,
        rows: GemvOf<'_, Self>,
        zero_point: i32,
        clamp_min: i32,
        sums: &mut [Self::Sum],
        y: &mut [Self::Activation],
    ) {
        Self::gemv_scaled(kernel, rows, sums);
        Self::activations(kernel, sums, zero_point, clamp_min, y);
    }
    /// [`Arithmetic::gemv_scaled`], then [`Arithmetic::accumulated`]; `sums` are for the way there.
    #[inline(always)]
    fn gemv_accumulated<K: Kernel>(
        kernel: K,
        rows: GemvOf<'_, Self>,
        sums: &mut [Self::Sum],
        y: &mut [Self::Residual],
    ) {
        Self::gemv_scaled(kernel, rows, sums);
        Self::accumulated(kernel, sums, y);
    }
    /// [`Arithmetic::gemv_scaled`], into words that hold a sum each.
    #[inline(always)]
    fn gemv_sums<K: Kernel>(kernel: K, rows: GemvOf<'_, Self>, sums: &mut [u32]) {
        if let Ok(sums) = bytemuck::try_cast_slice_mut(sums) {
            Self::gemv_scaled(kernel, rows, sums);
        }
    }

    /// The activation that means 0.
    fn zero(zero_point: i8) -> Self::Activation;
    /// A scaled sum as an activation.
    fn activation(v: Self::Sum, zero_point: i32, clamp_min: i32) -> Self::Activation;
    /// A scaled sum as a value of the stream.
    fn residual(v: Self::Sum) -> Self::Residual;
    /// A scaled sum added to a value of the stream.
    fn accumulate(v: Self::Sum, y: Self::Residual) -> Self::Residual;
    /// Turns scaled sums, one in each word, into base-2 logits in units of 2⁻¹⁶, saturated. Where `softmax`, they may become distances
    /// to the largest of them.
    fn logits<K: Kernel>(kernel: K, sums: &mut [u32], softmax: bool, shift: u8);

    /// A value of the stream in units of an activation.
    fn quantize(x: Self::Residual, rescale: Rescale) -> Self::Sum;
    /// An elementwise op on the residuals `a`, `b`, `t` of one feature; an op of fewer inputs reads the first ones.
    fn elementwise(op: Elementwise<'_>, values: [Self::Residual; 3]) -> Self::Sum;

    /// A gate's pre-activation, of its scaled sums over the input and over the state.
    fn gate(x: Self::Sum, h: Self::Sum) -> Self::Residual;
    /// One step of a unit: the new `h` and `c` of the gates o, f, i, g and the old `c`.
    fn cell(gates: [Self::Residual; 4], c: Self::Residual, cell_bits: u8) -> (Self::Residual, Self::Residual);
    /// One step of as many units as all slices have numbers of, of four sums over the input and four over the state each; floats have
    /// no `cell_bits`. There are [`OUTPUT_TILE`] sums of each at most.
    #[inline(always)]
    fn units<K: Kernel>(
        _kernel: K,
        [x, state]: [&[Self::Sum]; 2],
        before: &[Self::Residual],
        _cell_bits: &[u8],
        c: &mut [Self::Residual],
        h: &mut [Self::Residual],
    ) {
        let sums = x.as_chunks::<4>().0.iter().zip(state.as_chunks::<4>().0);
        for ((((x, state), before), c), h) in sums.zip(before).zip(c).zip(h) {
            let gate = |n: usize| Self::gate(x[n], state[n]);
            (*h, *c) = Self::cell([gate(0), gate(1), gate(2), gate(3)], *before, 0);
        }
    }
    /// [`Arithmetic::units`] of gates whose two sums have been added.
    #[inline(always)]
    fn summed_units<K: Kernel>(
        kernel: K,
        sums: &[Self::Sum],
        before: &[Self::Residual],
        cell_bits: &[u8],
        c: &mut [Self::Residual],
        h: &mut [Self::Residual],
    ) {
        let none = Self::ZERO_BIAS.get(..sums.len()).unwrap_or_default();
        Self::units(kernel, [sums, none], before, cell_bits, c, h);
    }
    /// `h` as state-to-state products read it.
    fn hidden(h: Self::Residual, to_hidden: Rescale) -> Self::Activation;
    /// `h` added to `y`, in the stream's scale.
    fn output(h: Self::Residual, to_output: Rescale, y: Self::Residual) -> Self::Residual;

    /// [`Arithmetic::activation`] of each number.
    #[inline(always)]
    fn activations<K: Kernel>(kernel: K, v: &[Self::Sum], zero_point: i32, clamp_min: i32, y: &mut [Self::Activation]) {
        map(
            kernel,
            v,
            y,
            #[inline(always)]
            move |v, y| *y = Self::activation(v, zero_point, clamp_min),
        );
    }
    /// [`Arithmetic::residual`] of each number.
    #[inline(always)]
    fn residuals<K: Kernel>(kernel: K, v: &[Self::Sum], y: &mut [Self::Residual]) {
        map(
            kernel,
            v,
            y,
            #[inline(always)]
            |v, y| *y = Self::residual(v),
        );
    }
    /// [`Arithmetic::accumulate`] of each number.
    #[inline(always)]
    fn accumulated<K: Kernel>(kernel: K, v: &[Self::Sum], y: &mut [Self::Residual]) {
        map(
            kernel,
            v,
            y,
            #[inline(always)]
            |v, y| *y = Self::accumulate(v, *y),
        );
    }
    /// [`Arithmetic::activation`] of each number, quantized.
    #[inline(always)]
    fn quantized<K: Kernel>(
        kernel: K,
        x: &[Self::Residual],
        rescale: Rescale,
        zero_point: i32,
        clamp_min: i32,
        y: &mut [Self::Activation],
    ) {
        map(
            kernel,
            x,
            y,
            #[inline(always)]
            move |x, y| *y = Self::activation(Self::quantize(x, rescale), zero_point, clamp_min),
        );
    }
    /// [`Arithmetic::hidden`] of each number.
    #[inline(always)]
    fn hiddens<K: Kernel>(kernel: K, h: &[Self::Residual], to_hidden: Rescale, y: &mut [Self::Activation]) {
        map(
            kernel,
            h,
            y,
            #[inline(always)]
            move |h, y| *y = Self::hidden(h, to_hidden),
        );
    }
    /// [`Arithmetic::output`] of each number, added to nothing.
    #[inline(always)]
    fn outputs<K: Kernel>(kernel: K, h: &[Self::Residual], to_output: Rescale, y: &mut [Self::Residual]) {
        map(
            kernel,
            h,
            y,
            #[inline(always)]
            move |h, y| *y = Self::output(h, to_output, Self::Residual::default()),
        );
    }
    /// [`Arithmetic::output`] of each number, added to what stands there.
    #[inline(always)]
    fn outputs_onto<K: Kernel>(kernel: K, h: &[Self::Residual], to_output: Rescale, y: &mut [Self::Residual]) {
        map(
            kernel,
            h,
            y,
            #[inline(always)]
            move |h, y| *y = Self::output(h, to_output, *y),
        );
    }
}
