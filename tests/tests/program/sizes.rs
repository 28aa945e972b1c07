//! Images of other sizes than the model's.

use pixelrnn_converter::Blob;
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
        assert_eq!(*got, forward::score(model, image, None).cost.nats());
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
