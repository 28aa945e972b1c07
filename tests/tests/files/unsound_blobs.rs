//! Accepted blobs have a single meaning, even if no converter wrote them.

use pixelrnn::batched::{PackedModel, Scorer};
use pixelrnn::blob::{MAX_MULTIPLY_ADDS, NumberFormat};
use pixelrnn::{BlobError, Engine, Sample, Temperature};
use pixelrnn_converter::convert::{Calibration, convert};
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::{Blob, Description, Tensor, TrainedModel};
use pixelrnn_tests::integer_model::IntegerModel;
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{forward, golden, models, mutate};

/// An op that reads bytes before any op has written them would depend on the previous contents of the buffer.
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
                forward::run(&mut engine, label, Sample::seeded(5, Temperature::ONE))
            });
            assert_eq!(a, b, "{what}: what stood in the buffer matters");
            let page = IntegerModel::parse(&bytes).unwrap();
            assert_eq!(a.logits, page.logits(&a.image, label), "{what}: the page says something else");
        }
    }
    println!("{accepted} blobs were accepted");
}

/// With shared weights, the file size does not bound the computing time.
#[test]
fn a_pixel_that_would_take_too_long_is_refused() {
    let description = Description::from_json(
        r#"{"image":{"height":2,"width":2,"channels":1,"levels":2},"output":"bernoulli","ops":[
            {"op":"masked_conv","name":"a","mask":"A","kernel":[3,3],"out":16},
            {"op":"masked_conv","name":"b","mask":"B","kernel":[127,127],"out":16},
            {"op":"masked_conv","name":"c","mask":"B","kernel":[1,1],"out":1}]}"#,
    )
    .unwrap();
    let mut random = Random::new(1);
    let mut tensor = |shape: [usize; 4], size: f32| {
        let data = (0..shape.iter().product()).map(|_| random.unit() * size).collect();
        Tensor { shape: shape.into(), data }
    };
    let tensors = [
        ("a.weight", tensor([16, 1, 3, 3], 0.3)),
        ("b.weight", tensor([16, 16, 127, 127], 0.006)),
        ("c.weight", tensor([1, 16, 1, 1], 0.3)),
    ];
    let trained = TrainedModel::new(description, tensors.map(|(name, tensor)| (name.into(), tensor)).into()).unwrap();
    let calibration = Calibration::OwnSamples { count: 1 };
    let blob = convert(&trained, &calibration, NumberFormat::I8, Method::MinMax, || ()).unwrap().blob;
    let model = blob.model().unwrap();
    let (op, most) = (0..model.instructions().len())
        .zip(model.instructions().flatten().map(|op| op.multiply_adds(1)))
        .max_by_key(|(_, multiply_adds)| *multiply_adds)
        .unwrap();
    let times = (MAX_MULTIPLY_ADDS as usize - model.multiply_adds()) / most;
    let fits = mutate::repeated(blob.bytes(), op, times).unwrap();
    let multiply_adds = Blob::new(&fits).model().unwrap().multiply_adds();
    let more = (multiply_adds + most) as u64;
    assert_eq!(mutate::repeated(blob.bytes(), op, times + 1), Err(BlobError::Work { multiply_adds: more }));
}

/// A converter folds the op biases into the class biases. Readers also accept them separately.
#[test]
fn biases_may_stand_beside_those_of_classes() {
    let mut models = 0;
    for seed in 0..60 {
        let Some((_, blob)) = models::random_blob(seed) else { continue };
        let (both, ops) = mutate::with_biases(blob.bytes(), &mut Random::new(seed));
        if ops == 0 {
            continue;
        }
        models += 1;
        let both = Blob::new(&both);
        let drawn = [&blob, &both].map(|blob| forward::sample(blob.model().unwrap(), 4, 1000, Some(0)));
        assert_eq!(drawn[0], drawn[1], "random model {seed}, pixel by pixel");
        for blob in [&blob, &both] {
            let packed = PackedModel::new(blob.model().unwrap()).unwrap();
            let cost = Scorer::new(&packed).unwrap().score(Some(0), &drawn[0].image).unwrap();
            assert_eq!(cost, drawn[0].cost, "random model {seed}, row by row");
        }
    }
    assert!(models >= 5, "{models} models have classes");
}

/// With neither kind of bias, the specification does not define the sums.
#[test]
fn an_op_without_any_biases_is_refused() {
    let blob = Blob::read(&golden::folder().join("../../models/mnist-class-pixelcnn/model.prnn")).unwrap();
    let error = Blob::new(&mutate::without_class_biases(blob.bytes())).model().unwrap_err();
    assert!(error.to_string().contains("`bias` out of range"), "{error}");
}
