use super::{Size, Wrong, check};
use pixelrnn::kernels::{Kernel, Native, Portable};

#[test]
fn kernels_of_this_machine_are_right() {
    let cases = check(Portable, Size::BOARD);
    assert!(cases.is_ok_and(|cases| cases > 5000), "{cases:?}");
    assert_eq!(check(Native::default(), Size::BOARD), cases);
}

/// Kernel with a fault.
macro_rules! faulty {
    ($name:ident, $($method:item)*) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl Kernel for $name {
            fn gemv_tiled(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
                Portable.gemv_tiled(bias, weights, x, sums);
            }

            $($method)*
        }
    };
}

// Skips the last input at one length, like a wrongly unrolled loop.
faulty! {
    Short,
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        Portable.gemv_row_major(bias, weights, x, sums);
        if let &[.., last] = x && x.len() == 17 {
            for ((sum, _), row) in sums.iter_mut().zip(bias).zip(weights.chunks_exact(17)) {
                *sum = sum.wrapping_sub(i32::from(row[16]) * i32::from(last));
            }
        }
    }
}

// Clears all sums, also those without a bias.
faulty! {
    Long,
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        sums.fill(0);
        Portable.gemv_row_major(bias, weights, x, sums);
    }
}

// Takes the bits of the first unit for all.
faulty! {
    OneBits,
    fn gemv_row_major(self, bias: &[i32], weights: &[i8], x: &[i8], sums: &mut [i32]) {
        Portable.gemv_row_major(bias, weights, x, sums);
    }

    fn cells(self, gates: &[i16], before: &[i16], cell_bits: &[u8], c: &mut [i16], h: &mut [i16]) {
        let bits = [cell_bits.first().copied().unwrap_or_default(); Size::TARGET.elements];
        Portable.cells(gates, before, &bits[..cell_bits.len()], c, h);
    }
}

#[test]
fn faults_are_found() {
    let wrong = |operation, inputs, outputs, values| Err(Wrong { operation, inputs, outputs, values });
    assert_eq!(check(Short, Size::BOARD), wrong("gemv_row_major", 17, 1, 0));
    assert_eq!(check(Long, Size::BOARD), wrong("gemv_row_major", 0, 0, 0));
    assert_eq!(check(OneBits, Size::BOARD), wrong("summed_units", 0, 2, 1));
}
