//! Batched sampling and row-wise scoring match the engine bit for bit, with every kernel of this machine.

use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::blob::{Layout, NumberFormat};
use pixelrnn::kernels::{Host, Portable};
use pixelrnn::{
    Complete, Cost, DefaultRng, Distribution, Engine, FromImage, Model, Plan, Position, Sample, StepError,
    SymbolSource, Temperature, TooShort,
};
use pixelrnn_converter::complete::{Completion, complete};
use pixelrnn_converter::images::Range;
use pixelrnn_converter::layout::arrange;
use pixelrnn_converter::{Blob, ImageSet, run};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{fixtures, forward, golden, models, mutate};
use rayon::prelude::*;
use std::path::Path;

/// Returns the values of an image and records all distributions.
struct Recorder<'a> {
    given: FromImage<'a>,
    frequencies: Vec<u32>,
}

impl<'a> Recorder<'a> {
    fn new(model: &Model<'_>, image: &'a [u8]) -> Self {
        Self { given: FromImage::new(image, model.image()), frequencies: Vec::new() }
    }
}

impl SymbolSource for Recorder<'_> {
    type Error = TooShort;

    fn next(&mut self, at: Position, distribution: &Distribution<'_>) -> Result<u8, TooShort> {
        self.frequencies.extend_from_slice(distribution.frequencies());
        self.given.next(at, distribution)
    }
}

pub(crate) fn check(name: &str, model: Model<'_>, seed: u64) {
    let packed = PackedModel::new(model).unwrap_or_else(|| panic!("{name}: weights can be packed"));
    let mut random = Random::new(seed);
    let label = (model.classes() > 0).then(|| random.below(model.classes()));
    let shape = model.image();
    let given = random.image(&shape);
    let mut state = vec![0; model.state_words()];
    let mut out = vec![0; shape.values()];
    let mut engine = Engine::with(model, &mut state, Portable, Plan::Pixel).unwrap();
    let mut expected = Recorder::new(&model, &given);
    let cost = engine.run(label, &mut expected, &mut out).unwrap();

    for kernel in Host::all() {
        let name = format!("{name}, {}", kernel.name());
        let mut scorer = Scorer::with(&packed, kernel).unwrap();
        // Runs twice to detect state leaking from one image to the next.
        for turn in ["first", "second"] {
            let mut recorder = Recorder::new(&model, &given);
            let got = scorer.visit(label, &given, &mut recorder).unwrap();
            let same = recorder.frequencies == expected.frequencies;
            assert!(same, "{name}: predictions row by row, {turn} time");
            assert_eq!(got, cost, "{name}: cost row by row, {turn} time");
        }
        // One temperature for all images, and a different one for each.
        for (count, milli) in [(1, 0), (2, 0), (5, 150), (17, 0)] {
            let milli = |n: usize| 800 + milli * n as u32;
            let mut batch = Batch::with(&packed, count, kernel).unwrap();
            let mut sources: Vec<_> =
                (0..count).map(|n| Sample::seeded(seed + n as u64, forward::temperature(milli(n)))).collect();
            let (mut images, mut costs) = (vec![0; count * shape.values()], vec![Cost(0); count]);
            batch.run(label, &mut sources, &mut images, &mut costs).unwrap();
            for n in [0, count / 2, count - 1] {
                let alone = forward::sample(model, seed + n as u64, milli(n), label);
                let image = &images[n * shape.values()..(n + 1) * shape.values()];
                assert!(image == alone.image && costs[n] == alone.cost, "{name}: image {n} of {count}");
            }
        }
    }
}

#[test]
fn fixtures_in_both_layouts() {
    for (fixture, blob) in fixtures::converted() {
        check(&fixture.name, blob.model().unwrap(), 3);
        let blocks = arrange(&Blob::new(blob.model().unwrap().blob()), Layout::Tiled).unwrap();
        check(&format!("{} in blocks", fixture.name), blocks.model().unwrap(), 4);
    }
}

#[test]
fn fixtures_with_16_bit_activations() {
    for fixture in fixtures::all() {
        let Some(blob) = fixture.blob_of(NumberFormat::I8A16) else { continue };
        for layout in [Layout::RowMajor, Layout::Tiled, Layout::TiledPairs] {
            let blob = arrange(&blob, layout).unwrap();
            check(&format!("{} in {layout:?}", fixture.name), blob.model().unwrap(), 5);
        }
    }
}

/// Error of a source that stops early.
#[derive(Debug, PartialEq)]
struct Stopped;

/// Draws a limited number of values, then fails.
struct Stops(Sample<DefaultRng>, usize);

impl SymbolSource for Stops {
    type Error = Stopped;

    fn next(&mut self, at: Position, distribution: &Distribution<'_>) -> Result<u8, Stopped> {
        self.1 = self.1.checked_sub(1).ok_or(Stopped)?;
        self.0.next(at, distribution).map_err(|error| match error {})
    }
}

/// Independence of earlier images, with another class or abandoned in mid-row.
#[test]
fn what_a_batch_of_one_did_before_is_not_seen_in_its_next_image() {
    for (fixture, blob) in fixtures::converted() {
        let model = blob.model().unwrap();
        let packed = PackedModel::new(model).unwrap();
        let values = model.image().values();
        let mut batch = Batch::new(&packed, 1).unwrap();
        let (mut image, mut cost) = (vec![0; values], [Cost(0)]);
        for seed in 0..6 {
            let label = (model.classes() > 0).then(|| seed as usize % model.classes());
            let mut stops = [Stops(Sample::seeded(seed, forward::temperature(1000)), seed as usize * values / 7)];
            let stopped = batch.run(label, &mut stops, &mut image, &mut cost).unwrap_err();
            assert!(matches!(stopped, StepError::Source(Stopped)), "{}: {stopped:?}", fixture.name);
            let label = label.map(|label| (label + 1) % model.classes());
            let mut draw = [Sample::seeded(seed, forward::temperature(1000))];
            batch.run(label, &mut draw, &mut image, &mut cost).unwrap();
            let expected = forward::sample(model, seed, 1000, label);
            assert!(image == expected.image && cost[0] == expected.cost, "{}: image {seed}", fixture.name);
        }
    }
}

fn random_models_of(weights: NumberFormat, seeds: std::ops::Range<u64>) {
    let tried = seeds.end - seeds.start;
    let ran: usize = seeds
        .into_par_iter()
        .filter_map(|seed| models::random_blob_of(seed, weights).map(|(_, blob)| (seed, blob)))
        .map(|(seed, blob)| check(&format!("random model {seed}"), blob.model().unwrap(), seed))
        .count();
    assert!(ran * 5 >= tried as usize, "only {ran} of {tried} random models could be converted");
}

#[test]
fn random_models() {
    random_models_of(NumberFormat::I8, 0..150);
}

#[test]
fn random_models_with_16_bit_activations() {
    random_models_of(NumberFormat::I8A16, 300..400);
}

#[test]
fn logits_that_saturate() {
    let ran: usize = (0..120)
        .into_par_iter()
        .filter_map(|seed| {
            let weights = if seed % 3 == 0 { NumberFormat::I8A16 } else { NumberFormat::I8 };
            let mut bytes = models::random_blob_of(seed, weights)?.1.bytes().to_vec();
            let shift = [0, 1, 7, 16][seed as usize / 3 % 4];
            mutate::logits(&mut bytes, shift, 1 << 20, &mut Random::new(seed));
            check(&format!("random model {seed}, shift {shift}"), Blob::new(&bytes).model().unwrap(), seed);
            Some(())
        })
        .count();
    assert!(ran >= 24, "only {ran} models ran");
}

#[test]
fn numbers_that_no_converter_would_choose() {
    let ran: usize = (0..120)
        .into_par_iter()
        .filter_map(|seed| {
            let weights = if seed % 3 == 0 { NumberFormat::I8A16 } else { NumberFormat::I8 };
            let mut bytes = models::random_blob_of(seed, weights)?.1.bytes().to_vec();
            mutate::constants(&mut bytes, &mut Random::new(seed));
            check(&format!("random model {seed}"), Blob::new(&bytes).model().ok()?, seed);
            Some(())
        })
        .count();
    assert!(ran >= 24, "only {ran} models ran");
}

#[test]
fn shipped_models() {
    for name in golden::shipped() {
        let blob = Blob::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(&name)).unwrap();
        let model = blob.model().unwrap();
        let packed = PackedModel::new(model).unwrap();
        let mut batch = Batch::new(&packed, 2).unwrap();
        let mut sources = [7, 8].map(|seed| Sample::seeded(seed, Temperature::ONE));
        let values = model.image().values();
        let (mut images, mut costs) = (vec![0; 2 * values], [Cost(0); 2]);
        let label = (model.classes() > 0).then_some(0);
        batch.run(label, &mut sources, &mut images, &mut costs).unwrap();
        let mut scorer = Scorer::new(&packed).unwrap();
        for (n, image) in images.chunks(values).enumerate() {
            let alone = forward::sample(model, 7 + n as u64, 1000, label);
            assert!(image == alone.image && costs[n] == alone.cost, "{name}: image {n}");
            assert_eq!(scorer.score(label, image).unwrap(), costs[n], "{name}: cost of image {n}");
        }
    }
}

/// Packing would multiply the size of one file, and of another one a thousandfold. Only an engine runs them, in the
/// declared state size.
#[test]
fn ops_that_share_their_weights_are_not_packed() {
    let small = Blob::read(&golden::file().parent().unwrap().join(golden::BUILT_IN)).unwrap();
    let expected = forward::sample(small.model().unwrap(), 3, 1000, None).image;
    let mut found = 0;
    for op in 0..small.model().unwrap().instructions().len() {
        let Ok(bytes) = mutate::repeated(small.bytes(), op, 20) else { continue };
        let blob = Blob::new(&bytes);
        let model = blob.model().unwrap();
        let weights: usize = model.instructions().flatten().map(|op| op.weights(1, model.layout())).sum();
        if weights <= bytes.len() {
            continue;
        }
        assert!(PackedModel::new(model).is_none(), "op {op}");
        // Repeating the op has no effect unless it adds.
        let drawn = run::sample(model, 1, 3, Temperature::ONE, None, || ()).unwrap();
        found += usize::from(drawn.image(0) == expected);
        if found > 0 {
            break;
        }
    }
    assert!(found > 0, "no op can be repeated");
}

#[test]
fn sets_of_images_are_scored_as_their_images_are() {
    for name in ["pixel_cnn_rgb", "diagonal_bilstm_gray"] {
        let blob = Blob::read(&golden::folder().join(format!("{name}.prnn"))).unwrap();
        let model = blob.model().unwrap();
        let shape = model.image();
        let mut random = Random::new(8);
        let data = (0..7).flat_map(|_| random.image(&shape)).collect();
        let set = ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels).unwrap();
        let scorer = run::Scorer::Engine(model);
        let one_by_one: Vec<_> = set.iter().map(|image| scorer.score(image, None, false).unwrap()).collect();
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let all = pool.install(|| scorer.score_all(&set, None, false, || ()));
            assert_eq!(all.unwrap(), one_by_one, "{name}, {threads} threads");
        }
    }
}

#[test]
fn more_completions_than_are_made_together_have_their_own_seeds() {
    let blob = Blob::read(&golden::folder().join("pixel_cnn_gray.prnn")).unwrap();
    let model = blob.model().unwrap();
    let shape = model.image();
    let given = Random::new(9).image(&shape);
    let set = ImageSet::new([shape.channels, shape.height, shape.width], given.clone(), Range::Levels).unwrap();
    let how = Completion { rows: 1, each: 70, seed: 4, temperature: Temperature::ONE };
    let made = complete(model, &set, &[0], |_| None, &how, || ()).unwrap();
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let mut out = vec![0; shape.values()];
    for n in 0..how.each {
        let draw = Sample::seeded(how.seed_of(0, n), how.temperature);
        engine.run(None, &mut Complete::new(&given, shape, how.rows, draw), &mut out).unwrap();
        assert!(made.image(n) == out, "completion {n}");
    }
}
