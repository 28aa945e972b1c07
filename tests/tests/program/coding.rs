//! `compress` and `decompress`, and the default model of each command.

use pixelrnn::Model;
use pixelrnn::network::Op;
use pixelrnn_converter::images::{Range, npy};
use pixelrnn_converter::{Blob, ImageSet, TrainedModel};
use pixelrnn_tests::program::Folder;
use pixelrnn_tests::random::Random;
use pixelrnn_tests::{forward, golden, models};

/// Writes noise as `images.npy` and, for a class-conditional model, `labels.npy`. Returns the label arguments for the
/// command line.
fn write_noise(folder: &Folder, model: Model<'_>, count: usize) -> &'static str {
    let (shape, mut random) = (model.image(), Random::new(1));
    let data = (0..count).flat_map(|_| random.image(&shape)).collect();
    let set = ImageSet::new([shape.channels, shape.height, shape.width], data, Range::Levels).unwrap();
    set.write_npy(&folder.path("images.npy")).unwrap();
    if model.classes() == 0 {
        return "";
    }
    let labels: Vec<u8> = (0..count).map(|n| (n % model.classes()) as u8).collect();
    npy::write(&folder.path("labels.npy"), &[count], &labels).unwrap();
    "--labels labels.npy"
}

/// Round trip of noise through a compressed file.
fn noise_comes_back(name: &str, blob: &Blob) {
    let folder = Folder::new();
    folder.write("model.prnn", blob.bytes());
    let labels = write_noise(&folder, blob.model().unwrap(), 3);
    folder.run(&format!("compress images.npy -m model.prnn {labels} -o file")).good();
    let labels = labels.replace("labels.npy", "labels-back.npy");
    folder.run(&format!("decompress file -m model.prnn {labels} -o back.npy")).good();
    assert_eq!(folder.read("back.npy"), folder.read("images.npy"), "{name}");
    if !labels.is_empty() {
        assert_eq!(folder.read("labels-back.npy"), folder.read("labels.npy"), "{name}");
    }
}

#[test]
fn noise_comes_back_whatever_the_model() {
    for name in golden::blobs() {
        noise_comes_back(&name, &Blob::read(&golden::folder().join("..").join(&name)).unwrap());
    }
}

#[test]
fn images_of_one_pixel_come_back_for_each_architecture() {
    let architecture = |trained: &TrainedModel| {
        let has = |which: fn(&Op) -> bool| trained.nodes().iter().any(|node| which(&node.op));
        match (has(|op| matches!(op, Op::RowLstm(_))), has(|op| matches!(op, Op::DiagonalBilstm(_)))) {
            (false, false) => 0,
            (true, _) => 1,
            (false, true) => 2,
        }
    };
    let mut seen = [0; 3];
    for (trained, blob) in (0..60).filter_map(|seed| models::random_blob_sized(seed, [1, 1])) {
        let kind = architecture(&trained);
        seen[kind] += 1;
        if seen[kind] <= 4 {
            noise_comes_back("a random model", &blob);
        }
    }
    assert!(seen.iter().all(|count| *count >= 4), "{seen:?}");
}

#[test]
fn the_built_in_model_is_the_one_that_a_label_asks_for() {
    let folder = Folder::new();
    let model = golden::folder().join("../../models/mnist-class-pixelcnn/model.prnn");
    folder.write("model.prnn", &std::fs::read(model).unwrap());
    let blob = Blob::read(&folder.path("model.prnn")).unwrap();

    folder.run("sample --label 7 -n 2 --seed 3 -o sevens.npy").good();
    let drawn = ImageSet::read(&folder.path("sevens.npy")).unwrap();
    for (n, image) in drawn.iter().enumerate() {
        assert_eq!(image, forward::sample(blob.model().unwrap(), 3 + n as u64, 1000, Some(7)).image);
    }
    npy::write(&folder.path("labels.npy"), &[2], &[7_u8, 7]).unwrap();
    for line in [
        "score sevens.npy --labels labels.npy --json",
        "complete sevens.npy --label 7 -n 2 -o -",
        "compress sevens.npy --labels labels.npy -o -",
    ] {
        let named = format!("{line} -m model.prnn");
        assert_eq!(folder.run(line).good().stdout, folder.run(&named).good().stdout, "{line}");
    }
    folder.run("context --label 7 -n 1 --row 3 --column 3 -o context.png").good();
    // A compressed file identifies its model.
    folder.run("compress sevens.npy --labels labels.npy -o file").good();
    folder.run("decompress file -o back.npy --labels back-labels.npy").good();
    assert_eq!(folder.read("back.npy"), folder.read("sevens.npy"));
    assert_eq!(folder.read("back-labels.npy"), folder.read("labels.npy"));
    folder.run("compress sevens.npy -o file").good();
    folder.run("decompress file -o back.npy").good();
    assert_eq!(folder.read("back.npy"), folder.read("sevens.npy"));
    // The built-in labels are the ten digits.
    let run = folder.run("sample --label 10 -o out.npy");
    assert!(run.status == Some(2) && run.stderr.contains("0 to 9"), "{}", run.stderr);
}
