use super::*;
use crate::blob::Blob;
use crate::description::Description;
use crate::picture::Strips;
use crate::quantize::{Numbers, quantize};
use crate::testing::{GRAY, RGB, Random, preset, random_model};
use pixelrnn::network::{Architecture, Image};

fn blob(image: Image) -> Blob {
    let description = Description::from(preset(Architecture::PixelCnn, image));
    quantize(&random_model(&description, 3), Numbers::F32).unwrap()
}

fn images(image: &Image, count: usize) -> ImageSet {
    let mut random = Random(5);
    let data = (0..count).flat_map(|_| random.image(image)).collect();
    ImageSet::new([image.channels, image.height, image.width], data, Range::Levels).unwrap()
}

const HOW: Completion = Completion { rows: 2, each: 3, seed: u64::MAX - 1, temperature: Temperature::ONE };

#[test]
fn kept_rows_are_the_given_ones_in_all_channels() {
    for image in [GRAY, RGB] {
        let (blob, set) = (blob(image), images(&image, 2));
        for rows in 0..=image.height {
            let done =
                complete(blob.model().unwrap(), &set, &[0, 1], |_| None, &Completion { rows, ..HOW }, || ()).unwrap();
            assert_eq!(done.count, 6);
            for (n, completed) in done.iter().enumerate() {
                let planes = completed.chunks(image.height * image.width);
                for (own, given) in planes.zip(set.image(n / 3).chunks(image.height * image.width)) {
                    assert_eq!(own[..rows * image.width], given[..rows * image.width], "{rows} rows, completion {n}");
                }
            }
            // Nothing is sampled if all rows are given.
            assert_eq!(done.image(0) == done.image(1), rows == image.height);
        }
    }
}

#[test]
fn more_images_and_more_completions_leave_the_others_as_they_were() {
    let (blob, set) = (blob(GRAY), images(&GRAY, 3));
    let model = blob.model().unwrap();
    let all = complete(model, &set, &[0, 1, 2], |_| None, &HOW, || ()).unwrap();
    let few = complete(model, &set, &[0, 2], |_| None, &Completion { each: 2, ..HOW }, || ()).unwrap();
    for n in 0..4 {
        assert_eq!(few.image(n), all.image(n / 2 * 6 + n % 2), "completion {n}");
    }
    let other = complete(model, &set, &[0, 1, 2], |_| None, &Completion { seed: 0, ..HOW }, || ()).unwrap();
    assert_ne!(other.data, all.data);
}

#[test]
fn images_of_another_size_are_refused() {
    let result = complete(blob(GRAY).model().unwrap(), &images(&RGB, 1), &[0], |_| None, &HOW, || ());
    assert!(matches!(result, Err(Error::ImageLength { .. })), "{result:?}");
}

#[test]
fn the_picture_has_the_kept_part_the_completions_and_the_original() {
    let set = images(&GRAY, 2);
    let done = complete(blob(GRAY).model().unwrap(), &set, &[0, 1], |_| None, &HOW, || ()).unwrap();
    let strips = Strips { originals: &set, completions: &done, rows: 2, levels: 2 };
    assert_eq!((strips.each(), strips.scale()), (3, 12));
    let picture = strips.picture(8, 1);
    // 5 images of 5 pixels and a line each, one more line, two gaps of 3.
    assert_eq!((picture.width, picture.height, picture.channels), (5 * 6 + 1 + 6, 2 * 5 + 1, 3));
    let pixel = |row: usize, column: usize| picture.data[(row * picture.width + column) * 3];
    for (row, column) in (0..4).flat_map(|row| (0..5).map(move |column| (row, column))) {
        let value = |image: &[u8]| 255 * image[row * 5 + column];
        for n in 0..2 {
            assert_eq!(pixel(1 + n * 5 + row, 7 + 4 * 6 + column), value(set.image(n)), "the original");
            assert_eq!(pixel(1 + n * 5 + row, 4 + 2 * 6 + column), value(done.image(3 * n + 1)), "a completion");
            let kept = pixel(1 + n * 5 + row, 1 + column);
            assert!(if row < 2 { kept == value(set.image(n)) } else { kept != 0 && kept != 255 }, "what is not known");
        }
    }
    // Number of completions that fit into a terminal.
    assert_eq!([0, 24, 25, 30, 31, 80].map(|columns| strips.fit(columns)), [1, 1, 1, 1, 2, 3]);
}

#[test]
fn known_values_stay_wherever_they_are() {
    for image in [GRAY, RGB] {
        let (blob, set) = (blob(image), images(&image, 2));
        let model = blob.model().unwrap();
        let known: Vec<bool> = (0..set.values()).map(|n| n % 3 == 0).collect();
        let done = complete_known(model, &set, &known, |_| None, &HOW, || ()).unwrap();
        assert_eq!(done.count, 6);
        for (n, completed) in done.iter().enumerate() {
            let given = set.image(n / 3);
            assert!((0..given.len()).all(|at| !known[at] || completed[at] == given[at]));
        }
        // The upper rows of every channel are what `complete` keeps.
        let pixels = image.height * image.width;
        let upper: Vec<bool> = (0..2 * set.values()).map(|n| n % pixels < HOW.rows * image.width).collect();
        let by_mask = complete_known(model, &set, &upper, |_| None, &HOW, || ()).unwrap();
        assert_eq!(by_mask, complete(model, &set, &[0, 1], |_| None, &HOW, || ()).unwrap());
        assert!(complete_known(model, &set, &upper[1..], |_| None, &HOW, || ()).is_err());
    }
}

#[test]
fn a_watcher_stops_the_work() {
    #[derive(Clone, Copy)]
    struct Stop;
    impl Progress for Stop {
        fn done(&self) {}
        fn check(&self) -> Result<(), Error> {
            Err(Error::Stopped)
        }
    }
    let (blob, set) = (blob(GRAY), images(&GRAY, 2));
    let model = blob.model().unwrap();
    let stopped = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
    stopped(complete(model, &set, &[0, 1], |_| None, &HOW, Stop).map(drop));
    stopped(crate::run::sample(model, 3, 0, Temperature::ONE, None, Stop).map(drop));
    stopped(crate::run::Scorer::Engine(model).score_all(&set, None, false, Stop).map(drop));
    stopped(crate::compress::compress(model, &set, None, Stop).map(drop));
    let bytes = crate::compress::compress(model, &set, None, || ()).unwrap().bytes;
    stopped(crate::compress::decompress(model, &bytes, Stop).map(drop));
}
