//! The serial port of each board, 115,200 baud, 8 bits, no parity, one stop bit.
//!
//! What ran of it ran in QEMU, and in QEMU alone: it takes every baud rate and needs no pins. What real chips need beside
//! that is set as their manuals say, and has not been tried on one.
//!
//! On Arm an interrupt takes bytes off the hardware and queues them, whatever the program does meanwhile; see
//! [`crate::inbox`] for what happens when the queue is full. On RISC-V bytes are polled for.

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

// `board`: where the board's UART is, its clock or its pins, and its interrupt. `build.rs` has the table.
include!(concat!(env!("OUT_DIR"), "/uart.rs"));

static FREE: ConstStaticCell<()> = ConstStaticCell::new(());

/// The board's serial port.
pub struct Uart {
    #[cfg(target_arch = "arm")]
    bytes: heapless::spsc::Consumer<'static, u8>,
}

impl Uart {
    /// Sets the port up; `None` after the first time, so that it has one owner.
    pub fn take() -> Option<Self> {
        FREE.try_take()?;
        driver::set_up();
        Some(Self {
            #[cfg(target_arch = "arm")]
            bytes: interrupt::listen()?,
        })
    }

    /// The next byte, if one is there; [`crate::protocol::LOST`] for bytes that came when there was no room for them.
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

/// Reads the register of type `T` at `address`.
fn get<T>(address: usize) -> T {
    // SAFETY: the drivers alone call it, with addresses of registers of this board's chip, aligned for `T` and always there.
    unsafe { (address as *const T).read_volatile() }
}

/// Writes the register of type `T` at `address`.
fn set<T>(address: usize, value: T) {
    // SAFETY: as in `get`; none of these registers makes the chip touch the program's memory.
    unsafe { (address as *mut T).write_volatile(value) };
}
