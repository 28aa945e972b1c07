//! Counts the instructions and stack that an image needs, and prints one JSON object per model.
//!
//! The counts are meaningful only under QEMU's `-icount shift=6`; see `measure`.
#![no_std]
#![no_main]

#[cfg(not(target_arch = "arm"))]
compile_error!("counting needs SysTick, which Cortex-M has");

use pixelrnn::{Engine, FromImage, Sample, Temperature};
use pixelrnn_firmware::report::Failure;
use pixelrnn_firmware::{Entry, MODELS, STATE_WORDS, VALUES, measure, report};
use semihosting::{println, process};
use static_cell::ConstStaticCell;

static STATE: ConstStaticCell<[u32; STATE_WORDS]> = ConstStaticCell::new([0; STATE_WORDS]);
static IMAGE: ConstStaticCell<[u8; VALUES]> = ConstStaticCell::new([0; VALUES]);

/// Painted stack: more than an engine uses, less than the smallest board leaves free.
const STACK: usize = 2048;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    process::exit(101)
}

/// Entry point.
#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
fn main() -> ! {
    let (state, image) = (STATE.take(), IMAGE.take());
    for entry in MODELS {
        if let Err(failure) = count(entry, state, image) {
            println!("{}: {failure}", entry.name);
            process::exit(1);
        }
    }
    process::exit(0)
}

/// Measures one image of a model and prints the counts.
fn count(entry: &Entry, state: &mut [u32], image: &mut [u8]) -> Result<(), Failure> {
    let model = (entry.model)()?;
    let shape = model.image();
    let label = (model.classes() > 0).then_some(0);
    let image = image.get_mut(..shape.values()).ok_or(Failure::Image)?;
    let mut engine = Engine::new(model, state)?;
    let mut drawn = Ok(pixelrnn::Cost(0));
    let sample = measure::instructions(&mut || {
        drawn = engine.run(label, &mut Sample::seeded(7, Temperature::ONE), image);
    });
    let mut scored = Ok(0);
    let given = FromImage::new(image, shape);
    let score = measure::instructions(&mut || {
        scored = report::total_cost(&mut engine, label, &mut { given });
    });
    let (drawn, scored) = (drawn?.0, scored?);
    if drawn != scored {
        println!("{}: drawing cost {drawn}, scoring the same image {scored}", entry.name);
        process::exit(1);
    }
    let stack = measure::stack::<STACK>(|| {
        let _ = engine.restart(label);
        for _ in 0..2 * shape.width {
            let _ = engine.step(&mut Sample::seeded(7, Temperature::ONE));
        }
    });
    let multiply_adds = model.multiply_adds() * shape.height * shape.width;
    println!(
        "{{\"model\":\"{}\",\"multiply_adds\":{multiply_adds},\"sample\":{sample},\"score\":{score},\"stack\":{stack}}}",
        entry.name
    );
    Ok(())
}
