//! Answers requests over the board's serial port. See `docs/device-protocol.md` for the protocol.
#![no_std]
#![no_main]

/// Entry point.
#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "_start"))]
fn main() -> ! {
    serve()
}

#[cfg(uart)]
fn serve() -> ! {
    use heapless::Vec;
    use pixelrnn_firmware::{MODELS, STATE_WORDS, VALUES, protocol, uart::Uart};
    use static_cell::ConstStaticCell;

    static STATE: ConstStaticCell<[u32; STATE_WORDS]> = ConstStaticCell::new([0; STATE_WORDS]);
    static IMAGE: ConstStaticCell<[u8; VALUES]> = ConstStaticCell::new([0; VALUES]);
    static LINE: ConstStaticCell<Vec<u8, { protocol::line_bytes(MODELS) }>> = ConstStaticCell::new(Vec::new());
    static HELD: ConstStaticCell<Vec<u8, { protocol::HELD_BYTES }>> = ConstStaticCell::new(Vec::new());

    let Some(mut uart) = Uart::take() else { stop() };
    let mut session = protocol::Session::new(MODELS, STATE.take(), IMAGE.take(), LINE.take(), HELD.take());
    // The serial port is infallible, so the results below can be ignored.
    let _ = session.greet(&mut uart);
    loop {
        if let Some(byte) = uart.read() {
            let _ = session.push(byte, &mut uart);
        }
        let Some(mut job) = session.start() else { continue };
        while job.step(&mut uart) == Ok(true) {
            while let Some(byte) = uart.read() {
                let _ = job.push(byte, &mut uart);
            }
        }
    }
}

/// Exits with a message, since the board has no UART driver.
#[cfg(not(uart))]
fn serve() -> ! {
    semihosting::println!("this board has no UART driver");
    semihosting::process::exit(1)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    stop()
}

/// Halts, as there is no console for a message.
fn stop() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
