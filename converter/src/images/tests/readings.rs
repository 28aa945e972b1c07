//! Interpretation of values as levels or 0 to 255: unambiguous, or an error.

use super::*;

const TWO: Image = Image { levels: 2, ..SMALL };

fn of(origin: Origin, data: [u8; 6]) -> ImageSet {
    ImageSet { origin, ..ImageSet::new([1, 2, 3], data.to_vec(), Range::Unstated).unwrap() }
}

/// Values and notice of a set after fitting it to a model.
fn read(origin: Origin, data: [u8; 6], image: &Image) -> Result<(Vec<u8>, Option<Notice>), Error> {
    of(origin, data).fit(image).map(|(set, notice)| (set.data, notice))
}

#[track_caller]
fn asked(origin: Origin, data: [u8; 6], image: &Image, part: &str) {
    let error = read(origin, data, image).unwrap_err();
    assert!(matches!(error, Error::Reading { .. }), "{error}");
    assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
}

#[test]
fn a_picture_of_0_and_1_is_asked_about() {
    asked(Origin::Picture, [0, 1, 0, 1, 1, 0], &TWO, "choose with `--levels-in 2` or `--levels-in 256`");
    asked(Origin::Picture, [0, 1, 2, 15, 1, 0], &SMALL, "values 0 to 15 may be levels");
    let said = |range| ImageSet { range, ..of(Origin::Picture, [0, 1, 0, 1, 1, 0]) }.fit(&TWO).unwrap().0.data;
    assert_eq!(said(Range::Levels), [0, 1, 0, 1, 1, 0]);
    assert_eq!(said(Range::Bytes), [0; 6]);
}

#[test]
fn a_picture_of_black_and_white_is_read_without_loss() {
    for origin in [Origin::Picture, Origin::Array] {
        let (data, notice) = read(origin, [0, 255, 0, 255, 255, 0], &TWO).unwrap();
        assert_eq!(data, [0, 1, 0, 1, 1, 0]);
        let notice = notice.unwrap();
        assert_eq!(notice, Notice::Quantized { levels: 2, changed: 0, values: 6 });
        assert!(notice.to_string().ends_with("all of them shades of the model's 2 levels: lossless"), "{notice}");
    }
}

#[test]
fn zeros_are_the_same_in_every_reading() {
    for origin in [Origin::Picture, Origin::Array, Origin::Unit] {
        for image in [TWO, SMALL, Image { levels: 256, ..SMALL }] {
            assert_eq!(read(origin, [0; 6], &image).unwrap(), (vec![0; 6], None));
        }
    }
}

#[test]
fn one_value_just_above_the_levels_does_not_make_all_of_them_0_to_255() {
    for origin in [Origin::Picture, Origin::Array] {
        asked(origin, [0, 1, 2, 3, 15, 16], &SMALL, "values 0 to 16 are too high for the model's 16 levels");
        asked(origin, [0, 1, 2, 0, 1, 1], &TWO, "`--levels-in 256`");
        asked(origin, [0, 1, 2, 0, 1, 127], &TWO, "too dark");
        let (data, notice) = read(origin, [0, 1, 2, 0, 1, 128], &TWO).unwrap();
        assert_eq!(
            (data, notice),
            (vec![0, 0, 0, 0, 0, 1], Some(Notice::Quantized { levels: 2, changed: 4, values: 6 }))
        );
    }
    // One level more than the model has, for any number of levels.
    let many = Image { levels: 200, ..SMALL };
    asked(Origin::Array, [0, 1, 2, 3, 4, 200], &many, "too high for the model's 200 levels");
    assert!(read(Origin::Array, [0, 1, 2, 3, 4, 216], &many).is_ok());
    // No value is bright enough to be certain.
    asked(Origin::Array, [0, 1, 2, 3, 4, 255], &Image { levels: 255, ..SMALL }, "too high");
}

#[test]
fn all_values_of_256_levels_are_levels() {
    let all = Image { levels: 256, ..SMALL };
    for data in [[0, 1, 0, 1, 1, 0], [0, 1, 2, 3, 4, 255]] {
        assert_eq!(read(Origin::Picture, data, &all).unwrap(), (data.to_vec(), None));
        assert_eq!(read(Origin::Array, data, &all).unwrap(), (data.to_vec(), None));
    }
}

#[test]
fn truth_values_are_levels_of_two_and_else_asked_about() {
    assert_eq!(read(Origin::Unit, [0, 1, 0, 1, 1, 0], &TWO).unwrap(), (vec![0, 1, 0, 1, 1, 0], None));
    asked(Origin::Unit, [0, 1, 0, 1, 1, 0], &SMALL, "or multiply by 15 for black and white");
    asked(Origin::Unit, [0, 1, 0, 1, 1, 0], &Image { levels: 256, ..SMALL }, "or multiply by 255 for black and white");
}

#[test]
fn a_dark_picture_in_shades_of_the_levels_comes_back() {
    for levels in 2..=255_usize {
        let image = Image { levels, ..SMALL };
        let shown = level_to_byte((levels - 1).min(7) as u8, levels);
        let set = read(Origin::Picture, [0, shown, 0, 0, shown, 0], &image);
        if usize::from(shown) >= levels {
            assert_eq!(set.unwrap().0[1], (levels - 1).min(7) as u8, "{levels} levels");
        } else {
            assert!(set.is_err(), "{levels} levels");
        }
    }
}

#[test]
fn all_pictures_of_a_folder_are_read_in_one_way() {
    use ::png::{BitDepth, ColorType};
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, depth, data: &[u8]| {
        fs::write(folder.path().join(name), png_of(ColorType::Grayscale, depth, [3, 2], data)).unwrap();
    };
    let fit = || ImageSet::read(folder.path()).unwrap().fit(&TWO);
    put("a.png", BitDepth::Eight, &[0, 1, 0, 1, 0, 1]);
    put("black.png", BitDepth::One, &[0, 0]);
    assert!(matches!(fit().unwrap_err(), Error::Reading { highest: 1, .. }));
    put("b.png", BitDepth::Eight, &[0, 200, 0, 255, 0, 1]);
    assert_eq!(fit().unwrap().0.data, [0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    // PNG expands one bit to 0 and 255.
    fs::remove_file(folder.path().join("a.png")).unwrap();
    put("b.png", BitDepth::One, &[0b1010_0000, 0b0100_0000]);
    assert_eq!(fit().unwrap().0.data[..6], [1, 0, 1, 0, 1, 0]);
}

#[test]
fn values_of_mnist_as_it_ships_are_0_to_255() {
    let shipped = ImageSet::from_bytes(&idx(&[1, 2, 3], &[0, 12, 255, 127, 128, 3])).unwrap();
    assert_eq!(shipped.fit(&TWO).unwrap().0.data, [0, 0, 1, 0, 1, 0]);
    let dark = ImageSet::from_bytes(&idx(&[1, 2, 3], &[0, 1, 1, 0, 1, 0])).unwrap();
    assert!(matches!(dark.fit(&TWO).unwrap_err(), Error::Reading { .. }));
}
