//! The LSTM cell by vectors of x86-64, whose gathers read the table of `tanh`; see [`crate::numbers::lstm::cell`].

/// What the cell needs of an instruction set: vectors of 32-bit numbers, one for each unit.
///
/// # Safety
/// All functions are inlined into a caller that has the instructions, and are called nowhere else.
pub(super) trait Lanes {
    /// Units of a vector.
    const UNITS: usize;
    /// A vector.
    type V: Copy;

    /// The gates o, f, i, g of so many units, as pairs of 16 bits: `o, f` of each in one vector, `i, g` in the other.
    unsafe fn load_gates(gates: *const i16) -> [Self::V; 2];
    /// Numbers, widened.
    unsafe fn load(x: *const i16) -> Self::V;
    /// Writes the lower 16 bits of numbers that fit these.
    unsafe fn store(y: *mut i16, v: Self::V);
    /// Entries `at` of the table of `tanh`, and those after them in the upper 16 bits.
    unsafe fn table(at: Self::V) -> Self::V;
    unsafe fn set(v: i32) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// The sum of the products of the lower and of the upper 16 bits: the product where one number's upper 16 bits are zero
    /// and the other one fits 16 bits.
    unsafe fn pairs(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn abs(a: Self::V) -> Self::V;
    unsafe fn xor(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn left(a: Self::V, by: u32) -> Self::V;
    unsafe fn right(a: Self::V, by: u32) -> Self::V;
}

/// The steps of as many units as whole vectors hold; gives how many.
///
/// # Safety
/// As of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn cells<L: Lanes>(
    gates: &[i16],
    before: &[i16],
    cell_bits: u32,
    c: &mut [i16],
    h: &mut [i16],
) -> usize {
    let units = (gates.len() / 4).min(before.len()).min(c.len()).min(h.len()) / L::UNITS * L::UNITS;
    let mut unit = 0;
    while unit < units {
        // SAFETY: the caller's, and all slices have numbers for a vector of units from `unit` on.
        unsafe {
            let gates = L::load_gates(gates.as_ptr().add(4 * unit));
            let (new_h, new_c) = step::<L>(gates, L::load(before.as_ptr().add(unit)), cell_bits);
            L::store(c.as_mut_ptr().add(unit), new_c);
            L::store(h.as_mut_ptr().add(unit), new_h);
        }
        unit += L::UNITS;
    }
    units
}

/// [`crate::numbers::lstm::cell`]; products are below 2³⁰.
///
/// # Safety
/// As of [`Lanes`].
#[inline(always)]
unsafe fn step<L: Lanes>([of, ig]: [L::V; 2], before: L::V, cell_bits: u32) -> (L::V, L::V) {
    // SAFETY: the caller's.
    unsafe {
        let low = |pair| L::right(L::left(pair, 16), 16);
        let high = |pair| L::right(pair, 16);
        let half = L::set(1 << 14);
        let fresh = L::right(L::pairs(sigmoid::<L>(low(ig)), tanh::<L>(high(ig))), cell_bits & 15);
        let kept = L::pairs(sigmoid::<L>(high(of)), before);
        let c = saturate::<L>(L::right(L::add(L::add(kept, fresh), half), 15));
        let t = if cell_bits >= 3 {
            saturate::<L>(L::left(c, (cell_bits - 3) & 15))
        } else {
            L::right(L::add(c, L::set(1 << (2 - cell_bits))), 3 - cell_bits)
        };
        let h = L::right(L::add(L::pairs(sigmoid::<L>(low(of)), tanh::<L>(t)), half), 15);
        (h, c)
    }
}

/// # Safety
/// As of [`Lanes`].
#[inline(always)]
unsafe fn saturate<L: Lanes>(v: L::V) -> L::V {
    // SAFETY: the caller's.
    unsafe { L::max(L::min(v, L::set(i16::MAX.into())), L::set(i16::MIN.into())) }
}

/// Of `u` from 0 to 2¹⁶.
///
/// # Safety
/// As of [`Lanes`].
#[inline(always)]
unsafe fn tanh_positive<L: Lanes>(u: L::V) -> L::V {
    // SAFETY: the caller's; the index is 0 to 511, as `table` needs.
    unsafe {
        let at = L::min(L::right(u, 7), L::set(511));
        let pair = L::table(at);
        let low = L::right(L::left(pair, 16), 16);
        let slope = L::sub(L::right(pair, 16), low);
        let rest = L::sub(u, L::left(at, 7));
        L::add(low, L::right(L::add(L::pairs(slope, rest), L::set(64)), 7))
    }
}

/// # Safety
/// As of [`Lanes`].
#[inline(always)]
unsafe fn tanh<L: Lanes>(z: L::V) -> L::V {
    // SAFETY: the caller's.
    unsafe {
        let t = tanh_positive::<L>(L::left(L::abs(z), 1));
        let sign = L::right(z, 31);
        L::sub(L::xor(t, sign), sign)
    }
}

/// # Safety
/// As of [`Lanes`].
#[inline(always)]
unsafe fn sigmoid<L: Lanes>(z: L::V) -> L::V {
    // SAFETY: the caller's.
    unsafe {
        let t = tanh_positive::<L>(L::abs(z));
        let sign = L::right(z, 31);
        let t = L::sub(L::xor(t, sign), sign);
        L::min(L::right(L::add(t, L::set(32_769)), 1), L::set(32_767))
    }
}
