//! Networks as graphs: the engine against the float reference, and all plans and executors against each other.

use pixelrnn::blob::NumberFormat;
use pixelrnn::network::Image;
use pixelrnn_converter::{Blob, Reference, TrainedModel};
use pixelrnn_tests::forward::{self, PLANS};
use pixelrnn_tests::graphs;
use pixelrnn_tests::random::Random;

/// One step of an engine's logits in nats.
const UNIT: f64 = std::f64::consts::LN_2 / 65536.0;

fn case(trained: &TrainedModel, seed: u64) -> (Vec<u8>, Option<usize>, Image) {
    let description = trained.description();
    let mut random = Random::new(seed);
    let image = random.image(&description.image);
    let label = (description.classes > 0).then(|| random.below(description.classes));
    (image, label, description.image)
}

fn worst(trained: &TrainedModel, blob: &Blob, image: &[u8], label: Option<usize>) -> (f64, f64) {
    let model = blob.model().unwrap();
    let expected = Reference::new(trained).logits(image, label).unwrap().data;
    let largest = expected.iter().fold(1.0, |max: f64, logit| max.max(logit.abs()));
    let got: Vec<_> = forward::score(model, image, label).logits.iter().map(|l| f64::from(*l) * UNIT).collect();
    let [got, expected] = [&got[..], &expected].map(|logits| forward::relative(model, logits));
    (got.iter().zip(&expected).map(|(got, expected)| (got - expected).abs()).fold(0.0, f64::max), largest)
}

#[test]
fn float_blobs_of_random_graphs_have_the_logits_of_the_reference() {
    let mut done = 0;
    for seed in 0..400 {
        let Some((trained, blob)) = graphs::random_blob(seed, NumberFormat::F32) else { continue };
        let (image, label, _) = case(&trained, seed);
        let (worst, largest) = worst(&trained, &blob, &image, label);
        if largest < 10_000.0 {
            assert!(worst < 2e-4 * largest, "graph {seed}: off by {worst}\n{}", trained.description().to_json());
            done += 1;
        }
    }
    assert!(done > 300, "{done} graphs");
}

#[test]
fn plans_of_random_graphs_give_the_same_bytes() {
    for seed in 0..400 {
        let Some((trained, blob)) = graphs::random_blob(seed, NumberFormat::I8) else { continue };
        let (image, label, _) = case(&trained, seed);
        let model = blob.model().unwrap();
        let [by_pixel, by_row] = PLANS.map(|plan| forward::score_under(plan, model, &image, label));
        assert_eq!(by_pixel, by_row, "graph {seed}\n{}", trained.description().to_json());
    }
}

#[test]
#[ignore = "debug"]
fn debug() {
    let seeds: Vec<u64> = std::env::var("SEED").unwrap().split('-').map(|s| s.parse().unwrap()).collect();
    for seed in seeds[0]..=seeds[1] {
        let run = std::panic::catch_unwind(|| {
            let mut said = String::new();
            let Some((trained, blob)) = graphs::random_blob(seed, NumberFormat::F32) else { return "refused".to_string() };
            let (image, label, _) = case(&trained, seed);
            let (worst, largest) = worst(&trained, &blob, &image, label);
            if worst > 2e-4 * largest { said += &format!("off by {worst} of {largest}"); }
            let model = blob.model().unwrap();
            let [by_pixel, by_row] = PLANS.map(|plan| forward::score_under(plan, model, &image, label));
            if by_pixel != by_row { said += " plans differ"; }
            let Some((_, blob)) = graphs::random_blob(seed, NumberFormat::I8) else { return said + " refused in 8" };
            let model = blob.model().unwrap();
            let [by_pixel, by_row] = PLANS.map(|plan| forward::score_under(plan, model, &image, label));
            if by_pixel != by_row { said += " plans differ in 8"; }
            said
        });
        match run {
            Err(e) => eprintln!("{seed} PANIC {}", e.downcast_ref::<String>().cloned().unwrap_or_default().chars().take(400).collect::<String>()),
            Ok(s) if !s.is_empty() => eprintln!("{seed} {s}"),
            _ => {}
        }
    }
}
