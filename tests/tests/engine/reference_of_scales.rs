//! Models of several scales: the float reference gives the numbers of PyTorch, and only what was not known costs.

use pixelrnn_converter::Reference;
use pixelrnn_tests::fixtures::{self, Fixture};

/// Far above rounding in f64, far below any semantic error (10⁻³ and more).
const TOLERANCE: f64 = 1e-5;

fn nats(reference: &Reference, image: &[u8], label: Option<usize>) -> Vec<f64> {
    reference.values_nats(image, label).unwrap().iter().map(|scale| scale.iter().sum()).collect()
}

#[test]
fn every_logit_of_the_largest_scale_of_every_fixture() {
    for fixture in fixtures::of_scales() {
        let (reference, (shape, logits)) = (Reference::new(&fixture.trained), &fixture.logits);
        let each: usize = shape[1..].iter().product();
        for n in 0..fixture.images.count {
            let got = reference.logits(fixture.images.image(n), fixture.label(n)).unwrap();
            assert_eq!(got.data.len(), each, "{}", fixture.name);
            for (at, (got, expected)) in got.data.iter().zip(&logits[n * each..]).enumerate() {
                let expected = f64::from(*expected);
                let error = (got - expected).abs() / expected.abs().max(1.0);
                assert!(error < TOLERANCE, "{}: logit {at} of image {n} is {got}, not {expected}", fixture.name);
            }
        }
    }
}

#[test]
fn the_likelihood_of_every_scale_of_every_fixture() {
    let fixtures = fixtures::of_scales();
    assert!(fixtures.len() >= 12);
    for fixture in fixtures {
        let reference = Reference::new(&fixture.trained);
        let scales = fixture.nats.len() / fixture.images.count;
        assert_eq!(reference.scales().len(), scales, "{}", fixture.name);
        for (n, expected) in fixture.nats.chunks_exact(scales).enumerate() {
            let got = nats(&reference, fixture.images.image(n), fixture.label(n));
            for (scale, (got, expected)) in got.iter().zip(expected).enumerate() {
                let error = (got - expected).abs() / expected.abs();
                assert!(error < TOLERANCE, "{}: image {n}, scale {scale}: {got}, not {expected}", fixture.name);
            }
            let total = reference.nats(fixture.images.image(n), fixture.label(n)).unwrap();
            assert!((total - expected.iter().sum::<f64>()).abs() < 1e-9 * total, "{}: the sum", fixture.name);
        }
    }
}

/// Changes one value after another: what comes before it in its scale must cost the same.
fn check_causality(Fixture { name, trained, images, labels, .. }: &Fixture) {
    let reference = Reference::new(trained);
    let (image, factor) = (*reference.image(), reference.factor().unwrap());
    let label = labels.as_ref().map(|labels| usize::from(labels[0]));
    let original = images.image(0);
    let values = |image: &[u8]| reference.values_nats(image, label).unwrap();
    let before = values(original);
    let at_once = trained.description().colour_groups == pixelrnn::network::ColourGroups::None;
    for at in 0..original.len() {
        let (row, column) = (at / image.width % image.height, at % image.width);
        let mut changed = original.to_vec();
        changed[at] = (changed[at] + 1) % image.levels as u8;
        let after = values(&changed);
        let is_known = row.is_multiple_of(factor) && column.is_multiple_of(factor);
        // A value that the smaller image holds is known to all of the larger one.
        assert_eq!(
            is_known,
            before[..before.len() - 1] != after[..after.len() - 1],
            "{name}: smaller scales, value {at}"
        );
        if is_known {
            continue;
        }
        // The order of coding: by pixels, then by colours.
        let time = |at: usize| {
            let channel = if at_once { 0 } else { at / (image.width * image.height) };
            (at % (image.width * image.height), channel)
        };
        let unknown = (0..original.len()).filter(|other| {
            let (row, column) = (other / image.width % image.height, other % image.width);
            !(row.is_multiple_of(factor) && column.is_multiple_of(factor))
        });
        for ((other, a), b) in unknown.zip(before.last().unwrap()).zip(after.last().unwrap()) {
            let same = a.to_bits() == b.to_bits();
            assert!(time(other) >= time(at) || same, "{name}: value {other} costs otherwise with value {at}");
        }
    }
}

#[test]
fn no_value_costs_otherwise_with_a_later_one_that_is_not_known() {
    for fixture in fixtures::of_scales() {
        check_causality(&fixture);
    }
}

#[test]
fn the_probabilities_of_all_images_over_two_scales_sum_to_one() {
    let fixture = fixtures::of_scales().into_iter().find(|fixture| fixture.name == "four_pixels").unwrap();
    let reference = Reference::new(&fixture.trained);
    assert_eq!(fixture.images.count, 16);
    let sum: f64 = (0..16).map(|n| (-reference.nats(fixture.images.image(n), None).unwrap()).exp()).sum();
    assert!((sum - 1.0).abs() < 1e-10, "{sum}");
}
