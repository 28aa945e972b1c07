//! The engine matches `docs/blob-format.md` bit for bit in logits, costs, samples and state size.

use pixelrnn::blob::{Layout, NumberFormat};
use pixelrnn::network::{Image, Output};
use pixelrnn::{Model, Plan};
use pixelrnn_converter::layout::arrange;
use pixelrnn_converter::{Blob, Description, TrainedModel};
use pixelrnn_tests::integer_model::IntegerModel;
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{fixtures, forward, golden, graphs, models, mutate};
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;

fn check(name: &str, model: Model<'_>, images: &[(&[u8], Option<usize>)]) {
    check_layout(name, model, images);
    let layouts: &[Layout] =
        if model.weights() == NumberFormat::I8A16 { &[Layout::Tiled, Layout::TiledPairs] } else { &[Layout::Tiled] };
    for layout in layouts {
        let arranged = arrange(&Blob::new(model.blob()), *layout).unwrap_or_else(|e| panic!("{name}: {e}"));
        let arranged = arranged.model().unwrap();
        assert_eq!(arranged.layout(), *layout, "{name}");
        check_layout(&format!("{name} in {layout:?}"), arranged, images);
        for (n, (image, label)) in images.iter().enumerate() {
            let [rows, others] = [model, arranged].map(|model| forward::score(model, image, *label));
            assert_eq!(rows, others, "{name}: image {n} in {layout:?}");
        }
    }
}

fn check_layout(name: &str, model: Model<'_>, images: &[(&[u8], Option<usize>)]) {
    let page = IntegerModel::parse(model.blob()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(page.header.state_bytes, page.state_bytes(), "{name}: bytes of state");
    assert_eq!(page.header.im2col_bytes, page.im2col_bytes(), "{name}: bytes of the longest dot product");
    for (n, (image, label)) in images.iter().enumerate() {
        let engine = forward::score(model, image, *label);
        assert_eq!(engine.image, *image, "{name}: image {n} comes out as it was given");
        assert_eq!(engine.logits, page.logits(image, *label), "{name}: logits of image {n}");
        assert_eq!(engine.cost.0, page.cost(image, *label), "{name}: cost of image {n}");
        assert_eq!(engine, forward::score_under(Plan::Row, model, image, *label), "{name}: image {n} row by row");
    }
}

fn check_samples(name: &str, model: Model<'_>, label: Option<usize>, draws: &[(u64, u32)]) {
    let page = IntegerModel::parse(model.blob()).unwrap_or_else(|e| panic!("{name}: {e}"));
    for &(seed, milli) in draws {
        let engine = forward::sample(model, seed, milli, label);
        let (image, cost) = page.sample(seed, milli, label);
        assert_eq!(engine.image, image, "{name}: seed {seed}, temperature {milli}");
        assert_eq!(engine.cost.0, cost, "{name}: cost with seed {seed}, temperature {milli}");
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

/// Random images plus all-lowest and all-highest values, which calibration has hardly seen.
fn extreme_images(shape: &Image, random: &mut Random) -> Vec<Vec<u8>> {
    let last = (shape.levels - 1) as u8;
    vec![random.image(shape), random.image(shape), vec![0; shape.values()], vec![last; shape.values()]]
}

fn check_random(seed: u64, model: Model<'_>) {
    let mut random = Random::new(seed);
    let label = (model.classes() > 0).then(|| random.below(model.classes()));
    let images = extreme_images(&model.image(), &mut random);
    let images: Vec<(&[u8], _)> = images.iter().map(|image| (&image[..], label)).collect();
    let name = format!("random model {seed}");
    check(&name, model, &images);
    check_samples(&name, model, label, &[(seed, random.choose(&[10, 900, 1000, 3000]))]);
}

/// Function that makes a blob from a seed.
type Make = fn(u64, NumberFormat) -> Option<(TrainedModel, Blob)>;

/// Random models with one weight format. At least a fifth must be convertible.
fn random_models_of(make: Make, weights: NumberFormat, seeds: Range<u64>) {
    let tried = seeds.end - seeds.start;
    let ran: usize = seeds
        .into_par_iter()
        .map(|seed| match make(seed, weights) {
            Some((_, blob)) => {
                check_random(seed, blob.model().unwrap());
                1
            }
            None => 0,
        })
        .sum();
    println!("{ran} of {tried} random models run in the engine");
    assert!(ran * 5 >= tried as usize, "only {ran} of {tried} random models could be converted");
}

#[test]
fn random_models() {
    random_models_of(models::random_blob_of, NumberFormat::I8, 0..300);
}

#[test]
fn random_models_with_16_bit_activations() {
    random_models_of(models::random_blob_of, NumberFormat::I8A16, 300..500);
}

#[test]
fn random_graphs() {
    random_models_of(graphs::random_blob, NumberFormat::I8, 0..400);
    random_models_of(graphs::random_blob, NumberFormat::I8A16, 400..500);
}

/// Checks a described graph in all number formats of integers, with random weights.
fn check_graph(json: &str) {
    let description = Description::from_json(json).unwrap_or_else(|e| panic!("{e}: {json}"));
    for (seed, weights) in (0..8).zip([NumberFormat::I8, NumberFormat::I8A16].into_iter().cycle()) {
        let trained = models::of(&description, seed);
        let (_, blob) = models::converted(trained, seed, weights).expect("a graph that the engine has");
        check_random(seed, blob.model().unwrap());
    }
}

/// Values before the image, of rows that are one below another: a map must keep all rows of the first pixel.
#[test]
fn given_values_of_rows_below() {
    check_graph(
        r#"{"image":{"height":4,"width":3,"channels":1,"levels":2},"output":"bernoulli","ops":[
            {"op":"ones","as":"one"},
            {"op":"conv","name":"a","in":"one","kernel":[3,3],"out":2,"as":"a"},
            {"op":"conv","name":"b","in":"a","kernel":[1,3],"out":2,"as":"b"},
            {"op":"conv","name":"c","in":"b","kernel":[3,1],"out":2,"as":"c"},
            {"op":"masked_conv","name":"m","in":"image","mask":"A","kernel":[3,3],"out":2,"as":"m"},
            {"op":"concat","in":["c","m"]},
            {"op":"masked_conv","name":"l","mask":"B","kernel":[1,1],"out":1}]}"#,
    );
}

/// A residual that a value after each colour reads, and that a later convolution adds to in place.
#[test]
fn a_sum_in_place_beside_a_reader_after_the_colour() {
    check_graph(
        r#"{"image":{"height":3,"width":3,"channels":3,"levels":2},"output":"bernoulli","ops":[
            {"op":"masked_conv","name":"x","in":"image","mask":"A","kernel":[3,3],"out":3,"as":"x"},
            {"op":"masked_conv","name":"w","in":"image","mask":"B","kernel":[1,1],"out":3,"as":"w"},
            {"op":"add","in":["x","w"],"as":"s"},
            {"op":"masked_conv","name":"r","in":"image","mask":"A","kernel":[1,3],"out":3,"as":"r"},
            {"op":"masked_conv","name":"n","in":"r","mask":"B","kernel":[1,1],"out":3,"as":"n"},
            {"op":"add","in":["x","n"],"as":"y"},
            {"op":"masked_conv","name":"p","in":"s","mask":"A","kernel":[1,3],"out":3,"as":"p"},
            {"op":"concat","in":["y","p"]},
            {"op":"masked_conv","name":"l","mask":"B","kernel":[1,1],"out":3}]}"#,
    );
}

#[test]
fn gated_presets() {
    random_models_of(graphs::gated_blob, NumberFormat::I8, 0..40);
    random_models_of(graphs::gated_blob, NumberFormat::I8A16, 40..60);
}

#[test]
fn fixtures_with_16_bit_activations() {
    for fixture in fixtures::all() {
        let Some(blob) = fixture.blob_of(NumberFormat::I8A16) else { continue };
        let images: Vec<_> = (0..fixture.images.count).map(|n| (fixture.images.image(n), fixture.label(n))).collect();
        check(&fixture.name, blob.model().unwrap(), &images);
        check_samples(&fixture.name, blob.model().unwrap(), fixture.label(0), &[(0, 1000), (1, 500)]);
    }
}

#[test]
fn numbers_that_no_converter_would_choose() {
    numbers_of(models::random_blob_of);
    numbers_of(graphs::random_blob);
}

/// Blobs with constants replaced at random. At least a fifth must be accepted.
fn numbers_of(make: Make) {
    let tried = 300;
    let ran: usize = (0..tried)
        .into_par_iter()
        .map(|seed| {
            let weights = if seed % 3 == 0 { NumberFormat::I8A16 } else { NumberFormat::I8 };
            let Some((_, blob)) = make(seed, weights) else { return 0 };
            let mut bytes = blob.bytes().to_vec();
            mutate::constants(&mut bytes, &mut Random::new(seed));
            let blob = Blob::new(&bytes);
            let Ok(model) = blob.model() else { return 0 };
            check_random(seed, model);
            1
        })
        .sum();
    println!("{ran} of {tried} blobs were accepted");
    assert!(ran * 5 >= tried as usize, "only {ran} of {tried} blobs were accepted");
}

/// Logits of all magnitudes, most of which overflow 32 bits when shifted, with zero, small and maximum shifts. Covers
/// softmax and Bernoulli outputs.
#[test]
fn logits_that_saturate() {
    let ran: usize = (0..160)
        .into_par_iter()
        .filter_map(|seed| {
            let weights = if seed % 3 == 0 { NumberFormat::I8A16 } else { NumberFormat::I8 };
            let mut bytes = models::random_blob_of(seed, weights)?.1.bytes().to_vec();
            let shift = [0, 1, 7, 16][seed as usize / 3 % 4];
            mutate::logits(&mut bytes, shift, 0, &mut Random::new(seed));
            check_random(seed, Blob::new(&bytes).model().unwrap());
            Some(())
        })
        .count();
    assert!(ran >= 32, "only {ran} models ran");
}

/// The shifted sums would overflow 32 bits, but their differences do not.
#[test]
fn a_number_common_to_all_logits_of_a_softmax_changes_nothing() {
    let mut ran = 0;
    for seed in 0..160 {
        let Some((_, blob)) = models::random_blob(seed) else { continue };
        let shift = [0, 1, 7, 16][seed as usize % 4];
        let by = |by: i32| {
            let mut bytes = blob.bytes().to_vec();
            mutate::logits(&mut bytes, shift, by, &mut Random::new(seed));
            Blob::new(&bytes)
        };
        let blobs = [0, 1 << 28, -(1 << 28), 12_345].map(by);
        let [first, others @ ..] = blobs.each_ref().map(|blob| blob.model().unwrap());
        if first.output() == Output::Bernoulli {
            continue;
        }
        ran += 1;
        let label = (first.classes() > 0).then_some(0);
        for other in others {
            let [a, b] = [first, other].map(|model| forward::sample(model, seed, 3000, label));
            assert_eq!((a.image, a.cost), (b.image, b.cost), "random model {seed}, shift {shift}");
            assert_eq!(a.logits == b.logits, shift != 0, "random model {seed}, shift {shift}");
        }
    }
    assert!(ran > 20, "only {ran} models ran");
}

/// Samples drawn by a blob. For a trained model these resemble its training data.
fn own_samples(model: Model<'_>, count: u64, label: Option<usize>) -> Vec<Vec<u8>> {
    (0..count).map(|seed| forward::sample(model, seed, 1000, label).image).collect()
}

#[test]
fn golden_blobs() {
    for (name, _) in golden::MADE_FROM {
        let blob = Blob::read(&golden::folder().join(name)).unwrap();
        let model = blob.model().unwrap();
        let label = (model.classes() > 0).then(|| model.classes() - 1);
        let images = own_samples(model, 3, label);
        let images: Vec<(&[u8], _)> = images.iter().map(|image| (&image[..], label)).collect();
        check(name, model, &images);
        check_samples(name, model, label, &[(0, 1000), (1, 1000)]);
    }
}

/// Sampling with the whole-image reference is too slow for them; scoring is fast.
#[test]
fn shipped_models() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let mut found = 0;
    for folder in std::fs::read_dir(models).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "prnn")) {
            let blob = Blob::read(&path).unwrap_or_else(|e| panic!("{e}"));
            let model = blob.model().unwrap();
            let label = (model.classes() > 0).then_some(0);
            let mut images = own_samples(model, 1, label);
            images.push(Random::new(0).image(&model.image()));
            let images: Vec<(&[u8], _)> = images.iter().map(|image| (&image[..], label)).collect();
            check(&path.display().to_string(), model, &images);
            found += 1;
        }
    }
    assert!(found > 0, "no model in models/");
}
