mod folders;
mod kinds;
mod readings;

use super::*;
use crate::picture::{Layout, Picture};
use pixelrnn::network::Image;
use std::fs;
use std::io::Write;

const SMALL: Image = Image { height: 2, width: 3, channels: 1, levels: 16 };

fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let sizes: Vec<u8> = shape.iter().flat_map(|n| n.to_be_bytes()).collect();
    [&[0, 0, 8, shape.len() as u8][..], &sizes, data].concat()
}

fn png_of(colour: ::png::ColorType, depth: ::png::BitDepth, [width, height]: [u32; 2], data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == ::png::ColorType::Indexed {
        encoder.set_palette([10, 20, 30, 40, 50, 60].as_slice());
    }
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

fn numbers(count: usize) -> Vec<u8> {
    (0..count).map(|n| n as u8).collect()
}

#[track_caller]
fn refused(bytes: &[u8], part: &str) {
    let message = ImageSet::from_bytes(bytes).unwrap_err().to_string();
    assert!(message.contains(part), "{part:?} is not in: {message}");
}

#[test]
fn npy_round_trips() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.npy");
    let set = ImageSet::new([3, 2, 4], numbers(48), Range::Unstated).unwrap();
    assert_eq!(set.count, 2);
    set.write_npy(&path).unwrap();
    assert_eq!(ImageSet::read(&path).unwrap(), set);
    // Layout as in NumPy: data at a multiple of 64 bytes, after a newline.
    let bytes = fs::read(&path).unwrap();
    assert_eq!((bytes.len() - 48) % 64, 0);
    assert_eq!(bytes[bytes.len() - 49], b'\n');
}

#[test]
fn npy_of_three_dimensions_is_gray() {
    let set = ImageSet::from_bytes(&npy("|u1", "False", "(2, 2, 3)", &numbers(12))).unwrap();
    assert_eq!((set.count, set.channels, set.height, set.width), (2, 1, 2, 3));
    assert_eq!(set.image(1), [6, 7, 8, 9, 10, 11]);
    assert_eq!(set.iter().len(), 2);
    assert_eq!(set.truncated(1).data, numbers(6));
}

#[test]
fn fortran_order_is_turned() {
    // Element n of [2, 3, 2] in row-major order, stored column-major.
    let at = |a: usize, b: usize, c: usize| ((a * 3 + b) * 2 + c) as u8;
    let mut stored = Vec::new();
    for c in 0..2 {
        for b in 0..3 {
            stored.extend([at(0, b, c), at(1, b, c)]);
        }
    }
    let set = ImageSet::from_bytes(&npy("|u1", "True", "(2, 3, 2)", &stored)).unwrap();
    assert_eq!(set.data, numbers(12));
}

#[test]
fn npy_headers_may_differ() {
    let data = numbers(6);
    for header in [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 3), }   \n",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 3)}",
        "{\"shape\":(1,2,3,),\"fortran_order\":False,\"descr\":\"<u1\"}\n",
    ] {
        let v1 = [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &data].concat();
        let v2 = [b"\x93NUMPY\x02\0", &(header.len() as u32).to_le_bytes()[..], header.as_bytes(), &data].concat();
        for bytes in [v1, v2] {
            assert_eq!(ImageSet::from_bytes(&bytes).unwrap().data, data, "{header}");
        }
    }
}

#[test]
fn wrong_npy_files_are_explained() {
    let data = numbers(6);
    let whole = npy("|u1", "False", "(1, 2, 3)", &data);
    for length in 6..whole.len() {
        refused(&whole[..length], ".npy file");
    }
    refused(&[&whole[..], &[0]].concat(), "7 bytes of data");
    refused(&npy("<c8", "False", "(1, 2, 3)", &data), "type `<c8`, expected uint8, or bool, integers or floats");
    refused(&npy("<f4", "False", "(1, 2, 3)", &data), "6 bytes of data");
    refused(&npy("|u1", "Maybe", "(1, 2, 3)", &data), "unsupported header");
    refused(&npy("|u1", "False", "(1, -2, 3)", &data), "unsupported header");
    refused(&npy("|u1", "False", "(1, 2, 3", &data), "unsupported header");
    refused(&npy("|u1", "False", "(6,)", &data), "expected [N, C, H, W], [N, H, W] or [N, H·W]");
    refused(&npy("|u1", "False", "()", &data[..1]), "expected [N, C, H, W], [N, H, W] or [N, H·W]");
    refused(&npy("|u1", "False", "(1, 2, 3, 1)", &data), "np.transpose(x, (0, 3, 1, 2))");
    refused(&npy("|u1", "False", "(1, 6, 1, 2)", &numbers(12)), "6 channels, expected 1 or 3");
    refused(&npy("|u1", "False", "(6, 0, 3)", &[]), "at least one of each");
    refused(&npy("|u1", "False", "(4294967296, 4294967296, 4294967296)", &data), "bytes of data");
    refused(&npy("|u1", "False", "(99999999999999999999999, 2, 3)", &data), "unsupported header");
    refused(b"\x93NUMPY\x09\0\0\0", "version 9");
    let structured = b"{'descr': [('a', '<i4')], 'shape': (1,)}";
    refused(&[b"\x93NUMPY\x01\0\x28\0", &structured[..]].concat(), "structured");
}

#[test]
fn floats_are_written_as_numpy_reads_them() {
    let mut bytes = Vec::new();
    npy::write_to(&mut bytes, &[2], &[1.5_f64, -2.0]).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"));
    assert_eq!(bytes[128..], [1.5_f64.to_le_bytes(), (-2.0_f64).to_le_bytes()].concat());
    let mut bytes = Vec::new();
    npy::write_to(&mut bytes, &[1, 2], &[1.5_f32, -2.0]).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }"));
    assert_eq!(bytes[128..], [1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat());
    assert!(npy::write_to(&mut bytes, &[3], &[1.5_f32]).is_err());
}

#[test]
fn idx_is_read_and_checked() {
    let gray = ImageSet::from_bytes(&idx(&[2, 2, 3], &numbers(12))).unwrap();
    assert_eq!((gray.count, gray.channels, gray.data), (2, 1, numbers(12)));
    assert_eq!(ImageSet::from_bytes(&idx(&[1, 3, 2, 2], &numbers(12))).unwrap().channels, 3);
    assert_eq!(labels_from_bytes(&idx(&[3], &[7, 8, 9])).unwrap(), [7, 8, 9]);

    let whole = idx(&[2, 2, 3], &numbers(12));
    for length in 4..whole.len() {
        refused(&whole[..length], "IDX file");
    }
    refused(&[&whole[..], &[0]].concat(), "13 bytes of data");
    refused(&idx(&[12], &numbers(12)), "1 dimensions, expected 3");
    refused(&idx(&[u32::MAX, u32::MAX, u32::MAX], &numbers(12)), "12 bytes of data");
    refused(&[0, 0, 0x0d, 3, 0, 0, 0, 0], "type 0x0d");
    refused(&[0, 1, 8, 3, 0, 0, 0, 0], "not a .npy, .npz, IDX or PNG file");
    refused(&[0, 0, 1, 3, 0, 0, 0, 0], "not a .npy, .npz, IDX or PNG file");
    refused(b"", "not a .npy, .npz, IDX or PNG file");
    assert!(labels_from_bytes(&whole).unwrap_err().to_string().contains("3 dimensions, expected 1"));
}

#[test]
fn gzip_hides_any_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images");
    for bytes in [idx(&[1, 2, 3], &numbers(6)), npy("|u1", "False", "(1, 2, 3)", &numbers(6))] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&bytes).unwrap();
        let packed = encoder.finish().unwrap();
        fs::write(&path, &packed).unwrap();
        assert_eq!(ImageSet::read(&path).unwrap().data, numbers(6));
        fs::write(&path, &packed[..packed.len() - 9]).unwrap();
        let message = ImageSet::read(&path).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}: the gzip data", path.display())), "{message}");
    }
}

#[test]
fn png_files_become_planes() {
    use ::png::{BitDepth, ColorType};
    let rgb = ImageSet::from_bytes(&png_of(ColorType::Rgb, BitDepth::Eight, [2, 1], &[1, 2, 3, 4, 5, 6])).unwrap();
    assert_eq!((rgb.channels, rgb.height, rgb.width), (3, 1, 2));
    assert_eq!(rgb.data, [1, 4, 2, 5, 3, 6]);
    let opaque = png_of(ColorType::Rgba, BitDepth::Eight, [1, 1], &[1, 2, 3, 255]);
    assert_eq!(ImageSet::from_bytes(&opaque).unwrap().data, [1, 2, 3]);
    let bits = png_of(ColorType::Grayscale, BitDepth::One, [3, 1], &[0b1010_0000]);
    assert_eq!(ImageSet::from_bytes(&bits).unwrap().data, [255, 0, 255]);
    let palette = png_of(ColorType::Indexed, BitDepth::Eight, [2, 1], &[1, 0]);
    assert_eq!(ImageSet::from_bytes(&palette).unwrap().data, [40, 10, 50, 20, 60, 30]);
}

#[test]
fn unfit_png_files_are_explained() {
    use ::png::{BitDepth, ColorType};
    let clear = png_of(ColorType::GrayscaleAlpha, BitDepth::Eight, [2, 1], &[1, 255, 2, 254]);
    refused(&clear, "transparent pixels");
    refused(
        &png_of(ColorType::Grayscale, BitDepth::Sixteen, [1, 1], &[1, 2]),
        "16 bits per channel that 8 cannot hold",
    );
    refused(include_bytes!("../../testdata/palette-of-4-bytes.png"), "a palette of 4 bytes");
    let whole = png_of(ColorType::Grayscale, BitDepth::Eight, [20, 20], &numbers(400));
    for length in 8..whole.len() {
        refused(&whole[..length], "PNG file");
    }
    // A header that claims more pixels than the limit.
    let mut huge = whole;
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    assert!(ImageSet::from_bytes(&huge).is_err());
}

#[test]
fn values_of_an_array_below_the_levels_are_levels() {
    let set = ImageSet::new([1, 2, 3], vec![0, 1, 2, 3, 4, 15], Range::Unstated).unwrap();
    let (fitted, notice) = set.clone().fit(&SMALL).unwrap();
    assert_eq!((fitted.data.as_slice(), notice), (set.data.as_slice(), None));
    assert_eq!(fitted.range, Range::Levels);
}

#[test]
fn other_values_are_quantized_with_a_notice() {
    let set = ImageSet::new([1, 2, 3], vec![0, 15, 16, 128, 240, 255], Range::Unstated).unwrap();
    let (fitted, notice) = set.fit(&SMALL).unwrap();
    assert_eq!(fitted.data, [0, 0, 1, 8, 15, 15]);
    assert!(notice.unwrap().to_string().contains("the model's 16 levels"));
    assert_eq!(fitted.clone().fit(&SMALL).unwrap(), (fitted, None));

    // Explicitly 0 to 255.
    let dark = ImageSet::new([1, 2, 3], vec![0, 1, 2, 3, 4, 15], Range::Bytes).unwrap();
    assert_eq!(dark.fit(&SMALL).unwrap().0.data, [0; 6]);
    let full = ImageSet::new([1, 2, 3], vec![0, 1, 2, 3, 4, 255], Range::Bytes).unwrap();
    assert_eq!(full.clone().fit(&Image { levels: 256, ..SMALL }).unwrap().0.data, full.data);
}

#[test]
fn misfits_are_explained() {
    let set = ImageSet::new([3, 4, 5], vec![0; 60], Range::Unstated).unwrap();
    let message = set.fit(&SMALL).unwrap_err().to_string();
    let expected = "images of 4 rows, 5 columns and 3 channels, expected 2 rows, 3 columns and 1 channels";
    assert_eq!(message, expected);
    let levels = ImageSet::new([1, 2, 3], vec![0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0], Range::Levels).unwrap();
    let message = levels.fit(&SMALL).unwrap_err().to_string();
    assert_eq!(message, "value 16 at index 0, expected 0 to 15");
}

#[test]
fn levels_shown_as_bytes_come_back() {
    for levels in 2..=256 {
        let shown: Vec<u8> = (0..levels).map(|level| level_to_byte(level as u8, levels)).collect();
        let back: Vec<usize> = shown.iter().map(|&v| usize::from(v) * levels / 256).collect();
        assert_eq!(back, (0..levels).collect::<Vec<_>>());
        assert_eq!((shown[0], shown[levels - 1]), (0, 255));
        assert!(shown.is_sorted());
    }
}

#[test]
fn one_image_survives_a_png_file() {
    for (channels, levels) in [(1, 2), (3, 7), (3, 256)] {
        let image = Image { height: 4, width: 5, channels, levels };
        let data = (0..image.values()).map(|n| (n * 37 % levels) as u8).collect();
        let set = ImageSet::new([channels, 4, 5], data, Range::Levels).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.png");
        Picture::grid(&set, levels, Layout::file(&set)).write_png(&path).unwrap();
        assert_eq!(ImageSet::read(&path).unwrap().fit(&image).unwrap().0, set);
    }
}

#[test]
fn labels_are_checked() {
    assert_eq!(labels_from_bytes(&npy("|u1", "False", "(3,)", &[1, 2, 3])).unwrap(), [1, 2, 3]);
    let message = labels_from_bytes(&npy("<f8", "False", "(3,)", &[0; 24])).unwrap_err().to_string();
    assert!(message.contains("type `<f8`"), "{message}");
    let message = labels_from_bytes(&npy("|u1", "False", "(3, 1)", &[1, 2, 3])).unwrap_err().to_string();
    assert!(message.contains("shape [3, 1], expected [N]"), "{message}");

    assert!(check_labels(&[0, 9], 2, 10).is_ok());
    assert_eq!(check_labels(&[0], 2, 10).unwrap_err().to_string(), "1 labels for 2 images, expected one each");
    assert_eq!(check_labels(&[0, 10], 2, 10).unwrap_err().to_string(), "label 10, expected 0 to 9");
    let message = check_labels(&[0], 1, 0).unwrap_err().to_string();
    assert_eq!(message, "label 0, expected none: the model has no classes");
}

#[test]
fn labels_are_whole_numbers_of_any_size() {
    let of = |descr: &str, bytes: &[u8], count: usize| {
        labels_from_bytes(&npy(descr, "False", &format!("({count},)"), bytes))
    };
    let all = [0_u16, 299, 255];
    let le = |size: usize| all.iter().flat_map(|l| u64::from(*l).to_le_bytes()[..size].to_vec()).collect::<Vec<u8>>();
    let be =
        |size: usize| all.iter().flat_map(|l| u64::from(*l).to_be_bytes()[8 - size..].to_vec()).collect::<Vec<u8>>();
    for (descr, bytes) in [
        ("<u2", le(2)),
        (">u2", be(2)),
        ("<i2", le(2)),
        ("<u4", le(4)),
        ("<i4", le(4)),
        (">i4", be(4)),
        ("<u8", le(8)),
        ("<i8", le(8)),
        (">i8", be(8)),
    ] {
        assert_eq!(of(descr, &bytes, 3).unwrap(), all, "{descr}");
    }
    assert_eq!(of("|i1", &[1, 2], 2).unwrap(), [1, 2]);
    for (descr, bytes, got) in [
        ("|i1", (-1_i8).to_le_bytes().to_vec(), "-1"),
        ("<i8", (-7_i64).to_le_bytes().to_vec(), "-7"),
        ("<i4", 65_536_i32.to_le_bytes().to_vec(), "65536"),
        ("<u8", u64::MAX.to_le_bytes().to_vec(), "18446744073709551615"),
    ] {
        let message = of(descr, &bytes, 1).unwrap_err().to_string();
        assert_eq!(message, format!(".npy file: label {got} at index 0, expected 0 to 65535"));
    }
    assert!(of("<i8", &[0; 12], 1).unwrap_err().to_string().contains("12 bytes of data"));
    assert!(of("<i8", &[0; 16], 1).unwrap_err().to_string().contains("16 bytes of data"));
    assert!(of("<f4", &[0; 4], 1).unwrap_err().to_string().contains("expected whole numbers"));
}

#[test]
fn images_are_spread_over_the_whole_file() {
    let set = ImageSet::new([1, 1, 2], (0..20).collect(), Range::Unstated).unwrap();
    assert_eq!(set.spread(4), [0, 2, 5, 7]);
    assert_eq!(set.spread(99), (0..10).collect::<Vec<_>>());
    assert_eq!(set.spread(0), [0; 0]);
    assert_eq!(set.picked(&[9, 0]).data, [18, 19, 0, 1]);
}
