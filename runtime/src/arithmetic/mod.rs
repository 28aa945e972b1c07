//! Number formats of the executors: 8-bit integers, 16-bit activations, floats.

#[cfg(feature = "a16")]
mod a16;
mod elementwise;
#[cfg(feature = "float")]
mod float;
mod int8;
mod integers;

use crate::blob::{Elementwise, Layout};
use crate::fixed::Rescale;
use crate::kernels::{Gemv, Kernel, OUTPUT_TILE, map};
#[cfg(feature = "a16")]
pub use a16::Int8A16;
use bytemuck::Pod;
#[cfg(feature = "float")]
pub use float::Float;
pub use int8::Int8;

/// [`Gemv`] over the types of an arithmetic.
pub type GemvOf<'a, A> = Gemv<'a, <A as Arithmetic>::Activation, <A as Arithmetic>::Weight, <A as Arithmetic>::Sum>;

/// Functions of an executor that depend on the number format; ops are generic over this trait.
///
/// `docs/blob-format.md` specifies each function, for integers and for floats.
pub trait Arithmetic {
    /// Weights, as stored in the blob.
    type Weight: Pod;
    /// Inputs of products.
    type Activation: Pod;
    /// Other values between ops: residuals, gates and states.
    type Residual: Pod + Default;
    /// Sums, biases and multipliers.
    type Sum: Pod + Default;

    /// Zero biases, for outputs without biases.
    const ZERO_BIAS: &'static [Self::Sum; OUTPUT_TILE];
    /// Set if the blob has a multiplier per sum.
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
    /// True if all sums are finite. Only floats can overflow.
    #[inline(always)]
    fn finite(_sums: &[Self::Sum]) -> bool {
        true
    }
    /// Requantizes sums to the units of their destination, in place.
    fn scale<K: Kernel>(kernel: K, sums: &mut [Self::Sum], left_shift: u8, multipliers: &[Self::Sum]);
    /// Adds `more` to the sums, then [`Arithmetic::scale`].
    fn scale_both<K: Kernel>(
        kernel: K,
        sums: &mut [Self::Sum],
        more: &[Self::Sum],
        left_shift: u8,
        multipliers: &[Self::Sum],
    );

    /// [`Arithmetic::products`] of row-major weights, then [`Arithmetic::scale`].
    #[inline(always)]
    fn gemv_scaled<K: Kernel>(kernel: K, rows: GemvOf<'_, Self>, sums: &mut [Self::Sum]) {
        Self::products(kernel, Layout::RowMajor, rows.bias, rows.weights, rows.x, sums);
        Self::scale(kernel, sums, rows.left_shift, rows.multipliers);
    }
    /// Adds the result of [`Arithmetic::gemv_scaled`] to `sums`; `false` if there is no such kernel. See [`Kernel::gemv_added`].
    #[inline(always)]
    fn gemv_added<K: Kernel>(_kernel: K, _rows: GemvOf<'_, Self>, _sums: &mut [Self::Sum]) -> bool {
        false
    }
    /// [`Arithmetic::gemv_scaled`], then [`Arithmetic::activations`]. `sums` is scratch, unspecified afterwards.
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
    /// [`Arithmetic::gemv_scaled`], then [`Arithmetic::accumulated`]. `sums` is scratch, unspecified afterwards.
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
    /// [`Arithmetic::gemv_scaled`] into words, one sum per word.
    #[inline(always)]
    fn gemv_sums<K: Kernel>(kernel: K, rows: GemvOf<'_, Self>, sums: &mut [u32]) {
        if let Ok(sums) = bytemuck::try_cast_slice_mut(sums) {
            Self::gemv_scaled(kernel, rows, sums);
        }
    }

    /// Activation of value 0.
    fn zero(zero_point: i8) -> Self::Activation;
    /// Activation of a scaled sum: zero point added, clamped; `clamp_min == zero_point` is a fused ReLU.
    fn activation(v: Self::Sum, zero_point: i32, clamp_min: i32) -> Self::Activation;
    /// Residual of a scaled sum, saturated.
    fn residual(v: Self::Sum) -> Self::Residual;
    /// `v + y`, saturated: a scaled sum added to a residual.
    fn accumulate(v: Self::Sum, y: Self::Residual) -> Self::Residual;
    /// Turns scaled sums, one per word, into base-2 logits in units of 2⁻¹⁶, saturated. With `softmax`, an implementation may
    /// subtract the largest sum from all of them.
    fn logits<K: Kernel>(kernel: K, sums: &mut [u32], softmax: bool, shift: u8);

    /// Residual rescaled to activation units.
    fn quantize(x: Self::Residual, rescale: Rescale) -> Self::Sum;
    /// Elementwise op on the residuals `a`, `b`, `t` of one feature; an op with fewer inputs ignores the last ones.
    fn elementwise(op: Elementwise<'_>, values: [Self::Residual; 3]) -> Self::Sum;
    /// [`Arithmetic::elementwise`] of each feature.
    #[inline(always)]
    fn elementwise_all<K: Kernel>(
        _kernel: K,
        op: Elementwise<'_>,
        [a, b, t]: [&[Self::Residual]; 3],
        values: &mut [Self::Sum],
    ) {
        for (((v, a), b), t) in values.iter_mut().zip(a).zip(b).zip(t) {
            *v = Self::elementwise(op, [*a, *b, *t]);
        }
    }

    /// Pre-activation of a gate: its scaled `input_to_state` sum plus its scaled `state_to_state` sum.
    fn gate(x: Self::Sum, h: Self::Sum) -> Self::Residual;
    /// One LSTM step of a unit: new `(h, c)` from the gates o, f, i, g and the previous `c`.
    fn cell(gates: [Self::Residual; 4], c: Self::Residual, cell_bits: u8) -> (Self::Residual, Self::Residual);
    /// [`Arithmetic::gate`] and [`Arithmetic::cell`] of several units, from `[units, 4]` sums over the input and over the state, at
    /// most [`OUTPUT_TILE`] of each. The number of units is the smallest that all slices cover. Floats have no `cell_bits`.
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
    /// [`Arithmetic::units`] with the two sums of each gate already added.
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
    /// Activation of `h`, the input of `state_to_state`.
    fn hidden(h: Self::Residual, to_hidden: Rescale) -> Self::Activation;
    /// `h` in output scale, added to `y`.
    fn output(h: Self::Residual, to_output: Rescale, y: Self::Residual) -> Self::Residual;

    /// [`Arithmetic::activation`] of each element.
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
    /// [`Arithmetic::residual`] of each element.
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
    /// [`Arithmetic::accumulate`] of each element.
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
    /// [`Arithmetic::quantize`], then [`Arithmetic::activation`], of each element.
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
    /// [`Arithmetic::hidden`] of each element.
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
    /// [`Arithmetic::output`] of each element, added to 0.
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
    /// [`Arithmetic::output`] of each element, added to `y` in place.
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
