//! Time to sample and to score an image, model by model, on one thread.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use pixelrnn::{Cost, Plan};
use pixelrnn_benches::{Subject, Worker, kernel};
use std::sync::LazyLock;

static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(Subject::all);

fn main() {
    divan::main();
}

fn bench(bencher: Bencher, subject: &Subject, task: impl Fn(&mut Worker<'_, '_>) -> Cost) {
    let model = subject.model();
    let mut state = vec![0; model.state_words()];
    let mut worker = Worker::new(model, &mut state, kernel(), Plan::Pixel);
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| task(&mut worker));
}

#[divan::bench(args = SUBJECTS.iter(), max_time = 3)]
fn sample(bencher: Bencher, subject: &Subject) {
    bench(bencher, subject, |worker| black_box(worker.sample(black_box(1))));
}

#[divan::bench(args = SUBJECTS.iter(), max_time = 3)]
fn score(bencher: Bencher, subject: &Subject) {
    bench(bencher, subject, |worker| black_box(worker.score()));
}
