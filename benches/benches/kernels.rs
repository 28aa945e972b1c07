//! Images and multiply-adds per second of each kernel, compared with portable Rust and with the peak of its
//! instruction.
//!
//! Kernels run interleaved, so that other load affects them equally. Figures are medians. On Linux, only the thread's
//! own processor time counts. Arguments select models by parts of their names, and kernels: `cargo bench -p
//! pixelrnn-benches --bench kernels -- mnist h128 avx2 portable`.

use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::blob::Layout;
use pixelrnn::kernels::Native;
use pixelrnn::network::Architecture;
use pixelrnn::{Cost, Plan, Sample, Temperature};
use pixelrnn_benches::{Subject, Worker, peak};
use pixelrnn_converter::layout::{arrange, for_dsp};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rounds per kernel.
const ROUNDS: usize = 11;

/// Rounds per kernel with packed weights.
const PACKED_ROUNDS: usize = 3;

/// Batch size.
const BATCH: usize = 32;

/// Approximate duration of a round.
const TURN: Duration = Duration::from_millis(100);

fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let (from_env, wanted): (Vec<String>, Vec<String>) =
        arguments.partition(|argument| Native::all().any(|kernel| kernel.name() == argument));
    let kernels: Vec<Native> = Native::all()
        .filter(|kernel| from_env.is_empty() || from_env.iter().any(|name| name == kernel.name()))
        .collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    println!("in registers alone, the instruction of");
    for kernel in kernels.iter().copied() {
        if let Some(most) = peak::multiply_adds(kernel) {
            println!("  {:12} {:>8.1} G multiply-adds/s", kernel.name(), most / 1e9);
        }
        if let Some(most) = peak::float_multiply_adds(kernel) {
            println!("  {:12} {:>8.1} G multiply-adds/s of floats", kernel.name(), most / 1e9);
        }
    }
    println!("\none thread, medians of {ROUNDS} turns\n");
    println!(
        "{:28} {:7} {:12} {:>10} {:>10} {:>8} {:>18}",
        "model", "weights", "kernel", "samples/s", "scores/s", "times", "G multiply-adds/s"
    );
    for subject in subjects(&is_wanted) {
        for layout in [Layout::RowMajor, for_dsp(subject.model().weights())] {
            let name = subject.name.clone();
            let blob = arrange(&subject.blob, layout).expect("weights of a converted blob are each their own");
            measure(&Subject { name, blob }, layout, &kernels);
        }
        measure_packed(&subject, &kernels);
    }
}

/// Shipped models, and networks of the paper's size with random weights.
fn subjects(is_wanted: &dyn Fn(&str) -> bool) -> Vec<Subject> {
    let mut subjects = Subject::shipped().expect("shipped models are readable");
    subjects.retain(|subject| is_wanted(&subject.name));
    for (name, architecture) in [
        ("pixelcnn", Architecture::PixelCnn),
        ("row-lstm", Architecture::RowLstm),
        ("diagonal-bilstm", Architecture::DiagonalBilstm),
    ] {
        for hidden in [16, 64, 128] {
            let name = format!("random-{name}-h{hidden}");
            if is_wanted(&name) {
                subjects.push(Subject::random(&name, architecture, hidden).expect("a preset converts"));
            }
        }
    }
    subjects
}

/// Prints a line per kernel. `times` is the speed relative to the first one.
fn measure(subject: &Subject, layout: Layout, kernels: &[Native]) {
    let model = subject.model();
    let image = model.image();
    let work = (model.multiply_adds() * image.height * image.width) as f64;
    let mut states = vec![vec![0; model.state_words()]; kernels.len()];
    let mut workers: Vec<_> = states
        .iter_mut()
        .zip(kernels)
        .map(|(state, kernel)| {
            let mut worker = Worker::new(model, state, *kernel, Plan::Pixel);
            let begin = Instant::now();
            worker.sample(0);
            let one = begin.elapsed().as_secs_f64();
            (worker, (TURN.as_secs_f64() / one.max(1e-6)).ceil() as u64)
        })
        .collect();
    let costs: Vec<Cost> = workers.iter_mut().map(|(worker, _)| worker.sample(1)).collect();
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{subject}: kernels disagree");
    let mut seconds = vec![[const { Vec::<f64>::new() }; 2]; kernels.len()];
    for _ in 0..ROUNDS {
        for ((worker, images), [sample, score]) in workers.iter_mut().zip(&mut seconds) {
            sample.push(time(*images, || worker.sample(black_box(1))));
            score.push(time(*images, || worker.score()));
        }
    }
    print(subject, &format!("{layout:?}").to_lowercase(), kernels, &mut seconds, work);
}

/// Like [`measure`], with weights packed for vectors: batched sampling and row-wise scoring.
fn measure_packed(subject: &Subject, kernels: &[Native]) {
    let model = subject.model();
    let image = model.image();
    let label = (model.classes() > 0).then_some(0);
    let work = (model.multiply_adds() * image.height * image.width) as f64;
    let packed = PackedModel::new(model).expect("8-bit weights");
    let mut out = vec![0; BATCH * image.values()];
    let mut costs = vec![Cost(0); BATCH];
    let mut workers: Vec<_> = kernels
        .iter()
        .map(|kernel| {
            let batch = Batch::with(&packed, BATCH, *kernel).expect("a batch");
            (batch, Scorer::with(&packed, *kernel).expect("a scorer"))
        })
        .collect();
    let mut seconds = vec![[const { Vec::<f64>::new() }; 2]; kernels.len()];
    let mut expected = None;
    let turns = |seconds: f64| (TURN.as_secs_f64() / seconds.max(1e-6)).ceil() as u64;
    for _ in 0..PACKED_ROUNDS {
        for ((batch, scorer), [sample, score]) in workers.iter_mut().zip(&mut seconds) {
            let mut draw = || {
                let mut draws: Vec<_> = (0..BATCH as u64).map(|seed| Sample::seeded(seed, Temperature::ONE)).collect();
                batch.run(label, &mut draws, &mut out, &mut costs).expect("draws");
                costs.iter().copied().sum()
            };
            let begin = Instant::now();
            let total: Cost = draw();
            assert_eq!(*expected.get_or_insert(total), total, "{subject}: kernels disagree");
            let turns = turns(begin.elapsed().as_secs_f64());
            sample.push(time(turns, draw) / BATCH as f64);
            let image = out.get(..image.values()).expect("an image");
            score.push(time(turns * BATCH as u64, || scorer.score(label, image).expect("a score")));
        }
    }
    print(subject, "packed", kernels, &mut seconds, work);
}

/// Prints a line per kernel.
fn print(subject: &Subject, how: &str, kernels: &[Native], seconds: &mut [[Vec<f64>; 2]], work: f64) {
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let medians: Vec<[f64; 2]> = seconds.iter_mut().map(|tasks| tasks.each_mut().map(median)).collect();
    for (kernel, [sample, score]) in kernels.iter().zip(&medians) {
        println!(
            "{:28} {how:7} {:12} {:>10.1} {:>10.1} {:>8.2} {:>18.1}",
            subject.name,
            kernel.name(),
            1.0 / sample,
            1.0 / score,
            medians[0][0] / sample,
            work / sample / 1e9,
        );
    }
}

/// Seconds per image.
fn time(images: u64, mut task: impl FnMut() -> Cost) -> f64 {
    let begin = (Instant::now(), running());
    for _ in 0..images {
        black_box(task());
    }
    let seconds = match (begin.1, running()) {
        (Some(begin), Some(end)) => end - begin,
        _ => begin.0.elapsed().as_secs_f64(),
    };
    seconds / images as f64
}

/// Processor time of this thread in seconds, if available (Linux).
fn running() -> Option<f64> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(statistics.split(' ').next()?.parse::<u64>().ok()? as f64 / 1e9)
}
