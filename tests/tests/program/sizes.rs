//! Images of other sizes than the model's.

use pixelrnn_converter::Blob;
use pixelrnn_converter::compress::decompress_sets;
use pixelrnn_converter::images::ImageSet;
use pixelrnn_tests::program::Folder;
use pixelrnn_tests::{forward, npy};

const GRAY: &str = "pixel_cnn_gray_softmax_full_description";
const ROWS: &str = "diagonal_bilstm_initial_state";
const GRAPH: &str = "gated_pixel_cnn_gray_bernoulli";

#[test]
fn images_of_any_size_are_drawn_scored_and_come_back_compressed() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    folder.run("sample -m model.prnn -n 3 --seed 4 --size 9x13 -o drawn.npy").good();
    let blob = Blob::read(&folder.path("model.prnn")).unwrap();
    let model = blob.model().unwrap().with_size(9, 13).unwrap();
    let drawn = ImageSet::read(&folder.path("drawn.npy")).unwrap();
    assert_eq!([drawn.count, drawn.height, drawn.width], [3, 9, 13]);
    for (n, image) in drawn.iter().enumerate() {
        assert_eq!(image, forward::sample(model, 4 + n as u64, 1000, None).image, "image {n}");
    }

    let scored = folder.run("score drawn.npy -m model.prnn --nats nats.npy").good();
    assert!(scored.stderr.contains("images of 9x13 pixels; the model was made for"), "{}", scored.stderr);
    let (_, nats) = npy::read_f64(&folder.path("nats.npy"));
    for (got, image) in nats.iter().zip(drawn.iter()) {
        assert_eq!(got.to_bits(), forward::score(model, image, None).cost.nats().to_bits());
    }

    folder.run("compress drawn.npy -m model.prnn -o drawn.prnz").good();
    folder.run("decompress drawn.prnz -m model.prnn -o back.npy").good();
    assert_eq!(ImageSet::read(&folder.path("back.npy")).unwrap().data, drawn.data);
    folder.run("decompress drawn.prnz -m model.prnn --image 2 -o one.npy").good();
    assert_eq!(ImageSet::read(&folder.path("one.npy")).unwrap().image(0), drawn.image(2));
    folder.run("compress drawn.npy -m model.prnn -n 1 --bare -o bare").good();
    folder.run("decompress bare -m model.prnn --bare --size 9x13 -o bare.npy").good();
    assert_eq!(ImageSet::read(&folder.path("bare.npy")).unwrap().data, drawn.image(0));
    folder.run("complete drawn.npy -m model.prnn --rows 8 -n 2 -o completed.npy").good();
    let completed = ImageSet::read(&folder.path("completed.npy")).unwrap();
    assert_eq!(completed.image(5)[..8 * 13], drawn.image(2)[..8 * 13]);
}

#[test]
fn models_of_one_size_refuse_others_in_a_sentence() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    folder.run("sample -m model.prnn -n 1 --size 3x4 -o other.npy").good();
    folder.run("compress other.npy -m model.prnn -o other.prnz").good();
    for (name, reason) in [(ROWS, "an initial state for each of its 4 rows"), (GRAPH, "the model is a graph")] {
        let folder = Folder::new();
        folder.fixture(name);
        let result = folder.run("sample -m model.prnn --size 3x4 -o out.npy");
        assert_eq!(result.status, Some(1));
        assert!(result.stderr.contains(reason), "{}", result.stderr);
        assert!(!folder.path("out.npy").exists());
    }
    for size in ["3", "3x", "x4", "3x4x5", "-3x4"] {
        assert_eq!(folder.run(&format!("sample -m model.prnn --size={size} -o out.npy")).status, Some(2), "{size}");
    }
    let result = folder.run("sample -m model.prnn --size 0x4 -o out.npy");
    assert_eq!(result.status, Some(1));
    assert!(result.stderr.contains("expected sides of 1 to 4096, not 0x4"), "{}", result.stderr);
}

/// Draws pictures of these sizes, with the model of `folder`, into its subfolder `mixed`.
fn mixed(folder: &Folder, sizes: &[[usize; 2]]) -> Vec<ImageSet> {
    std::fs::create_dir(folder.path("mixed")).unwrap();
    let draw = |(n, [height, width]): (usize, &[usize; 2])| {
        folder.run(&format!("sample -m model.prnn -n 1 --seed {n} --size {height}x{width} -o one.npy")).good();
        folder.run("compress one.npy -m model.prnn -o one.prnz").good();
        folder.run(&format!("decompress one.prnz -m model.prnn -o mixed/{n}.png")).good();
        ImageSet::read(&folder.path("one.npy")).unwrap()
    };
    sizes.iter().enumerate().map(draw).collect()
}

#[test]
fn a_folder_of_mixed_sizes_is_scored_and_comes_back_by_its_names() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    let sets = mixed(&folder, &[[5, 6], [9, 3], [9, 3], [2, 2], [5, 6]]);
    let blob = Blob::read(&folder.path("model.prnn")).unwrap();
    let scored = folder.run("score mixed -m model.prnn --nats nats.npy").good();
    assert!(scored.stderr.contains("other sizes than the model's"), "{}", scored.stderr);
    let (_, nats) = npy::read_f64(&folder.path("nats.npy"));
    for (set, got) in sets.iter().zip(&nats) {
        let model = blob.model().unwrap().with_size(set.height, set.width).unwrap();
        assert_eq!(got.to_bits(), forward::score(model, set.image(0), None).cost.nats().to_bits());
    }

    folder.run("compress mixed -m model.prnn -o mixed.prnz").good();
    folder.run("decompress mixed.prnz -m model.prnn -o back").good();
    for (n, set) in sets.iter().enumerate() {
        assert_eq!(folder.read(&format!("back/{n}.png")), folder.read(&format!("mixed/{n}.png")), "{n}");
        folder.run(&format!("decompress mixed.prnz -m model.prnn --image {n} -o one.npy")).good();
        assert_eq!(ImageSet::read(&folder.path("one.npy")).unwrap().data, set.data, "{n}");
    }
    assert_eq!(folder.run("decompress mixed.prnz -m model.prnn --image 5 -o one.npy").status, Some(2));
    let result = folder.run("decompress mixed.prnz -m model.prnn -o all.npy");
    assert!(result.status == Some(1) && result.stderr.contains("several sizes"), "{}", result.stderr);
    assert!(!folder.path("all.npy").exists());
}

#[test]
fn a_damaged_file_of_mixed_sizes_is_refused() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    mixed(&folder, &[[3, 4], [2, 5]]);
    folder.run("compress mixed -m model.prnn -o mixed.prnz").good();
    let file = folder.read("mixed.prnz");
    let blob = Blob::read(&folder.path("model.prnn")).unwrap();
    let restored = |bytes: &[u8]| decompress_sets(blob.model().unwrap(), bytes, || ());
    assert_eq!(restored(&file).unwrap().sets.len(), 2);
    // Every missing end but two is an error: without the names, and without the second part.
    let parts: Vec<usize> = (1..file.len()).filter(|at| file[*at..].starts_with(b"PRNZ")).collect();
    let names = (1..file.len()).rfind(|at| file[*at..].starts_with(b"NAME")).unwrap();
    assert_eq!(parts.len(), 1);
    for end in (0..file.len()).filter(|end| *end != parts[0] && *end != names) {
        assert!(restored(&file[..end]).is_err(), "{end} bytes");
    }
    for at in parts[0]..parts[0] + 32 {
        let mut flipped = file.clone();
        flipped[at] ^= 4;
        assert!(restored(&flipped).is_err(), "byte {at}");
    }
}
