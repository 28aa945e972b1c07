//! The UART of an nRF51 or nRF52, without DMA: both have the same registers in the same places.

use super::board::{BASE, RECEIVE, SEND};
use super::{get, set};
use crate::protocol::LOST;

const START_RECEIVE: usize = BASE;
const START_SEND: usize = BASE + 0x008;
const RECEIVED: usize = BASE + 0x108;
const SENT: usize = BASE + 0x11c;
const INTERRUPT_ON: usize = BASE + 0x304;
const ERROR_SOURCE: usize = BASE + 0x480;
const ENABLE: usize = BASE + 0x500;
const PIN_SEND: usize = BASE + 0x50c;
const PIN_RECEIVE: usize = BASE + 0x514;
const RECEIVE_DATA: usize = BASE + 0x518;
const SEND_DATA: usize = BASE + 0x51c;
const BAUD_RATE: usize = BASE + 0x524;

/// The bit of [`RECEIVED`] among the interrupts.
const ON_RECEIVED: u32 = 1 << 2;
const OVERRUN: u32 = 1 << 0;
/// The value that turns the UART on; that of the one with DMA is another.
const ON: u32 = 4;
/// 115,200 baud, as the manuals have it.
const BAUD_115_200: u32 = 0x01d7_e000;

const GPIO_SET: usize = 0x5000_0508;
const GPIO_OUTPUT: usize = 0x5000_0518;
/// How the pin that receives is wired: an input that is read, with a pull-up.
const GPIO_RECEIVE: usize = 0x5000_0700 + 4 * RECEIVE as usize;
const INPUT_PULLED_UP: u32 = 3 << 2;

/// The crystal: the internal oscillator is too far off for a UART.
const START_CRYSTAL: usize = 0x4000_0000;
const CRYSTAL_STARTED: usize = 0x4000_0100;

pub(super) fn set_up() {
    set(START_CRYSTAL, 1u32);
    while get::<u32>(CRYSTAL_STARTED) == 0 {}
    // The line is high when idle.
    set(GPIO_SET, 1u32 << SEND);
    set(GPIO_OUTPUT, 1u32 << SEND);
    set(GPIO_RECEIVE, INPUT_PULLED_UP);
    set(PIN_SEND, SEND);
    set(PIN_RECEIVE, RECEIVE);
    set(BAUD_RATE, BAUD_115_200);
    set(ENABLE, ON);
    set(START_SEND, 1u32);
    set(START_RECEIVE, 1u32);
}

pub(super) fn interrupt_on_receive() {
    set(INTERRUPT_ON, ON_RECEIVED);
}

/// Nothing to do: the interrupt is there for as long as the event is, which `receive` clears.
pub(super) fn clear_interrupt() {}

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
