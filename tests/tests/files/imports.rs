//! Checkpoints of other programs, each with the model that it has to give. `tests/fixtures/import/make.py` wrote them.

use pixelrnn::blob::NumberFormat;
use pixelrnn_converter::convert::{Calibration, convert};
use pixelrnn_converter::import::{self, ImportError, Imported, Listing, Options};
use pixelrnn_converter::quantize::Method;
use pixelrnn_converter::{Description, Error, ImageSet, Reference, TrainedModel};
use pixelrnn_tests::npy;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/import").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn description(network: &str) -> Description {
    Description::from_json(std::str::from_utf8(&bytes(&format!("{network}.json"))).unwrap()).unwrap()
}

/// Options with the description of `network`.
fn described(network: &str) -> Options {
    Options { description: Some(description(network)), ..Options::default() }
}

fn by_hand(name: &str) -> TrainedModel {
    TrainedModel::read(&path(&format!("{name}.safetensors"))).unwrap()
}

fn taken(name: &str, network: &str) -> Imported {
    import::read(&path(name), described(network)).unwrap_or_else(|e| panic!("{e}"))
}

fn refused(name: &str, options: Options) -> String {
    let message = import::read(&path(name), options).expect_err(name).to_string();
    assert!(message.contains(name) && !message.contains('\n'), "{message}");
    message
}

/// The blob of a model, calibrated on the images of `network`.
fn blob(model: &TrainedModel, network: &str) -> Vec<u8> {
    let set = ImageSet::read(&path(&format!("{network}.images.npy"))).unwrap();
    let (set, _) = set.fit(&model.description().image).unwrap();
    let count = set.count;
    let calibration = Calibration::Images { set, labels: None, count };
    let converted = convert(model, &calibration, NumberFormat::I8, Method::MinMax, || ()).unwrap();
    converted.blob.bytes().to_vec()
}

/// Every way to save the network `chain`, with the file of the same weights.
const CHAIN: [(&str, &str); 19] = [
    ("chain.zip.pt", "chain"),
    ("chain.legacy.pt", "chain"),
    ("chain.protocol4.pt", "chain"),
    ("chain.legacy4.pth", "chain"),
    ("chain.module.pt", "chain"),
    ("chain.parallel.pth", "chain"),
    ("chain.compiled.pth", "chain"),
    ("chain.wrapped.pth", "chain"),
    ("chain.lightning.ckpt", "chain"),
    ("chain.f64.pt", "chain"),
    ("chain.f16.pt", "chain.f16"),
    ("chain.bf16.pt", "chain.bf16"),
    ("chain.strided.pt", "chain"),
    ("chain.npz", "chain"),
    ("chain.mixed.npz", "chain"),
    ("chain.no-metadata.safetensors", "chain"),
    ("chain.pruned.pt", "chain.pruned"),
    ("hostile.code.pt", "chain"),
    ("hostile.code.legacy.pt", "chain"),
];

#[test]
fn every_way_to_save_gives_the_same_model() {
    for (file, same) in CHAIN {
        assert_eq!(taken(file, "chain").model, by_hand(same), "{file}");
    }
}

/// The pickles with a call of `os.system` are among the files of the test above: the call is not made.
#[test]
fn nothing_in_a_pickle_is_executed() {
    for file in ["hostile.code.pt", "hostile.code.legacy.pt"] {
        assert!(bytes(file).windows(8).any(|part| part == b"ran-code"), "{file}");
        taken(file, "chain");
        assert!(!Path::new("ran-code").exists());
    }
}

#[test]
fn normalized_weights_are_joined() {
    let expected = by_hand("chain");
    for file in ["chain.weight-norm-old.pt", "chain.weight-norm-new.pt"] {
        let Imported { model, notes } = taken(file, "chain");
        for (name, tensor) in expected.tensors() {
            let got = &model.tensors()[name];
            assert_eq!(got.shape, tensor.shape, "{file}: {name}");
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-7 * b.abs();
            assert!(got.data.iter().zip(&tensor.data).all(near), "{file}: {name}");
        }
        assert!(notes.iter().any(|note| note.contains("3 weights were stored in parts")), "{notes:?}");
        assert_eq!(blob(&model, "chain"), blob(&expected, "chain"), "{file}");
    }
}

#[test]
fn logits_and_blobs_are_those_of_pytorch_and_of_the_weights_by_hand() {
    for (network, file) in [("chain", "chain.zip.pt"), ("dilated", "dilated.pt"), ("gated", "gated.pt")] {
        let Imported { model, .. } = taken(file, network);
        assert_eq!(model, by_hand(network), "{network}");
        assert_eq!(blob(&model, network), blob(&by_hand(network), network), "{network}");
        let (_, expected) = npy::read_f32(&path(&format!("{network}.logits.npy")));
        let image = model.description().image;
        let set = ImageSet::read(&path(&format!("{network}.images.npy"))).unwrap();
        let (set, _) = set.fit(&image).unwrap();
        let reference = Reference::new(&model);
        let mut got = Vec::new();
        for n in 0..set.count {
            got.extend(reference.logits(set.image(n), None).unwrap().data);
        }
        assert_eq!(got.len(), expected.len(), "{network}");
        let apart = got.iter().zip(&expected).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-4, "{network}: {apart}");
    }
}

#[test]
fn a_mask_that_differs_is_shown_beside_the_ops() {
    let message = refused("chain.wrong-mask.pt", described("chain"));
    assert!(message.contains("`net.3.mask` differs from mask B of `net.3`"), "{message}");
    assert!(message.contains("### / ### / ###, expected ### / ##. / ..."), "{message}");
}

#[test]
fn a_kernel_with_closed_rows_is_cut_and_one_with_open_rows_refused() {
    let notes = taken("gated.pt", "gated").notes;
    assert!(notes.iter().any(|note| note.contains("`net.vertical.0.weight`: the kernel [6, 1, 3, 3]")), "{notes:?}");
    let message = refused("gated.open.pt", described("gated"));
    assert!(message.contains("`vertical.0.weight` has shape [6, 1, 3, 3], expected [6, 1, 1, 3]"), "{message}");
}

#[test]
fn of_two_networks_in_a_file_the_key_chooses() {
    let message = refused("chain.ema.pt", described("chain"));
    assert!(message.contains("`ema`, `model_state_dict`: choose one with `--key`"), "{message}");
    let with = |key: &str| Options { key: Some(key.to_string()), ..described("chain") };
    let Imported { model, notes } = import::read(&path("chain.ema.pt"), with("ema")).unwrap();
    assert_eq!(model, by_hand("chain"));
    assert!(notes[0].contains("those below `ema`"), "{notes:?}");
    assert!(
        notes[1].contains("tensors elsewhere are not read, below `model_state_dict`, `optimizer_state_dict`"),
        "{notes:?}"
    );
    let other = import::read(&path("chain.ema.pt"), with("model_state_dict")).unwrap().model;
    assert_ne!(other, by_hand("chain"));
    let message = refused("chain.ema.pt", with("best"));
    assert!(
        message.contains("no tensor is below the key `best`, expected one of `ema`, `model_state_dict`"),
        "{message}"
    );
}

#[test]
fn missing_and_left_over_tensors_are_named_with_their_shapes() {
    let json = description("chain").to_json();
    let with = |json: &str| Options { description: Some(Description::from_json(json).unwrap()), ..Options::default() };
    let message = refused("chain.zip.pt", with(&json.replace("net.5", "net.last")));
    assert!(
        message.contains("no tensor `net.last.weight` [1, 4, 1, 1], nearest `net.5.weight` [1, 4, 1, 1]"),
        "{message}"
    );
    let shorter = json.replace(r#"{"op":"batch_norm","name":"net.1","eps":1e-5},"#, "");
    let shorter = if shorter == json {
        json.replace(r#"{"op":"batch_norm","name":"net.1","eps":0.00001},"#, "")
    } else {
        shorter
    };
    assert_ne!(shorter, json, "{json}");
    let message = refused("chain.zip.pt", with(&shorter));
    assert!(message.contains("no op reads the tensor `net.1.weight` [4], `net.1.bias` [4]"), "{message}");
    let drop = Options { drop: vec!["net.1.".to_string()], ..with(&shorter) };
    assert!(import::read(&path("chain.zip.pt"), drop.clone()).is_ok());
    let message = refused("chain.zip.pt", Options { drop: vec!["net.9".to_string()], ..drop });
    assert!(message.contains("`--drop net.9`"), "{message}");
    let message = refused("chain.zip.pt", with(&json.replace("[5,5]", "[3,3]")));
    // The outer weights of the larger kernel are not zero.
    assert!(message.contains("`net.0.weight` has shape [4, 1, 5, 5], expected [4, 1, 3, 3]"), "{message}");
}

#[test]
fn a_checkpoint_without_a_description_says_what_to_do() {
    let message = refused("chain.zip.pt", Options::default());
    assert!(message.contains("`pixelrnn import") && message.contains("--describe network.json"), "{message}");
    let message = refused("chain.zip.pt", Options { key: Some("net".to_string()), ..Options::default() });
    assert!(message.contains("holds tensors but no network"), "{message}");
    let message = refused("chain.safetensors", described("chain"));
    assert!(message.contains("is its own description"), "{message}");
}

fn listing(name: &str) -> Listing {
    Listing::read(&path(name), None, &[]).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_list_of_masked_convolutions_is_suggested() {
    for file in ["chain.zip.pt", "chain.lightning.ckpt", "chain.weight-norm-new.pt"] {
        let suggestion = listing(file).suggestion.unwrap();
        assert!(suggestion.fits, "{file}: {suggestion:?}");
        assert_eq!(suggestion.key, None, "{file}");
        assert!(!suggestion.guesses.iter().any(|guess| guess.contains("the masks")), "{file}: {suggestion:?}");
        let description = Description::from_json(&suggestion.json).unwrap();
        let options = Options { description: Some(description), ..Options::default() };
        let model = import::read(&path(file), options).unwrap_or_else(|e| panic!("{e}")).model;
        assert_eq!(model.tensors().len(), by_hand("chain").tensors().len(), "{file}");
    }
    assert_eq!(listing("chain.ema.pt").suggestion.unwrap().key.as_deref(), Some("ema"));
    let residual = listing("dilated.pt").suggestion.unwrap();
    assert!(residual.json.contains("\"residual\"") && residual.fits, "{residual:?}");
    let gated = listing("gated.pt").suggestion.unwrap();
    assert!(!gated.fits && gated.guesses.iter().any(|guess| guess.contains("draft")), "{gated:?}");
    // The stored masks close the rows that the description leaves out.
    let anchored = r#"{"op":"conv","name":"net.vertical.1","kernel":[2,3],"out":6,"anchor":[1,1]}"#;
    assert!(gated.json.contains(anchored), "{}", gated.json);
}

#[test]
fn a_preset_is_recognized_by_its_tensors() {
    for preset in [
        "pixel_cnn_gray_bernoulli",
        "gated_pixel_cnn_gray_bernoulli",
        "row_lstm_gray_bernoulli",
        "diagonal_bilstm_gray_bernoulli",
        "row_lstm_initial_state_kernel_5",
        "gated_pixel_cnn_kernel_5_skip_classes",
        "pixel_cnn_rgb_256_f16",
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/{preset}.safetensors"));
        let trained = TrainedModel::read(&file).unwrap();
        let listing = Listing::read(&file, None, &[]).unwrap();
        let suggestion = listing.suggestion.unwrap_or_else(|| panic!("{preset}"));
        let description = Description::from_json(&suggestion.json).unwrap();
        assert!(suggestion.fits, "{preset}: {}", suggestion.json);
        let mut own = trained.description().clone();
        // The size, the input map and the colours are guesses.
        own.image =
            pixelrnn::network::Image { height: description.image.height, width: description.image.width, ..own.image };
        own.input = description.input;
        own.colour_groups = description.colour_groups;
        assert_eq!(own.nodes().unwrap(), description.nodes().unwrap(), "{preset}");
    }
}

/// Files cut at any place, and with any byte changed, give an error or a model, and never a panic.
#[test]
fn cut_and_changed_files_are_refused_or_read() {
    for file in ["chain.legacy.pt", "chain.zip.pt", "chain.npz", "chain.lightning.ckpt", "hostile.circle.pkl"] {
        let whole = bytes(file);
        let read = |bytes: Vec<u8>| import::from_bytes(bytes, Some(Path::new(file)), described("chain"));
        for length in (0..whole.len()).step_by(7) {
            assert!(read(whole[..length].to_vec()).is_err(), "{file}: {length}");
        }
        (0..whole.len()).into_par_iter().step_by(3).for_each(|at| {
            for byte in [0, 0x7f, 0xff, whole[at] ^ 1] {
                let mut changed = whole.clone();
                changed[at] = byte;
                let _ = read(changed.clone());
                let _ = Listing::from_bytes(changed, Some(Path::new(file)), None, &[]);
            }
        });
    }
}

#[test]
fn a_circle_in_a_pickle_ends() {
    let message = refused("hostile.circle.pkl", described("chain"));
    assert!(message.contains("a PyTorch checkpoint"), "{message}");
}

#[test]
fn errors_have_types() {
    let cause = |name: &str, options| match import::read(&path(name), options).unwrap_err() {
        Error::In { source, .. } => *source,
        other => other,
    };
    assert!(matches!(cause("chain.ema.pt", described("chain")), Error::Import(ImportError::Ambiguous { .. })));
    assert!(matches!(cause("dilated.pt", described("chain")), Error::Import(ImportError::Missing { .. })));
    assert!(matches!(cause("chain.wrong-mask.pt", described("chain")), Error::Mask { .. }));
}
