//! The float reference matches the model definition, as computed by an independent NumPy program.

use pixelrnn_converter::Reference;
use pixelrnn_tests::fixtures;

/// Far above float32 rounding (3·10⁻⁶ in these models), far below any semantic error (10⁻² and more).
const TOLERANCE: f64 = 1e-4;

#[test]
fn every_logit_of_every_fixture() {
    for fixture in fixtures::all() {
        let name = &fixture.name;
        let description = fixture.trained.description();
        let image = description.image;
        let logits_per_channel = description.output.logits_per_channel(image.levels);
        let (shape, logits) = &fixture.logits;
        assert_eq!(
            *shape,
            [fixture.images.count, image.channels, logits_per_channel, image.height, image.width],
            "{name}: shape"
        );
        let reference = Reference::new(&fixture.trained);
        let per_image = logits.len() / fixture.images.count;
        for n in 0..fixture.images.count {
            let got = reference.logits(fixture.images.image(n), fixture.label(n)).unwrap();
            let expected = &logits[n * per_image..(n + 1) * per_image];
            assert_eq!(got.data.len(), per_image, "{name}: logits of an image");
            for (at, (got, expected)) in got.data.iter().zip(expected).enumerate() {
                let distance = (got - f64::from(*expected)).abs();
                assert!(distance <= TOLERANCE, "{name}: logit {at} of image {n} is {got}, expected {expected}");
            }
        }
    }
}

#[test]
fn the_likelihood_of_every_image_of_every_fixture() {
    for fixture in fixtures::all() {
        let reference = Reference::new(&fixture.trained);
        assert_eq!(fixture.nats.len(), fixture.images.count, "{}", fixture.name);
        for (n, expected) in fixture.nats.iter().enumerate() {
            let got = reference.nats(fixture.images.image(n), fixture.label(n)).unwrap();
            assert!((got - expected).abs() <= TOLERANCE, "{}: image {n} has {got} nats, not {expected}", fixture.name);
        }
    }
}

#[test]
fn every_model_in_the_folder_is_a_listed_case() {
    let mut files: Vec<String> = std::fs::read_dir(fixtures::folder())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".safetensors").map(String::from))
        .collect();
    let mut cases: Vec<String> = fixtures::all().into_iter().map(|fixture| fixture.name).collect();
    files.sort();
    cases.sort();
    assert_eq!(files, cases);
    assert!(cases.len() >= 48, "{} cases", cases.len());
}
