//! Elementwise ops of many features at once, for kernels with vectors: the values of [`super::Arithmetic::elementwise`].

use crate::blob::Elementwise;
use crate::fixed::{self, Rescale};
use crate::kernels::{Kernel, map, map_two};

/// Features between two look-ups: their arguments lie on the stack.
const TILE: usize = 64;

/// `values[n] = op(a[n], b[n], t[n])`; false, with nothing written, if the kernel has no vectors for the op.
// One copy a kernel: with all ops it is too large for the executors' loops.
#[inline(never)]
pub(super) fn vectors<K: Kernel>(kernel: K, op: Elementwise<'_>, [a, b, t]: [&[i16]; 3], values: &mut [i32]) -> bool {
    match op {
        Elementwise::Relu(_) => map(
            kernel,
            a,
            values,
            #[inline(always)]
            |a, v| *v = fixed::relu(a),
        ),
        Elementwise::LeakyRelu(l) => map(
            kernel,
            a,
            values,
            #[inline(always)]
            |a, v| *v = fixed::leaky_relu(a, l.positive, l.negative, l.negate != 0),
        ),
        Elementwise::Add(s) => map_two(
            kernel,
            a,
            b,
            values,
            #[inline(always)]
            |a, b, v| *v = fixed::add(a, b, [s.rescale_a, s.rescale_b], s.negate != 0),
        ),
        Elementwise::Multiply(m) => map_two(
            kernel,
            a,
            b,
            values,
            #[inline(always)]
            |a, b, v| *v = fixed::multiply(a, b, m.multiplier),
        ),
        Elementwise::Elu(_) => return false,
        _ if !K::LOOKUPS => return false,
        Elementwise::Tanh(_)
        | Elementwise::Sigmoid(_)
        | Elementwise::DepthGate(_)
        | Elementwise::Gate(_)
        | Elementwise::Glu(_) => {
            let tiles = a.chunks(TILE).zip(b.chunks(TILE)).zip(t.chunks(TILE)).zip(values.chunks_mut(TILE));
            for (((a, b), t), values) in tiles {
                looked_up(kernel, op, [a, b, t], values);
            }
        }
    }
    true
}

/// [`vectors`] of an op with look-ups in the `tanh` table, for at most [`TILE`] features.
#[inline(never)]
fn looked_up<K: Kernel>(kernel: K, op: Elementwise<'_>, [a, b, t]: [&[i16]; 3], values: &mut [i32]) {
    let mut buffers = [[0; TILE]; 2];
    let [first, second] = &mut buffers;
    match op {
        Elementwise::Tanh(e) => map(
            kernel,
            tanhs(kernel, a, e.rescale, e.fraction, first),
            values,
            #[inline(always)]
            |t, v| *v = e.back.apply(t.into()),
        ),
        Elementwise::Sigmoid(e) => map(
            kernel,
            tanhs(kernel, a, e.rescale, e.fraction, first),
            values,
            #[inline(always)]
            |t, v| *v = fixed::sigmoid_from(t.into(), e.back),
        ),
        Elementwise::DepthGate(d) => {
            let gates = tanhs(kernel, t, d.rescale_t, fixed::DEPTH_GATE_FRACTION, first);
            for (((v, a), b), t) in values.iter_mut().zip(a).zip(b).zip(gates) {
                *v = fixed::depth_gate_from([*a, *b], (*t).into(), [d.rescale_a, d.rescale_b]);
            }
        }
        Elementwise::Gate(g) => map_two(
            kernel,
            tanhs(kernel, a, g.rescale_a, g.fraction, first),
            tanhs(kernel, b, g.rescale_b, g.fraction_b, second),
            values,
            #[inline(always)]
            |a, b, v| *v = fixed::gated_tanh_from(a.into(), b.into()),
        ),
        Elementwise::Glu(g) => map_two(
            kernel,
            a,
            tanhs(kernel, b, g.rescale_b, g.fraction_b, second),
            values,
            #[inline(always)]
            |a, b, v| *v = fixed::gated_from(a, b.into(), g.multiplier),
        ),
        Elementwise::Relu(_)
        | Elementwise::Elu(_)
        | Elementwise::LeakyRelu(_)
        | Elementwise::Add(_)
        | Elementwise::Multiply(_) => {}
    }
}

/// `tanh` of each number, from its look-up argument on; at most as many as the buffer holds.
#[inline(always)]
fn tanhs<'b, K: Kernel>(
    kernel: K,
    x: &[i16],
    rescale: Rescale,
    fraction: u8,
    buffer: &'b mut [i16; TILE],
) -> &'b [i16] {
    let z = buffer.get_mut(..x.len()).unwrap_or_default();
    map(
        kernel,
        x,
        z,
        #[inline(always)]
        |x, z| *z = fixed::argument(x, rescale),
    );
    kernel.tanhs(z, fraction.into());
    z
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::arithmetic::{Arithmetic, Int8};
    use crate::blob::{
        AddRecord, DepthGateRecord, EluRecord, GateRecord, LeakyReluRecord, MultiplyRecord, ReluRecord, TanhRecord,
    };
    use crate::kernels::Host;
    use bytemuck::Zeroable;

    const MOST: usize = 3 * TILE + 5;

    /// Numbers of all sizes, with both ends of their range.
    fn numbers(seed: u32) -> [i16; MOST] {
        let mut state = seed;
        core::array::from_fn(|n| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match n % 8 {
                0 => [i16::MIN, i16::MAX, -1, 0][n / 8 % 4],
                1 | 2 => ((state >> 16) as i16) >> 8,
                _ => (state >> 16) as i16,
            }
        })
    }

    #[test]
    fn every_kernel_and_length_gives_the_values_of_single_features() {
        let rescale = |multiplier, shift| Rescale { multiplier, shift };
        let (small, large) = (rescale(20_011, 16), rescale(i16::MAX, 10));
        for [x, y] in [[small, large], [large, small]] {
            let (relu, elu) = (ReluRecord::zeroed(), EluRecord { exponent: x, back: 1 << 16, ..EluRecord::zeroed() });
            let leaky = LeakyReluRecord { negate: 1, positive: x, negative: y, ..LeakyReluRecord::zeroed() };
            let tanh = TanhRecord { fraction: 9, rescale: x, back: y, ..TanhRecord::zeroed() };
            let add = AddRecord { negate: 1, rescale_a: x, rescale_b: y, ..AddRecord::zeroed() };
            let depth = DepthGateRecord { rescale_a: x, rescale_b: y, rescale_t: x, ..DepthGateRecord::zeroed() };
            let multiply = MultiplyRecord { multiplier: 123_456_789, ..MultiplyRecord::zeroed() };
            let gate = GateRecord { fraction: 7, fraction_b: 14, rescale_a: x, rescale_b: y, ..GateRecord::zeroed() };
            let glu = GateRecord { multiplier: 987_654_321, ..gate };
            let ops = [
                Elementwise::Relu(&relu),
                Elementwise::Elu(&elu),
                Elementwise::LeakyRelu(&leaky),
                Elementwise::Tanh(&tanh),
                Elementwise::Sigmoid(&tanh),
                Elementwise::Add(&add),
                Elementwise::DepthGate(&depth),
                Elementwise::Multiply(&multiply),
                Elementwise::Gate(&gate),
                Elementwise::Glu(&glu),
            ];
            let inputs = [numbers(1), numbers(2), numbers(3)];
            for (op, kernel) in ops.iter().flat_map(|op| Host::all().map(move |kernel| (*op, kernel))) {
                for length in [0, 1, 7, 8, 15, 16, 17, 63, 64, 65, MOST] {
                    let mut values = [i32::MIN; MOST];
                    let slices = inputs.each_ref().map(|x| &x[..length]);
                    Int8::elementwise_all(kernel, op, slices, &mut values[..length]);
                    for (n, value) in values.iter().enumerate() {
                        let expected = Int8::elementwise(op, inputs.each_ref().map(|x| x[n]));
                        let expected = if n < length { expected } else { i32::MIN };
                        assert_eq!(*value, expected, "{op:?} with {kernel:?}, feature {n} of {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_kernel_looks_up_every_argument() {
        for kernel in Host::all() {
            for fraction in 7..=14 {
                let mut z: Vec<i16> = (i16::MIN..=i16::MAX).collect();
                kernel.tanhs(&mut z, fraction);
                for (argument, t) in (i16::MIN..=i16::MAX).zip(z) {
                    let expected = fixed::lstm::tanh_of(argument, fraction);
                    assert_eq!(i32::from(t), expected, "{kernel:?}, tanh of {argument}, fraction {fraction}");
                }
            }
        }
    }
}
