//! What an engine computes with: integers, or floats where there is an FPU.

use super::Rescale;
use crate::blob::Layout;
use crate::kernels::{Kernel, Rows, map};
use bytemuck::Pod;

/// How many biases of nothing there are, which is how many sums are computed at a time; fewer where memory is dear.
pub const NO_BIAS: usize = if cfg!(any(target_pointer_width = "64", target_family = "wasm", pixelrnn_mve)) {
    64
} else if cfg!(pixelrnn_dsp) {
    32
} else {
    16
};

/// [`Rows`] of an arithmetic's numbers.
pub type RowsOf<'a, A> = Rows<'a, <A as Arithmetic>::Activation, <A as Arithmetic>::Weight, <A as Arithmetic>::Sum>;

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
    type Stream: Pod + Default;
    /// Sums, biases and multipliers.
    type Sum: Pod + Default;

    /// Biases of outputs that have none.
    const NO_BIAS: &'static [Self::Sum; NO_BIAS];
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
    fn scale<K: Kernel>(kernel: K, sums: &mut [Self::Sum], left: u8, multipliers: &[Self::Sum]);
    /// Adds `more` to sums, then [`Arithmetic::scale`].
    fn scale_both<K: Kernel>(
        kernel: K,
        sums: &mut [Self::Sum],
        more: &[Self::Sum],
        left: u8,
        multipliers: &[Self::Sum],
    );

    /// [`Arithmetic::products`] of weights in rows, then [`Arithmetic::scale`].
    #[inline(always)]
    fn scaled_rows<K: Kernel>(kernel: K, rows: RowsOf<'_, Self>, sums: &mut [Self::Sum]) {
        Self::products(kernel, Layout::Rows, rows.bias, rows.weights, rows.x, sums);
        Self::scale(kernel, sums, rows.left, rows.multipliers);
    }
    /// Adds what [`Arithmetic::scaled_rows`] gives to `sums`; see [`Kernel::added_rows`].
    #[inline(always)]
    fn added_rows<K: Kernel>(_kernel: K, _rows: RowsOf<'_, Self>, _sums: &mut [Self::Sum]) -> bool {
        false
    }
    /// [`Arithmetic::scaled_rows`], then [`Arithmetic::activations`]; `sums` are for the way there.
    #[inline(always)]
    fn activation_rows<K: Kernel>(
        kernel: K,
        rows: RowsOf<'_, Self>,
        zero_point: i32,
        low: i32,
        sums: &mut [Self::Sum],
        y: &mut [Self::Activation],
    ) {
        Self::scaled_rows(kernel, rows, sums);
        Self::activations(kernel, sums, zero_point, low, y);
    }
    /// [`Arithmetic::scaled_rows`], then [`Arithmetic::accumulated`]; `sums` are for the way there.
    #[inline(always)]
    fn accumulated_rows<K: Kernel>(kernel: K, rows: RowsOf<'_, Self>, sums: &mut [Self::Sum], y: &mut [Self::Stream]) {
        Self::scaled_rows(kernel, rows, sums);
        Self::accumulated(kernel, sums, y);
    }
    /// [`Arithmetic::scaled_rows`], into words that hold a sum each.
    #[inline(always)]
    fn sum_rows<K: Kernel>(kernel: K, rows: RowsOf<'_, Self>, sums: &mut [u32]) {
        if let Ok(sums) = bytemuck::try_cast_slice_mut(sums) {
            Self::scaled_rows(kernel, rows, sums);
        }
    }

    /// The activation that means 0.
    fn zero(zero_point: i8) -> Self::Activation;
    /// A scaled sum as an activation.
    fn activation(v: Self::Sum, zero_point: i32, low: i32) -> Self::Activation;
    /// A scaled sum as a value of the stream.
    fn stream(v: Self::Sum) -> Self::Stream;
    /// A scaled sum added to a value of the stream.
    fn accumulate(v: Self::Sum, y: Self::Stream) -> Self::Stream;
    /// Turns scaled sums, one in each word, into base-2 logits in units of 2⁻¹⁶, saturated. Where `softmax`, they may become distances
    /// to the largest of them.
    fn logits<K: Kernel>(kernel: K, sums: &mut [u32], softmax: bool, shift: u8);

    /// A value of the stream in units of an activation.
    fn quantize(x: Self::Stream, rescale: Rescale) -> Self::Sum;
    /// `max(x, 0)`.
    fn relu(x: Self::Stream) -> Self::Sum;
    /// `x` where `x > 0`, else `exp(x) - 1`.
    fn elu(x: Self::Stream, exponent: Rescale, back: i32) -> Self::Sum;
    /// `±a + b`.
    fn add(a: Self::Stream, b: Self::Stream, rescale: [Rescale; 2], negate: bool) -> Self::Sum;
    /// `a + sigmoid(t) · b`.
    fn depth_gate(values: [Self::Stream; 3], rescale: [Rescale; 3]) -> Self::Sum;

    /// A gate's pre-activation, of its scaled sums over the input and over the state.
    fn gate(x: Self::Sum, h: Self::Sum) -> Self::Stream;
    /// One step of a unit: the new `h` and `c` of the gates o, f, i, g and the old `c`.
    fn cell(gates: [Self::Stream; 4], c: Self::Stream, cell_bits: u8) -> (Self::Stream, Self::Stream);
    /// One step of as many units as all slices have numbers of, of four sums over the input and four over the state each; floats have
    /// no `cell_bits`. There are [`NO_BIAS`] sums of each at most.
    #[inline(always)]
    fn units<K: Kernel>(
        _kernel: K,
        [x, state]: [&[Self::Sum]; 2],
        before: &[Self::Stream],
        _cell_bits: &[u8],
        c: &mut [Self::Stream],
        h: &mut [Self::Stream],
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
        before: &[Self::Stream],
        cell_bits: &[u8],
        c: &mut [Self::Stream],
        h: &mut [Self::Stream],
    ) {
        let none = Self::NO_BIAS.get(..sums.len()).unwrap_or_default();
        Self::units(kernel, [sums, none], before, cell_bits, c, h);
    }
    /// `h` as state-to-state products read it.
    fn hidden(h: Self::Stream, to_hidden: Rescale) -> Self::Activation;
    /// `h` added to `y`, in the stream's scale.
    fn output(h: Self::Stream, to_output: Rescale, y: Self::Stream) -> Self::Stream;

    /// [`Arithmetic::activation`] of each number.
    #[inline(always)]
    fn activations<K: Kernel>(kernel: K, v: &[Self::Sum], zero_point: i32, low: i32, y: &mut [Self::Activation]) {
        map(
            kernel,
            v,
            y,
            #[inline(always)]
            move |v, y| *y = Self::activation(v, zero_point, low),
        );
    }
    /// [`Arithmetic::stream`] of each number.
    #[inline(always)]
    fn streams<K: Kernel>(kernel: K, v: &[Self::Sum], y: &mut [Self::Stream]) {
        map(
            kernel,
            v,
            y,
            #[inline(always)]
            |v, y| *y = Self::stream(v),
        );
    }
    /// [`Arithmetic::accumulate`] of each number.
    #[inline(always)]
    fn accumulated<K: Kernel>(kernel: K, v: &[Self::Sum], y: &mut [Self::Stream]) {
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
        x: &[Self::Stream],
        rescale: Rescale,
        zero_point: i32,
        low: i32,
        y: &mut [Self::Activation],
    ) {
        map(
            kernel,
            x,
            y,
            #[inline(always)]
            move |x, y| *y = Self::activation(Self::quantize(x, rescale), zero_point, low),
        );
    }
    /// [`Arithmetic::hidden`] of each number.
    #[inline(always)]
    fn hiddens<K: Kernel>(kernel: K, h: &[Self::Stream], to_hidden: Rescale, y: &mut [Self::Activation]) {
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
    fn outputs<K: Kernel>(kernel: K, h: &[Self::Stream], to_output: Rescale, y: &mut [Self::Stream]) {
        map(
            kernel,
            h,
            y,
            #[inline(always)]
            move |h, y| *y = Self::output(h, to_output, Self::Stream::default()),
        );
    }
    /// [`Arithmetic::output`] of each number, added to what stands there.
    #[inline(always)]
    fn outputs_onto<K: Kernel>(kernel: K, h: &[Self::Stream], to_output: Rescale, y: &mut [Self::Stream]) {
        map(
            kernel,
            h,
            y,
            #[inline(always)]
            move |h, y| *y = Self::output(h, to_output, *y),
        );
    }
}
