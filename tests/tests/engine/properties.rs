//! Properties for any model, images and stopping point: compression is lossless, and an interrupted image continues
//! unchanged.
//!
//! Cases are random but reproducible. A failing case is shrunk and printed, and then becomes a separate test.

use heapless::{Vec as Fixed, VecView};
use pixelrnn::coder::container::{BlockReader, BlockWriter, Segments, read_block};
use pixelrnn::kernels::Portable;
use pixelrnn::{Complete, Cost, Engine, Model, Plan};
use pixelrnn_converter::compress::{compress, decompress};
use pixelrnn_converter::images::Range;
use pixelrnn_converter::{Blob, ImageSet};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{fixtures, forward, models};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::sync::LazyLock;

/// Blobs of all fixtures: each architecture with each option.
static FIXTURES: LazyLock<Vec<(String, Blob)>> =
    LazyLock::new(|| fixtures::converted().into_iter().map(|(fixture, blob)| (fixture.name, blob)).collect());

/// Origin of a model.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Fixture(usize),
    Random { seed: u64, size: [usize; 2] },
}

impl Origin {
    /// `None` for a random model that the engine does not support.
    fn blob(self) -> Option<Blob> {
        match self {
            Self::Fixture(number) => Some(FIXTURES[number % FIXTURES.len()].1.clone()),
            Self::Random { seed, size } => models::random_blob_sized(seed, size).map(|(_, blob)| blob),
        }
    }
}

/// Image content.
#[derive(Clone, Copy, Debug)]
enum Picture {
    /// A single value, among many or few levels.
    Constant(u8),
    /// Uniform noise.
    Noise(u64),
    /// A sample from the model. High temperatures make it less likely.
    Drawn { seed: u64, milli: u32 },
}

impl Picture {
    fn values(self, model: Model<'_>, label: Option<usize>) -> Vec<u8> {
        let shape = model.image();
        match self {
            Self::Constant(value) => vec![(usize::from(value) % shape.levels) as u8; shape.values()],
            Self::Noise(seed) => Random::new(seed).image(&shape),
            Self::Drawn { seed, milli } => forward::sample(model, seed, milli, label).image,
        }
    }
}

fn origin() -> impl Strategy<Value = Origin> {
    let side = 1usize..8;
    prop_oneof![
        any::<usize>().prop_map(Origin::Fixture),
        (0u64..400, [side.clone(), side]).prop_map(|(seed, size)| Origin::Random { seed, size }),
        (0u64..400).prop_map(|seed| Origin::Random { seed, size: [1, 1] }),
    ]
}

fn picture() -> impl Strategy<Value = Picture> {
    prop_oneof![
        prop_oneof![Just(0), Just(255), any::<u8>()].prop_map(Picture::Constant),
        any::<u64>().prop_map(Picture::Noise),
        (any::<u64>(), 100u32..5000).prop_map(|(seed, milli)| Picture::Drawn { seed, milli }),
    ]
}

/// Fixed seed and no failure files.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { cases: count, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
}

fn label(model: Model<'_>, any: usize) -> Option<usize> {
    (model.classes() > 0).then(|| any % model.classes())
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn what_was_compressed_is_restored(
        origin in origin(),
        pictures in prop::collection::vec((picture(), any::<usize>()), 1..5),
    ) {
        let Some(blob) = origin.blob() else { return Ok(()) };
        let model = blob.model().unwrap();
        let shape = model.image();
        let labels: Option<Vec<u16>> =
            pictures.iter().map(|(_, any)| label(model, *any).map(|label| label as u16)).collect();
        let data = pictures.iter().flat_map(|(picture, any)| picture.values(model, label(model, *any))).collect();
        let set = ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels).unwrap();
        let file = compress(model, &set, labels.as_deref(), || ()).unwrap();
        let restored = decompress(model, &file.bytes, || ()).unwrap();
        prop_assert_eq!(&restored.set, &set);
        prop_assert_eq!(&restored.labels, &labels);
        // Upper bound on the overhead for header, block lengths and stream end.
        prop_assert!(8.0 * file.bytes.len() as f64 <= file.bits * 1.001 + 8.0 * (32.0 + 10.0 + 8.0));
    }

    #[test]
    fn a_block_is_restored_whatever_its_segments_and_whoever_reads_it(
        origin in origin(),
        (picture, any) in (picture(), any::<usize>()),
        segment in 0..3,
    ) {
        let Some(blob) = origin.blob() else { return Ok(()) };
        let model = blob.model().unwrap();
        let (shape, label) = (model.image(), label(model, any));
        let values = picture.values(model, label);
        let mut state = vec![0; model.state_words()];
        let mut engine = Engine::new(model, &mut state).unwrap();
        let (mut none, mut one, mut many) = (Fixed::<u8, 0>::new(), Fixed::<u8, 1>::new(), Fixed::<u8, 30>::new());
        let held: &mut VecView<u8> = match segment {
            0 => &mut none,
            1 => &mut one,
            _ => &mut many,
        };
        let mut block = Vec::new();
        let mut segments = Segments::new(held, &mut block);
        let mut writer = BlockWriter::new(1, &mut segments).unwrap();
        writer.begin(&mut engine, label, &mut segments).unwrap();
        while writer.step(&mut engine, &values, &mut segments).unwrap().is_some() {}
        writer.finish(&mut segments).unwrap();

        let mut image = vec![0; shape.values()];
        read_block(&mut engine, 1, &block[..], |_, _, pixel| forward::put(pixel, shape, &mut image)).unwrap();
        prop_assert_eq!(&image, &values);
        let mut reader = BlockReader::new(1);
        let mut source = &block[..];
        let mut pixels = 0;
        while let Some(restored) = reader.step(&mut engine, &mut source).unwrap() {
            prop_assert_eq!(restored.label, label);
            pixels += 1;
        }
        prop_assert_eq!(pixels, shape.height * shape.width);
        prop_assert!(source.is_empty());
    }

    #[test]
    fn an_image_that_was_broken_off_anywhere_is_the_same(
        origin in origin(),
        (given, any) in (picture(), any::<usize>()),
        (seed, milli) in (any::<u64>(), 100u32..5000),
        stops in prop::collection::vec(any::<usize>(), 1..4),
        rows in any::<usize>(),
        plan in prop_oneof![Just(Plan::Pixel), Just(Plan::Row)],
    ) {
        let Some(blob) = origin.blob() else { return Ok(()) };
        let model = blob.model().unwrap();
        let (shape, label) = (model.image(), label(model, any));
        let values = given.values(model, label);
        let draw = pixelrnn::Sample::seeded(seed, forward::temperature(milli));
        let mut source = Complete::new(&values, shape, rows % (shape.height + 1), draw);
        let mut state = vec![0; model.state_words_for(plan)];
        let whole = forward::run(&mut forward::engine(model, &mut state, plan), label, source.clone());

        let pixels = shape.height * shape.width;
        let mut stops: Vec<usize> = stops.iter().map(|stop| stop % (pixels + 1)).collect();
        stops.push(pixels);
        stops.sort_unstable();
        let (mut image, mut cost, mut at) = (vec![0; shape.values()], Cost(0), 0);
        let mut saved: Vec<u32> = vec![0x5a5a_5a5a; model.state_words_for(plan)];
        for stop in stops {
            // A fresh engine each time, in new memory, with the portable kernel.
            let mut memory = saved.clone();
            let mut engine = Engine::with(model, &mut memory, Portable, plan).unwrap();
            engine.resume(label, at).unwrap();
            while engine.position() < stop {
                let pixel = engine.step(&mut source).unwrap().unwrap();
                forward::put(&pixel, shape, &mut image);
                cost += pixel.cost;
            }
            at = stop;
            saved = engine.state().to_vec();
        }
        prop_assert_eq!((image, cost), (whole.image, whole.cost));
    }
}
