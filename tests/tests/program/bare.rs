//! `compress --bare`, `decompress --bare` and `decompress --image`: the bare code of one image, and single images from
//! a file.

use pixelrnn::coder::container::HEADER_BYTES;
use pixelrnn::coder::{Decode, Decoder, Encode, Encoder};
use pixelrnn::{Engine, Model};
use pixelrnn_converter::compress::{compress, compress_bare, decompress_bare, decompress_one};
use pixelrnn_converter::images::{Range, npy};
use pixelrnn_converter::{Blob, Error, ImageSet};
use pixelrnn_tests::program::Folder;
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{forward, golden};

/// Bytes before and after the stream in a compressed file of one image with one segment.
const BEFORE: usize = HEADER_BYTES + 4 + 2;
const BEHIND: usize = 2 + 4;

fn golden_blob(name: &str) -> Blob {
    Blob::read(&golden::folder().join("..").join(name)).unwrap()
}

/// Golden blobs, which use threads and rows, and a blob with float weights, which an engine runs pixel by pixel.
fn all_blobs() -> Vec<String> {
    [golden::blobs(), vec!["golden/v1/ops_rgb_nested_residuals-f32.prnn".to_string()]].concat()
}

fn noise(model: Model<'_>, count: usize) -> ImageSet {
    let (shape, mut random) = (model.image(), Random::new(1));
    let data = (0..count).flat_map(|_| random.image(&shape)).collect();
    ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels).unwrap()
}

/// Last class of a class-conditional model.
fn last_label(model: Model<'_>) -> Option<usize> {
    model.classes().checked_sub(1)
}

#[test]
fn a_bare_file_is_a_compressed_file_less_44_bytes_and_comes_back() {
    let folder = Folder::new();
    folder.run("sample -n 3 --seed 3 -o three.npy").good();
    folder.run("compress three.npy -n 1 -o whole").good();
    folder.run("compress three.npy -n 1 --bare -o bare").good();
    let (whole, bare) = (folder.read("whole"), folder.read("bare"));
    assert_eq!(bare, whole[BEFORE..whole.len() - BEHIND]);
    assert_eq!(whole.len() - bare.len(), 44);

    folder.run("decompress whole -o whole.npy").good();
    let run = folder.run("decompress bare --bare -o bare.npy").good();
    assert_eq!(folder.read("bare.npy"), folder.read("whole.npy"));
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("no checksum"), "a bare code is not vouched for: {said}");
    // Through pipes, and as a picture.
    let piped = folder.run_with(["decompress", "-", "--bare", "-o", "-"], &bare).good().stdout;
    assert_eq!(piped, folder.read("whole.npy"));
    folder.run("decompress whole -o whole.png").good();
    folder.run("decompress bare --bare -o bare.png").good();
    assert_eq!(folder.read("bare.png"), folder.read("whole.png"));
    folder.run("compress whole.png --bare -o again").good();
    assert_eq!(folder.read("again"), bare);
    let json = folder.run("compress whole.png --bare -o again --json").json();
    assert_eq!(json["bytes"].as_u64(), Some(bare.len() as u64));
}

#[test]
fn a_bare_code_is_the_same_from_an_engine_pixel_by_pixel_and_is_read_by_one() {
    for name in all_blobs() {
        let blob = golden_blob(&name);
        let model = blob.model().unwrap();
        let (set, label) = (noise(model, 1), last_label(model));
        let bare = compress_bare(model, set.image(0), label).unwrap().bytes;
        assert_eq!(decompress_bare(model, &bare, label).unwrap(), set, "{name}");

        // Like on a device: constant memory, one pixel per call.
        let mut state = vec![0; model.state_words()];
        let mut engine = Engine::new(model, &mut state).unwrap();
        engine.restart(label).unwrap();
        let mut encoder = Encoder::new(heapless::Vec::<u8, 8192>::new());
        let mut source = Encode::new(set.image(0), model.image(), &mut encoder);
        while engine.step(&mut source).unwrap().is_some() {}
        let stream = encoder.finish().unwrap();
        assert!(*stream == *bare, "{name}: an engine writes other bytes");

        engine.restart(label).unwrap();
        let mut decoder = Decoder::new(&bare[..]).unwrap();
        let mut image = vec![0; model.image().values()];
        while let Some(pixel) = engine.step(&mut Decode::new(&mut decoder)).unwrap() {
            forward::put(&pixel, model.image(), &mut image);
        }
        assert!(image == set.image(0), "{name}: an engine reads another image");
        assert!(decoder.into_source().is_empty(), "{name}: bytes are left");
    }
}

#[test]
fn a_bare_code_is_read_with_the_label_that_it_was_written_with() {
    let folder = Folder::new();
    let blob = golden_blob("../models/mnist-class-pixelcnn/model.prnn");
    folder.write("model.prnn", blob.bytes());
    folder.run("sample --label 7 -n 1 --seed 3 -o seven.npy").good();
    folder.run("compress seven.npy --bare --label 7 -o bare").good();
    npy::write(&folder.path("labels.npy"), &[1], &[7_u8]).unwrap();
    for line in ["--labels labels.npy", "--label 7 -m model.prnn", "--labels labels.npy -m model.prnn"] {
        folder.run(&format!("compress seven.npy --bare {line} -o same")).good();
        assert_eq!(folder.read("same"), folder.read("bare"), "{line}");
    }
    for line in ["", "-m model.prnn"] {
        folder.run(&format!("decompress bare --bare --label 7 {line} -o back.npy")).good();
        assert_eq!(folder.read("back.npy"), folder.read("seven.npy"), "{line}");
    }
    // The code does not contain the label. Another label gives another image or an error.
    let run = folder.run("decompress bare --bare --label 1 -o other.npy");
    assert!(run.status == Some(1) || folder.read("other.npy") != folder.read("seven.npy"), "{}", run.stderr);

    for (line, expected) in [
        ("decompress bare --bare -m model.prnn -o out.npy", "needs a class from 0 to 9"),
        ("decompress bare --bare --label 10 -o out.npy", "expected 0 to 9"),
        ("decompress bare --label 7 -o out.npy", "--bare"),
        ("decompress bare --bare --labels out.npy -o out.npy", "cannot be used with"),
        ("compress seven.npy --bare -m model.prnn -o out", "needs a class from 0 to 9"),
        ("compress seven.npy --bare --label 10 -o out", "expected 0 to 9"),
        ("compress seven.npy --label 7 -o out", "--bare"),
        ("compress seven.npy --bare --label 7 --labels labels.npy -o out", "cannot be used with"),
    ] {
        let run = folder.run(line);
        assert!(run.status == Some(2) && run.stderr.contains(expected), "{line}: {}", run.stderr);
    }
    assert!(!folder.names().iter().any(|name| name.starts_with("out")), "nothing was written");
}

#[test]
fn several_images_and_files_of_the_other_form_are_refused() {
    let folder = Folder::new();
    folder.run("sample -n 3 --seed 3 -o three.npy").good();
    folder.run("compress three.npy -o whole").good();
    folder.run("compress three.npy -n 1 --bare -o bare").good();
    for (line, status, expected) in [
        ("compress three.npy --bare -o out", 2, "three.npy has 3 images, expected one"),
        ("decompress whole --bare -o out.npy", 1, "whole: it is a compressed file with a header"),
        ("decompress bare -o out.npy", 1, "bare: it is no compressed file"),
        ("decompress bare --bare --image 0 -o out.npy", 2, "cannot be used with"),
    ] {
        let run = folder.run(line);
        assert!(run.status == Some(status) && run.stderr.contains(expected), "{line}: {}", run.stderr);
    }
    // A decoder appends up to seven zero bytes, as trailing zeros are not stored.
    let longer = [&folder.read("bare")[..], &[0; 8]].concat();
    folder.write("longer", &longer);
    let run = folder.run("decompress longer --bare -o out.npy");
    assert!(run.status == Some(1) && run.stderr.contains("longer: not a code of any image"), "{}", run.stderr);
    assert!(!folder.names().iter().any(|name| name.starts_with("out")), "nothing was written");
}

#[test]
fn any_bytes_are_a_bare_code_or_refused_and_images_that_do_not_fit_are_refused() {
    let blob = golden_blob("golden/row_lstm_rgb_classes.prnn");
    let model = blob.model().unwrap();
    let (set, label) = (noise(model, 1), last_label(model));
    let bare = compress_bare(model, set.image(0), label).unwrap().bytes;
    let mut unnoticed = 0;
    for bit in 0..8 * bare.len() {
        let mut flipped = bare.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match decompress_bare(model, &flipped, label) {
            Ok(other) => unnoticed += usize::from(other != set),
            Err(error) => assert!(matches!(error, Error::NotACode), "{error}"),
        }
    }
    assert!(unnoticed > 0, "a bare code has no checksum: most damage goes unnoticed");
    for length in 0..bare.len() {
        let shorter = decompress_bare(model, &bare[..length], label);
        assert!(shorter.map_or(true, |other| other != set), "{length} bytes");
    }
    let fits = |image: &[u8], label| compress_bare(model, image, label).map(|_| ());
    assert!(matches!(fits(&set.image(0)[1..], label), Err(Error::ImageLength { .. })));
    assert!(matches!(fits(&vec![255; set.values()], label), Err(Error::Value { got: 255, index: 0, .. })));
    assert!(matches!(fits(set.image(0), None), Err(Error::NoLabel { .. })));
    assert!(matches!(fits(set.image(0), Some(99)), Err(Error::Label { got: 99, .. })));
    assert!(matches!(decompress_bare(model, &bare, None), Err(Error::NoLabel { .. })));
}

#[test]
fn a_bare_file_may_be_empty_and_is_an_image_then() {
    let folder = Folder::new();
    folder.fixture("diagonal_bilstm_one_pixel");
    // The interval of the lowest value starts at 0 and costs less than a byte.
    let image = ImageSet::new([1, 1, 1], vec![0], Range::Levels).unwrap();
    image.write_npy(&folder.path("dark.npy")).unwrap();
    folder.run("compress dark.npy -m model.prnn --bare -o bare").good();
    assert!(folder.read("bare").is_empty());
    folder.run("decompress bare -m model.prnn --bare -o back.npy").good();
    assert_eq!(folder.read("back.npy"), folder.read("dark.npy"));
}

#[test]
fn one_image_of_every_model_is_the_one_that_the_whole_file_has() {
    for name in all_blobs() {
        let blob = golden_blob(&name);
        let model = blob.model().unwrap();
        let set = noise(model, 3);
        let labels: Option<Vec<_>> = (model.classes() > 0).then(|| (0..3).map(|n| n % model.classes()).collect());
        let narrow = labels.as_ref().map(|labels| labels.iter().map(|label| *label as _).collect::<Vec<_>>());
        let file = compress(model, &set, narrow.as_deref(), || ()).unwrap().bytes;
        for n in 0..3 {
            let one = decompress_one(model, &file, n, |done, needed| assert!(done <= needed)).unwrap();
            assert_eq!(one.set.data, set.image(n as usize), "{name}, image {n}");
            assert_eq!(one.label, labels.as_ref().map(|labels| labels[n as usize]), "{name}, image {n}");
            assert_eq!(one.checked, n == 2, "{name}, image {n}");
        }
        let none = decompress_one(model, &file, 3, |_, _| unreachable!());
        assert!(matches!(none, Err(Error::NoSuchImage { got: 3, images: 3 })), "{name}");
    }
}

#[test]
fn one_image_is_restored_without_decoding_what_does_not_come_before_it_in_its_block() {
    let folder = Folder::new();
    let blob = golden_blob("golden/pixel_cnn_gray.prnn");
    folder.write("model.prnn", blob.bytes());
    // A block of 1024 images and one of six.
    let set = noise(blob.model().unwrap(), 1030);
    let file = compress(blob.model().unwrap(), &set, None, || ()).unwrap().bytes;
    folder.write("file", &file);
    let one = |file: &str, n: usize| folder.run(&format!("decompress {file} -m model.prnn --image {n} -o out.npy"));
    for n in [0, 2, 1023, 1024, 1027, 1029] {
        let said = String::from_utf8(one("file", n).good().stdout).unwrap();
        assert_eq!(ImageSet::read(&folder.path("out.npy")).unwrap().data, set.image(n), "image {n}");
        assert_eq!(said.contains("without verifying the checksum"), n != 1023 && n != 1029, "image {n}: {said}");
    }
    let decoded = std::cell::Cell::new(0);
    let count = |_, _| decoded.set(decoded.get() + 1);
    decompress_one(blob.model().unwrap(), &file, 1026, count).unwrap();
    assert_eq!(decoded.get(), 3, "those before it in its block, and itself");

    // Damage outside the image's own data is harmless: in the previous block, and behind the image in its block.
    let mut damaged = file.clone();
    damaged[HEADER_BYTES + 100] ^= 1;
    // The last byte of a stream can have several valid values.
    damaged[file.len() - BEHIND - 4] ^= 1;
    folder.write("damaged", &damaged);
    assert_ne!(one("damaged", 1023).status, Some(0), "the last image of a block is checked");
    one("damaged", 1025).good();
    assert_eq!(ImageSet::read(&folder.path("out.npy")).unwrap().data, set.image(1025));
    let run = one("damaged", 1029);
    assert!(run.status == Some(1) && run.stderr.contains("damaged"), "{}", run.stderr);

    let run = one("file", 1030);
    assert!(run.status == Some(2) && run.stderr.contains("0 to 1029"), "{}", run.stderr);
}

#[test]
fn one_image_is_a_picture_and_has_its_label() {
    let folder = Folder::new();
    folder.run("sample --label 7 -n 3 -o sevens.npy").good();
    npy::write(&folder.path("labels.npy"), &[3], &[7_u8, 8, 9]).unwrap();
    folder.run("compress sevens.npy --labels labels.npy -o file").good();
    folder.run("decompress file --image 1 --labels label.npy -o one.png").good();
    let label = pixelrnn_converter::images::read_labels(&folder.path("label.npy")).unwrap();
    assert_eq!(label, [8]);
    folder.run("decompress file -o all").good();
    assert_eq!(folder.read("one.png"), folder.read("all/1.png"));
}
