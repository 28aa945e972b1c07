//! Models accepted by the command-line program, and its messages about them: state dicts with extra tensors, other file
//! types, more than 256 classes, likeliest values, and arguments in other orders.

use pixelrnn::Position;
use pixelrnn_converter::images::npy;
use pixelrnn_converter::{Description, ImageSet, Tensor, TrainedModel};
use pixelrnn_tests::program::{Folder, Run};
use pixelrnn_tests::{fixtures, forward, npy as read};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A fixture without classes.
const GRAY: &str = "pixel_cnn_gray_bernoulli";

/// A class-conditional fixture.
const CLASSES: &str = "pixel_cnn_depth_gate_classes";

fn folder(name: &str) -> Folder {
    let folder = Folder::new();
    folder.fixture(name);
    folder
}

/// Asserts that the run failed with a one-sentence message that contains all `parts`.
#[track_caller]
fn refused(run: &Run, status: i32, parts: &[&str]) {
    assert_eq!(run.status, Some(status), "{}", run.stderr);
    assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.stderr);
    for part in parts {
        assert!(run.stderr.contains(part), "{part:?} is not in: {}", run.stderr);
    }
}

/// Adds tensors to the `.safetensors` file `bytes`: name, type, shape, data.
fn with_tensors(bytes: &[u8], more: &[(&str, &str, &[usize], Vec<u8>)]) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let mut data = bytes[8 + length..].to_vec();
    for (name, dtype, shape, numbers) in more {
        let start = data.len();
        data.extend(numbers);
        header[*name] = json!({"dtype": dtype, "shape": shape, "data_offsets": [start, data.len()]});
    }
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

#[test]
fn a_state_dict_with_its_buffers_gives_the_same_likelihoods() {
    let folder = folder("ops_batch_norm_elu_dilation");
    let trained = TrainedModel::read(&folder.path("model.safetensors")).unwrap();
    let norm = trained.nodes().iter().find(|node| node.op.kind() == "batch_norm").unwrap();
    let first = &trained.nodes()[0];
    let pixelrnn::network::Op::Conv(conv) = first.op else { panic!("a convolution") };
    let [kh, kw] = conv.kernel;
    let taps: Vec<u8> = (0..kh * kw).map(|tap| u8::from(conv.open(tap / kw, tap % kw, 0, 0))).collect();
    let (counter, mask) = (norm.tensor_name("num_batches_tracked"), first.tensor_name("mask"));
    let batches = (&*counter, "I64", &[][..], 7_i64.to_le_bytes().to_vec());
    let shape = [1, 1, kh, kw];

    let own = folder.read("model.safetensors");
    folder.write("saved.safetensors", &with_tensors(&own, &[batches.clone(), (&mask, "BOOL", &shape, taps.clone())]));
    let nats = |model: &str| folder.run(&format!("score images.npy -m {model} --json")).json()["nats"].clone();
    assert_eq!(nats("saved.safetensors"), nats("model.safetensors"));
    folder.run("convert saved.safetensors --calibrate images.npy -o saved.prnn").good();
    folder.run("convert model.safetensors --calibrate images.npy -o model.prnn").good();
    assert_eq!(folder.read("saved.prnn"), folder.read("model.prnn"));

    // A custom mask is no longer dropped silently.
    let wider: Vec<u8> = taps.iter().map(|_| 1).collect();
    folder.write("wider.safetensors", &with_tensors(&own, &[batches, (&mask, "BOOL", &shape, wider)]));
    for command in ["inspect wider.safetensors", "score images.npy -m wider.safetensors", "convert wider.safetensors"] {
        refused(
            &folder.run(command),
            1,
            &["wider.safetensors", &mask, "differs from mask A of `input`", "expected #####"],
        );
    }
}

#[test]
fn weights_under_closed_taps_are_said_by_convert_score_and_inspect() {
    let folder = folder(GRAY);
    let (description, nodes, mut tensors) = TrainedModel::read(&folder.path("model.safetensors")).unwrap().into_parts();
    for node in &nodes {
        let pixelrnn::network::Op::Conv(conv) = node.op else { continue };
        let weight = tensors.get_mut(node.tensor_name("weight").as_str()).unwrap();
        weight.data = pixelrnn_converter::trained::masked_weight(&conv, weight);
    }
    TrainedModel::new(description.clone(), tensors.clone()).unwrap().write(&folder.path("masked.safetensors")).unwrap();
    // The last taps of a kernel are the lowest ones.
    let input = tensors.get_mut("input.weight").unwrap();
    *input.data.last_mut().unwrap() = -0.75;
    TrainedModel::new(description, tensors).unwrap().write(&folder.path("open.safetensors")).unwrap();

    for command in ["score images.npy -m MODEL", "convert MODEL --calibrate images.npy -o out.prnn", "inspect MODEL"] {
        let run = folder.run(&command.replace("MODEL", "masked.safetensors")).good();
        assert_eq!(run.stderr, "", "{command}");
        let run = folder.run(&command.replace("MODEL", "open.safetensors")).good();
        let expected =
            "pixelrnn: open.safetensors: 1 weight of `input` is not zero under closed taps, the largest 0.7500";
        assert!(run.stderr.starts_with(expected), "{command}: {}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{command}: {}", run.stderr);
    }
}

#[test]
fn files_of_other_kinds_are_refused_with_the_line_that_converts_them() {
    let folder = folder(GRAY);
    let zip = [b"PK\x03\x04\x14\0\0\0\0\0 model/data.pkl".to_vec(), vec![0; 99]].concat();
    for (name, bytes, is, fix) in [
        ("model.pth", zip, "a PyTorch file (zip)", "torch.load(\"model.pth\""),
        ("weights.npy", b"\x93NUMPY\x01\0v\0{".to_vec(), "a NumPy array", "np.load(\"weights.npy\")"),
        ("model.onnx", b"\x08\x08\x12\x07pytorch".to_vec(), "not an ONNX file", "it holds no graph"),
        ("model.h5", b"\x89HDF\r\n\x1a\n".to_vec(), "an HDF5 file", "save_file("),
    ] {
        folder.write(name, &bytes);
        for command in
            ["score images.npy -m MODEL", "convert MODEL", "inspect MODEL", "verify MODEL model.prnn images.npy"]
        {
            refused(&folder.run(&command.replace("MODEL", name)), 1, &[name, is, fix]);
        }
    }
}

#[test]
fn argmax_draws_the_likeliest_values() {
    let folder = folder(GRAY);
    let run = folder.run("sample -m model.prnn --argmax -o one.npy").good();
    assert_eq!(run.stderr, "");
    assert!(String::from_utf8_lossy(&run.stdout).contains("1 image, the likeliest values"), "{:?}", run.stdout);
    let one = ImageSet::read(&folder.path("one.npy")).unwrap();
    let blob = pixelrnn_converter::Blob::read(&folder.path("model.prnn")).unwrap();
    let model = blob.model().unwrap();
    let mut state = vec![0; model.state_words()];
    let mut engine = pixelrnn::Engine::new(model, &mut state).unwrap();
    let mut seen = Vec::new();
    let source = pixelrnn::Inspect::new(pixelrnn::Argmax, |_: Position, predicted: &pixelrnn::Distribution<'_>| {
        seen.push(predicted.most_probable());
    });
    let expected = forward::run(&mut engine, None, source).image;
    assert_eq!((one.count, one.image(0), &seen), (1, &expected[..], &expected));

    let run = folder.run("sample -m model.prnn --argmax -n 3 -o three.npy").good();
    assert!(run.stderr.contains("all 3 images are equal"), "{}", run.stderr);
    assert_eq!(ImageSet::read(&folder.path("three.npy")).unwrap().data, expected.repeat(3));
    for option in ["--seed 1", "--temperature 0.5"] {
        let run = folder.run(&format!("sample -m model.prnn --argmax {option} -o out.npy"));
        assert!(run.status == Some(2) && run.stderr.contains("--argmax"), "{}", run.stderr);
    }
    let run = folder.run("sample -m model.prnn --temperature 0 -o out.npy");
    assert!(run.status == Some(2) && run.stderr.contains("--argmax"), "{}", run.stderr);
    folder.run("sample --argmax --label 3 -o digit.npy").good();
}

#[test]
fn missing_labels_are_asked_for_by_their_option() {
    let folder = folder(CLASSES);
    for (line, option) in [
        ("score images.npy -m model.prnn", "--labels: "),
        ("score images.npy -m model.safetensors", "--labels: "),
        ("score images.npy -m model.prnn --labels labels.npy --against images.npy", "--against-labels: "),
        ("verify model.safetensors model.prnn images.npy", "--labels: "),
        ("convert model.safetensors --calibrate images.npy -o out", "--labels: "),
        ("compress images.npy -m model.prnn -o out", "--labels: "),
        ("complete images.npy -m model.prnn -o out", "--label or --labels: "),
    ] {
        refused(&folder.run(line), 2, &[option, "classes"]);
    }
}

#[test]
fn swapped_files_of_verify_are_said_to_be() {
    let folder = folder(GRAY);
    let run = folder.run("verify model.prnn model.safetensors images.npy");
    refused(&run, 1, &["swapped", "model.prnn is a blob", "model.safetensors a trained model"]);
    refused(&folder.run("verify model.prnn model.prnn images.npy"), 1, &["model.prnn: this is a blob"]);
    let run = folder.run("verify model.safetensors model.safetensors images.npy");
    refused(&run, 1, &["model.safetensors: this is a trained model"]);
}

#[test]
fn masks_takes_a_model_behind_it_for_no_layer() {
    let folder = folder(GRAY);
    for model in ["model.prnn", "model.safetensors"] {
        let listed = folder.run(&format!("context {model} --masks")).good().stdout;
        assert!(String::from_utf8_lossy(&listed).contains("input"), "{listed:?}");
        assert_eq!(folder.run(&format!("context --masks {model}")).good().stdout, listed, "{model}");
        for line in [format!("context --masks {model} input"), format!("context {model} --masks input")] {
            folder.run(&format!("{line} -o mask.png")).good();
            assert!(folder.read("mask.png").starts_with(b"\x89PNG"), "{line}");
            std::fs::remove_file(folder.path("mask.png")).unwrap();
        }
    }
    // A missing path is recognized as a model by its extension.
    refused(&folder.run("context --masks none.prnn"), 1, &["none.prnn"]);
    // Names of built-in layers take precedence over files.
    folder.write("input", b"not a model");
    folder.run("context --masks input -o mask.png").good();
    folder.run("context model.prnn --masks input -o mask.png").good();
    refused(&folder.run("context model.prnn --masks model.safetensors"), 2, &["--masks", "one model"]);
    refused(&folder.run("context model.prnn --masks no-such-layer"), 2, &["--masks", "no-such-layer"]);
}

#[test]
fn arrays_without_channels_come_back_without_them() {
    let folder = folder(GRAY);
    let set = ImageSet::read(&folder.path("images.npy")).unwrap();
    npy::write(&folder.path("planes.npy"), &[set.count, set.height, set.width], &set.data).unwrap();
    for name in ["images.npy", "planes.npy"] {
        folder.run(&format!("compress {name} -m model.prnn -o file.prnz")).good();
        folder.run("decompress file.prnz -m model.prnn -o back.npy").good();
        assert_eq!(folder.read("back.npy"), folder.read(name), "{name}");
        let piped = folder.run("decompress file.prnz -m model.prnn -o -").good().stdout;
        assert_eq!(piped, folder.read(name), "{name}");
    }
}

/// A model with 300 classes: class 299 draws white, all others black.
fn of_many_classes(folder: &Folder) {
    let description = Description::from_json(
        r#"{"image": {"height": 2, "width": 3, "channels": 1, "levels": 2}, "output": "bernoulli", "classes": 300,
            "ops": [{"op": "masked_conv", "name": "a", "mask": "A", "kernel": [3, 3], "out": 1}]}"#,
    )
    .unwrap();
    let mut class = vec![-12.0; 300];
    class[299] = 12.0;
    let tensors = BTreeMap::from([
        (
            "a.weight".to_string(),
            Tensor { shape: vec![1, 1, 3, 3], data: vec![0.01, 0.01, 0.01, 0.01, 0., 0., 0., 0., 0.] },
        ),
        ("a.class.weight".to_string(), Tensor { shape: vec![1, 300], data: class }),
    ]);
    TrainedModel::new(description, tensors).unwrap().write(&folder.path("model.safetensors")).unwrap();
}

/// `.npy` file of int64 `labels`, as written by NumPy for a list.
fn int64(labels: &[i64]) -> Vec<u8> {
    let mut text = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({},), }}", labels.len());
    while (text.len() + 11) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let length = (text.len() as u16).to_le_bytes();
    let data: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    [b"\x93NUMPY\x01\0", &length[..], text.as_bytes(), &data].concat()
}

#[test]
fn more_than_256_classes_keep_their_own_labels() {
    let folder = Folder::new();
    of_many_classes(&folder);
    // Calibration samples cover all classes.
    folder.run("convert model.safetensors --calibrate-count 300 -o model.prnn").good();
    for (label, value) in [(299, 1), (43, 0)] {
        folder.run(&format!("sample -m model.prnn --label {label} -n 2 -o drawn.npy")).good();
        assert_eq!(ImageSet::read(&folder.path("drawn.npy")).unwrap().data, [value; 12], "label {label}");
        folder.run(&format!("complete drawn.npy -m model.prnn --label {label} --rows 1 -n 1 -o out.npy")).good();
        assert_eq!(ImageSet::read(&folder.path("out.npy")).unwrap().data, [value; 12], "label {label}");
    }
    npy::write(&folder.path("images.npy"), &[2, 1, 2, 3], &[1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0_u8]).unwrap();
    npy::write(&folder.path("labels.npy"), &[2], &[299_u16, 43]).unwrap();
    folder.write("int64.npy", &int64(&[299, 43]));
    npy::write(&folder.path("wrong.npy"), &[2], &[43_u16, 299]).unwrap();
    for model in ["model.prnn", "model.safetensors"] {
        let nats = |labels: &str| {
            let run = folder.run(&format!("score images.npy -m {model} --labels {labels} --json"));
            run.json()["nats"].as_f64().unwrap()
        };
        assert!(nats("labels.npy") < 0.1 && nats("wrong.npy") > 10.0, "{model}");
        assert!((nats("int64.npy") - nats("labels.npy")).abs() <= 0.0, "{model}");
    }
    folder.run("complete images.npy -m model.prnn --labels int64.npy --rows 1 -n 1 -o out.npy").good();
    assert_eq!(ImageSet::read(&folder.path("out.npy")).unwrap().data, [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    folder.run("verify model.safetensors model.prnn images.npy --labels labels.npy").good();

    folder.run("compress images.npy -m model.prnn --labels int64.npy -o file.prnz").good();
    folder.run("decompress file.prnz -m model.prnn --labels back.npy -o out.npy").good();
    assert_eq!(folder.read("back.npy"), folder.read("labels.npy"), "uint16, as there is no byte for 299");
    assert_eq!(folder.read("out.npy"), folder.read("images.npy"));

    folder.write("too-high.npy", &int64(&[299, 300]));
    let run = folder.run("score images.npy -m model.prnn --labels too-high.npy");
    refused(&run, 1, &["too-high.npy", "label 300, expected 0 to 299"]);
    folder.write("negative.npy", &int64(&[299, -1]));
    refused(&folder.run("score images.npy -m model.prnn --labels negative.npy"), 1, &["negative.npy", "label -1"]);
}

#[test]
fn labels_of_few_classes_come_back_as_bytes() {
    let folder = folder(CLASSES);
    folder.run("compress images.npy -m model.prnn --labels labels.npy -o file.prnz").good();
    folder.run("decompress file.prnz -m model.prnn --labels back.npy -o out.npy").good();
    let labels = fixtures::named(CLASSES).labels.unwrap();
    let back = read::read_u8(&folder.path("back.npy")).1;
    assert_eq!(back.into_iter().map(u16::from).collect::<Vec<_>>(), labels);
}

#[test]
fn mask_a_at_a_later_place_runs_from_training_file_to_image() {
    let folder = Folder::new();
    let description = Description::from_json(
        r#"{"image": {"height": 4, "width": 5, "channels": 3, "levels": 4}, "output": "softmax",
            "ops": [{"op": "masked_conv", "name": "first", "mask": "A", "kernel": [3, 3], "out": 6}, {"op": "relu"},
                    {"op": "masked_conv", "name": "middle", "mask": "B", "kernel": [3, 3], "out": 6}, {"op": "relu"},
                    {"op": "masked_conv", "name": "later", "mask": "A", "kernel": [3, 3], "out": 12}]}"#,
    )
    .unwrap();
    let mut random = pixelrnn_tests::random::Random::new(3);
    let mut tensors = BTreeMap::new();
    for node in description.nodes().unwrap() {
        node.tensors(0, |spec| {
            let data = (0..spec.shape.iter().product::<usize>()).map(|_| random.unit() * 0.5).collect();
            tensors.insert(spec.name.to_string(), Tensor { shape: spec.shape.to_vec(), data });
        });
    }
    TrainedModel::new(description, tensors).unwrap().write(&folder.path("model.safetensors")).unwrap();
    folder.run("convert model.safetensors --calibrate-count 16 -o model.prnn").good();
    folder.run("sample -m model.prnn -n 4 -o images.npy").good();
    let verified = folder.run("verify model.safetensors model.prnn images.npy --json").json();
    let [float, quantized] = ["float_nats", "quantized_nats"].map(|key| verified[key].as_f64().unwrap());
    assert!((quantized / float - 1.0).abs() < 0.05, "{float} nats, quantized {quantized}");
    folder.run("compress images.npy -m model.prnn -o file.prnz").good();
    folder.run("decompress file.prnz -m model.prnn -o back.npy").good();
    assert_eq!(folder.read("back.npy"), folder.read("images.npy"));
    for model in ["model.prnn", "model.safetensors"] {
        let masks = folder.run(&format!("context {model} --masks")).good().stdout;
        assert!(
            String::from_utf8_lossy(&masks).lines().any(|line| line.contains("later") && line.contains(" A")),
            "{model}"
        );
        folder.run(&format!("context {model} --row 2 --column 2 -n 2 -o context.png")).good();
    }
}

#[test]
fn mask_b_at_the_first_place_is_refused_by_the_ops_name_unless_taken_back() {
    let folder = folder(GRAY);
    let own = folder.read("model.safetensors");
    let length = u64::from_le_bytes(own[..8].try_into().unwrap()) as usize;
    let described = |ops: Value| {
        let mut header: Value = serde_json::from_slice(&own[8..8 + length]).unwrap();
        let description =
            json!({"image": {"height": 5, "width": 6, "channels": 1, "levels": 2}, "output": "bernoulli", "ops": ops});
        header["__metadata__"] = json!({"pixelrnn": description.to_string()});
        let header = header.to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &own[8 + length..]].concat()
    };
    let conv =
        |name: &str, mask: &str| json!({"op": "masked_conv", "name": name, "mask": mask, "kernel": [3, 3], "out": 1});
    folder.write("sees.safetensors", &described(json!([conv("one", "B"), conv("two", "B")])));
    refused(
        &folder.run("inspect sees.safetensors"),
        1,
        &["sees.safetensors", "`one` knows the value at its own pixel; give it mask A"],
    );
    folder.write("hides.safetensors", &described(json!([conv("one", "B"), conv("two", "A")])));
    // The later mask A takes back what the first convolution knows: the description is sound, and its tensors are missing.
    refused(&folder.run("inspect hides.safetensors"), 1, &["hides.safetensors", "no tensor `one.weight`"]);
}
