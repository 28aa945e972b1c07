//! The engine gives what `docs/blob-format.md` says, bit for bit: logits, costs, samples and the memory it asks for.

use pixelrnn::Model;
use pixelrnn_tests::integer_model::IntegerModel;
use pixelrnn_tests::{fixtures, walk};

fn check(name: &str, model: Model<'_>, images: &[(&[u8], Option<usize>)]) {
    let page = IntegerModel::parse(model.blob()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(page.header.state_bytes, page.state_bytes(), "{name}: bytes of state");
    assert_eq!(page.header.patch_bytes, page.patch_bytes(), "{name}: bytes of the longest dot product");
    for (n, (image, label)) in images.iter().enumerate() {
        let engine = walk::score(model, image, *label);
        assert_eq!(engine.image, *image, "{name}: image {n} comes out as it was given");
        assert_eq!(engine.logits, page.logits(image, *label), "{name}: logits of image {n}");
        assert_eq!(engine.cost, page.cost(image, *label), "{name}: cost of image {n}");
    }
}

fn check_samples(name: &str, model: Model<'_>, label: Option<usize>, draws: &[(u64, u32)]) {
    let page = IntegerModel::parse(model.blob()).unwrap_or_else(|e| panic!("{name}: {e}"));
    for &(seed, milli) in draws {
        let engine = walk::sample(model, seed, milli, label);
        let (image, cost) = page.sample(seed, milli, label);
        assert_eq!(engine.image, image, "{name}: seed {seed}, temperature {milli}");
        assert_eq!(engine.cost, cost, "{name}: cost with seed {seed}, temperature {milli}");
    }
}

#[test]
fn logits_and_costs_of_the_fixtures() {
    for (fixture, blob) in fixtures::converted() {
        let images: Vec<_> = (0..fixture.images.count).map(|n| (fixture.images.image(n), fixture.label(n))).collect();
        check(&fixture.name, blob.model().unwrap(), &images);
    }
}

#[test]
fn samples_of_the_fixtures() {
    for (fixture, blob) in fixtures::converted() {
        let draws = [(0, 1000), (1, 1000), (u64::MAX, 10), (1 << 40, 500), (12345, 1700), (7, 100_000)];
        check_samples(&fixture.name, blob.model().unwrap(), fixture.label(0), &draws);
    }
}
