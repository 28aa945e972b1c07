//! The firmware's report as a WebAssembly module. `run()` makes the report; `text()` and `length()` give its address
//! and length in the module's memory.
#![no_std]

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicUsize, Ordering};
use pixelrnn::kernels::Native;
use pixelrnn_firmware::kernels::{self, Size};
use pixelrnn_firmware::{MODELS, STATE_WORDS, VALUES, bad_blobs, report};
use static_cell::ConstStaticCell;

const ROOM: usize = 1 << 16;

static STATE: ConstStaticCell<[u32; STATE_WORDS]> = ConstStaticCell::new([0; STATE_WORDS]);
static IMAGE: ConstStaticCell<[u8; VALUES]> = ConstStaticCell::new([0; VALUES]);
static TEXT: ConstStaticCell<[u8; ROOM]> = ConstStaticCell::new([0; ROOM]);
static AT: AtomicUsize = AtomicUsize::new(0);
static LENGTH: AtomicUsize = AtomicUsize::new(0);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

struct Text {
    room: &'static mut [u8],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.room.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Makes the report. Can be called once. Returns 0 on success.
#[unsafe(no_mangle)]
pub extern "C" fn run() -> i32 {
    let (Some(state), Some(image), Some(room)) = (STATE.try_take(), IMAGE.try_take(), TEXT.try_take()) else {
        return 2;
    };
    AT.store(room.as_ptr() as usize, Ordering::Relaxed);
    let mut text = Text { room, length: 0 };
    let done = MODELS.iter().try_for_each(|entry| {
        report::print(entry, state, image, &mut text).or_else(|failure| {
            writeln!(text, "{}: {failure}", entry.name)?;
            Err(fmt::Error)
        })
    });
    let tried = bad_blobs::print(&mut text);
    let right = match kernels::check(Native::default(), Size::TARGET) {
        Ok(cases) => writeln!(text, "kernels {cases} cases right").is_ok(),
        Err(wrong) => {
            let _ = writeln!(text, "kernels: {wrong:?}"); // fails either way
            false
        }
    };
    LENGTH.store(text.length, Ordering::Relaxed);
    i32::from(done.is_err() || tried.is_err() || !right)
}

/// Address of the report.
#[unsafe(no_mangle)]
pub extern "C" fn text() -> usize {
    AT.load(Ordering::Relaxed)
}

/// Length of the report in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn length() -> usize {
    LENGTH.load(Ordering::Relaxed)
}
