//! Elementwise ops over slices of features, for both executors.

use crate::arithmetic::Arithmetic;
use crate::blob::Elementwise;

/// `values[n] = op(a[n], b[n], t[n])`, in units of the output, not yet saturated.
#[inline(always)]
pub(super) fn elementwise<A: Arithmetic>(op: Elementwise<'_>, [a, b, t]: [&[A::Residual]; 3], values: &mut [A::Sum]) {
    for (((v, a), b), t) in values.iter_mut().zip(a).zip(b).zip(t) {
        *v = A::elementwise(op, [*a, *b, *t]);
    }
}
