//! What every kernel can do, in plain Rust where it has nothing better.

#[cfg(feature = "std")]
use super::gemm;
#[cfg(feature = "a16")]
use super::portable;
use super::{map, map_two};
#[cfg(doc)]
use crate::blob::Layout;
use crate::fixed::{self, Rescale, exp2_neg, lstm, requantize};

/// Accumulators computed at a time, and zeros in [`crate::arithmetic::Arithmetic::ZERO_BIAS`]; fewer where memory is scarce.
pub const OUTPUT_TILE: usize = if cfg!(any(target_pointer_width = "64", target_family = "wasm", pixelrnn_mve)) {
    64
} else if cfg!(pixelrnn_dsp) {
    32
} else {
    16
};

/// Sums that are scaled: what [`Kernel::gemv_row_major`] and [`Kernel::scale`] read.
#[derive(Clone, Copy, Debug)]
pub struct Gemv<'a, X = i8, W = i8, S = i32> {
    /// What sums begin with.
    pub bias: &'a [S],
    /// `[outputs, x.len()]`, row-major.
    pub weights: &'a [W],
    /// Inputs.
    pub x: &'a [X],
    /// Bits that a sum is shifted left before it is multiplied.
    pub left_shift: u8,
    /// One for each output.
    pub multipliers: &'a [S],
}

/// The inner loops of an engine.
///
/// All kernels give the same bytes: sums are exact modulo 2³², whatever the order.
///
/// `rows` and `blocks` compute `sums[o] = bias[o] + Σ weights[o, k] · x[k]`, for as many outputs as all three have numbers
/// of.
pub trait Kernel: Copy {
    /// Whether the machine has vectors, so that it is faster to do one thing to all numbers of a slice than everything to
    /// each number.
    const VECTORS: bool = false;

    /// Whether sums are so fast that it is worth some code to have less around them.
    const FUSED: bool = false;

    /// For weights in [`Layout::RowMajor`]: `weights` is `[outputs, x.len()]`, row-major.
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]);

    /// For weights in [`Layout::Tiled`], from the first output of a block on; `x.len()` is a multiple of four.
    fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]);

    /// As [`Kernel::gemv_row_major`], for 16-bit activations.
    #[cfg(feature = "a16")]
    #[cfg_attr(target_os = "none", inline(never))] // one of three, side by side in one function, is slower for the others
    fn gemv_row_major_i16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        self.run(
            #[inline(always)]
            || portable::gemv_row_major(bias, weights, x, sums),
        );
    }

    /// As [`Kernel::gemv_tiled`], for 16-bit activations.
    #[cfg(feature = "a16")]
    #[cfg_attr(target_os = "none", inline(never))]
    fn gemv_tiled_i16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        self.run(
            #[inline(always)]
            || portable::gemv_tiled(bias, weights, x, sums, |weights| weights),
        );
    }

    /// As [`Kernel::gemv_tiled_i16`], for weights in [`Layout::TiledPairs`].
    #[cfg(feature = "a16")]
    #[cfg_attr(target_os = "none", inline(never))]
    fn gemv_tiled_pairs_i16(self, bias: &[i32], weights: &[i8], x: &[i16], sums: &mut [i32]) {
        self.run(
            #[inline(always)]
            || portable::gemv_tiled(bias, weights, x, sums, |[a, c, b, d]| [a, b, c, d]),
        );
    }

    /// What [`Kernel::gemm_u8i8`] takes off each input: 0 or 128, as instructions want unsigned bytes or signed ones.
    #[cfg(feature = "std")]
    #[inline(always)]
    fn input_offset(self) -> i32 {
        0
    }

    /// `sums[p, o] = bias[o] + Σ weights[o, k] · (x[p, k] - input_offset)` of all places `p` and of `vectors` of [`gemm::LANES`]
    /// outputs each, for unsigned 8-bit inputs; `weights` are `[words, vectors, 16, 4]`.
    #[cfg(feature = "std")]
    fn gemm_u8i8(self, weights: &[i8], inputs: &gemm::Inputs<'_, u8>, bias: &[i32], vectors: usize, sums: &mut [i32]) {
        self.run(
            #[inline(always)]
            || gemm::portable::<u8, i8, 4>(bytemuck::cast_slice(weights), inputs, bias, vectors, sums),
        );
    }

    /// As [`Kernel::gemm_u8i8`], for 16-bit inputs and weights; `weights` are `[words, vectors, 16, 2]`.
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

    /// `sums[o] + Σ weights[o, k] · (x[k] - input_offset)` of one place: [`Kernel::gemm_u8i8`] for a few words of inputs that another op
    /// has just made, in the midst of code that has the kernel's instructions, so that nothing goes through memory.
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

    /// As [`Kernel::gemv_accumulate_u8i8`], for 16-bit inputs and weights.
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

    /// [`requantize`]s sums, each with its multiplier.
    #[inline]
    fn scale(self, sums: &mut [i32], left: u32, multipliers: &[i32]) {
        map(
            self,
            multipliers,
            sums,
            #[inline(always)]
            move |multiplier, sum| *sum = requantize(*sum, left, multiplier),
        );
    }

    /// The [`requantize`]d sums of a vector, each with its multiplier.
    #[cfg(feature = "std")]
    #[inline(always)]
    fn requantize(self, sums: &[i32; gemm::LANES], left: u32, multipliers: &[i32; gemm::LANES]) -> [i32; gemm::LANES] {
        let mut scaled = *sums;
        for (sum, multiplier) in scaled.iter_mut().zip(multipliers) {
            *sum = requantize(*sum, left, *multiplier);
        }
        scaled
    }

    /// Activations: `v + zero_point` within `low..=127`; both numbers are activations.
    #[inline(always)]
    fn activations(self, v: &[i32], zero_point: i32, low: i32, y: &mut [i8]) {
        map(
            self,
            v,
            y,
            #[inline(always)]
            move |v, y| *y = fixed::activation(v, zero_point, low),
        );
    }

    /// Sums within `low..=high`, the least and the largest of which an `i16` can hold.
    #[inline(always)]
    fn residuals(self, v: &[i32], low: i32, high: i32, y: &mut [i16]) {
        map(
            self,
            v,
            y,
            #[inline(always)]
            move |v, y| *y = v.max(low).min(high) as i16,
        );
    }

    /// Adds sums to `y`, saturating.
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

    /// [`Kernel::activations`] of `x` rescaled.
    #[inline(always)]
    fn rescaled_i8(self, x: &[i16], rescale: Rescale, zero_point: i32, low: i32, y: &mut [i8]) {
        map(
            self,
            x,
            y,
            #[inline(always)]
            move |x, y| *y = fixed::activation(fixed::quantize(x, rescale), zero_point, low),
        );
    }

    /// [`Kernel::residuals`] of `x` rescaled.
    #[inline(always)]
    fn rescaled_i16(self, x: &[i16], rescale: Rescale, low: i32, high: i32, y: &mut [i16]) {
        map(
            self,
            x,
            y,
            #[inline(always)]
            move |x, y| *y = rescale.apply(i32::from(x)).max(low).min(high) as i16,
        );
    }

    /// Adds `x` rescaled to `y`, saturating.
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
    #[inline(always)]
    fn gemv_scaled(self, rows: Gemv<'_>, sums: &mut [i32]) {
        self.gemv_row_major(rows.bias, rows.weights, rows.x, sums);
        self.scale(sums, u32::from(rows.left_shift), rows.multipliers);
    }

    /// Adds what [`Kernel::gemv_scaled`] gives to `sums`, of rows whose biases are 0; `false` where the kernel has no short way to do
    /// it, and nothing is done.
    #[inline(always)]
    fn gemv_added(self, _rows: Gemv<'_>, _sums: &mut [i32]) -> bool {
        false
    }

    /// [`Kernel::gemv_scaled`], then [`Kernel::activations`]; what `sums` holds then is nothing to rely on.
    #[inline(always)]
    fn gemv_activations(self, rows: Gemv<'_>, zero_point: i32, low: i32, sums: &mut [i32], y: &mut [i8]) {
        self.gemv_scaled(rows, sums);
        self.activations(sums, zero_point, low, y);
    }

    /// [`Kernel::gemv_scaled`], then [`Kernel::accumulate`]; what `sums` holds then is nothing to rely on.
    #[inline(always)]
    fn gemv_accumulated(self, rows: Gemv<'_>, sums: &mut [i32], y: &mut [i16]) {
        self.gemv_scaled(rows, sums);
        self.accumulate(sums, y);
    }

    /// [`Kernel::gemv_row_major_i16`], then [`Kernel::scale`].
    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_scaled_i16(self, rows: Gemv<'_, i16>, sums: &mut [i32]) {
        self.gemv_row_major_i16(rows.bias, rows.weights, rows.x, sums);
        self.scale(sums, u32::from(rows.left_shift), rows.multipliers);
    }

    /// [`Kernel::gemv_scaled_i16`], then [`Kernel::residuals`]; what `sums` holds then is nothing to rely on.
    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_activations_i16(self, rows: Gemv<'_, i16>, low: i32, high: i32, sums: &mut [i32], y: &mut [i16]) {
        self.gemv_scaled_i16(rows, sums);
        self.residuals(sums, low, high, y);
    }

    /// [`Kernel::gemv_scaled_i16`], then [`Kernel::accumulate`]; what `sums` holds then is nothing to rely on.
    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_accumulated_i16(self, rows: Gemv<'_, i16>, sums: &mut [i32], y: &mut [i16]) {
        self.gemv_scaled_i16(rows, sums);
        self.accumulate(sums, y);
    }

    /// [`Kernel::gemv_scaled_i16`] of many rows.
    #[cfg(feature = "a16")]
    #[inline(always)]
    fn gemv_sums_i16(self, rows: Gemv<'_, i16>, y: &mut [i32]) {
        self.gemv_scaled_i16(rows, y);
    }

    /// Does `task`, which the compiler may do with the instructions that the kernel uses.
    #[inline(always)]
    fn run<R>(self, task: impl FnOnce() -> R) -> R {
        task()
    }

    /// The step of each LSTM unit, as [`lstm::cell`]: four `gates` a unit, o, f, i, g, and the cells `before`; writes the new
    /// `c` and `h`, of as many units as all slices have numbers of.
    #[inline(always)]
    fn cells(self, gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        let units = gates.as_chunks().0.iter().zip(before).zip(cell_bits).zip(c).zip(h);
        for ((((gates, before), bits), c), h) in units {
            (*h, *c) = lstm::cell(*gates, *before, u32::from(*bits));
        }
    }

    /// [`Kernel::cells`] of gates that are still sums over the input and over the state, at most [`OUTPUT_TILE`] of each.
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

    /// [`Kernel::units`] of gates whose two sums have been added.
    #[inline(always)]
    fn summed_units(self, sums: &[i32], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        let none = [0; OUTPUT_TILE];
        if let Some(none) = none.get(..sums.len()) {
            self.units([sums, none], before, cell_bits, c, h);
        }
    }

    /// The largest of some logits, and which of them is the first that is as large.
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

    /// Turns logits into weights, [`exp2_neg`] of the distance to the largest times `inverse`, in units of 2⁻¹⁶, and gives their
    /// sum.
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

    /// Turns weights into frequencies, `1 + (weight · scale >> 32)`, and gives their sum.
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
