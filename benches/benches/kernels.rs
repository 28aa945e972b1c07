//! Each kernel of this machine: images and multiply-adds a second, beside plain Rust and beside the peak of its
//! instruction.
//!
//! Kernels take turns, so that whatever else the machine does slows all alike. Figures are medians; where the system tells
//! how long a thread has run, time that others had the processor does not count. Arguments choose models
//! by parts of their names, and kernels: `cargo bench -p pixelrnn-benches --bench kernels -- mnist h128 avx2 portable`.

use pixelrnn::Plan;
use pixelrnn::blob::Layout;
use pixelrnn::kernels::Native;
use pixelrnn::model::Architecture;
use pixelrnn_benches::{Subject, Worker, peak};
use pixelrnn_converter::layout::arrange;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Turns that each kernel gets.
const ROUNDS: usize = 11;

/// About how long a turn takes.
const TURN: Duration = Duration::from_millis(100);

fn main() {
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let (chosen, wanted): (Vec<String>, Vec<String>) =
        arguments.partition(|argument| Native::all().any(|kernel| kernel.name() == argument));
    let kernels: Vec<Native> =
        Native::all().filter(|kernel| chosen.is_empty() || chosen.iter().any(|name| name == kernel.name())).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    println!("in registers alone, the instruction of");
    for kernel in kernels.iter().copied() {
        if let Some(most) = peak::multiply_adds(kernel) {
            println!("  {:12} {:>8.1} G multiply-adds/s", kernel.name(), most / 1e9);
        }
    }
    println!("\none thread, medians of {ROUNDS} turns\n");
    println!(
        "{:28} {:7} {:12} {:>10} {:>10} {:>8} {:>18}",
        "model", "layout", "kernel", "samples/s", "scores/s", "times", "G multiply-adds/s"
    );
    for subject in subjects(&is_wanted) {
        for layout in [Layout::Rows, Layout::Blocks] {
            let name = subject.name.clone();
            let blob = arrange(&subject.blob, layout).expect("weights of a converted blob are each their own");
            measure(&Subject { name, blob }, layout, &kernels);
        }
    }
}

/// The shipped models, and networks as large as those of the paper, with random weights.
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

/// A line for each kernel; `times` is how many times as fast as the first it is.
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
    let costs: Vec<u64> = workers.iter_mut().map(|(worker, _)| worker.sample(1)).collect();
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{subject}: kernels disagree");
    let mut seconds = vec![[const { Vec::<f64>::new() }; 2]; kernels.len()];
    for _ in 0..ROUNDS {
        for ((worker, images), [sample, score]) in workers.iter_mut().zip(&mut seconds) {
            sample.push(time(*images, || worker.sample(black_box(1))));
            score.push(time(*images, || worker.score()));
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let medians: Vec<[f64; 2]> = seconds.iter_mut().map(|tasks| tasks.each_mut().map(median)).collect();
    for (kernel, [sample, score]) in kernels.iter().zip(&medians) {
        println!(
            "{:28} {:7} {:12} {:>10.1} {:>10.1} {:>8.2} {:>18.1}",
            subject.name,
            format!("{layout:?}").to_lowercase(),
            kernel.name(),
            1.0 / sample,
            1.0 / score,
            medians[0][0] / sample,
            work / sample / 1e9,
        );
    }
}

/// Seconds that `task` takes an image.
fn time(images: u64, mut task: impl FnMut() -> u64) -> f64 {
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

/// Seconds that this thread has had a processor, where Linux tells.
fn running() -> Option<f64> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(statistics.split(' ').next()?.parse::<u64>().ok()? as f64 / 1e9)
}
