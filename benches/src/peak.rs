//! Peak throughput of a kernel's main instruction, measured by a loop that uses only registers.
#![allow(unsafe_code)] // calls functions with target features

use pixelrnn::kernels::Native;
use std::hint::black_box;
use std::time::Instant;

/// Peak multiply-adds per second of `kernel`'s instruction. `None` if no loop exists for it.
pub fn multiply_adds(kernel: Native) -> Option<f64> {
    let (spin, each): (fn(u64), u64) = match kernel {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a kernel value exists only if the processor supports its instructions.
        Native::Avx2(_) => (|rounds| unsafe { x86::avx2(rounds) }, 16),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Native::Avx512Vnni(_) => (|rounds| unsafe { x86::avx512vnni(rounds) }, 64),
        _ => return None,
    };
    Some(most(spin, each))
}

/// Peak float multiply-adds per second, the measure for training.
pub fn float_multiply_adds(kernel: Native) -> Option<f64> {
    match kernel {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Native::Avx512Vnni(_) => Some(most(|rounds| unsafe { x86::floats512(rounds) }, 16)),
        _ => None,
    }
}

/// Best throughput of a loop with `each` multiply-adds per iteration.
fn most(spin: fn(u64), each: u64) -> f64 {
    // Long enough for the clock's resolution.
    const ROUNDS: u64 = 1 << 22;
    let best = (0..5).map(|_| {
        let begin = Instant::now();
        spin(ROUNDS);
        begin.elapsed().as_secs_f64()
    });
    (ROUNDS * CHAINS as u64 * each) as f64 / best.fold(f64::INFINITY, f64::min)
}

/// Read bandwidth of one thread over a buffer of `bytes` bytes, which selects the cache level.
pub fn bandwidth(bytes: usize) -> f64 {
    // Long enough for the clock's resolution at every size.
    const READ: usize = 1 << 28;
    let buffer = vec![1u64; (bytes / 8).max(8)];
    let turns = (READ / (buffer.len() * 8)).max(1);
    let sum = |buffer: &[u64]| match Native::default() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a kernel value exists only if the processor supports its instructions.
        Native::Avx512Vnni(_) => unsafe { x86::sum512(buffer) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Native::Avx2(_) => unsafe { x86::sum256(buffer) },
        _ => sum(buffer),
    };
    let best = (0..5).map(|_| {
        let begin = Instant::now();
        for _ in 0..turns {
            black_box(sum(black_box(&buffer)));
        }
        begin.elapsed().as_secs_f64()
    });
    (turns * buffer.len() * 8) as f64 / best.fold(f64::INFINITY, f64::min)
}

/// Sum with enough independent accumulators to hide the latency of the additions.
#[inline(always)]
fn sum(buffer: &[u64]) -> u64 {
    let mut sums = [0u64; 64];
    for numbers in buffer.as_chunks::<64>().0 {
        for (sum, number) in sums.iter_mut().zip(numbers) {
            *sum = sum.wrapping_add(*number);
        }
    }
    sums.iter().fold(0, |a, b| a.wrapping_add(*b))
}

/// Number of independent accumulators, enough to hide the instruction latency.
const CHAINS: usize = 12;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::CHAINS;
    use core::arch::x86_64::{
        _mm256_add_epi32, _mm256_madd_epi16, _mm256_set1_epi16, _mm256_setzero_si256, _mm512_dpbusd_epi32,
        _mm512_fmadd_ps, _mm512_set1_epi8, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    };
    use std::hint::black_box;

    #[target_feature(enable = "avx2")]
    pub(super) fn sum256(buffer: &[u64]) -> u64 {
        super::sum(buffer)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub(super) fn sum512(buffer: &[u64]) -> u64 {
        super::sum(buffer)
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(rounds: u64) {
        let mut sums = [_mm256_setzero_si256(); CHAINS];
        let mut x = _mm256_set1_epi16(black_box(3));
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x, *sum));
            }
            x = _mm256_add_epi32(x, x);
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub(super) fn avx512vnni(rounds: u64) {
        let mut sums = [_mm512_setzero_si512(); CHAINS];
        let (a, b) = (_mm512_set1_epi8(black_box(3)), _mm512_set1_epi8(black_box(5)));
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn floats512(rounds: u64) {
        let mut sums = [_mm512_setzero_ps(); CHAINS];
        let (a, b) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(0.25)));
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }
}
