//! File formats and element types that represent whole numbers 0 to 255.

use super::*;
use flate2::write::DeflateEncoder;
use rawzip::{CompressionMethod, ZipArchiveWriter};

fn array(descr: &str, data: &[u8]) -> Result<ImageSet, Error> {
    ImageSet::from_bytes(&npy(descr, "False", "(1, 2, 3)", data))
}

/// An archive of the arrays, alternately stored and deflated.
fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut bytes);
    for (n, (name, data)) in arrays.iter().enumerate() {
        let method = if n % 2 == 0 { CompressionMethod::DEFLATE } else { CompressionMethod::STORE };
        let (mut entry, config) = archive.new_file(name).compression_method(method).start().unwrap();
        let descriptor = if n % 2 == 0 {
            let mut writer = config.wrap(DeflateEncoder::new(&mut entry, flate2::Compression::default()));
            writer.write_all(data).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            descriptor
        } else {
            let mut writer = config.wrap(&mut entry);
            writer.write_all(data).unwrap();
            writer.finish().unwrap().1
        };
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

#[test]
fn whole_numbers_of_any_type_are_bytes() {
    let values = [0_u8, 1, 2, 100, 127, 3];
    for size in [1, 2, 4, 8] {
        for (order, kind) in [('<', 'i'), ('<', 'u'), ('>', 'i'), ('>', 'u')] {
            let data: Vec<u8> = values
                .iter()
                .flat_map(|v| {
                    let mut number = vec![0; size];
                    number[if order == '<' { 0 } else { size - 1 }] = *v;
                    number
                })
                .collect();
            let set = array(&format!("{order}{kind}{size}"), &data).unwrap();
            assert_eq!((set.data.as_slice(), set.origin), (&values[..], Origin::Array), "{order}{kind}{size}");
        }
    }
    let bytes: Vec<u8> = [0_f32, 1.0, 2.0, 255.0, -0.0, 3.0].iter().flat_map(|v| v.to_be_bytes()).collect();
    assert_eq!(array(">f4", &bytes).unwrap().data, [0, 1, 2, 255, 0, 3]);
    let bytes: Vec<u8> = [0_f64, 1.0, 2.0, 255.0, 4.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(array("<f8", &bytes).unwrap().data, [0, 1, 2, 255, 4, 3]);
    let bytes: Vec<u8> =
        [0.0, 1.0, 2.0, 255.0, 4.0, 3.0].iter().flat_map(|v| half::f16::from_f64(*v).to_le_bytes()).collect();
    assert_eq!(array("<f2", &bytes).unwrap().data, [0, 1, 2, 255, 4, 3]);
}

#[test]
fn truth_values_and_floats_of_0_and_1_are_known_as_such() {
    let set = array("|b1", &[0, 1, 1, 0, 0, 1]).unwrap();
    assert_eq!((set.data, set.origin), (vec![0, 1, 1, 0, 0, 1], Origin::Unit));
    let floats: Vec<u8> = [0_f32, 1.0, 1.0, 0.0, 0.0, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(array("<f4", &floats).unwrap().origin, Origin::Unit);
    let integers: Vec<u8> = [0_i64, 1, 1, 0, 0, 1].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(array("<i8", &integers).unwrap().origin, Origin::Array);
}

#[test]
fn numbers_that_are_no_bytes_are_named() {
    let refused = |descr: &str, data: &[u8], part: &str| {
        let message = array(descr, data).unwrap_err().to_string();
        assert!(message.contains(part), "{part:?} is not in: {message}");
    };
    refused("|i1", &[0, 1, 2, 255, 4, 5], "value -1 at index 3, expected whole numbers from 0 to 255");
    refused("|b1", &[0, 1, 2, 0, 0, 0], "value 2 at index 2");
    refused("<u2", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], "value 256 at index 4");
    refused("<u8", &[255; 48], "value 18446744073709551615 at index 0");
    let floats = |v: f32| [0.0, v, 0.0, 0.0, 0.0, 0.0].iter().flat_map(|v: &f32| v.to_le_bytes()).collect::<Vec<u8>>();
    refused(
        "<f4",
        &floats(0.5),
        "value 0.5 at index 1, expected whole numbers from 0 to 255: for values from 0 to 1, multiply",
    );
    for (value, said) in [(256.0, "256"), (-1.0, "-1"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        refused("<f4", &floats(value), &format!("value {said} at index 1"));
    }
}

#[test]
fn integer_labels_are_taken() {
    let labels: Vec<u8> = [3_i64, 9, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(labels_from_bytes(&npy("<i8", "False", "(3,)", &labels)).unwrap(), [3, 9, 0]);
    let labels: Vec<u8> = [3_i32, 9, 0].iter().flat_map(|v| v.to_be_bytes()).collect();
    assert_eq!(labels_from_bytes(&npy(">i4", "False", "(3,)", &labels)).unwrap(), [3, 9, 0]);
}

#[test]
fn flat_arrays_get_the_rows_of_the_model() {
    let set = ImageSet::from_bytes(&npy("|u1", "False", "(2, 6)", &numbers(12))).unwrap();
    assert_eq!((set.count, set.flat), (2, true));
    let (fitted, _) = set.clone().fit(&SMALL).unwrap();
    assert_eq!(fitted, ImageSet::new([1, 2, 3], numbers(12), Range::Levels).unwrap());
    let message = set.clone().fit(&Image { height: 3, ..SMALL }).unwrap_err().to_string();
    assert_eq!(message, "an array [2, 6], expected [N, 9], [N, 3, 3] or [N, 1, 3, 3]");
    let message = set.fit(&Image { width: 2, height: 1, channels: 3, levels: 16 }).unwrap_err().to_string();
    assert!(message.contains("expected [N, C, H, W]"), "{message}");
    let one = ImageSet::from_bytes(&npy("|u1", "False", "(2, 3)", &numbers(6))).unwrap();
    assert!(one.fit(&SMALL).unwrap_err().to_string().ends_with("; a single image is `x[None]`"));
    // An image of one row is not a flat array.
    let row = ImageSet::new([1, 1, 6], numbers(6), Range::Unstated).unwrap();
    assert!(matches!(row.fit(&SMALL).unwrap_err(), Error::ImageSize { .. }));
}

#[test]
fn channels_last_are_told_how_to_turn() {
    for (shape, count) in [("(20, 28, 28, 1)", 15_680), ("(2, 32, 32, 3)", 6144)] {
        let message = ImageSet::from_bytes(&npy("|u1", "False", shape, &vec![0; count])).unwrap_err().to_string();
        let said = shape.replace('(', "[").replace(')', "]");
        assert!(message.contains(&format!("{said} looks like [N, H, W, C]")), "{message}");
        assert!(message.contains("`np.transpose(x, (0, 3, 1, 2))`"), "{message}");
    }
}

#[test]
fn archives_give_their_only_array_or_the_one_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let images = npy("|u1", "False", "(1, 2, 3)", &numbers(6));
    let others = npy("|u1", "False", "(1, 2, 3)", &[9; 6]);
    let labels = npy("|u1", "False", "(1,)", &[4]);
    fs::write(path("one.npz"), npz(&[("x.npy", images.clone())])).unwrap();
    assert_eq!(ImageSet::read(&path("one.npz")).unwrap().data, numbers(6));
    fs::write(path("some.npz"), npz(&[("x.npy", images), ("z.npy", others), ("y.npy", labels)])).unwrap();
    assert_eq!(ImageSet::read(&path("some.npz:x")).unwrap().data, numbers(6));
    assert_eq!(ImageSet::read(&path("some.npz:z.npy")).unwrap().data, [9; 6]);
    assert_eq!(read_labels(&path("some.npz:y")).unwrap(), [4]);
    for (name, part) in [
        ("some.npz", "some.npz: .npz file: 3 arrays, expected one: select it with FILE.npz:NAME, from x, z, y"),
        ("some.npz:w", "no array `w` in it, expected one of x, z, y"),
        ("none.npz:x", "cannot read"),
    ] {
        let message = ImageSet::read(&path(name)).unwrap_err().to_string();
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    fs::write(path("no.npz"), b"PK nothing").unwrap();
    let message = ImageSet::read(&path("no.npz:x")).unwrap_err().to_string();
    assert!(message.contains("not an archive"), "{message}");
}

#[test]
fn damaged_archives_are_errors() {
    let whole =
        npz(&[("x.npy", npy("|u1", "False", "(1, 2, 3)", &numbers(6))), ("y.npy", npy("|u1", "False", "(1,)", &[4]))]);
    for length in 4..whole.len() {
        assert!(npz::array(&whole[..length], Some("x")).is_err(), "{length} bytes");
    }
    let good = npz::array(&whole, Some("x")).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        // A flipped bit is detected, or does not matter.
        if let Ok(array) = npz::array(&bytes, Some("x")) {
            assert_eq!(array, good, "byte {at}");
        }
    }
}

#[test]
fn colour_pictures_that_are_gray_throughout_fit_a_gray_model() {
    use ::png::{BitDepth, ColorType};
    let rgb =
        png_of(ColorType::Rgb, BitDepth::Eight, [3, 2], &[[200; 3], [0; 3], [1; 3], [2; 3], [3; 3], [4; 3]].concat());
    let set = ImageSet::from_bytes(&rgb).unwrap();
    assert_eq!(set.clone().fit(&Image { levels: 256, ..SMALL }).unwrap().0.data, [200, 0, 1, 2, 3, 4]);
    // RGB pictures stay RGB for a colour model.
    assert_eq!(set.fit(&Image { levels: 256, channels: 3, ..SMALL }).unwrap().0.channels, 3);
    let tinted =
        png_of(ColorType::Rgb, BitDepth::Eight, [3, 2], &[200; 17].into_iter().chain([201]).collect::<Vec<_>>());
    assert!(matches!(ImageSet::from_bytes(&tinted).unwrap().fit(&SMALL).unwrap_err(), Error::ImageSize { .. }));
    // Arrays keep the channels of their shape.
    let array = ImageSet::new([3, 2, 3], vec![1; 18], Range::Unstated).unwrap();
    assert!(matches!(array.fit(&SMALL).unwrap_err(), Error::ImageSize { .. }));

    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, 3, 2);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette([0, 0, 0, 255, 255, 255].as_slice());
    encoder.write_header().unwrap().write_image_data(&[0, 1, 1, 0, 1, 0]).unwrap();
    let palette = ImageSet::from_bytes(&bytes).unwrap();
    assert_eq!(palette.fit(&Image { levels: 2, ..SMALL }).unwrap().0.data, [0, 1, 1, 0, 1, 0]);
}

#[test]
fn sixteen_bits_that_hold_eight_are_taken() {
    use ::png::{BitDepth, ColorType};
    let of = |colour, size, data: &[u8]| ImageSet::from_bytes(&png_of(colour, BitDepth::Sixteen, size, data));
    // Both ways to widen 8 bits to 16.
    assert_eq!(of(ColorType::Grayscale, [3, 1], &[0, 0, 7, 7, 255, 255]).unwrap().data, [0, 7, 255]);
    assert_eq!(of(ColorType::Grayscale, [3, 1], &[0, 0, 7, 0, 255, 0]).unwrap().data, [0, 7, 255]);
    assert_eq!(of(ColorType::Rgb, [1, 1], &[1, 1, 2, 2, 3, 3]).unwrap().data, [1, 2, 3]);
    assert_eq!(of(ColorType::GrayscaleAlpha, [1, 1], &[7, 0, 255, 255]).unwrap().data, [7]);
    for data in [[7, 7, 8, 0, 0, 0], [7, 7, 8, 9, 0, 0], [0, 0, 0, 1, 0, 0]] {
        let message = of(ColorType::Grayscale, [3, 1], &data).unwrap_err().to_string();
        assert!(message.contains("16 bits per channel that 8 cannot hold"), "{message}");
    }
}
