//! Complete runs on images small enough to take about a second each.

#![cfg(feature = "flex")]

use pixelrnn_converter::{Description, Reference, TrainedModel};
use pixelrnn_trainer::back_end::{BackEnd, Precision};
use pixelrnn_trainer::data::Set;
use pixelrnn_trainer::recipe::{Settings, Training};
use pixelrnn_trainer::run::{Epoch, Existing, MODEL, Observer, Run};
use std::path::Path;
use std::sync::Mutex;

fn description(architecture: &str) -> Description {
    let json = format!(
        r#"{{"architecture": "{architecture}", "image": {{"height": 6, "width": 6, "channels": 1, "levels": 2}},
            "hidden": 4, "layers": 1, "input_kernel": 3, "kernel": 3, "head": 8, "output": "bernoulli", "classes": 2}}"#
    );
    Description::from_json(&json).unwrap()
}

/// Stripes: rows in class 0, columns in class 1, starting with either value.
fn stripes(description: &Description, count: usize) -> Set {
    let image = description.image;
    let (mut levels, mut labels) = (Vec::new(), Vec::new());
    for n in 0..count {
        labels.push((n % 2) as u16);
        for i in 0..image.height {
            levels.extend((0..image.width).map(|j| ((if n % 2 == 0 { i } else { j } + n / 2) % 2) as u8));
        }
    }
    Set::new(image, levels, Some(labels), 2).unwrap()
}

fn settings(epochs: u64) -> Settings {
    let training = Training { epochs: Some(epochs), rate: Some(0.02), warmup: Some(4), ..Training::default() };
    training.or(&Training { average: Some(0.9), ..Training::default() }).settings().unwrap()
}

fn run(architecture: &str, settings: Settings, folder: &Path) -> Run {
    let description = description(architecture);
    let (train, valid) = (stripes(&description, 90), stripes(&description, 10));
    let folder = folder.to_path_buf();
    Run {
        train,
        valid,
        settings,
        back_end: BackEnd::new(&[], Precision::F32).unwrap(),
        folder,
        samples: 0,
        existing: Existing::Resume,
        start: None,
        description,
    }
}

#[derive(Default)]
struct Epochs(Mutex<Vec<Epoch>>);

impl Observer for Epochs {
    fn ends(&self, epoch: &Epoch) {
        self.0.lock().unwrap().push(epoch.clone());
    }
}

#[test]
fn every_architecture_learns_stripes() {
    for architecture in ["pixel_cnn", "gated_pixel_cnn", "row_lstm", "diagonal_bilstm"] {
        let folder = tempfile::tempdir().unwrap();
        let run = Run { samples: 3, ..run(architecture, settings(15), folder.path()) };
        let epochs = Epochs::default();
        let best = run.train(&epochs).unwrap().unwrap();
        let epochs = epochs.0.into_inner().unwrap();
        // An image without any pattern has 36 bits, 25 nats. Given the class, one bit determines an image.
        assert!(epochs[0].valid_nats > 5.0 && best < 3.0, "{architecture}: {best}");

        // The saved model belongs to the best epoch, and the reference reproduces its measured likelihood.
        let model = TrainedModel::read(&folder.path().join(MODEL)).unwrap();
        let reference = Reference::new(&model);
        let image = |n: usize| -> Vec<u8> {
            (0..36).map(|p| ((if n.is_multiple_of(2) { p / 6 } else { p % 6 } + n / 2) % 2) as u8).collect()
        };
        let nats: f64 = (0..10).map(|n| reference.nats(&image(n), Some(n % 2)).unwrap()).sum::<f64>() / 10.0;
        assert!((nats - best).abs() < 1e-4, "{architecture}: {nats} {best}");
        assert!(folder.path().join("samples/epoch-0015.png").exists());
        let metrics = std::fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
        assert_eq!(metrics.lines().count(), 15);
    }
}

/// Stops a run after this epoch.
struct Stop(u64);

impl Observer for Stop {
    fn begins(&self, epoch: u64, _: u64, _: u64) {
        assert!(epoch <= self.0, "stop here");
    }
}

#[test]
fn a_resumed_run_ends_as_one_that_never_stopped() {
    let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run("row_lstm", settings(4), whole.path()).train(&()).unwrap();
    for end in [1, 3, 4] {
        let run = run("row_lstm", settings(4), stopped.path());
        let result = std::panic::catch_unwind(|| run.train(&Stop(end)).unwrap());
        assert_eq!(result.is_ok(), end == 4);
    }
    for file in ["checkpoint.safetensors", MODEL] {
        let read = |folder: &tempfile::TempDir| std::fs::read(folder.path().join(file)).unwrap();
        assert!(read(&whole) == read(&stopped), "{file}");
    }
    // Resuming again: nothing is left to do.
    assert!(run("row_lstm", settings(4), stopped.path()).train(&Stop(0)).unwrap().is_some());
    // A damaged checkpoint is not mistaken for an early one.
    let checkpoint = stopped.path().join("checkpoint.safetensors");
    let bytes = std::fs::read(&checkpoint).unwrap();
    std::fs::write(&checkpoint, &bytes[..bytes.len() - 9]).unwrap();
    let error = run("row_lstm", settings(4), stopped.path()).train(&()).unwrap_err();
    assert_eq!(error.exit_status(), 1);
    assert!(error.to_string().contains("checkpoint.safetensors"), "{error}");
}

/// Collects the notes of a run.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn notes(&self, note: &str) {
        self.0.lock().unwrap().push(note.to_string());
    }
}

impl Notes {
    fn text(self) -> String {
        self.0.into_inner().unwrap().join("\n")
    }
}

#[test]
fn a_run_that_goes_on_with_another_recipe_is_refused_with_the_keys_that_differ() {
    let folder = tempfile::tempdir().unwrap();
    run("pixel_cnn", settings(1), folder.path()).train(&()).unwrap();
    let refused = |run: Run, words: &[&str]| {
        let before = std::fs::read(folder.path().join("checkpoint.safetensors")).unwrap();
        let error = run.train(&()).unwrap_err();
        let text = error.to_string();
        assert_eq!((error.exit_status(), text.lines().count()), (2, 1), "{text}");
        assert!(
            words.iter().chain(&["--epochs", "`patience`", "--overwrite"]).all(|word| text.contains(word)),
            "{text}"
        );
        assert!(before == std::fs::read(folder.path().join("checkpoint.safetensors")).unwrap());
        text
    };
    let rate = Settings { rate: 0.5, ..settings(1) };
    let text = refused(run("pixel_cnn", rate, folder.path()), &["`training.rate` is 0.02 there and 0.5 here"]);
    assert!(!text.contains("is 0.9 there"), "{text}");
    let text = refused(
        run("row_lstm", settings(1), folder.path()),
        &["`model.architecture` is pixel_cnn there and row_lstm here"],
    );
    assert!(!text.contains("training."), "{text}");
    let description = description("pixel_cnn");
    let fewer = Run { train: stripes(&description, 88), ..run("pixel_cnn", settings(1), folder.path()) };
    refused(fewer, &["`data.train` is 90 images", "88 images"]);
}

#[test]
fn a_run_that_goes_on_can_have_more_epochs_and_says_how_its_learning_rate_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    run("pixel_cnn", settings(2), folder.path()).train(&()).unwrap();
    let notes = Notes::default();
    run("pixel_cnn", settings(2), folder.path()).train(&notes).unwrap();
    assert_eq!(notes.text(), "2 epochs are done, and 2 are asked for: a higher --epochs trains longer");
    let notes = Notes::default();
    let patient = Settings { patience: 9, ..settings(3) };
    run("pixel_cnn", patient, folder.path()).train(&notes).unwrap();
    let text = notes.text();
    assert!(text.contains("goes on after epoch 2 of 3") && text.contains("`epochs` was 2 and is 3"), "{text}");
    let metrics = std::fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 3);
    // The resumed recipe becomes the run's recipe.
    let notes = Notes::default();
    run("pixel_cnn", settings(3), folder.path()).train(&notes).unwrap();
    assert!(!notes.text().contains("`epochs` was"));
}

#[test]
fn a_run_that_stopped_in_its_first_epoch_goes_on_or_is_replaced_without_a_question() {
    let folder = tempfile::tempdir().unwrap();
    let stopped = run("pixel_cnn", settings(2), folder.path());
    assert!(std::panic::catch_unwind(|| stopped.train(&Stop(0)).unwrap()).is_err());
    let rate = Settings { rate: 0.5, ..settings(2) };
    assert!(run("pixel_cnn", rate.clone(), folder.path()).train(&()).unwrap_err().to_string().contains("rate"));
    run("pixel_cnn", settings(2), folder.path()).train(&()).unwrap();
    // Nothing would be lost, so another recipe needs no flag.
    let folder = tempfile::tempdir().unwrap();
    let keep = |settings| Run { existing: Existing::Keep, ..run("pixel_cnn", settings, folder.path()) };
    let stopped = keep(settings(2));
    assert!(std::panic::catch_unwind(|| stopped.train(&Stop(0)).unwrap()).is_err());
    keep(rate).train(&()).unwrap();
}

#[test]
fn a_run_begins_with_the_weights_of_a_trained_model() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let best = run("pixel_cnn", settings(15), first.path()).train(&()).unwrap().unwrap();
    let start = TrainedModel::read(&first.path().join(MODEL)).unwrap();
    // With a negligible rate, the measured likelihood stays the initial one.
    let settings = Settings { rate: 1e-9, warmup: 0, ..settings(1) };
    let run = Run { start: Some(start.clone()), ..run("pixel_cnn", settings.clone(), second.path()) };
    let again = run.train(&()).unwrap().unwrap();
    assert!((again - best).abs() < 1e-3, "{again} nats, expected {best}");
    // Weights of another network are rejected.
    let other = Run { description: description("row_lstm"), existing: Existing::Overwrite, start: Some(start), ..run };
    let error = other.train(&()).unwrap_err();
    assert!(error.exit_status() == 2 && error.to_string().contains("blocks.0"), "{error}");
    assert!(second.path().join(MODEL).exists(), "what is refused deletes nothing");
}

#[test]
fn the_number_of_threads_does_not_change_the_result() {
    let trained = |threads| {
        let folder = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run("diagonal_bilstm", settings(2), folder.path()).train(&())).unwrap();
        std::fs::read(folder.path().join(MODEL)).unwrap()
    };
    assert!(trained(1) == trained(3));
}

#[test]
fn a_number_that_is_not_finite_is_blamed_on_its_layer() {
    let folder = tempfile::tempdir().unwrap();
    let wild = Settings { rate: 1e30, warmup: 0, ..settings(2) };
    let error = run("pixel_cnn", wild, folder.path()).train(&()).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_status(), 1);
    assert!(text.contains("not finite") && text.contains('`') && text.contains("step"), "{text}");
}
