//! Numbers whose weights can be packed.

#[cfg(feature = "a16")]
use crate::arithmetic::Int8A16;
use crate::arithmetic::{Arithmetic, Int8};
use crate::kernels::Kernel;
use crate::kernels::gemm::{Accumulators, Inputs, LANES, WORD};
use bytemuck::{Pod, Zeroable};

/// The weights of a vector of outputs for a word of inputs, a line of the cache.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; LANES * WORD]);

/// Numbers whose weights can be packed.
pub(super) trait Pack: Arithmetic<Weight = i8, Residual = i16, Sum = i32> + Sized {
    /// An activation as products read it.
    type Input: Pod;
    /// A weight, packed.
    type Element: Pod;
    /// What is added to an activation to make it an input.
    const OFFSET: i32;

    fn input(x: Self::Activation) -> Self::Input;
    /// [`Arithmetic::activation`] as products read it.
    #[inline(always)]
    fn activation_input(v: i32, zero_point: i32, clamp_min: i32) -> Self::Input {
        Self::input(Self::activation(v, zero_point, clamp_min))
    }
    fn element(weight: i8) -> Self::Element;
    fn gemm<K: Kernel>(
        kernel: K,
        weights: &[Self::Element],
        inputs: &Inputs<'_, Self::Input>,
        bias: &[i32],
        vectors: usize,
        sums: &mut [i32],
    );
    /// The products of one place, added to sums that stay in registers; as many words as both slices have.
    fn gemv_accumulate<K: Kernel, const V: usize>(
        kernel: K,
        weights: &[Line],
        inputs: &[Self::Input],
        sums: Accumulators<V>,
    ) -> Accumulators<V>;
}

impl Pack for Int8 {
    // Unsigned, as some instructions want it; what that adds to a sum is the same for all inputs and taken off its bias.
    type Input = u8;
    type Element = i8;
    const OFFSET: i32 = 128;

    #[inline(always)]
    fn input(x: i8) -> u8 {
        x.cast_unsigned() ^ 128
    }

    #[inline(always)]
    fn activation_input(v: i32, zero_point: i32, clamp_min: i32) -> u8 {
        // Of unsigned bytes, the first saturation is what makes them bytes, and the second one is of bytes.
        let above_low = v.wrapping_add(zero_point.wrapping_sub(clamp_min)).clamp(0, 255) as u8;
        above_low.saturating_add(clamp_min.wrapping_add(128) as u8)
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

/// Inputs of a word.
pub(super) const fn each_word<A: Pack>() -> usize {
    WORD / size_of::<A::Input>()
}

/// Steps of a product over `inputs` inputs.
pub(super) fn words<A: Pack>(inputs: usize) -> usize {
    inputs.div_ceil(each_word::<A>())
}
