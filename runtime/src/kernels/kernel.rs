//! The [`Kernel`] trait, with portable default implementations.

#[cfg(feature = "std")]
use super::gemm;
#[cfg(feature = "a16")]
use super::portable;
use super::{map, map_two};
#[cfg(doc)]
use crate::blob::Layout;
use crate::fixed::{self, Rescale, exp2_neg, lstm, requantize};

/// Accumulators computed at a time, and the length of [`crate::arithmetic::Arithmetic::ZERO_BIAS`]. Smaller on targets with
/// little memory.
pub const OUTPUT_TILE: usize = if cfg!(any(target_pointer_width = "64", target_family = "wasm", pixelrnn_mve)) {
    64
} else if cfg!(pixelrnn_dsp) {
    32
} else {
    16
};

/// Operands of a matrix-vector product with requantization: [`Kernel::gemv_row_major`], then [`Kernel::scale`].
#[derive(Clone, Copy, Debug)]
pub struct Gemv<'a, X = i8, W = i8, S = i32> {
    /// Initial accumulators, `[outputs]`.
    pub bias: &'a [S],
    /// Weights, `[outputs, x.len()]`, row-major.
    pub weights: &'a [W],
    /// Input activations, `[inputs]`.
    pub x: &'a [X],
    /// Left shift of an accumulator before its multiplier, in bits.
    pub left_shift: u8,
    /// Requantization multipliers, `[outputs]`.
    pub multipliers: &'a [S],
}

/// Inner loops of an executor. Its methods are hidden and change between releases: choose a kernel, do not implement one.
///
/// All kernels give the same bytes: accumulation is exact modulo 2³², so its order does not matter.
///
/// The `gemv_row_major` and `gemv_tiled` methods compute `sums[o] = bias[o] + Σ weights[o, k] · x[k]`. The number of
/// outputs is the smallest that `bias`, `weights` and `sums` cover.
pub trait Kernel: Copy {
    /// Set if the kernel has vectors, so that one pass over a slice for each operation beats all operations on each element.
    #[doc(hidden)]
    const VECTORS: bool = false;

    /// Set if products are so fast that fused requantization is worth its code size.
    #[doc(hidden)]
    const FUSED: bool = false;

    /// Matrix-vector product with [`Layout::RowMajor`] weights, `[outputs, x.len()]`.
    #[doc(hidden)]
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]);

    /// Matrix-vector product with [`Layout::Tiled`] weights, from the first output of a block on; `x.len()` is a multiple of four.
    #[doc(hidden)]
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]);

    /// [`Kernel::gemv_row_major`] for 16-bit activations.
    #[cfg(feature = "a16")]
    #[cfg_attr(target_os = "none", inline(never))] // variants inlined side by side slow each other down
    #[doc(hidden)]
    fn gemv_row_major_i16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        self.run(
            #[inline(always)]
            || portable::gemv_row_major(bias, weights, x, sums),
        );
    }

    /// [`Kernel::gemv_tiled`] for 16-bit activations.
    #[doc(hidden)]
    #[cfg(feature = "a16")]
    #[cfg_attr(target_os = "none", inline(never))]
    fn gemv_tiled_i16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        self.run(
            #[inline(always)]
            || portable::gemv_tiled(bias, weights, x, sums, |weights| weights),
        );
    }

    /// [`Kernel::gemv_tiled_i16`] for [`Layout::TiledPairs`] weights.
    #[doc(hidden)]
    #[cfg(feature = "a16")]
    #[cfg_attr(target_os = "none", inline(never))]
    fn gemv_tiled_pairs_i16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        self.run(
            #[inline(always)]
            || portable::gemv_tiled(bias, weights, x, sums, |[a, c, b, d]| [a, b, c, d]),
        );
    }

    /// Offset that [`Kernel::gemm_u8i8`] subtracts from each input: 0 for instructions with unsigned inputs, 128 for signed ones.
    #[doc(hidden)]
    #[cfg(feature = "std")]
    #[inline(always)]
    fn input_offset(self) -> i32 {
        0
    }

    /// Matrix product of packed weights and unsigned 8-bit inputs:
    /// `sums[n, o] = bias[o] + Σ weights[o, k] · (x[n, k] - input_offset)` for all columns `n` of the batch.
    ///
    /// Outputs come in `vectors` vectors of [`gemm::LANES`]; `weights` are `[words, vectors, 16, 4]`.
    #[doc(hidden)]
    #[cfg(feature = "std")]
    fn gemm_u8i8(self, weights: &[i8], inputs: &gemm::Inputs<'_, u8>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
        self.run(
            #[inline(always)]
            || gemm::portable::<u8, i8, 4>(bytemuck::cast_slice(weights), inputs, bias, vectors, sums),
        );
    }

    /// [`Kernel::gemm_u8i8`] for 16-bit inputs and weights, without an input offset; `weights` are `[words, vectors, 16, 2]`.
    #[doc(hidden)]
    #[cfg(all(feature = "std", feature = "a16"))]
    fn gemm_i16i16(
        self,
        weights: &[i16],
        inputs: &gemm::Inputs<'_, i16>,
        bias: &[i32],
        vectors: usize,
        sums: &mut [i32],
    ) {
        self.run(
            #[inline(always)]
            || gemm::portable::<i16, i16, 2>(bytemuck::cast_slice(weights), inputs, bias, vectors, sums),
        );
    }

    /// One column of [`Kernel::gemm_u8i8`]: `sums[o] + Σ weights[o, k] · (x[k] - input_offset)`.
    ///
    /// For a few words of inputs that another op has just computed. Inside [`Kernel::run`], accumulators and inputs stay in
    /// registers.
    #[doc(hidden)]
    #[cfg(feature = "std")]
    #[inline(always)]
    fn gemv_accumulate_u8i8<const V: usize>(
        self,
        weights: &[gemm::PanelWeights<i8, 4, V>],
        x: &[[u8; 4]],
        sums: gemm::Accumulators<V>,
    ) -> gemm::Accumulators<V> {
        gemm::gemv_accumulate(weights, x, sums)
    }

    /// [`Kernel::gemv_accumulate_u8i8`] for 16-bit inputs and weights, without an input offset.
    #[doc(hidden)]
    #[cfg(all(feature = "std", feature = "a16"))]
    #[inline(always)]
    fn gemv_accumulate_i16i16<const V: usize>(
        self,
        weights: &[gemm::PanelWeights<i16, 2, V>],
        x: &[[i16; 2]],
        sums: gemm::Accumulators<V>,
    ) -> gemm::Accumulators<V> {
        gemm::gemv_accumulate(weights, x, sums)
    }

    /// [`requantize`]s each accumulator by its multiplier, in place.
    #[doc(hidden)]
    #[inline]
    fn scale(self, sums: &mut [i32], left_shift: u32, multipliers: &[i32]) {
        map(
            self,
            multipliers,
            sums,
            #[inline(always)]
            move |multiplier, sum| *sum = requantize(*sum, left_shift, multiplier),
        );
    }

    /// [`requantize`]d accumulators of one vector, each by its multiplier.
    #[doc(hidden)]
    #[cfg(feature = "std")]
    #[inline(always)]
    fn requantize(
        self,
        sums: &[i32; gemm::LANES],
        left_shift: u32,
        multipliers: &[i32; gemm::LANES],
    ) -> [i32; gemm::LANES] {
        let mut scaled = *sums;
        for (sum, multiplier) in scaled.iter_mut().zip(multipliers) {
            *sum = requantize(*sum, left_shift, *multiplier);
        }
        scaled
    }

    /// Activations: `v + zero_point` clamped to `clamp_min..=127`. `zero_point` and `clamp_min` are within `i8`.
    #[doc(hidden)]
    #[inline(always)]
    fn activations(self, v: &[i32], zero_point: i32, clamp_min: i32, y: &mut [i8]) {
        map(
            self,
            v,
            y,
            #[inline(always)]
            move |v, y| *y = fixed::activation(v, zero_point, clamp_min),
        );
    }

    /// Residuals: `v` clamped to `clamp_min..=clamp_max`, both within `i16`.
    #[doc(hidden)]
    #[inline(always)]
    fn residuals(self, v: &[i32], clamp_min: i32, clamp_max: i32, y: &mut [i16]) {
        map(
            self,
            v,
            y,
            #[inline(always)]
            move |v, y| *y = v.max(clamp_min).min(clamp_max) as i16,
        );
    }

    /// Adds accumulators to the residual `y`, saturating.
    #[doc(hidden)]
    #[inline(always)]
    fn accumulate(self, v: &[i32], y: &mut [i16]) {
        map(
            self,
            v,
            y,
            #[inline(always)]
            |v, y| *y = fixed::accumulate(v, *y),
        );
    }

    /// Activations of a residual: `x` rescaled, plus `zero_point`, clamped to `clamp_min..=127`.
    #[doc(hidden)]
    #[inline(always)]
    fn rescaled_i8(self, x: &[i16], rescale: Rescale, zero_point: i32, clamp_min: i32, y: &mut [i8]) {
        map(
            self,
            x,
            y,
            #[inline(always)]
            move |x, y| *y = fixed::activation(fixed::quantize(x, rescale), zero_point, clamp_min),
        );
    }

    /// Residual in another scale: `x` rescaled, clamped to `clamp_min..=clamp_max`.
    #[doc(hidden)]
    #[inline(always)]
    fn rescaled_i16(self, x: &[i16], rescale: Rescale, clamp_min: i32, clamp_max: i32, y: &mut [i16]) {
        map(
            self,
            x,
            y,
            #[inline(always)]
            move |x, y| *y = rescale.apply(i32::from(x)).max(clamp_min).min(clamp_max) as i16,
        );
    }

    /// Adds `x` rescaled to the residual `y`, saturating.
    #[doc(hidden)]
    #[inline(always)]
    fn rescaled_onto(self, x: &[i16], rescale: Rescale, y: &mut [i16]) {
        map(
            self,
            x,
            y,
            #[inline(always)]
            move |x, y| *y = fixed::output(x, rescale, *y),
        );
    }

    /// [`Kernel::gemv_row_major`], then [`Kernel::scale`].
    #[doc(hidden)]
    #[inline(always)]
    fn gemv_scaled(self, rows: Gemv<'_>, sums: &mut [i32]) {
        self.gemv_row_major(rows.bias, rows.weights, rows.x, sums);
        self.scale(sums, u32::from(rows.left_shift), rows.multipliers);
    }

    /// Adds the result of [`Kernel::gemv_scaled`] to `sums`; all biases must be 0.
    ///
    /// Returns `false`, with `sums` unchanged, if the kernel has no fused implementation for this shape.
    #[doc(hidden)]
    #[inline(always)]
    fn gemv_added(self, _rows: Gemv<'_>, _sums: &mut [i32]) -> bool {
        false
    }

    /// [`Kernel::gemv_scaled`], then [`Kernel::activations`]. `sums` is scratch, unspecified afterwards.
    #[doc(hidden)]
    #[inline(always)]
    fn gemv_activations(self, rows: Gemv<'_>, zero_point: i32, clamp_min: i32, sums: &mut [i32], y: &mut [i8]) {
        self.gemv_scaled(rows, sums);
        self.activations(sums, zero_point, clamp_min, y);
    }

    /// [`Kernel::gemv_scaled`], then [`Kernel::accumulate`]. `sums` is scratch, unspecified afterwards.
    #[doc(hidden)]
    #[inline(always)]
    fn gemv_accumulated(self, rows: Gemv<'_>, sums: &mut [i32], y: &mut [i16]) {
        self.gemv_scaled(rows, sums);
        self.accumulate(sums, y);
    }

    /// [`Kernel::gemv_row_major_i16`], then [`Kernel::scale`].
    #[doc(hidden)]
    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_scaled_i16(self, rows: Gemv<'_, i16>, sums: &mut [i32]) {
        self.gemv_row_major_i16(rows.bias, rows.weights, rows.x, sums);
        self.scale(sums, u32::from(rows.left_shift), rows.multipliers);
    }

    /// [`Kernel::gemv_scaled_i16`], then [`Kernel::residuals`]. `sums` is scratch, unspecified afterwards.
    #[doc(hidden)]
    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_activations_i16(
        self,
        rows: Gemv<'_, i16>,
        clamp_min: i32,
        clamp_max: i32,
        sums: &mut [i32],
        y: &mut [i16],
    ) {
        self.gemv_scaled_i16(rows, sums);
        self.residuals(sums, clamp_min, clamp_max, y);
    }

    /// [`Kernel::gemv_scaled_i16`], then [`Kernel::accumulate`]. `sums` is scratch, unspecified afterwards.
    #[doc(hidden)]
    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_accumulated_i16(self, rows: Gemv<'_, i16>, sums: &mut [i32], y: &mut [i16]) {
        self.gemv_scaled_i16(rows, sums);
        self.accumulate(sums, y);
    }

    /// [`Kernel::gemv_scaled_i16`] for many outputs.
    #[doc(hidden)]
    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_sums_i16(self, rows: Gemv<'_, i16>, y: &mut [i32]) {
        self.gemv_scaled_i16(rows, y);
    }

    /// Runs `task` with the kernel's target features enabled, so that the compiler may use its instructions.
    #[doc(hidden)]
    #[inline(always)]
    fn run<R>(self, task: impl FnOnce() -> R) -> R {
        task()
    }

    /// Steps LSTM units by [`lstm::cell`].
    ///
    /// `gates` are the pre-activations, `[units, 4]` in the order o, f, i, g; `before` are the previous cell states. Writes the
    /// new cell states `c` and outputs `h`. The number of units is the smallest that all slices cover.
    #[doc(hidden)]
    #[inline(always)]
    fn cells(self, gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        let units = gates.as_chunks().0.iter().zip(before).zip(cell_bits).zip(c).zip(h);
        for ((((gates, before), bits), c), h) in units {
            (*h, *c) = lstm::cell(*gates, *before, u32::from(*bits));
        }
    }

    /// Set if [`Kernel::tanhs`] is faster than a look-up for each number.
    #[doc(hidden)]
    const LOOKUPS: bool = false;

    /// `tanh` of each number, in place, by [`lstm::tanh_of`]; `fraction` is 7 to 14.
    #[doc(hidden)]
    #[inline(always)]
    fn tanhs(self, z: &mut [i16], fraction: u32) {
        for z in z {
            *z = lstm::tanh_of(*z, fraction) as i16;
        }
    }

    /// [`Kernel::cells`] with each gate the saturated sum of two requantized accumulators, over the input and over the state;
    /// at most [`OUTPUT_TILE`] of each.
    #[doc(hidden)]
    #[inline(always)]
    fn units(self, [x, state]: [&[i32]; 2], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        let mut gates = [0; OUTPUT_TILE];
        if let Some(gates) = gates.get_mut(..x.len()) {
            map_two(
                self,
                x,
                state,
                gates,
                #[inline(always)]
                |x, state, y| *y = fixed::gate(x, state),
            );
            self.cells(gates, before, cell_bits, c, h);
        }
    }

    /// [`Kernel::units`] with the two accumulators of each gate already added.
    #[doc(hidden)]
    #[inline(always)]
    fn summed_units(self, sums: &[i32], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        let none = [0; OUTPUT_TILE];
        if let Some(none) = none.get(..sums.len()) {
            self.units([sums, none], before, cell_bits, c, h);
        }
    }

    /// Largest logit and the index of its first occurrence; `(i32::MIN, 0)` for an empty slice.
    #[doc(hidden)]
    #[inline(always)]
    fn largest(self, logits: &[u32]) -> (i32, usize) {
        let (mut largest, mut at) = (i32::MIN, 0);
        for (v, &logit) in logits.iter().enumerate() {
            if logit as i32 > largest || v == 0 {
                largest = logit as i32;
                at = v;
            }
        }
        (largest, at)
    }

    /// Turns logits into softmax weights in units of 2⁻³⁰: [`exp2_neg`] of the distance to `largest` times `inverse`. Returns
    /// the sum of the weights.
    ///
    /// Logits and `inverse`, the inverse temperature, are in units of 2⁻¹⁶.
    #[doc(hidden)]
    #[inline(always)]
    fn weights(self, logits: &mut [u32], largest: i32, inverse: u32) -> u64 {
        let mut sum = 0;
        for logit in logits {
            let distance = u64::from(largest.wrapping_sub(*logit as i32) as u32);
            let distance = (distance * u64::from(inverse)) >> 16;
            *logit = exp2_neg(if distance > u64::from(u32::MAX) { u32::MAX } else { distance as u32 });
            sum += u64::from(*logit);
        }
        sum
    }

    /// Turns softmax weights into frequencies `1 + (weight · scale >> 32)` and returns their sum.
    #[doc(hidden)]
    #[inline(always)]
    fn frequencies(self, weights: &mut [u32], scale: u32) -> u32 {
        let mut sum = 0u32;
        for weight in weights {
            *weight = 1 + ((u64::from(*weight) * u64::from(scale)) >> 32) as u32;
            sum = sum.wrapping_add(*weight);
        }
        sum
    }
}
