//! Every kernel of this machine equals portable Rust, operation by operation and image by image.

use pixelrnn::arithmetic::{Arithmetic, Int8};
use pixelrnn::kernels::{KernelError, Native};
use pixelrnn::{Engine, Sample, Temperature};
use pixelrnn_converter::Blob;
use pixelrnn_converter::layout::{arrange, for_dsp};
use pixelrnn_firmware::kernels::{Size, check};
use pixelrnn_tests::forward::{self, PLANS};
use pixelrnn_tests::golden::{self, Golden};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{cargo, integer_model::bytes::crc32};
use rayon::prelude::*;

/// The conformance cases of the firmware, up to the size for hosts.
#[test]
fn every_operation_is_right() {
    let mut numbers = Vec::new();
    for kernel in Native::all() {
        match check(kernel, Size::HOST) {
            Ok(cases) => numbers.push(cases),
            Err(wrong) => panic!("{}: {wrong:?}", kernel.name()),
        }
    }
    assert!(numbers[0] > 50_000 && numbers.iter().all(|cases| *cases == numbers[0]), "{numbers:?}");
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
