//! Vector abstraction used by the kernels.

/// A vector of `f32` in registers.
///
/// # Safety
/// Every method requires a CPU with the instructions of the implementing type, and pointers valid for the accessed
/// elements.
pub(super) trait Lanes: Copy {
    /// Number of lanes.
    const COUNT: usize;
    /// Broadcasts `value`.
    unsafe fn splat(value: f32) -> Self;
    /// Loads [`Lanes::COUNT`] elements.
    unsafe fn load(from: *const f32) -> Self;
    /// Loads the first `n` elements and zeroes the others. `n` is at most [`Lanes::COUNT`].
    unsafe fn load_first(from: *const f32, n: usize) -> Self;
    /// Stores all elements.
    unsafe fn store(self, to: *mut f32);
    /// Stores the first `n` elements. `n` is at most [`Lanes::COUNT`].
    unsafe fn store_first(self, to: *mut f32, n: usize);
    /// Sum.
    unsafe fn add(self, other: Self) -> Self;
    /// Difference.
    unsafe fn sub(self, other: Self) -> Self;
    /// Product.
    unsafe fn mul(self, other: Self) -> Self;
    /// Quotient.
    unsafe fn div(self, other: Self) -> Self;
    /// Minimum. Returns `self` if it is NaN.
    unsafe fn min(self, other: Self) -> Self;
    /// Maximum. Returns `self` if it is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// 2 to the power of `self`, an integer from -126 to 127.
    unsafe fn power_of_two(self) -> Self;
    /// `yes` in lanes with `self < limit`, otherwise `no`.
    unsafe fn select_below(self, limit: Self, yes: Self, no: Self) -> Self;
    /// `self · factor + addend`.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
}

/// The first `left` elements of a vector, or the whole vector if there are more.
///
/// # Safety
/// The CPU must support the instructions of `V`. `min(left, lanes)` floats must be readable.
#[inline(always)]
pub(super) unsafe fn load<V: Lanes>(from: *const f32, left: usize) -> V {
    // SAFETY: guaranteed by the caller.
    unsafe { if left >= V::COUNT { V::load(from) } else { V::load_first(from, left) } }
}

/// Stores what [`load`] loads.
///
/// # Safety
/// The conditions of [`load`], for writing.
#[inline(always)]
pub(super) unsafe fn store<V: Lanes>(value: V, to: *mut f32, left: usize) {
    // SAFETY: guaranteed by the caller.
    unsafe { if left >= V::COUNT { value.store(to) } else { value.store_first(to, left) } }
}
