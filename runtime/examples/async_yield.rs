//! Draws a digit in an async task that yields after each pixel, so that another task runs between pixels.
//!
//! ```text
//! cargo run -p pixelrnn --example async_yield
//! ```
//!
//! In Embassy, `draw` and `count` are tasks of its executor, and `embassy_futures::yield_now` replaces `yield_now`.

use pixelrnn::{Cost, Engine, Sample, StepError, Temperature};
use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io::{Write, stdout};
use std::mem::replace;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pixelrnn::include_model!(mod digits = "../testdata/mnist-pixelcnn.prnn");

/// Lets the executor run the other tasks once.
async fn yield_now() {
    let mut polled = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

async fn draw(engine: &mut Engine<'_, '_>) -> Result<Cost, StepError<Infallible>> {
    let mut source = Sample::seeded(7, Temperature::ONE);
    let mut cost = Cost::default();
    while let Some(pixel) = engine.step(&mut source)? {
        cost += pixel.cost;
        yield_now().await;
    }
    Ok(cost)
}

/// Stands for the other work of the firmware.
async fn count(turns: &Cell<usize>) -> Infallible {
    loop {
        turns.set(turns.get() + 1);
        yield_now().await;
    }
}

/// Executor of two tasks that are always ready: polls them in turn until the first is done.
fn block_on<T>(task: impl Future<Output = T>, background: impl Future<Output = Infallible>) -> T {
    let (mut task, mut background) = (pin!(task), pin!(background));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = task.as_mut().poll(&mut context) {
            return result;
        }
        let Poll::Pending = background.as_mut().poll(&mut context);
    }
}

pub(crate) fn run(out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let mut state: digits::State = [0; digits::STATE_WORDS];
    let mut engine = Engine::new(digits::model()?, &mut state)?;
    let turns = Cell::new(0);
    let cost = block_on(draw(&mut engine), count(&turns))?;
    writeln!(out, "{:.1} nats in {} pixels; the other task ran {} times", cost.nats(), engine.position(), turns.get())?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut stdout().lock())
}
