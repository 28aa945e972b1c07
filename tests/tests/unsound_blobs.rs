//! What a reader accepts must mean one thing: also a blob that no converter wrote.

use pixelrnn::{Draw, Engine, Temperature};
use pixelrnn_converter::Blob;
use pixelrnn_tests::integer_model::IntegerModel;
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{models, mutate, walk};

/// An op that reads bytes which no op before it wrote would make the image depend on what stood in the buffer: on the image
/// before it, or on whatever else the memory was used for.
#[test]
fn what_an_accepted_blob_draws_depends_on_nothing_but_the_blob() {
    let mut accepted = 0;
    for seed in 0..200 {
        let Some((_, blob)) = models::random_blob(seed) else { continue };
        for round in 0..10 {
            let mut bytes = blob.bytes().to_vec();
            let (op, kind) = mutate::register(&mut bytes, &mut Random::new(seed * 100 + round));
            let blob = Blob::new(&bytes);
            let Ok(model) = blob.model() else { continue };
            accepted += 1;
            let what = format!("random model {seed}, round {round}: op {op} of kind {kind} has another register");
            let label = (model.classes() > 0).then_some(0);
            let [a, b] = [0, 0x3131_7171].map(|fill| {
                let mut memory = vec![fill; model.state_words()];
                let mut engine = Engine::new(model, &mut memory).unwrap();
                walk::walk(&mut engine, label, Draw::seeded(5, Temperature::ONE))
            });
            assert_eq!(a, b, "{what}: what stood in the buffer matters");
            let page = IntegerModel::parse(&bytes).unwrap();
            assert_eq!(a.logits, page.logits(&a.image, label), "{what}: the page says something else");
        }
    }
    println!("{accepted} blobs were accepted");
}
