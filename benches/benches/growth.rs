//! Scaling of time with image side, h and layers, compared with the number of multiply-adds. The time per multiply-add
//! should stay constant, or fall as the fixed cost per op is amortized.
//!
//! All networks of a table run interleaved. Figures are medians. Run with `cargo bench -p pixelrnn-benches --bench
//! growth`.

use pixelrnn::batched::{Batch, PackedModel};
use pixelrnn::network::Architecture;
use pixelrnn::{Cost, Plan, Sample, Temperature};
use pixelrnn_benches::{Subject, Worker, kernel};
use std::hint::black_box;
use std::time::Instant;

/// Rounds per network.
const ROUNDS: usize = 5;

/// Batch size.
const MANY: usize = 16;

/// Side, h and layers of a network.
type Size = [usize; 3];

fn main() {
    println!("kernel {}, one thread, medians of {ROUNDS} turns; picoseconds a multiply-add\n", kernel().name());
    let architectures = [
        ("pixelcnn", Architecture::PixelCnn),
        ("row-lstm", Architecture::RowLstm),
        ("diagonal-bilstm", Architecture::DiagonalBilstm),
    ];
    let tables: [(&str, [Size; 4]); 3] = [
        ("side", [14, 28, 56, 112].map(|side| [side, 16, 7])),
        ("h", [16, 32, 64, 128].map(|hidden| [28, hidden, 7])),
        ("layers", [3, 6, 12, 24].map(|layers| [28, 16, layers])),
    ];
    println!(
        "{:16} {:>5} {:>4} {:>7} {:>20} {:>8} {:>11} {:>12}",
        "model", "side", "h", "layers", "M multiply-adds", "engine", "batch of 1", "batch of 16"
    );
    for (name, architecture) in architectures {
        for (grows, sizes) in &tables {
            println!("{name}, {grows} grows");
            measure(name, architecture, sizes);
        }
    }
}

fn measure(name: &str, architecture: Architecture, sizes: &[Size]) {
    let subjects: Vec<_> = sizes
        .iter()
        .map(|[side, hidden, layers]| {
            Subject::sized(name, architecture, *side, *hidden, *layers).expect("a preset converts")
        })
        .collect();
    let mut seconds = vec![[const { Vec::<f64>::new() }; 3]; subjects.len()];
    for _ in 0..ROUNDS {
        for (subject, seconds) in subjects.iter().zip(&mut seconds) {
            let model = subject.model();
            let mut state = vec![0; model.state_words()];
            let mut worker = Worker::new(model, &mut state, kernel(), Plan::Pixel);
            worker.sample(0);
            seconds[0].push(time(|| _ = black_box(worker.sample(1))));
            let packed = PackedModel::new(model).expect("8-bit weights");
            for (images, seconds) in [1, MANY].into_iter().zip(&mut seconds[1..]) {
                let mut batch = Batch::with(&packed, images, kernel()).expect("a batch");
                let (mut out, mut costs) = (vec![0; images * model.image().values()], vec![Cost(0); images]);
                let mut draw = || {
                    let mut draws: Vec<_> =
                        (0..images as u64).map(|seed| Sample::seeded(seed, Temperature::ONE)).collect();
                    batch.run(None, &mut draws, &mut out, &mut costs).expect("draws");
                };
                draw();
                seconds.push(time(draw) / images as f64);
            }
        }
    }
    for ((subject, [side, hidden, layers]), seconds) in subjects.iter().zip(sizes).zip(&mut seconds) {
        let model = subject.model();
        let work = (model.multiply_adds() * model.image().height * model.image().width) as f64;
        let [engine, one, many] = seconds.each_mut().map(|times| {
            times.sort_by(f64::total_cmp);
            1e12 * times[times.len() / 2] / work
        });
        println!(
            "{:16} {side:>5} {hidden:>4} {layers:>7} {:>20.2} {engine:>8.1} {one:>11.1} {many:>12.2}",
            "",
            work / 1e6
        );
    }
}

/// Best time of a task in seconds, over a few runs.
fn time(mut task: impl FnMut()) -> f64 {
    let each = (0..3).map(|_| {
        let begin = Instant::now();
        task();
        begin.elapsed().as_secs_f64()
    });
    each.fold(f64::INFINITY, f64::min)
}
