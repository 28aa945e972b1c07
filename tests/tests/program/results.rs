//! The command-line program gives the same results as the libraries, reproducibly.

use pixelrnn::blob::NumberFormat;
use pixelrnn::{Complete, Engine, Sample, Temperature};
use pixelrnn_converter::images::ImageSet;
use pixelrnn_converter::{Blob, TrainedModel};
use pixelrnn_tests::integer_model::bytes::offset_at;
use pixelrnn_tests::program::Folder;
use pixelrnn_tests::{fixtures, forward, golden, npy};

const GRAY: &str = "pixel_cnn_gray_softmax_full_description";
const CLASSES: &str = "pixel_cnn_depth_gate_classes";

#[test]
fn equal_seeds_give_equal_pictures() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    for name in ["a.png", "b.png"] {
        folder.run(&format!("sample -m model.prnn -n 6 --seed 7 -o {name}")).good();
    }
    folder.run("sample -m model.prnn -n 6 --seed 8 -o c.png").good();
    folder.run("sample -m model.prnn -n 6 --seed 7 --temperature 0.5 -o d.png").good();
    assert!(folder.read("a.png").starts_with(b"\x89PNG"));
    assert_eq!(folder.read("a.png"), folder.read("b.png"));
    assert_ne!(folder.read("a.png"), folder.read("c.png"));
    assert_ne!(folder.read("a.png"), folder.read("d.png"));
}

#[test]
fn samples_are_those_of_the_engine_image_by_image() {
    let folder = Folder::new();
    folder.fixture(CLASSES);
    folder.run("sample -m model.prnn -n 5 --seed 18446744073709551614 --temperature 1.5 --label 1 -o out.npy").good();
    let set = ImageSet::read(&folder.path("out.npy")).unwrap();
    let blob = Blob::read(&folder.path("model.prnn")).unwrap();
    assert_eq!(set.count, 5);
    for (n, image) in set.iter().enumerate() {
        // Seeds wrap around.
        let seed = (u64::MAX - 1).wrapping_add(n as u64);
        assert_eq!(image, forward::sample(blob.model().unwrap(), seed, 1500, Some(1)).image, "image {n}");
    }
}

#[test]
fn completions_keep_the_rows_above_and_are_those_of_the_engine() {
    let folder = Folder::new();
    folder.fixture(CLASSES);
    folder.run("complete images.npy -m model.prnn --labels labels.npy --rows 2 -n 3 --seed 5 -o out.npy").good();
    let fixture = fixtures::named(CLASSES);
    let blob = Blob::read(&folder.path("model.prnn")).unwrap();
    let shape = blob.model().unwrap().image();
    let kept = 2 * shape.width;
    let set = ImageSet::read(&folder.path("out.npy")).unwrap();
    assert_eq!(set.count, 3 * fixture.images.count.min(8));
    for (n, image) in set.iter().enumerate() {
        let (number, completion) = (n / 3, n % 3);
        let given = fixture.images.image(number);
        let draw = Sample::seeded(5 + ((number as u64) << 32) + completion as u64, Temperature::ONE);
        let mut state = vec![0; blob.model().unwrap().state_words()];
        let mut engine = Engine::new(blob.model().unwrap(), &mut state).unwrap();
        let mut expected = vec![0; shape.values()];
        let mut source = Complete::new(given, shape, 2, draw);
        engine.run(fixture.label(number), &mut source, &mut expected).unwrap();
        assert_eq!(image, expected, "completion {n}");
        assert_eq!(image[..kept], given[..kept], "completion {n}");
    }
    // More completions per image, or fewer images, leave the common results unchanged. By default half the rows are kept.
    folder
        .run("complete images.npy -m model.prnn --labels labels.npy --rows 2 -n 5 --count 1 --seed 5 -o more.npy")
        .good();
    let more = ImageSet::read(&folder.path("more.npy")).unwrap();
    assert_eq!((more.count, &more.data[..3 * shape.values()]), (5, &set.data[..3 * shape.values()]));
    let line = |options: &str| {
        folder.run(&format!("complete images.npy -m model.prnn --label 1 -n 2 {options} -o out.png")).good();
        folder.read("out.png")
    };
    assert!(line("").starts_with(b"\x89PNG"));
    assert_eq!(line(""), line(&format!("--rows {}", shape.height / 2)));
    assert_ne!(line(""), line("--rows 0"));
}

#[test]
fn a_prediction_depends_on_what_its_masks_allow() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    let float = folder.run("context model.safetensors --images images.npy --row 3 --column 2 --json").json();
    let blob = folder.run("context model.prnn --images images.npy --row 3 --column 2 --json -o blob.png").json();
    let number = |json: &serde_json::Value, key: &str| json[0][key].as_u64().unwrap_or_else(|| panic!("{key}: {json}"));
    let image = Blob::read(&folder.path("model.prnn")).unwrap().model().unwrap().image();
    let allowed = number(&float, "masks_allow_pixels");
    for json in [&float, &blob] {
        assert_eq!(number(json, "ideal_pixels"), 3 * image.width as u64 + 2);
        assert!((1..=allowed).contains(&number(json, "pixels")), "{json}");
        assert!(number(json, "nine_tenths_pixels") <= number(json, "pixels"), "{json}");
    }
    assert!(folder.read("context.png").starts_with(b"\x89PNG"));
    assert!(folder.read("blob.png").starts_with(b"\x89PNG"));
    // Equal images give equal pictures.
    for name in ["a.png", "b.png"] {
        folder.run(&format!("context model.prnn model.safetensors -n 2 --row 2 --seed 3 -o {name}")).good();
    }
    assert_eq!(folder.read("a.png"), folder.read("b.png"));
}

#[test]
fn masks_are_listed_and_drawn() {
    let folder = Folder::new();
    folder.fixture("pixel_cnn_rgb_cyclic");
    for model in ["model.prnn", "model.safetensors"] {
        let list = String::from_utf8(folder.run(&format!("context {model} --masks")).good().stdout).unwrap();
        let first = list.lines().next().unwrap_or_default();
        assert!(first.starts_with("input") && first.contains("mask A"), "{list}");
        assert!(list.lines().skip(1).all(|line| line.contains("mask B")), "{list}");
        folder.run(&format!("context {model} --masks input -o {model}.png")).good();
    }
    assert_eq!(folder.read("model.prnn.png"), folder.read("model.safetensors.png"));
    assert!(!folder.names().contains(&"context.png".to_string()), "a list draws nothing");
}

#[test]
fn sets_of_images_are_told_apart_by_their_nats() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    // Noise over all levels, beside samples from the model.
    folder.run("sample -m model.prnn -n 40 -o usual.npy").good();
    let image = Blob::read(&folder.path("model.prnn")).unwrap().model().unwrap().image();
    let mut random = pixelrnn_tests::random::Random::new(1);
    let noise = (0..30 * image.values()).map(|_| random.between(0, image.levels - 1) as u8).collect();
    let noise =
        ImageSet::new([1, image.height, image.width], noise, pixelrnn_converter::images::Range::Levels).unwrap();
    noise.write_npy(&folder.path("noise.npy")).unwrap();
    let score = |line: &str| folder.run(&format!("score {line} -m model.prnn --json")).json();
    let both = score("usual.npy --against noise.npy --plot plot.png --nats usual-nats.npy");
    score("noise.npy --nats noise-nats.npy");
    let [usual, other] = ["usual-nats.npy", "noise-nats.npy"].map(|name| npy::read_f64(&folder.path(name)).1);
    let order = |a: f64, b: f64| a.partial_cmp(&b).map_or(0.0, |o| f64::from(o as i8) / 2.0 + 0.5);
    let pairs: f64 = usual.iter().flat_map(|u| other.iter().map(move |o| order(*o, *u))).sum();
    let area = both["auc"].as_f64().unwrap();
    assert!((area - pairs / (40.0 * 30.0)).abs() < 1e-12, "{both}");
    assert!(area > 0.5, "noise costs more: {both}");
    assert_eq!(both["against"]["images"].as_u64(), Some(30));
    assert!(folder.read("plot.png").starts_with(b"\x89PNG"));
    assert_eq!(score("usual.npy --against usual.npy")["auc"].as_f64(), Some(0.5));
    assert!(score("usual.npy")["auc"].is_null());
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    let run = |threads: &str, line: &str| {
        let mut command = folder.command(pixelrnn_tests::cargo::pixelrnn());
        command.env("RAYON_NUM_THREADS", threads).args(line.split_whitespace());
        pixelrnn_tests::program::run(&mut command, &[]).good().stdout
    };
    for line in [
        "sample -m model.prnn -n 20 -o -",
        "complete images.npy -m model.prnn -n 3 -o -",
        "context model.prnn -n 2 --row 2 -o -",
        "convert model.safetensors --calibrate images.npy -o -",
        "convert model.safetensors --calibrate-count 10 -o -",
        "score images.npy -m model.prnn --json",
        "score images.npy -m model.safetensors --json",
    ] {
        assert_eq!(run("1", line), run("2", line), "{line}");
    }
}

#[test]
fn a_dash_is_standard_input_or_output() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    let piped = |line: &str, input: &str| folder.run_with(line.split_whitespace(), &folder.read(input)).good().stdout;
    let plain = |line: &str| folder.run(line).good().stdout;

    plain("sample -m model.prnn -n 3 -o file.png");
    assert_eq!(plain("sample -m model.prnn -n 3 -o -"), folder.read("file.png"));
    assert_eq!(piped("sample -m - -n 3 -o -", "model.prnn"), folder.read("file.png"));
    let score = plain("score images.npy -m model.prnn");
    assert_eq!(piped("score - -m model.prnn", "images.npy"), score);
    assert_eq!(piped("score images.npy -m -", "model.prnn"), score);
    assert_eq!(piped("inspect -", "model.safetensors"), plain("inspect model.safetensors"));
    plain("complete images.npy -m model.prnn -n 2 -o completed.png");
    assert_eq!(piped("complete - -m model.prnn -n 2 -o -", "images.npy"), folder.read("completed.png"));
    plain("context model.prnn --images images.npy -n 1 --row 1 -o context.png");
    let context = piped("context model.prnn --images - -n 1 --row 1 -o -", "images.npy");
    assert_eq!(context, folder.read("context.png"));
    assert!(piped("context - -n 1 --row 1 -o -", "model.prnn").starts_with(b"\x89PNG"));
    plain("convert model.safetensors --calibrate images.npy -o file.prnn");
    assert_eq!(piped("convert - --calibrate images.npy -o -", "model.safetensors"), folder.read("file.prnn"));
    assert_eq!(piped("convert model.safetensors --calibrate - -o -", "images.npy"), folder.read("file.prnn"));
}

#[test]
fn convert_writes_the_blob_that_the_library_makes() {
    let folder = Folder::new();
    for name in [GRAY, CLASSES] {
        folder.fixture(name);
        let labels = if name == CLASSES { "--labels labels.npy" } else { "" };
        folder
            .run(&format!("convert model.safetensors --calibrate images.npy {labels} --activations 8 -o out.prnn"))
            .good();
        assert_eq!(folder.read("out.prnn"), folder.read("model.prnn"), "{name}");
    }
}

#[test]
fn activations_get_16_bits_where_8_lose_too_much() {
    let folder = Folder::new();
    let colour = golden::folder().join("../../models/cifar10-pixelcnn/model.safetensors");
    std::fs::copy(colour, folder.path("model.safetensors")).unwrap();
    let convert = |bits: &str| {
        folder
            .run(&format!("convert model.safetensors --calibrate-count 1 --activations {bits} -o {bits}.prnn --json"))
            .json()
    };
    let loss = |json: &serde_json::Value| {
        json["quantized_nats"].as_f64().unwrap() / json["float_nats"].as_f64().unwrap() - 1.0
    };
    let (narrow, wide) = (convert("8"), convert("auto"));
    assert_eq!([&narrow, &wide].map(|json| json["activation_bits"].as_u64()), [Some(8), Some(16)]);
    assert!(loss(&narrow) > 0.002, "this model is here because 8 bits lose more than `auto` lets them: {narrow}");
    assert!(loss(&wide).abs() < 0.003, "{wide}");
    assert!(narrow["ram_bytes"].as_u64() < wide["ram_bytes"].as_u64());

    // For this model with two levels, `auto` selects 8-bit activations.
    let built_in = golden::folder().join("../../models/mnist-pixelcnn/model.safetensors");
    std::fs::copy(built_in, folder.path("model.safetensors")).unwrap();
    folder.run("convert model.safetensors --calibrate-count 20 -o auto.prnn").good();
    assert_eq!(Blob::read(&folder.path("auto.prnn")).unwrap().model().unwrap().weights(), NumberFormat::I8);
}

#[test]
fn scores_of_trained_models_are_those_of_the_fixtures() {
    for fixture in fixtures::all() {
        let folder = Folder::new();
        let name = &fixture.name;
        folder.write("model.safetensors", &fixture.trained.to_bytes().unwrap());
        fixture.images.write_npy(&folder.path("images.npy")).unwrap();
        let mut line = "score images.npy -m model.safetensors --nats nats.npy --logits logits.npy --json".to_string();
        if fixture.labels.is_some() {
            std::fs::copy(fixtures::folder().join(format!("{name}.labels.npy")), folder.path("labels.npy")).unwrap();
            line += " --labels labels.npy";
        }
        let json = folder.run(&line).json();
        let mean = fixture.nats.iter().sum::<f64>() / fixture.nats.len() as f64;
        assert!((json["nats"].as_f64().unwrap() - mean).abs() < 1e-4, "{name}: {json}");

        let (shape, nats) = npy::read_f64(&folder.path("nats.npy"));
        assert_eq!(shape, [fixture.images.count], "{name}");
        assert!(nats.iter().zip(&fixture.nats).all(|(a, b)| (a - b).abs() < 1e-4), "{name}: nats");
        let (shape, logits) = npy::read_f32(&folder.path("logits.npy"));
        assert_eq!(shape, fixture.logits.0, "{name}");
        assert!(logits.iter().zip(&fixture.logits.1).all(|(a, b)| (a - b).abs() < 1e-4), "{name}: logits");
    }
}

#[test]
fn scores_of_blobs_are_those_of_the_engine() {
    let folder = Folder::new();
    folder.fixture(CLASSES);
    folder.run("score images.npy -m model.prnn --labels labels.npy --nats nats.npy --logits logits.npy").good();
    let fixture = fixtures::named(CLASSES);
    let blob = Blob::read(&folder.path("model.prnn")).unwrap();
    let passes: Vec<_> = (0..fixture.images.count)
        .map(|n| forward::score(blob.model().unwrap(), fixture.images.image(n), fixture.label(n)))
        .collect();
    let nats: Vec<f64> = passes.iter().map(|pass| pass.cost.nats()).collect();
    assert_eq!(npy::read_f64(&folder.path("nats.npy")), (vec![nats.len()], nats));
    let (shape, logits) = npy::read_f32(&folder.path("logits.npy"));
    assert_eq!(shape, fixture.logits.0);
    let unit = std::f64::consts::LN_2 / 65536.0;
    let expected: Vec<f32> =
        passes.iter().flat_map(|pass| &pass.logits).map(|logit| (f64::from(*logit) * unit) as f32).collect();
    assert_eq!(logits, expected);
}

#[test]
fn json_is_json_and_says_the_truth() {
    let folder = Folder::new();
    folder.fixture(CLASSES);
    let labels = "--labels labels.npy --json";
    let convert = folder.run(&format!("convert model.safetensors --calibrate images.npy -o out.prnn {labels}")).json();
    let blob = folder.read("out.prnn");
    assert_eq!(convert["blob_bytes"].as_u64(), Some(blob.len() as u64));
    assert_eq!(convert["ram_bytes"].as_u64(), Some(offset_at(&blob, 16) as u64));

    let inspect = folder.run("inspect model.prnn --json").json();
    assert_eq!(inspect["flash_bytes"].as_u64(), Some(blob.len() as u64));
    assert_eq!(inspect["ram_bytes"].as_u64(), Some(offset_at(&blob, 16) as u64));
    let trained = TrainedModel::read(&folder.path("model.safetensors")).unwrap();
    let parameters: usize = trained.tensors().values().map(|tensor| tensor.data.len()).sum();
    let inspect = folder.run("inspect model.safetensors --json").json();
    assert_eq!(inspect["parameters"].as_u64(), Some(parameters as u64));

    let score = |model: &str| folder.run(&format!("score images.npy -m {model} {labels}")).json();
    let [float, quantized] = ["model.safetensors", "model.prnn"].map(|model| score(model)["nats"].as_f64().unwrap());
    let verify = folder.run(&format!("verify model.safetensors model.prnn images.npy {labels}")).json();
    assert_eq!(verify["float_nats"].as_f64(), Some(float));
    assert_eq!(verify["quantized_nats"].as_f64(), Some(quantized));
    let kernels = verify["kernels"].as_array().unwrap();
    assert_eq!(kernels.len(), pixelrnn::kernels::Host::all().count());
    assert!(kernels.iter().all(|kernel| kernel["equal"] == kernel["images"] && kernel["images"] != 0), "{kernels:?}");
    assert!(verify["layers"].as_array().is_some_and(|layers| !layers.is_empty()));
}

#[test]
fn inspect_names_the_layout_and_the_identity_that_does_not_depend_on_it() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    folder.run("convert model.prnn --target dsp -o dsp.prnn").good();
    folder.run("convert model.safetensors --activations 16 --target dsp -o wide.prnn --calibrate-count 2").good();
    let inspect = |file: &str| folder.run(&format!("inspect {file} --json")).json();
    let [row_major, tiled, pairs] = ["model.prnn", "dsp.prnn", "wide.prnn"].map(inspect);
    assert_eq!(
        [&row_major, &tiled, &pairs].map(|json| json["layout"].as_str().unwrap()),
        ["row-major", "tiled 4x4", "tiled 4x4 for smlad"]
    );
    let blob = Blob::new(&folder.read("model.prnn"));
    let identity = format!("{:016x}", blob.model().unwrap().identity());
    assert_eq!(row_major["identity"].as_str(), Some(identity.as_str()));
    assert_eq!(tiled["identity"], row_major["identity"]);
    assert_ne!(pairs["identity"], row_major["identity"]);
    let text = String::from_utf8(folder.run("inspect dsp.prnn").good().stdout).unwrap();
    let said = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    assert_eq!([said("layout"), said("identity")], [Some("tiled 4x4"), Some(identity.as_str())], "{text}");
}

#[test]
fn inspect_counts_weights_in_the_bytes_that_they_take() {
    let folder = Folder::new();
    folder.fixture(GRAY);
    for (weights, bytes) in [("i8", 1), ("f16", 2), ("f32", 4)] {
        folder.run(&format!("convert model.safetensors --calibrate images.npy --weights {weights} -o w.prnn")).good();
        let inspect = folder.run("inspect w.prnn --json").json();
        assert_eq!(inspect["weights"].as_str(), Some(weights));
        let first = &inspect["ops"][0];
        let number = |key: &str| first[key].as_u64().unwrap();
        let outputs = 8;
        let factors = if weights == "i8" { 4 } else { 0 };
        assert_eq!(number("flash_bytes"), 64 + bytes * number("multiply_adds") + (4 + factors) * outputs, "{weights}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let folder = Folder::new();
    for line in [
        "--help",
        "--version",
        "help",
        "sample --help",
        "score --help",
        "convert --help",
        "complete --help",
        "context --help",
    ] {
        assert!(!folder.run(line).good().stdout.is_empty(), "{line}");
    }
}

#[test]
fn the_first_command_that_anyone_types_draws() {
    let folder = Folder::new();
    folder.run("sample").good();
    assert_eq!(folder.names(), ["samples.png"]);
    folder.run("inspect").good();
}
