//! Compression is lossless, its size matches the model's likelihood, and damaged files are rejected.

use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::coder::container::{
    BlockError, BlockReader, BlockWriter, ContainerError, HEADER_BYTES, Header, MAX_IMAGES, Segments, read_block,
    read_together, write_block, write_block_by_rows,
};
use pixelrnn::coder::{Decode, Decoder, Encode, Encoder, Full};
use pixelrnn::{Cost, Engine, Model, SetupError, StepError};
use pixelrnn_converter::compress::{compress, decompress};
use pixelrnn_converter::images;
use pixelrnn_converter::layout::arrange;
use pixelrnn_converter::{Blob, Error, ImageSet};
use pixelrnn_tests::delayed_source::{self, DelayedSource};
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{fixtures, forward, golden, models};
use rayon::prelude::*;
use std::ops::Range;

/// Samples from the model, random images, and an all-zero image.
fn images(model: Model<'_>, random: &mut Random, label: Option<usize>) -> ImageSet {
    let shape = model.image();
    let mut data = forward::sample(model, 1, 1000, label).image;
    data.extend(forward::sample(model, 2, 3000, label).image);
    data.extend(random.image(&shape));
    data.extend(vec![0; shape.values()]);
    ImageSet::new([shape.channels, shape.height, shape.width], data, images::Range::Levels).unwrap()
}

fn labels(model: Model<'_>, count: usize, random: &mut Random) -> Option<Vec<u16>> {
    (model.classes() > 0).then(|| (0..count).map(|_| random.below(model.classes()) as u16).collect())
}

fn goes_there_and_back(name: &str, model: Model<'_>, seed: u64) {
    let mut random = Random::new(seed);
    let label = (model.classes() > 0).then_some(0);
    let set = images(model, &mut random, label);
    let labels = labels(model, set.count, &mut random);
    let file = compress(model, &set, labels.as_deref(), || ()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let back = decompress(model, &file.bytes, || ()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(back.set, set, "{name}");
    assert_eq!(back.labels, labels, "{name}");

    // Row-wise coding on a host and pixel-wise coding on a device give the same bytes.
    let block = block_by_engine(model, &set, 0..set.count, labels.as_deref());
    assert!(file.bytes[HEADER_BYTES..] == block, "{name}: an engine writes other bytes");
    let (mut data, values) = (vec![0; set.data.len()], model.image().values());
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    read_block(&mut engine, MAX_IMAGES, &file.bytes[HEADER_BYTES..], |image, _, pixel| {
        forward::put(pixel, model.image(), &mut data[image as usize * values..]);
    })
    .unwrap();
    assert!(data == set.data, "{name}: an engine reads other images");
}

/// Compresses images of a set into a block, pixel by pixel.
fn block_by_engine(model: Model<'_>, set: &ImageSet, images: Range<usize>, labels: Option<&[u16]>) -> Vec<u8> {
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let members = images.map(|n| (labels.map(|labels| labels[n].into()), set.image(n))).collect::<Vec<_>>();
    let mut block = Vec::new();
    write_block::<{ 1 << 14 }, _, _>(&mut engine, members.into_iter(), &mut block).unwrap();
    block
}

#[test]
fn images_of_every_fixture_are_restored() {
    for (fixture, blob) in fixtures::converted() {
        goes_there_and_back(&fixture.name, blob.model().unwrap(), 1);
    }
}

#[test]
fn images_of_random_models_are_restored() {
    let ran: usize = (0..150u64)
        .into_par_iter()
        .map(|seed| {
            let Some((_, blob)) = models::random_blob(seed) else { return 0 };
            goes_there_and_back(&format!("random model {seed}"), blob.model().unwrap(), seed);
            1
        })
        .sum();
    assert!(ran > 50, "only {ran} random models could be converted");
}

#[test]
fn a_stream_is_as_long_as_the_likelihood_says() {
    for (blob, _) in golden::MADE_FROM {
        let blob = Blob::read(&golden::folder().join(blob)).unwrap();
        let model = blob.model().unwrap();
        let label = (model.classes() > 0).then_some(0);
        let mut state = vec![0; model.state_words()];
        let mut engine = Engine::new(model, &mut state).unwrap();
        for count in [1u64, 2, 40] {
            let (mut stream, mut cost) = (Vec::new(), Cost(0));
            let mut encoder = Encoder::new(&mut stream);
            let mut out = vec![0; model.image().values()];
            for seed in 0..count {
                let image = forward::sample(model, seed, 1000, label).image;
                cost += engine.run(label, &mut Encode::new(&image, model.image(), &mut encoder), &mut out).unwrap();
                assert_eq!(out, image);
            }
            encoder.finish().unwrap();
            let bits = cost.bits();
            assert!(8.0 * stream.len() as f64 <= bits * 1.001 + 32.0, "{} bytes for {bits} bits", stream.len());

            let mut decoder = Decoder::new(&stream[..]).unwrap();
            for seed in 0..count {
                engine.run(label, &mut Decode::new(&mut decoder), &mut out).unwrap();
                assert_eq!(out, forward::sample(model, seed, 1000, label).image);
            }
        }
    }
}

/// A small compressed file with its model and images.
fn small_file() -> (Blob, Vec<u8>, ImageSet) {
    let blob = Blob::read(&golden::folder().join("row_lstm_rgb_classes.prnn")).unwrap();
    let model = blob.model().unwrap();
    let set = images(model, &mut Random::new(5), Some(1));
    let bytes = compress(model, &set, Some(&[1, 0, 1, 0]), || ()).unwrap().bytes;
    (blob, bytes, set)
}

#[test]
fn every_flipped_bit_and_every_missing_end_is_refused() {
    let (blob, bytes, _) = small_file();
    let model = blob.model().unwrap();
    let refused = |bytes: &[u8]| match decompress(model, bytes, || ()) {
        Err(Error::Compressed(_)) => true,
        Err(other) => panic!("{other}"),
        Ok(_) => false,
    };
    println!("{} flipped bits, {} missing ends", 8 * bytes.len(), bytes.len());
    (0..8 * bytes.len()).into_par_iter().for_each(|bit| {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(&flipped), "bit {bit}");
    });
    for length in 0..bytes.len() {
        assert!(refused(&bytes[..length]), "{length} bytes");
    }
    assert!(refused(&[&bytes[..], &[0]].concat()), "one byte more");
}

#[test]
fn absurd_headers_are_refused_before_anything_is_decoded() {
    let (blob, bytes, _) = small_file();
    let model = blob.model().unwrap();
    for images in [0, 3, 5, u32::MAX] {
        let mut header = Header::parse(bytes.first_chunk().unwrap()).unwrap();
        header.images = images;
        let forged = [&header.to_bytes()[..], &bytes[HEADER_BYTES..]].concat();
        assert!(matches!(decompress(model, &forged, || unreachable!()), Err(Error::Compressed(_))), "{images} images");
    }
    for count in [0, 1025, u32::MAX] {
        let mut forged = bytes.clone();
        forged[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&u32::to_le_bytes(count));
        let result = decompress(model, &forged, || unreachable!());
        assert!(matches!(result, Err(Error::Compressed(ContainerError::Images { .. }))), "{count} images in a block");
    }
}

/// A file of a few hundred kilobytes with consistent headers that declares more images than fit in memory.
#[test]
fn more_images_than_a_file_may_unpack_to_are_refused_before_anything_is_decoded() {
    let (blob, bytes, set) = small_file();
    let blocks = (1 << 30) / (1024 * set.values()) + 1;
    let mut header = Header::parse(bytes.first_chunk().unwrap()).unwrap();
    header.images = 1024 * blocks as u32;
    let block = [1024u32.to_le_bytes().as_slice(), &[0; 6]].concat();
    let forged = [&header.to_bytes()[..], &block.repeat(blocks)].concat();
    let refused = decompress(blob.model().unwrap(), &forged, || unreachable!()).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
    // One block fewer is within the limit. Decoding then finds the blocks empty.
    header.images -= 1024;
    let forged = [&header.to_bytes()[..], &block.repeat(blocks - 1)].concat();
    let refused = decompress(blob.model().unwrap(), &forged, || ()).unwrap_err();
    assert!(matches!(refused, Error::Compressed(_)), "{refused}");
}

#[test]
fn another_model_is_refused_and_another_layout_of_the_same_is_not() {
    let (blob, bytes, set) = small_file();
    let other = Blob::read(&golden::folder().join("pixel_cnn_rgb.prnn")).unwrap();
    let refused = decompress(other.model().unwrap(), &bytes, || ());
    assert!(matches!(refused, Err(Error::Compressed(ContainerError::Model { .. }))), "{refused:?}");
    let blocks = arrange(&blob, pixelrnn::blob::Layout::Tiled).unwrap();
    assert_ne!(blocks.bytes(), blob.bytes());
    assert_eq!(decompress(blocks.model().unwrap(), &bytes, || ()).unwrap().set, set);
}

#[test]
fn blocks_of_any_lengths_are_restored_together_and_each_is_checked() {
    for name in ["pixel_cnn_gray", "pixel_cnn_rgb", "diagonal_bilstm_gray"] {
        let blob = Blob::read(&golden::folder().join(format!("{name}.prnn"))).unwrap();
        let model = blob.model().unwrap();
        let shape = model.image();
        let mut random = Random::new(5);
        let data = (0..9).flat_map(|_| random.image(&shape)).collect();
        let set = ImageSet::new([shape.channels, shape.height, shape.width], data, images::Range::Levels).unwrap();
        let blocks = [0..3, 3..4, 4..9].map(|images| block_by_engine(model, &set, images, None));
        let header = Header::new(&model, 9).to_bytes();
        let file = [&header[..], &blocks.concat()].concat();
        // More blocks than one thread decodes at the same time.
        let many = [&Header::new(&model, 70).to_bytes()[..], &blocks[1].repeat(70)].concat();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let back = pool.install(|| decompress(model, &many, || ())).unwrap().set;
        assert_eq!(back.count, 70, "{name}");
        assert!(back.iter().all(|image| image == set.image(3)), "{name}: many blocks");
        // Blocks decoded by one thread and by two.
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let back = pool.install(|| decompress(model, &file, || ()));
            assert_eq!(back.unwrap().set, set, "{name}, {threads} threads");
            let mut start = HEADER_BYTES;
            for block in &blocks {
                start += block.len();
                let mut damaged = file.clone();
                // Last byte of the block's checksum.
                damaged[start - 1] ^= 1;
                let refused = pool.install(|| decompress(model, &damaged, || ()));
                assert!(matches!(refused, Err(Error::Compressed(ContainerError::Checksum))), "{name}: {refused:?}");
            }
        }
    }
}

#[test]
fn whole_images_that_do_not_fit_and_blocks_that_do_not_end_are_refused() {
    let (blob, bytes, set) = small_file();
    let packed = PackedModel::new(blob.model().unwrap()).unwrap();
    let mut scorer = Scorer::new(&packed).unwrap();
    let no_levels = vec![255; set.image(0).len()];
    let mut write =
        |label, image| write_block_by_rows::<512, _>(&mut scorer, [(label, image)].into_iter(), &mut Vec::new());
    assert!(write(Some(1), set.image(0)).is_ok());
    assert_eq!(write(Some(1), &set.image(0)[1..]), Err(BlockError::Image));
    assert_eq!(write(Some(1), &no_levels), Err(BlockError::Image));
    let label = |got| Err(BlockError::Engine(SetupError::Label { classes: 5, got }.into()));
    assert_eq!((write(None, set.image(0)), write(Some(5), set.image(0))), (label(None), label(Some(5))));

    let block = &bytes[HEADER_BYTES..];
    let mut out = vec![0; 2 * set.image(0).len()];
    let mut two = [(BlockReader::new(4), block), (BlockReader::new(4), block)];
    let refused = read_together(&mut two, &mut Batch::new(&packed, 2).unwrap(), &mut out);
    assert_eq!(refused, Err(BlockError::Engine(StepError::Corrupt)), "images of two labels at once");
    let (mut one, out) = ([(BlockReader::new(4), block)], &mut out[..set.image(0).len()]);
    let mut batch = Batch::new(&packed, 1).unwrap();
    for image in 0..4 {
        let [(mut reader, mut source)] = one.clone();
        let early = reader.finish(&mut source);
        assert_eq!(early, Err(BlockError::Container(ContainerError::Trailing)), "before image {image}");
        assert_eq!(read_together(&mut one, &mut batch, out), Ok(Some((image + 1) % 2)));
        assert_eq!(out, set.image(image));
    }
    let [(mut reader, mut source)] = one.clone();
    assert_eq!(reader.finish(&mut source), Ok(()));
    assert_eq!(
        read_together(&mut one, &mut batch, out),
        Err(BlockError::Container(ContainerError::Corrupt)),
        "a fifth"
    );
}

#[test]
fn segments_of_any_length_are_read() {
    let (blob, _, set) = small_file();
    let model = blob.model().unwrap();
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let members = || set.iter().map(|image| (Some(0), image)).collect::<Vec<_>>().into_iter();
    let (mut short, mut long) = (Vec::new(), Vec::new());
    write_block::<1, _, _>(&mut engine, members(), &mut short).unwrap();
    write_block::<4096, _, _>(&mut engine, members(), &mut long).unwrap();
    assert!(short.len() > long.len());
    for block in [short, long] {
        let mut values = Vec::new();
        let count = read_block(&mut engine, 4, &block[..], |image, label, pixel| {
            assert_eq!(label, Some(0));
            values.push((image, pixel.values[0]));
        });
        assert_eq!(count, Ok(4));
        assert_eq!(values.len(), 4 * set.height * set.width);
    }
}

#[test]
fn a_source_that_fails_at_every_byte_can_be_asked_again() {
    let (blob, bytes, set) = small_file();
    let model = blob.model().unwrap();
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let (mut reader, mut source) = (BlockReader::new(4), DelayedSource::new(&bytes[HEADER_BYTES..], 1));
    let outcome = delayed_source::read(&mut engine, &mut reader, &mut source);
    assert_eq!(outcome.error, None);
    let red: Vec<_> = outcome.pixels.iter().map(|restored| (restored.label, restored.pixel.values[0])).collect();
    assert_eq!(outcome.failures, bytes.len() - HEADER_BYTES - 1, "every byte but the first came late");
    let plane = set.height * set.width;
    let labels = [1, 0, 1, 0].map(Some);
    let expected = set.iter().zip(labels).flat_map(|(image, label)| image[..plane].iter().map(move |&v| (label, v)));
    assert!(expected.eq(red));
    assert_eq!(reader.step(&mut engine, &mut source), Ok(None), "and then it is over");
}

#[test]
fn segments_need_no_memory_to_be_right() {
    let (blob, _, set) = small_file();
    let model = blob.model().unwrap();
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let (mut none, mut one) = (Vec::new(), Vec::new());
    let mut held = heapless::Vec::<u8, 0>::new();
    let mut segments = Segments::new(&mut held, &mut none);
    let mut writer = BlockWriter::new(1, &mut segments).unwrap();
    writer.begin(&mut engine, Some(2), &mut segments).unwrap();
    while writer.step(&mut engine, set.image(0), &mut segments).unwrap().is_some() {}
    writer.finish(&mut segments).unwrap();
    write_block::<1, _, _>(&mut engine, [(Some(2), set.image(0))].into_iter(), &mut one).unwrap();
    assert_eq!(none, one);
}

#[test]
fn a_sink_that_is_full_is_an_error() {
    let (blob, _, set) = small_file();
    let model = blob.model().unwrap();
    let mut state = vec![0; model.state_words()];
    let mut engine = Engine::new(model, &mut state).unwrap();
    let mut encoder = Encoder::new(heapless::Vec::<u8, 3>::new());
    let mut out = vec![0; model.image().values()];
    let result = engine.run(Some(0), &mut Encode::new(set.image(2), model.image(), &mut encoder), &mut out);
    assert!(matches!(result, Err(StepError::Source(pixelrnn::coder::EncodeError::Sink(Full)))), "{result:?}");
}

#[test]
fn noise_is_never_decoded_without_end() {
    let blob = Blob::read(&golden::folder().join("pixel_cnn_gray.prnn")).unwrap();
    let model = blob.model().unwrap();
    let header = Header::new(&model, 7).to_bytes();
    for seed in 0..2000 {
        let mut random = Random::new(seed);
        let noise = (0..random.below(60)).map(|_| random.below(256) as u8);
        let mut bytes = header.to_vec();
        bytes.extend(7u32.to_le_bytes());
        bytes.extend(noise);
        assert!(decompress(model, &bytes, || ()).is_err(), "seed {seed}");
    }
}
