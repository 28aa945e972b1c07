//! Proof that the engine cannot panic. The panic handler calls an undefined function, so the program links only if the
//! optimizer removed every panic. The program contains nothing but the engine, so its size is the size of the runtime.
#![no_std]
#![no_main]

use core::hint::black_box;
#[cfg(target_arch = "arm")]
use cortex_m as _; // its critical section
use pixelrnn::kernels::Native;
use pixelrnn::{Complete, Engine, FromImage, Model, Plan, Sample, SymbolSource, Temperature};
use static_cell::ConstStaticCell;

unsafe extern "C" {
    safe fn the_engine_can_panic() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    the_engine_can_panic()
}

/// Words of state. The compiler must not know the model, so any size will do.
const WORDS: usize = 1024;

static STATE: ConstStaticCell<[u32; WORDS]> = ConstStaticCell::new([0; WORDS]);

/// Opens a blob and generates an image from it pixel by pixel.
#[inline(never)]
fn generate<S: SymbolSource>(blob: &[u8], state: &mut [u32], label: Option<usize>, mut source: S) -> u64 {
    let Ok(model) = Model::new(blob) else { return 0 };
    // Hides the plan from the optimizer, so that the proof holds for every plan.
    let plan = if cfg!(feature = "every-entry") { black_box(Plan::Row) } else { Plan::Pixel };
    let Ok(mut engine) = Engine::with(model, state, Native::default(), plan) else { return 0 };
    if engine.restart(label).is_err() {
        return 0;
    }
    let mut cost = 0;
    while let Ok(Some(pixel)) = engine.step(&mut source) {
        cost += pixel.cost.0;
        black_box(pixel.values);
    }
    #[cfg(feature = "every-entry")]
    {
        let mut image = [0; 16];
        cost += engine.run(label, &mut source, &mut image).unwrap_or_default().0;
        black_box(image);
    }
    cost
}

/// Entry point.
#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "_start"))]
fn main() -> ! {
    static BLOB: [u8; 4] = [0; 4];
    if let Some(state) = STATE.try_take() {
        // Hides contents and length of the blob from the optimizer.
        let blob: &[u8] = black_box(&BLOB[..]);
        let draw = Sample::seeded(black_box(1), black_box(Temperature::ONE));
        black_box(generate(blob, state, black_box(None), draw.clone()));
        if cfg!(feature = "every-entry")
            && let Ok(model) = Model::new(blob)
        {
            let (image, shape): (&[u8], _) = (black_box(&[0; 16][..]), model.image());
            black_box(generate(blob, state, black_box(None), FromImage::new(image, shape)));
            black_box(generate(blob, state, black_box(None), Complete::new(image, shape, black_box(1), draw)));
        }
    }
    loop {
        core::hint::spin_loop();
    }
}
