//! Packed element types of weights and inputs.

#[cfg(feature = "a16")]
use crate::arithmetic::Int8A16;
use crate::arithmetic::{Arithmetic, Int8};
use crate::kernels::Kernel;
use crate::kernels::gemm::{Accumulators, Inputs, LANES, WORD};
use bytemuck::{Pod, Zeroable};

/// Weights of one vector of outputs for one word of inputs: a cache line.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; LANES * WORD]);

/// Arithmetic with packed weights.
pub(super) trait Pack: Arithmetic<Weight = i8, Residual = i16, Sum = i32> + Sized {
    /// Input of a product: an activation plus [`Pack::OFFSET`].
    type Input: Pod;
    /// Packed weight.
    type Element: Pod;
    /// `input - activation`.
    const OFFSET: i32;

    /// Input of an activation.
    fn input(x: Self::Activation) -> Self::Input;
    /// [`Arithmetic::activation`], then [`Pack::input`].
    #[inline(always)]
    fn activation_input(v: i32, zero_point: i32, clamp_min: i32) -> Self::Input {
        Self::input(Self::activation(v, zero_point, clamp_min))
    }
    /// Packed weight.
    fn element(weight: i8) -> Self::Element;
    /// Product of a panel at all columns of the batch; see [`Kernel::gemm_u8i8`].
    fn gemm<K: Kernel>(
        kernel: K,
        weights: &[Self::Element],
        inputs: &Inputs<'_, Self::Input>,
        bias: &[i32],
        vectors: usize,
        sums: &mut [i32],
    );
    /// Fast path of [`Pack::gemm`] for a single column: same result. Adds to `sums`, which stay in registers. The number of input words
    /// is the smallest that both slices cover.
    fn gemv_accumulate<K: Kernel, const V: usize>(
        kernel: K,
        weights: &[Line],
        inputs: &[Self::Input],
        sums: Accumulators<V>,
    ) -> Accumulators<V>;
}

impl Pack for Int8 {
    // Unsigned, for `vpdpbusd` and its like. The offset adds a constant to each sum, which is subtracted from its bias.
    type Input = u8;
    type Element = i8;
    const OFFSET: i32 = 128;

    #[inline(always)]
    fn input(x: i8) -> u8 {
        x.cast_unsigned() ^ 128
    }

    #[inline(always)]
    fn activation_input(v: i32, zero_point: i32, clamp_min: i32) -> u8 {
        // Relative to `clamp_min` both clamps are unsigned saturations: one narrows to bytes, the other is a byte addition.
        let above_min = v.wrapping_add(zero_point.wrapping_sub(clamp_min)).clamp(0, 255) as u8;
        above_min.saturating_add(clamp_min.wrapping_add(128) as u8)
    }

    #[inline(always)]
    fn element(weight: i8) -> i8 {
        weight
    }

    #[inline(always)]
    fn gemm<K: Kernel>(
        kernel: K,
        weights: &[i8],
        inputs: &Inputs<'_, u8>,
        bias: &[i32],
        vectors: usize,
        sums: &mut [i32],
    ) {
        kernel.gemm_u8i8(weights, inputs, bias, vectors, sums);
    }

    #[inline(always)]
    fn gemv_accumulate<K: Kernel, const V: usize>(
        kernel: K,
        weights: &[Line],
        inputs: &[u8],
        sums: Accumulators<V>,
    ) -> Accumulators<V> {
        let weights = bytemuck::must_cast_slice(weights).as_chunks().0;
        kernel.gemv_accumulate_u8i8(weights, inputs.as_chunks().0, sums)
    }
}

#[cfg(feature = "a16")]
impl Pack for Int8A16 {
    type Input = i16;
    type Element = i16;
    const OFFSET: i32 = 0;

    #[inline(always)]
    fn input(x: i16) -> i16 {
        x
    }

    #[inline(always)]
    fn element(weight: i8) -> i16 {
        weight.into()
    }

    #[inline(always)]
    fn gemm<K: Kernel>(
        kernel: K,
        weights: &[i16],
        inputs: &Inputs<'_, i16>,
        bias: &[i32],
        vectors: usize,
        sums: &mut [i32],
    ) {
        kernel.gemm_i16i16(weights, inputs, bias, vectors, sums);
    }

    #[inline(always)]
    fn gemv_accumulate<K: Kernel, const V: usize>(
        kernel: K,
        weights: &[Line],
        inputs: &[i16],
        sums: Accumulators<V>,
    ) -> Accumulators<V> {
        let weights = bytemuck::must_cast_slice(weights).as_chunks().0;
        kernel.gemv_accumulate_i16i16(weights, inputs.as_chunks().0, sums)
    }
}

/// Inputs per word.
pub(super) const fn each_word<A: Pack>() -> usize {
    WORD / size_of::<A::Input>()
}

/// Words of `inputs` inputs.
pub(super) fn words<A: Pack>(inputs: usize) -> usize {
    inputs.div_ceil(each_word::<A>())
}
