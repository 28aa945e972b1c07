//! The converter's output reads back unchanged and is reproducible.

use pixelrnn_converter::run::Scorer;
use pixelrnn_converter::{Description, Reference, TrainedModel};
use pixelrnn_tests::{fixtures, models};

#[test]
fn descriptions_come_back_from_json() {
    let fixtures = fixtures::all().into_iter().map(|fixture| fixture.trained);
    for trained in fixtures.chain((0..200).map(models::random)) {
        let description = trained.description();
        let json = description.to_json();
        assert_eq!(Description::from_json(&json).unwrap(), *description, "{json}");
    }
}

#[test]
fn trained_models_come_back_from_bytes() {
    let fixtures = fixtures::all().into_iter().map(|fixture| fixture.trained);
    for trained in fixtures.chain((0..100).map(models::random)) {
        let bytes = trained.to_bytes().unwrap();
        let back = TrainedModel::from_bytes(&bytes).unwrap();
        assert_eq!(back, trained);
        assert_eq!(back.to_bytes().unwrap(), bytes, "equal models give equal bytes");
    }
}

#[test]
fn one_model_gives_one_blob_on_any_number_of_threads() {
    for fixture in fixtures::all() {
        let Some(blob) = fixture.blob() else { continue };
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let again = pool.install(|| fixture.blob()).unwrap();
            assert!(again.bytes() == blob.bytes(), "{}: {threads} threads", fixture.name);
        }
    }
}

#[test]
fn quantization_costs_less_than_one_percent() {
    for (fixture, blob) in fixtures::converted() {
        let reference = Reference::new(&fixture.trained);
        let engine = Scorer::Engine(blob.model().unwrap());
        let score = |scorer: Scorer<'_>| -> f64 {
            let scores = scorer.score_all(&fixture.images, fixture.labels.as_deref(), false, || ()).unwrap();
            scores.iter().map(|score| score.nats).sum()
        };
        let (float, quantized) = (score(Scorer::Reference(&reference)), score(engine));
        println!("{}: {float:.4} nats, quantized {quantized:.4}", fixture.name);
        assert!((quantized / float - 1.0).abs() < 0.01, "{}: {float} nats, quantized {quantized}", fixture.name);
    }
}
