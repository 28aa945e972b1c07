//! Image input and output of the command-line program: no silent loss, guess or omission.

use pixelrnn_converter::images::{Range, level_to_byte, npy};
use pixelrnn_converter::{ImageSet, Picture};
use pixelrnn_tests::program::{Folder, Run};

/// 4x7 pixels, 16 levels.
const GRAY: &str = "pixel_cnn_gray_softmax_full_description";
/// 5x6 pixels, 4 levels, class-conditional.
const CLASSES: &str = "pixel_cnn_depth_gate_classes";

/// A 28x28 PNG file.
fn digit(value: impl Fn(usize) -> u8) -> Vec<u8> {
    png(28, 28, &(0..784).map(value).collect::<Vec<_>>())
}

fn png(height: usize, width: usize, data: &[u8]) -> Vec<u8> {
    Picture { width, height, channels: 1, data: data.to_vec() }.to_png().unwrap()
}

/// A cross, in the format of the built-in model.
fn cross(n: usize) -> bool {
    (12..16).contains(&(n % 28)) || (12..16).contains(&(n / 28))
}

fn set(size: [usize; 3], data: Vec<u8>) -> ImageSet {
    ImageSet::new(size, data, Range::Levels).unwrap()
}

/// Asserts that the run failed with `status` and a message that contains `part`.
#[track_caller]
fn refused(run: &Run, status: i32, part: &str) {
    assert_eq!(run.status, Some(status), "{}", run.stderr);
    assert!(run.stderr.contains(part), "{part:?} is not in: {}", run.stderr);
}

#[track_caller]
fn said(run: Run, part: &str) -> Run {
    let run = run.good();
    assert!(run.stderr.contains(part), "{part:?} is not in: {}", run.stderr);
    run
}

fn nats(run: Run) -> f64 {
    run.json()["nats"].as_f64().unwrap()
}

#[test]
fn compress_refuses_what_it_would_quantize_unless_told() {
    let folder = Folder::new();
    folder.write("gray.png", &digit(|n| if cross(n) { 254 - (n % 2) as u8 } else { 0 }));
    let run = folder.run("compress gray.png -o out.prnz");
    let changed = (0..784).filter(|n| cross(*n)).count();
    refused(&run, 1, &format!("gray.png: {changed} of 784 values are not among the shades of the model's 2 levels"));
    assert!(run.stderr.contains("--quantize"), "{}", run.stderr);
    assert_eq!(folder.names(), ["gray.png"]);

    said(folder.run("compress gray.png --quantize -o out.prnz"), "quantized to the model's 2 levels");
    folder.run("decompress out.prnz -o back.png").good();
    assert_eq!(folder.read("back.png"), digit(|n| 255 * u8::from(cross(n))));
}

#[test]
fn black_and_white_pictures_come_back_to_the_last_bit() {
    let folder = Folder::new();
    folder.write("ink.png", &digit(|n| 255 * u8::from(cross(n))));
    said(folder.run("compress ink.png -o out.prnz"), "levels: lossless");
    folder.run("decompress out.prnz -o back.png").good();
    assert_eq!(folder.read("back.png"), folder.read("ink.png"));
}

#[test]
fn a_mask_of_0_and_1_is_asked_about_and_read_as_said() {
    let folder = Folder::new();
    folder.write("mask.png", &digit(|n| u8::from(cross(n))));
    folder.write("ink.png", &digit(|n| 255 * u8::from(cross(n))));
    for line in [
        "score mask.png",
        "complete mask.png -o out.png",
        "compress mask.png -o out.prnz",
        "context --images mask.png -o out.png",
    ] {
        refused(
            &folder.run(line),
            1,
            "mask.png: values 0 to 1 may be levels of the model's 2 or dark values of 0 to 255",
        );
    }
    let ink = nats(folder.run("score ink.png --json"));
    assert_eq!(nats(folder.run("score mask.png --levels-in 2 --json")).to_bits(), ink.to_bits());
    assert_ne!(nats(folder.run("score mask.png --levels-in 256 --json")).to_bits(), ink.to_bits());
    refused(&folder.run("score mask.png --levels-in 7"), 2, "--levels-in: 7, expected the model's 2 or 256");
    refused(&folder.run("score ink.png --levels-in 2"), 1, "value 255 at index 12, expected 0 to 1");
    refused(&folder.run("score mask.png --levels-in 257"), 2, "257");
    // The same pictures under different names.
    folder.run("score ink.png --against mask.png --against-levels-in 2").good();
}

#[test]
fn levels_in_is_an_option_wherever_images_are_read() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    folder.write("dark.png", &png(4, 7, &[3; 28]));
    for line in [
        "score dark.png -m model.prnn",
        "complete dark.png -m model.prnn -o out.png",
        "compress dark.png -m model.prnn -o out.prnz",
        "context model.prnn --images dark.png -n 1 --row 1 -o out.png",
        "verify model.safetensors model.prnn dark.png",
        "convert model.safetensors --calibrate dark.png -o out.prnn",
    ] {
        refused(&folder.run(line), 1, "choose with `--levels-in 16` or `--levels-in 256`");
        folder.run(&format!("{line} --levels-in 16")).good();
        let bytes = folder.run(&format!("{line} --levels-in 256"));
        if line.starts_with("compress") {
            refused(&bytes, 1, "28 of 28 values");
        } else {
            said(bytes, "quantized to the model's 16 levels");
        }
    }
}

#[test]
fn one_value_at_the_levels_does_not_change_what_the_others_mean() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    let levels: Vec<u8> = (0..28).map(|n| n % 16).collect();
    set([1, 4, 7], levels.clone()).write_npy(&folder.path("levels.npy")).unwrap();
    let mut stray = levels;
    stray[3] = 16;
    set([1, 4, 7], stray).write_npy(&folder.path("stray.npy")).unwrap();
    folder.run("score levels.npy -m model.prnn").good();
    for line in ["score stray.npy -m model.prnn", "convert model.safetensors --calibrate stray.npy -o out.prnn"] {
        refused(&folder.run(line), 1, "stray.npy: values 0 to 16 are too high for the model's 16 levels");
    }
    said(folder.run("score stray.npy -m model.prnn --levels-in 256"), "quantized to the model's 16 levels");
    refused(&folder.run("score stray.npy -m model.prnn --levels-in 16"), 1, "value 16 at index 3, expected 0 to 15");
}

#[test]
fn idx_files_of_0_to_255_are_quantized_and_said_so() {
    let folder = Folder::new();
    let header = [&[0, 0, 8, 3][..], &[0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28]].concat();
    let gray = (0..784).map(|n| if cross(n) { 200 } else { 3 });
    folder.write("t10k-images-idx3-ubyte", &header.into_iter().chain(gray).collect::<Vec<u8>>());
    folder.write("ink.png", &digit(|n| 255 * u8::from(cross(n))));
    let run = said(folder.run("score t10k-images-idx3-ubyte --json"), "quantized to the model's 2 levels");
    assert_eq!(nats(run).to_bits(), nats(folder.run("score ink.png --json")).to_bits());
}

/// A folder `set` of pictures with a single level each, sized for the model of [`GRAY`], or black and white.
fn pictures(folder: &Folder, names: &[&str], size: [usize; 2], value: impl Fn(usize) -> u8) {
    std::fs::create_dir(folder.path("set")).unwrap();
    for (n, name) in names.iter().enumerate() {
        folder.write(&format!("set/{name}"), &png(size[0], size[1], &vec![value(n); size[0] * size[1]]));
    }
}

#[test]
fn a_folder_is_read_in_natural_order_and_what_is_skipped_is_said() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    let names = ["1.png", "2.png", "9.png", "10.png", "11.png"];
    pictures(&folder, &names, [4, 7], |n| level_to_byte(3 * n as u8 + 3, 16));
    folder.write("set/notes.txt", b"no picture");
    folder.write("set/.hidden", b"no picture");
    std::fs::create_dir(folder.path("set/older")).unwrap();
    let line = "score set -m model.prnn --nats folder-nats.npy";
    said(folder.run(line), "set: skipped 1 other file, 1 folder, 1 hidden entry: only PNG files");
    let levels = (0..5).flat_map(|n| vec![3 * n + 3; 28]).collect();
    set([1, 4, 7], levels).write_npy(&folder.path("array.npy")).unwrap();
    folder.run("score array.npy -m model.prnn --nats array-nats.npy").good();
    assert_eq!(folder.read("folder-nats.npy"), folder.read("array-nats.npy"));
}

#[test]
fn names_of_a_folder_come_back() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    let names = ["cat 1.png", "cat 10.png", "cat 2.PNG"];
    pictures(&folder, &names, [4, 7], |n| level_to_byte(5 * n as u8 + 5, 16));
    let line = ["compress", "set", "-m", "model.prnn", "-o", "out.prnz"];
    folder.run_with(line, &[]).good();
    folder.run("decompress out.prnz -m model.prnn -o back").good();
    let mut back: Vec<_> = std::fs::read_dir(folder.path("back"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    back.sort();
    assert_eq!(back, names);
    for name in names {
        assert_eq!(folder.read(&format!("back/{name}")), folder.read(&format!("set/{name}")), "{name}");
    }
    // The first images keep the first names.
    folder.run("compress set -m model.prnn -n 2 -o two.prnz").good();
    folder.run("decompress two.prnz -m model.prnn -o two").good();
    assert!(folder.path("two/cat 2.PNG").exists() && !folder.path("two/cat 10.png").exists());
    // Other formats number the images.
    folder.run("decompress out.prnz -m model.prnn -o back.npy").good();
    folder.run("compress back.npy -m model.prnn -o again.prnz").good();
    folder.run("decompress again.prnz -m model.prnn -o numbered").good();
    assert_eq!(folder.read("numbered/1.png"), folder.read("set/cat 2.PNG"));
    // A file of one image is also meant for devices and stores no names.
    std::fs::remove_file(folder.path("set/cat 1.png")).unwrap();
    std::fs::remove_file(folder.path("set/cat 2.PNG")).unwrap();
    said(folder.run("compress set -m model.prnn -o one.prnz"), "set: file names are not stored");
    set([1, 4, 7], vec![10; 28]).write_npy(&folder.path("one.npy")).unwrap();
    folder.run("compress one.npy -m model.prnn -o one-of-npy.prnz").good();
    assert_eq!(folder.read("one.prnz"), folder.read("one-of-npy.prnz"));
}

#[test]
fn damaged_names_are_refused_and_nothing_is_written() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    pictures(&folder, &["a.png", "b.png"], [4, 7], |_| 255);
    folder.run("compress set -m model.prnn -o out.prnz").good();
    let good = folder.read("out.prnz");
    for at in 1..=10 {
        let mut bad = good.clone();
        bad[good.len() - at] ^= 1;
        folder.write("bad.prnz", &bad);
        refused(&folder.run("decompress bad.prnz -m model.prnn -o back"), 1, "bad.prnz: ");
        assert!(!folder.path("back").exists(), "{at} bytes from the end");
    }
}

#[test]
fn labels_of_a_folder_go_by_name_or_by_natural_order() {
    let folder = Folder::new();
    folder.fixture(CLASSES);
    let image = ImageSet::read(&folder.path("images.npy")).unwrap();
    let (height, width) = (image.height, image.width);
    let names = ["2.png", "9.png", "10.png"];
    // Pictures with one, two and three white rows at the top.
    std::fs::create_dir(folder.path("set")).unwrap();
    let mut all = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let data: Vec<u8> = (0..height * width).map(|at| u8::from(at / width <= n)).collect();
        folder.write(&format!("set/{name}"), &png(height, width, &data.iter().map(|v| 255 * v).collect::<Vec<_>>()));
        all.extend(data.iter().map(|v| 3 * v));
    }
    set([1, height, width], all).write_npy(&folder.path("array.npy")).unwrap();
    npy::write(&folder.path("array-labels.npy"), &[3], &[0_u8, 1, 1]).unwrap();
    let score = |images: &str, labels: &str| {
        let run = folder.run(&format!("score {images} -m model.prnn --labels {labels} --nats nats.npy")).good();
        (folder.read("nats.npy"), run.stderr)
    };
    let (expected, quiet) = score("array.npy", "array-labels.npy");
    assert_eq!(quiet, "");
    let (by_order, says) = score("set", "array-labels.npy");
    assert_eq!(by_order, expected);
    let order = "array-labels.npy: assigned in natural order of the file names, from 2.png to 10.png";
    assert!(says.contains(order), "{says}");
    folder.write("labels.csv", b"name,label\n10.png,1\n2.png,0\n9.png,1\n");
    assert_eq!(score("set", "labels.csv").0, expected);

    for (labels, content, part) in [
        ("few.csv", "2.png,0\n9.png,1\n", "few.csv: labels by name: no label for `10.png`"),
        ("many.csv", "2.png,0\n9.png,1\n10.png,1\n11.png,0\n", "no image `11.png` in the folder"),
        ("bad.csv", "2.png,0\n9.png,1\n10.png,x\n", "bad.csv: labels by name: line 3"),
    ] {
        folder.write(labels, content.as_bytes());
        refused(&folder.run(&format!("score set -m model.prnn --labels {labels}")), 1, part);
    }
    let other = folder.run("score array.npy -m model.prnn --labels labels.csv");
    refused(&other, 1, "labels.csv: labels by name: the images have no names");
    npy::write(&folder.path("two.npy"), &[2], &[0_u8, 1]).unwrap();
    refused(&folder.run("score set -m model.prnn --labels two.npy"), 1, "two.npy: 2 labels for 3 images");
}

#[test]
fn integer_labels_and_flat_float_images_are_taken() {
    let folder = Folder::new();
    folder.fixture(CLASSES);
    let images = ImageSet::read(&folder.path("images.npy")).unwrap();
    let expected = folder.run("score images.npy -m model.prnn --labels labels.npy --json").good().stdout;
    let floats: Vec<f32> = images.data.iter().map(|v| f32::from(*v)).collect();
    npy::write(&folder.path("flat.npy"), &[images.count, images.values()], &floats).unwrap();
    let labels = pixelrnn_converter::images::read_labels(&folder.path("labels.npy")).unwrap();
    npy::write(&folder.path("wide.npy"), &[labels.len()], &labels).unwrap();
    assert_eq!(folder.run("score flat.npy -m model.prnn --labels wide.npy --json").good().stdout, expected);
}

#[test]
fn endings_of_other_formats_are_usage_errors_before_any_work() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    folder.run("compress images.npy -m model.prnn -o images.prnz").good();
    let before = folder.names();
    for (line, ending) in [
        ("sample -o t.jpg", "jpg"),
        ("sample -o t.JPEG", "jpeg"),
        ("complete images.npy -m model.prnn -o t.jpg", "jpg"),
        ("context model.prnn -o t.npy", "npy"),
        ("context model.prnn --masks input -o t.gif", "gif"),
        ("score images.npy -m model.prnn --nats t.csv", "csv"),
        ("score images.npy -m model.prnn --logits t.txt", "txt"),
        ("score images.npy -m model.prnn --against images.npy --plot t.svg", "svg"),
        ("compress images.npy -m model.prnn -o t.png", "png"),
        ("decompress images.prnz -m model.prnn -o back.jpg", "jpg"),
        ("decompress images.prnz -m model.prnn -o back.npy --labels t.csv", "csv"),
        // Unsupported extensions are rejected before the input is read.
        ("decompress not-there -o back.jpg", "jpg"),
        ("complete not-there -o t.webp", "webp"),
    ] {
        refused(&folder.run(line), 2, &format!("cannot write .{ending}, expected the ending ."));
        assert_eq!(folder.names(), before, "{line}");
    }
    refused(&folder.run("decompress images.prnz -m model.prnn -o one.png"), 2, "a PNG file holds one image of 3");
    // Capitals are as good, and a folder may have a dot in its name.
    folder.run("sample -m model.prnn -n 2 -o t.NPY").good();
    assert!(folder.read("t.NPY").starts_with(b"\x93NUMPY"));
    folder.run("decompress images.prnz -m model.prnn -o back.1/").good();
    folder.run("decompress images.prnz -m model.prnn -o back.1").good();
    assert!(folder.path("back.1/2.png").exists());
}

#[test]
fn images_that_grow_when_compressed_are_said_to() {
    let folder = Folder::new();
    let mut random = pixelrnn_tests::random::Random::new(1);
    let noise = (0..3 * 784).map(|_| random.between(0, 1) as u8).collect();
    set([1, 28, 28], noise).write_npy(&folder.path("noise.npy")).unwrap();
    let run = said(folder.run("compress noise.npy -o out.prnz"), "such images are unlikely under the model");
    let bytes = folder.read("out.prnz").len();
    assert!(
        run.stderr.contains(&format!("{bytes} bytes, the uncompressed values packed in bits only {}", 3 * 98)),
        "{}",
        run.stderr
    );
    folder.run("sample -n 20 -o usual.npy").good();
    assert_eq!(folder.run("compress usual.npy -o usual.prnz").good().stderr, "");
}
