//! Serial port of each board: 115,200 baud, 8 data bits, no parity, one stop bit.
//!
//! Tested in QEMU only, which accepts every baud rate and needs no pin configuration. Baud rates and pins for real
//! chips follow their manuals and are untested.
//!
//! On Arm an interrupt queues incoming bytes at any time; see [`crate::inbox`] for the behaviour of a full queue. On
//! RISC-V bytes are polled.

#[cfg(uart = "cmsdk")]
mod cmsdk;
#[cfg(target_arch = "arm")]
mod interrupt;
#[cfg(uart = "nrf5")]
mod nrf5;
#[cfg(uart = "ns16550")]
mod ns16550;
#[cfg(uart = "stm32f4")]
mod stm32f4;

#[cfg(uart = "cmsdk")]
use cmsdk as driver;
use core::fmt;
#[cfg(uart = "nrf5")]
use nrf5 as driver;
#[cfg(uart = "ns16550")]
use ns16550 as driver;
use static_cell::ConstStaticCell;
#[cfg(uart = "stm32f4")]
use stm32f4 as driver;

// Module `board`: base address, clock or pins, and interrupt number of the UART, from the table in `build.rs`.
include!(concat!(env!("OUT_DIR"), "/uart.rs"));

static FREE: ConstStaticCell<()> = ConstStaticCell::new(());

/// Serial port of the board.
pub struct Uart {
    #[cfg(target_arch = "arm")]
    bytes: heapless::spsc::Consumer<'static, u8>,
}

impl Uart {
    /// Initializes the port. `None` after the first call, so the port has a single owner.
    pub fn take() -> Option<Self> {
        FREE.try_take()?;
        driver::set_up();
        Some(Self {
            #[cfg(target_arch = "arm")]
            bytes: interrupt::listen()?,
        })
    }

    /// Next byte if available. [`crate::protocol::LOST`] marks bytes dropped because the queue was full.
    pub fn read(&mut self) -> Option<u8> {
        #[cfg(target_arch = "arm")]
        return self.bytes.dequeue();
        #[cfg(not(target_arch = "arm"))]
        return driver::receive();
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(driver::send);
        Ok(())
    }
}

/// Reads a register of type `T` at `address`.
fn get<T>(address: usize) -> T {
    // SAFETY: only drivers call this, with addresses of this chip's registers, which are aligned for `T` and always
    // mapped.
    unsafe { (address as *const T).read_volatile() }
}

/// Writes a register of type `T` at `address`.
fn set<T>(address: usize, value: T) {
    // SAFETY: as in `get`. None of these registers starts an access of the chip to the program's memory.
    unsafe { (address as *mut T).write_volatile(value) };
}
