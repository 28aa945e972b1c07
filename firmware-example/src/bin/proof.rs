//! The engine and nothing else. It links only if nothing that the engine does can panic: the panic handler calls a function
//! that does not exist. Its size is that of the runtime.
#![no_std]
#![no_main]

use core::hint::black_box;
use pixelrnn::{Draw, Engine, Model, Temperature};
use static_cell::ConstStaticCell;

unsafe extern "C" {
    safe fn the_engine_can_panic() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    the_engine_can_panic()
}

/// Words of state; what matters is that the compiler does not know the model.
const WORDS: usize = 1024;

static STATE: ConstStaticCell<[u32; WORDS]> = ConstStaticCell::new([0; WORDS]);

/// Checks a blob and draws an image of it; what each value is comes out of nowhere else.
#[inline(never)]
fn draw(blob: &[u8], state: &mut [u32], label: Option<usize>, seed: u64, temperature: Temperature) -> u64 {
    let Ok(model) = Model::new(blob) else { return 0 };
    let Ok(mut engine) = Engine::new(model, state) else { return 0 };
    if engine.restart(label).is_err() {
        return 0;
    }
    let mut source = Draw::seeded(seed, temperature);
    let mut cost = 0;
    while let Ok(Some(pixel)) = engine.step(&mut source) {
        cost += pixel.cost;
        black_box(pixel.values);
    }
    cost
}

/// Where the program begins.
#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "_start"))]
fn main() -> ! {
    static BLOB: [u8; 4] = [0; 4];
    if let Some(state) = STATE.try_take() {
        black_box(draw(black_box(&BLOB), state, black_box(None), black_box(1), black_box(Temperature::ONE)));
    }
    loop {
        core::hint::spin_loop();
    }
}
