//! The serial port of each board, 115,200 baud, 8 bits, no parity, one stop bit.
//!
//! All of it was run in QEMU, and in QEMU alone: it takes every baud rate and needs no pins. What real chips need beside
//! that is set as their manuals say, and has not been tried on one.
//!
//! Bytes are polled for. While a pixel is computed, the hardware holds one byte (six in an nRF51), and loses those that
//! come after; a driver with an interrupt and a queue would not. A loss is noticed, though, where the hardware tells.

use crate::protocol::LOST;
use core::fmt;
use static_cell::ConstStaticCell;

// Where the board's UART is, and its clock: `build.rs` has the table.
include!(concat!(env!("OUT_DIR"), "/uart.rs"));

#[allow(dead_code)]
const BAUD: u32 = 115_200;

static FREE: ConstStaticCell<()> = ConstStaticCell::new(());

/// The board's serial port.
#[derive(Debug)]
pub struct Uart(());

impl Uart {
    /// Sets the port up; `None` after the first time, so that it has one owner.
    pub fn take() -> Option<Self> {
        FREE.try_take()?;
        set_up();
        Some(Self(()))
    }

    /// The next byte, if one is there; [`LOST`] for bytes that came before anyone read them.
    pub fn read(&mut self) -> Option<u8> {
        receive()
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(send);
        Ok(())
    }
}

/// Reads the register of type `T` at `address`.
fn get<T>(address: usize) -> T {
    // SAFETY: this file alone calls it, with addresses of registers of this board's chip, aligned for `T` and always there.
    unsafe { (address as *const T).read_volatile() }
}

/// Writes the register of type `T` at `address`.
fn set<T>(address: usize, value: T) {
    // SAFETY: as in `get`; none of these registers makes the chip touch the program's memory.
    unsafe { (address as *mut T).write_volatile(value) };
}

#[cfg(uart = "cmsdk")]
use cmsdk::{receive, send, set_up};

/// The UART of Arm's Cortex-M System Design Kit, which the FPGA images of MPS2 and MPS3 boards have.
#[cfg(uart = "cmsdk")]
mod cmsdk {
    use super::{BASE, BAUD, CLOCK, LOST, get, set};

    const DATA: usize = BASE;
    const STATE: usize = BASE + 0x04;
    const CONTROL: usize = BASE + 0x08;
    const BAUD_DIVISOR: usize = BASE + 0x10;

    const SEND_FULL: u32 = 1 << 0;
    const RECEIVE_FULL: u32 = 1 << 1;
    const RECEIVE_OVERRUN: u32 = 1 << 3;
    const SEND_ENABLE: u32 = 1 << 0;
    const RECEIVE_ENABLE: u32 = 1 << 1;

    pub(super) fn set_up() {
        // Clock cycles a bit, at least 16.
        set(BAUD_DIVISOR, (CLOCK + BAUD / 2) / BAUD);
        set(CONTROL, SEND_ENABLE | RECEIVE_ENABLE);
    }

    pub(super) fn receive() -> Option<u8> {
        let state: u32 = get(STATE);
        if state & RECEIVE_OVERRUN != 0 {
            // A one clears it.
            set(STATE, RECEIVE_OVERRUN);
            return Some(LOST);
        }
        (state & RECEIVE_FULL != 0).then(|| get::<u32>(DATA) as u8)
    }

    pub(super) fn send(byte: u8) {
        while get::<u32>(STATE) & SEND_FULL != 0 {}
        set(DATA, u32::from(byte));
    }
}

#[cfg(uart = "stm32f4")]
use stm32f4::{receive, send, set_up};

/// USART1 of an STM32F4, on its pins PA9 (sends) and PA10 (receives).
#[cfg(uart = "stm32f4")]
mod stm32f4 {
    use super::{BASE, BAUD, CLOCK, LOST, get, set};

    const STATUS: usize = BASE;
    const DATA: usize = BASE + 0x04;
    const BAUD_RATE: usize = BASE + 0x08;
    const CONTROL_1: usize = BASE + 0x0c;

    const OVERRUN: u32 = 1 << 3;
    const RECEIVED: u32 = 1 << 5;
    const SEND_EMPTY: u32 = 1 << 7;
    const RECEIVE_ENABLE: u32 = 1 << 2;
    const SEND_ENABLE: u32 = 1 << 3;
    const USART_ENABLE: u32 = 1 << 13;

    /// Which peripherals have a clock: GPIOA is bit 0 of the first, USART1 bit 4 of the second.
    const AHB1_ENABLE: usize = 0x4002_3830;
    const APB2_ENABLE: usize = 0x4002_3844;

    /// Two bits a pin: 2 is the alternate function.
    const GPIOA_MODE: usize = 0x4002_0000;
    /// Four bits a pin from PA8 on: 7 is USART1.
    const GPIOA_FUNCTION_HIGH: usize = 0x4002_0024;

    fn change(address: usize, clear: u32, put: u32) {
        set(address, get::<u32>(address) & !clear | put);
    }

    pub(super) fn set_up() {
        change(AHB1_ENABLE, 0, 1 << 0);
        change(APB2_ENABLE, 0, 1 << 4);
        change(GPIOA_FUNCTION_HIGH, 0xff << 4, 0x77 << 4);
        change(GPIOA_MODE, 0b1111 << 18, 0b1010 << 18);
        // With 16-fold oversampling, the divisor in sixteenths is the clock cycles a bit: 139, 0.1 % from 115,200 baud.
        set(BAUD_RATE, (CLOCK + BAUD / 2) / BAUD);
        set(CONTROL_1, USART_ENABLE | SEND_ENABLE | RECEIVE_ENABLE);
    }

    pub(super) fn receive() -> Option<u8> {
        let status: u32 = get(STATUS);
        if status & (OVERRUN | RECEIVED) == 0 {
            return None;
        }
        // Reading the data after the status clears both. Of an overrun, the byte before the lost ones goes with them.
        let byte = get::<u32>(DATA) as u8;
        Some(if status & OVERRUN == 0 { byte } else { LOST })
    }

    pub(super) fn send(byte: u8) {
        while get::<u32>(STATUS) & SEND_EMPTY == 0 {}
        set(DATA, u32::from(byte));
    }
}

#[cfg(uart = "nrf51")]
use nrf51::{receive, send, set_up};

/// The UART of an nRF51, on the pins that lead to the USB chip of a BBC micro:bit (version 1).
#[cfg(uart = "nrf51")]
mod nrf51 {
    use super::{BASE, LOST, get, set};

    const START_RECEIVE: usize = BASE;
    const START_SEND: usize = BASE + 0x008;
    const RECEIVED: usize = BASE + 0x108;
    const SENT: usize = BASE + 0x11c;
    const ERROR_SOURCE: usize = BASE + 0x480;
    const ENABLE: usize = BASE + 0x500;
    const PIN_SEND: usize = BASE + 0x50c;
    const PIN_RECEIVE: usize = BASE + 0x514;
    const RECEIVE_DATA: usize = BASE + 0x518;
    const SEND_DATA: usize = BASE + 0x51c;
    const BAUD_RATE: usize = BASE + 0x524;

    const OVERRUN: u32 = 1 << 0;
    /// The value that turns the UART on.
    const ON: u32 = 4;
    /// 115,200 baud, as the manual has it.
    const BAUD_115_200: u32 = 0x01d7_e000;

    const SEND: u32 = 24;
    const RECEIVE: u32 = 25;

    const GPIO_SET: usize = 0x5000_0508;
    const GPIO_OUTPUT: usize = 0x5000_0518;

    /// The crystal: the internal oscillator is too far off for a UART.
    const START_CRYSTAL: usize = 0x4000_0000;
    const CRYSTAL_STARTED: usize = 0x4000_0100;

    pub(super) fn set_up() {
        set(START_CRYSTAL, 1u32);
        while get::<u32>(CRYSTAL_STARTED) == 0 {}
        // The line is high when idle.
        set(GPIO_SET, 1u32 << SEND);
        set(GPIO_OUTPUT, 1u32 << SEND);
        set(PIN_SEND, SEND);
        set(PIN_RECEIVE, RECEIVE);
        set(BAUD_RATE, BAUD_115_200);
        set(ENABLE, ON);
        set(START_SEND, 1u32);
        set(START_RECEIVE, 1u32);
    }

    pub(super) fn receive() -> Option<u8> {
        let errors: u32 = get(ERROR_SOURCE);
        if errors & OVERRUN != 0 {
            // A one clears it.
            set(ERROR_SOURCE, OVERRUN);
            return Some(LOST);
        }
        if get::<u32>(RECEIVED) == 0 {
            return None;
        }
        // Before the byte is read: with the next one in the FIFO, that sets it again.
        set(RECEIVED, 0u32);
        Some(get::<u32>(RECEIVE_DATA) as u8)
    }

    pub(super) fn send(byte: u8) {
        set(SENT, 0u32);
        set(SEND_DATA, u32::from(byte));
        while get::<u32>(SENT) == 0 {}
    }
}

#[cfg(uart = "ns16550")]
use ns16550::{receive, send, set_up};

/// The UART of QEMU's RISC-V board, after National Semiconductor's 16550.
#[cfg(uart = "ns16550")]
mod ns16550 {
    use super::{BASE, BAUD, CLOCK, LOST, get, set};

    const DATA: usize = BASE;
    const INTERRUPTS: usize = BASE + 1;
    const FIFO: usize = BASE + 2;
    const LINE: usize = BASE + 3;
    const STATUS: usize = BASE + 5;

    const EIGHT_BITS: u8 = 0b11;
    /// Puts the divisor in the place of the first two registers.
    const DIVISOR: u8 = 1 << 7;
    const RECEIVED: u8 = 1 << 0;
    const OVERRUN: u8 = 1 << 1;
    const SEND_EMPTY: u8 = 1 << 5;

    pub(super) fn set_up() {
        let [low, high, ..] = (CLOCK / (16 * BAUD)).to_le_bytes();
        set(LINE, EIGHT_BITS | DIVISOR);
        set(DATA, low);
        set(INTERRUPTS, high);
        set(LINE, EIGHT_BITS);
        set(INTERRUPTS, 0u8);
        set(FIFO, 1u8);
    }

    pub(super) fn receive() -> Option<u8> {
        let status: u8 = get(STATUS);
        // Reading the status clears what it says of lost bytes.
        if status & OVERRUN != 0 {
            return Some(LOST);
        }
        (status & RECEIVED != 0).then(|| get(DATA))
    }

    pub(super) fn send(byte: u8) {
        while get::<u8>(STATUS) & SEND_EMPTY == 0 {}
        set(DATA, byte);
    }
}
