//! Speed, work and memory of each model, and the ratio of sampling to scoring time.
//!
//! Sampling and scoring run interleaved, so that other load affects both equally. Figures are medians.

use pixelrnn::{Cost, Model, Plan};
use pixelrnn_benches::{Subject, Worker, kernel};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Rounds per task.
const ROUNDS: usize = 21;

/// Approximate duration of a round.
const TURN: Duration = Duration::from_millis(100);

/// Upper bound on the time of sampling relative to scoring. Both need one forward pass per image.
const MAX_RATIO: f64 = 2.0;

struct Row {
    /// Seconds per image.
    sample: f64,
    score: f64,
    /// Median of sampling time / scoring time over the rounds.
    ratio: f64,
}

fn main() -> ExitCode {
    let subjects = Subject::all();
    println!(
        "one thread, kernel {}, medians of {ROUNDS} turns; a multiply-add is one 8-bit product that is summed\n",
        kernel().name()
    );
    println!(
        "{:27} {:5} {:7} {:>10} {:>18} {:>13} {:>13} {:>13}",
        "model", "plan", "task", "images/s", "M multiply-adds/s", "blob bytes", "state bytes", "sample/score"
    );
    let mut within = true;
    for subject in &subjects {
        let model = subject.model();
        for plan in [Plan::Pixel, Plan::Row] {
            // Without row-wise ops, both plans are identical.
            if plan == Plan::Row && model.state_words_for(plan) == model.state_words() {
                continue;
            }
            let row = measure(model, plan);
            line(subject, plan, "sample", row.sample, &format!("{:.3}", row.ratio));
            line(subject, plan, "score", row.score, "");
            within &= row.ratio < MAX_RATIO;
        }
    }
    if within {
        ExitCode::SUCCESS
    } else {
        eprintln!("sampling took {MAX_RATIO} times as long as scoring or longer");
        ExitCode::FAILURE
    }
}

fn line(subject: &Subject, plan: Plan, task: &str, seconds: f64, ratio: &str) {
    let model = subject.model();
    let image = model.image();
    let work = (model.multiply_adds() * image.height * image.width) as f64;
    let header = model.header();
    println!(
        "{:27} {:5} {task:7} {:>10.1} {:>18.1} {:>13} {:>13} {ratio:>13}",
        subject.name,
        format!("{plan:?}").to_lowercase(),
        1.0 / seconds,
        work / seconds / 1e6,
        header.length,
        4 * model.state_words_for(plan),
    );
}

fn measure(model: Model<'_>, plan: Plan) -> Row {
    let mut state = vec![0; model.state_words_for(plan)];
    let mut worker = Worker::new(model, &mut state, kernel(), plan);
    let one = time(1, |_| worker.score());
    let images = (TURN.as_secs_f64() / one.max(1e-6)).ceil() as u64;
    let mut rounds: Vec<(f64, f64)> = (0..ROUNDS)
        .map(|round| {
            // Alternate the order, so that neither task always benefits from a warm cache.
            if round % 2 == 0 {
                let sample = time(images, |seed| worker.sample(seed));
                (sample, time(images, |_| worker.score()))
            } else {
                let score = time(images, |_| worker.score());
                (time(images, |seed| worker.sample(seed)), score)
            }
        })
        .collect();
    let mut median = |key: fn(&(f64, f64)) -> f64| {
        rounds.sort_by(|a, b| key(a).total_cmp(&key(b)));
        key(&rounds[ROUNDS / 2])
    };
    Row { sample: median(|r| r.0), score: median(|r| r.1), ratio: median(|r| r.0 / r.1) }
}

/// Seconds per image.
fn time(images: u64, mut task: impl FnMut(u64) -> Cost) -> f64 {
    let begin = Instant::now();
    for seed in 0..images {
        black_box(task(black_box(seed)));
    }
    begin.elapsed().as_secs_f64() / images as f64
}
