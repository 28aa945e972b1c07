//! Images per second of each model: pixel by pixel in an engine, in batches, and row by row for given images; on one
//! thread and on all.
//!
//! All tasks of a model run interleaved, so that other load affects them equally. Figures are medians.
//!
//! `cargo bench -p pixelrnn-benches --bench packed -- mnist` measures only models with `mnist` in their names.
//! `--rounds 1` sets the number of rounds, and `--json` prints one JSON object per task for comparison scripts.

use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::{Cost, Plan, Sample, Temperature};
use pixelrnn_benches::{Subject, Worker, kernel, peak};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Default number of rounds per task.
const ROUNDS: usize = 9;

/// Approximate minimum duration of a round.
const TURN: Duration = Duration::from_millis(100);

/// Task that may be limited by the memory bandwidth for weights.
const ONE: &str = "sample, batch of 1";

/// Batch size of a large batch.
const MANY: usize = 64;

/// A task and the number of images it produces.
struct Task<'t> {
    name: &'static str,
    images: usize,
    run: Box<dyn FnMut() + 't>,
}

fn draws(count: usize) -> Vec<Sample<pixelrnn::DefaultRng>> {
    (0..count as u64).map(|seed| Sample::seeded(seed, Temperature::ONE)).collect()
}

/// Command-line arguments.
struct Args {
    /// Substring of model names.
    name: String,
    rounds: usize,
    json: bool,
}

impl Args {
    fn read() -> Self {
        let mut args = Self { name: String::new(), rounds: ROUNDS, json: false };
        let mut given = std::env::args().skip(1);
        while let Some(arg) = given.next() {
            match arg.as_str() {
                "--bench" => {} // added by Cargo
                "--json" => args.json = true,
                "--rounds" => {
                    let rounds = given.next().and_then(|rounds| rounds.parse().ok()).filter(|rounds| *rounds > 0);
                    args.rounds = rounds.expect("--rounds takes a number");
                }
                _ => args.name = arg,
            }
        }
        args
    }
}

fn main() {
    let args = Args::read();
    let threads = rayon::current_num_threads();
    if !args.json {
        let (name, rounds) = (kernel().name(), args.rounds);
        println!("kernel {name}, medians of {rounds} turns, {threads} threads where it says all\n");
        if let Some(most) = peak::multiply_adds(kernel()) {
            println!("in registers alone, its instruction does {:.1} G multiply-adds/s on one thread\n", most / 1e9);
        }
        println!(
            "{:27} {:28} {:>10} {:>18} {:>12} {:>14}",
            "model", "task", "images/s", "G multiply-adds/s", "time/rows", "% of bandwidth"
        );
    }
    let subjects = Subject::all().into_iter().filter(|subject| subject.name.contains(&args.name));
    for subject in subjects.chain(Subject::paper(&args.name)) {
        measure(&subject, threads, &args);
    }
}

fn measure(subject: &Subject, threads: usize, args: &Args) {
    let model = subject.model();
    let values = model.image().values();
    let label = (model.classes() > 0).then_some(0);
    let packed = PackedModel::new(model).expect("8-bit weights");
    let mut state = vec![0; model.state_words()];
    let mut worker = Worker::new(model, &mut state, kernel(), Plan::Pixel);
    worker.sample(0);
    let given = worker.image().to_vec();
    let mut scorer = Scorer::with(&packed, kernel()).expect("a scorer");
    let batch = |images: usize| {
        let mut batch = Batch::with(&packed, images, kernel()).expect("a batch");
        let (mut out, mut costs) = (vec![0; images * values], vec![Cost(0); images]);
        move || {
            batch.run(label, &mut draws(images), &mut out, &mut costs).expect("draws");
            black_box(&out);
        }
    };
    let mut all: Vec<_> = (0..threads).map(|_| batch(MANY / threads)).collect();
    let mut tasks = [
        Task { name: "sample, engine", images: 1, run: Box::new(move || _ = black_box(worker.sample(7))) },
        Task { name: ONE, images: 1, run: Box::new(batch(1)) },
        Task { name: "sample, batch of 64", images: MANY, run: Box::new(batch(MANY)) },
        Task {
            name: "sample, 64 by all threads",
            images: MANY / threads * threads,
            run: Box::new(move || all.par_iter_mut().for_each(|batch| batch())),
        },
        Task {
            name: "score, rows",
            images: 1,
            run: Box::new(move || _ = black_box(scorer.score(label, &given).expect("a score"))),
        },
    ];
    let mut times = vec![Vec::new(); tasks.len()];
    let turns: Vec<_> = tasks.iter_mut().map(|task| (TURN.as_secs_f64() / time(1, task)).ceil() as u64).collect();
    for _ in 0..args.rounds {
        for ((task, times), turns) in tasks.iter_mut().zip(&mut times).zip(&turns) {
            times.push(time(*turns, task) / task.images as f64);
        }
    }
    let medians: Vec<f64> = times
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        })
        .collect();
    let work = (model.multiply_adds() * model.image().height * model.image().width) as f64;
    let rows = medians[medians.len() - 1];
    let bandwidth = peak::bandwidth(packed.weight_bytes());
    for (task, median) in tasks.iter().zip(medians) {
        let (name, task, speed) = (&subject.name, task.name, 1.0 / median);
        if args.json {
            println!("{}", serde_json::json!({"model": name, "task": task, "images_per_second": speed}));
        } else {
            // Bandwidth used for weights, relative to the bandwidth of a thread for a buffer of this size.
            let read = (packed.weight_bytes() * model.image().height * model.image().width) as f64 / median;
            let share = if task == ONE { format!("{:.0}", 100.0 * read / bandwidth) } else { String::new() };
            let (work, ratio) = (work / median / 1e9, median / rows);
            println!("{name:27} {task:28} {speed:>10.1} {work:>18.1} {ratio:>12.2} {share:>14}");
        }
    }
}

/// Seconds per run of a task.
fn time(turns: u64, task: &mut Task<'_>) -> f64 {
    let begin = Instant::now();
    for _ in 0..turns {
        (task.run)();
    }
    begin.elapsed().as_secs_f64() / turns as f64
}
