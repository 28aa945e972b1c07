//! The few vector operations that the kernels are written in.

/// A vector of `f32`, in registers.
///
/// # Safety
/// Every method may only be called on a machine that has the instructions of the implementing type, and the pointers
/// must be valid for as many elements as the method reads or writes.
pub(super) trait Lanes: Copy {
    /// Elements.
    const COUNT: usize;
    /// `value` in every element.
    unsafe fn splat(value: f32) -> Self;
    /// [`Lanes::COUNT`] elements from `from`.
    unsafe fn load(from: *const f32) -> Self;
    /// The first `n` elements from `from`, the others 0; `n` is at most [`Lanes::COUNT`].
    unsafe fn load_first(from: *const f32, n: usize) -> Self;
    /// All elements to `to`.
    unsafe fn store(self, to: *mut f32);
    /// The first `n` elements to `to`; `n` is at most [`Lanes::COUNT`].
    unsafe fn store_first(self, to: *mut f32, n: usize);
    /// Sum.
    unsafe fn add(self, other: Self) -> Self;
    /// Difference.
    unsafe fn sub(self, other: Self) -> Self;
    /// Product.
    unsafe fn mul(self, other: Self) -> Self;
    /// Quotient.
    unsafe fn div(self, other: Self) -> Self;
    /// The smaller; `self` where it is not a number.
    unsafe fn min(self, other: Self) -> Self;
    /// The larger; `self` where it is not a number.
    unsafe fn max(self, other: Self) -> Self;
    /// 2 to the power of `self`, a whole number from -126 to 127.
    unsafe fn power_of_two(self) -> Self;
    /// `yes` where `self` is below `limit`, else `no`.
    unsafe fn select_below(self, limit: Self, yes: Self, no: Self) -> Self;
    /// `self · factor + addend`.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
}
