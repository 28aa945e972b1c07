//! Every kernel of this machine equals portable Rust, operation by operation and image by image.

use pixelrnn::arithmetic::{Arithmetic, Int8};
use pixelrnn::blob::Layout;
use pixelrnn::fixed::lstm;
use pixelrnn::kernels::{Kernel, KernelError, Native, Portable};
use pixelrnn::{Engine, Sample, Temperature};
use pixelrnn_converter::Blob;
use pixelrnn_converter::layout::{arrange, for_dsp};
use pixelrnn_tests::forward::{self, PLANS};
use pixelrnn_tests::golden::{self, Golden};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{cargo, integer_model::bytes::crc32};
use rayon::prelude::*;

/// Lengths around the step sizes of the kernels: 4, 16 and 64 inputs and multiples.
const LENGTHS: [usize; 32] = [
    0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 20, 31, 32, 33, 48, 60, 63, 64, 65, 68, 80, 100, 127, 128, 129, 144,
    191, 192, 193,
];

/// Sentinel that must not be overwritten.
const GUARD: i32 = 0x5a5a_5a5a;

/// Pairs of extreme weights and inputs, followed by random ones.
const VALUES: [Option<(i8, i8)>; 7] =
    [Some((-128, -128)), Some((-128, 127)), Some((127, -128)), Some((127, 127)), Some((-1, -128)), None, None];

fn kernels() -> impl Iterator<Item = Native> {
    Native::all().filter(|kernel| kernel.name() != "portable")
}

/// Buffers for weights and inputs, at an unaligned offset.
struct Buffers {
    weights: Vec<i8>,
    x: Vec<i8>,
    bias: Vec<i32>,
}

impl Buffers {
    fn new(values: Option<(i8, i8)>, random: &mut Random) -> Self {
        let mut byte = |fixed: Option<i8>| fixed.unwrap_or_else(|| random.below(256) as u8 as i8);
        let weights = (0..71 * 200).map(|_| byte(values.map(|v| v.0))).collect();
        let x = (0..200).map(|_| byte(values.map(|v| v.1))).collect();
        let bias = (0..80).map(|n| [i32::MAX, i32::MIN, 0, -1, 12_345][n % 5].wrapping_sub(n as i32)).collect();
        Self { weights, x, bias }
    }

    /// Sums of `outputs` outputs, from `given` weights that start at byte `at`.
    fn sums<K: Kernel>(&self, kernel: K, layout: Layout, [length, outputs, given, at]: [usize; 4]) -> Vec<i32> {
        let mut sums = vec![GUARD; outputs + 3];
        let (weights, x) = (&self.weights[at..at + given], &self.x[at % 5..at % 5 + length]);
        let (bias, out) = (&self.bias[at % 7..at % 7 + outputs], &mut sums[1..=outputs]);
        match layout {
            Layout::RowMajor => kernel.gemv_row_major(bias, weights, x, out),
            _ => kernel.gemv_tiled(bias, weights, x, out),
        }
        sums
    }
}

#[test]
fn products_are_those_of_plain_rust() {
    let mut random = Random::new(1);
    for values in VALUES {
        let buffers = Buffers::new(values, &mut random);
        for layout in [Layout::RowMajor, Layout::Tiled] {
            for length in LENGTHS.map(|length| layout.row(length)) {
                for outputs in 0..=70 {
                    // Exactly enough weights, too many, and too few.
                    let all = length * outputs;
                    for given in [all, all + 61, all.saturating_sub(1)] {
                        let case = [length, outputs, given, random.below(16)];
                        let expected = buffers.sums(Portable, layout, case);
                        assert_eq!([expected[0], expected[outputs + 1], expected[outputs + 2]], [GUARD; 3]);
                        for kernel in kernels() {
                            let got = buffers.sums(kernel, layout, case);
                            assert_eq!(got, expected, "{} {layout:?} {case:?} {values:?}", kernel.name());
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn products_of_16_bit_activations_are_sums_over_the_places_of_weights() {
    let mut random = Random::new(7);
    let buffers = Buffers::new(None, &mut random);
    for length in LENGTHS {
        let x: Vec<i16> = (0..length.next_multiple_of(4)).map(|_| random.below(1 << 14) as i16 - (1 << 13)).collect();
        for layout in [Layout::RowMajor, Layout::Tiled, Layout::TiledPairs] {
            let row = layout.row(length);
            for outputs in [1, 2, 3, 4, 5, 8, 15, 19, 70] {
                let (weights, bias, x) = (&buffers.weights[..outputs * row], &buffers.bias[..outputs], &x[..row]);
                let product = |output, input: usize| {
                    i32::from(weights[layout.index(outputs, row, output, input)]) * i32::from(x[input])
                };
                let sum = |output: usize| (0..row).map(|n| product(output, n)).fold(bias[output], i32::wrapping_add);
                let expected: Vec<i32> = (0..outputs).map(sum).collect();
                for kernel in Native::all() {
                    let mut got = vec![GUARD; outputs];
                    match layout {
                        Layout::RowMajor => kernel.gemv_row_major_i16(bias, weights, x, &mut got),
                        Layout::Tiled => kernel.gemv_tiled_i16(bias, weights, x, &mut got),
                        Layout::TiledPairs => kernel.gemv_tiled_pairs_i16(bias, weights, x, &mut got),
                    }
                    assert_eq!(got, expected, "{} {layout:?} {length} {outputs}", kernel.name());
                }
            }
        }
    }
}

#[test]
fn nothing_is_written_behind_the_shortest_of_biases_and_sums() {
    let buffers = Buffers::new(None, &mut Random::new(2));
    for kernel in Native::all() {
        for layout in [Layout::RowMajor, Layout::Tiled] {
            let mut few = [GUARD; 40];
            let mut many = [GUARD; 40];
            let (weights, x) = (&buffers.weights[..40 * 64], &buffers.x[..64]);
            for (bias, sums) in [(&buffers.bias[..40], &mut few[..37]), (&buffers.bias[..37], &mut many[..])] {
                match layout {
                    Layout::RowMajor => kernel.gemv_row_major(bias, weights, x, sums),
                    _ => kernel.gemv_tiled(bias, weights, x, sums),
                }
            }
            assert_eq!(few[37..], [GUARD; 3], "{} {layout:?}", kernel.name());
            assert_eq!(many[37..], [GUARD; 3], "{} {layout:?}", kernel.name());
            // In tiled layout the shorter slice determines the end of the last tile.
            assert_eq!(few, many, "{} {layout:?}", kernel.name());
        }
    }
}

/// Random i16 values, half of them extreme or near 0.
fn extremes(count: usize, random: &mut Random) -> Vec<i16> {
    let extremes = [i16::MIN, i16::MIN + 1, -1, 0, 1, i16::MAX];
    (0..count).map(|_| extremes.get(random.below(12)).copied().unwrap_or(random.below(1 << 16) as u16 as i16)).collect()
}

/// All cell bits with the coarsest gate, and all gate fractions.
fn all_bits() -> impl Iterator<Item = u8> {
    (0x70..=0x7f).chain((7..=14).map(|fraction| 16 * fraction + 3))
}

/// All values and fractions of gate g, with the input gate open.
#[test]
fn gates_of_all_values_and_fractions_are_those_of_the_definition() {
    for bits in all_bits() {
        let gates: Vec<i16> = (i16::MIN..=i16::MAX).flat_map(|g| [i16::MAX, i16::MIN, i16::MAX, g]).collect();
        let before = vec![0; gates.len() / 4];
        check_cells(&gates, &before, &vec![bits; before.len()]);
    }
}

/// Compares the cells of every kernel with the definition, unit by unit.
fn check_cells(gates: &[i16], before: &[i16], cell_bits: &[u8]) {
    let units = before.len();
    let expected: Vec<_> = (gates.as_chunks().0.iter().zip(before).zip(cell_bits))
        .map(|((gates, c), bits)| lstm::cell(*gates, *c, u32::from(*bits)))
        .collect();
    for kernel in Native::all() {
        let (mut c, mut h) = (vec![77; units + 1], vec![78; units + 1]);
        kernel.cells(gates, before, cell_bits, &mut c, &mut h);
        let got: Vec<_> = h.iter().copied().zip(c.iter().copied()).collect();
        assert_eq!(got[..units], expected, "{} {units} {cell_bits:?}", kernel.name());
        assert_eq!(got[units], (78, 77));
    }
}

#[test]
fn cells_are_those_of_the_definition() {
    let mut random = Random::new(3);
    for bits in all_bits() {
        for units in 0..=70 {
            check_cells(&extremes(4 * units, &mut random), &extremes(units, &mut random), &vec![bits; units]);
        }
    }
}

#[test]
fn cells_with_bits_of_their_own_are_those_of_the_definition() {
    let mut random = Random::new(4);
    for round in 0..16 {
        for units in 0..=70 {
            let random_bits = |_| if round == 0 { 0x7f } else { random.between(0x70, 0xef) as u8 };
            let cell_bits: Vec<u8> = (0..units).map(random_bits).collect();
            check_cells(&extremes(4 * units, &mut random), &extremes(units, &mut random), &cell_bits);
        }
    }
}

/// All cell values and bits, with the output gate open. The shifts of `tanh`'s argument go both ways and saturate.
#[test]
fn cells_of_all_values_and_bits_are_those_of_the_definition() {
    for bits in all_bits() {
        let before: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let gates = [i16::MAX, i16::MAX, 0, 0].repeat(before.len());
        check_cells(&gates, &before, &vec![bits; before.len()]);
    }
}

#[test]
fn cells_stop_where_the_shortest_of_their_slices_ends() {
    let (gates, before, bits) = ([1234; 4 * 40], [-99; 40], [7; 40]);
    let step = lstm::cell([1234; 4], -99, 7);
    for kernel in Native::all() {
        for (units, given) in [(33, 33), (40, 17), (5, 40), (40, 0)] {
            let (mut c, mut h) = ([77; 41], [78; 41]);
            kernel.cells(&gates[..4 * units], &before, &bits[..given], &mut c, &mut h);
            let done = units.min(given);
            for (n, got) in h.into_iter().zip(c).enumerate() {
                assert_eq!(got, if n < done { step } else { (78, 77) }, "{} {units} {given} {n}", kernel.name());
            }
        }
    }
}

/// All inputs of `tanh` and `sigmoid`.
#[test]
fn gates_of_all_values_are_those_of_the_definition() {
    let gates: Vec<i16> = (i16::MIN..=i16::MAX).flat_map(|z| [z, !z, z.wrapping_add(99), z]).collect();
    let before: Vec<i16> = (i16::MIN..=i16::MAX).rev().collect();
    check_cells(&gates, &before, &vec![3; before.len()]);
}

/// Logit computation from the specification, in 64-bit arithmetic.
fn lifted(sums: &[i32], softmax: bool, shift: u8) -> Vec<u32> {
    let limit = (1_i64 << (31 - shift)) - 1;
    let top = if softmax && shift != 0 { sums.iter().copied().max().unwrap_or(0) } else { 0 };
    let logit = |sum: &i32| ((i64::from(*sum) - i64::from(top)).clamp(-limit, limit) << shift) as i32;
    sums.iter().map(|sum| logit(sum) as u32).collect()
}

#[test]
fn logits_are_lifted_as_the_page_says() {
    let mut random = Random::new(5);
    // Extreme results of a requantization.
    let ends = [-(1 << 30) + 1, -1, 0, 1, 1 << 30];
    for count in (1..=70).chain([127, 128, 255, 256]) {
        for shift in 0..=16 {
            for near in [0, 12, 26] {
                let any = (0..count).map(|_| {
                    let any = (random.bits() as i32 >> 1).max(-(1 << 30) + 1) >> near;
                    if near == 0 { random.choose(&[any, any, random_end(&ends, any)]) } else { any }
                });
                let sums: Vec<i32> = any.collect();
                for softmax in [false, true] {
                    let expected = lifted(&sums, softmax, shift);
                    for kernel in Native::all() {
                        let mut got: Vec<u32> = sums.iter().map(|sum| *sum as u32).collect();
                        Int8::logits(kernel, &mut got, softmax, shift);
                        assert_eq!(got, expected, "{} {sums:?} {softmax} {shift}", kernel.name());
                    }
                }
            }
        }
    }
}

fn random_end(ends: &[i32], any: i32) -> i32 {
    ends[any.unsigned_abs() as usize % ends.len()]
}

#[test]
fn golden_images_are_the_same_with_each_kernel_layout_and_plan() {
    let text = std::fs::read_to_string(golden::file()).unwrap();
    let golden: Golden = serde_json::from_str(&text).unwrap();
    golden.models.par_iter().for_each(|entry| {
        let rows = Blob::read(&golden::file().with_file_name(&entry.blob)).unwrap();
        let blocks = arrange(&rows, for_dsp(rows.model().unwrap().weights())).unwrap();
        for kernel in Native::all() {
            for (blob, plan) in [(&rows, PLANS[0]), (&rows, PLANS[1]), (&blocks, PLANS[0])] {
                let model = blob.model().unwrap();
                let mut state = vec![0; model.state_words_for(plan)];
                let mut engine = Engine::with(model, &mut state, kernel, plan).unwrap();
                let (mut images, mut cost) = (Vec::new(), 0u64);
                for n in 0..golden.images {
                    let label = (model.classes() > 0).then(|| n as usize % model.classes());
                    let pass = forward::run(&mut engine, label, Sample::seeded(n.into(), Temperature::ONE));
                    images.extend(pass.image);
                    cost += pass.cost.0;
                }
                let got = (format!("{:08x}", crc32(images.iter().copied())), cost);
                assert_eq!(got, (entry.crc32.clone(), entry.cost), "{} {} {plan:?}", entry.name(), kernel.name());
            }
        }
    });
}

#[test]
fn kernels_have_names_and_others_are_refused() {
    for kernel in Native::all() {
        assert_eq!(Native::named(kernel.name()).unwrap().name(), kernel.name());
    }
    assert_eq!(Native::all().last().unwrap().name(), Native::default().name());
    assert_eq!(Native::named("Portable").unwrap_err(), KernelError::Unknown);
    assert_eq!(Native::named("simd128").unwrap_err(), KernelError::Unavailable { name: "simd128" });
}

#[test]
fn the_environment_names_the_kernel_of_a_program() {
    let run = |kernel: &str| {
        let mut program = std::process::Command::new(cargo::pixelrnn());
        program.args(["sample", "-n", "1", "-o", "-"]).env(Native::VARIABLE, kernel).output().unwrap()
    };
    let expected = run("");
    assert!(expected.status.success());
    for kernel in Native::all() {
        assert_eq!(run(kernel.name()).stdout, expected.stdout, "{}", kernel.name());
    }
    for (name, message) in [("mmx", "names no kernel"), ("simd128", "has no kernel simd128")] {
        let output = run(name);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(error.contains(message) && error.trim_end().lines().count() == 1, "{error}");
    }
}
