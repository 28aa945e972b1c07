//! UART of the nRF51 and nRF52, without DMA. Both chips have the same register map.

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

/// Interrupt bit of [`RECEIVED`].
const ON_RECEIVED: u32 = 1 << 2;
const OVERRUN: u32 = 1 << 0;
/// Enables the UART. The variant with DMA has a different value.
const ON: u32 = 4;
/// Register value for 115,200 baud, from the manuals.
const BAUD_115_200: u32 = 0x01d7_e000;

const GPIO_SET: usize = 0x5000_0508;
const GPIO_OUTPUT: usize = 0x5000_0518;
/// Configuration of the receive pin: input with pull-up.
const GPIO_RECEIVE: usize = 0x5000_0700 + 4 * RECEIVE as usize;
const INPUT_PULLED_UP: u32 = 3 << 2;

/// Crystal oscillator. The internal oscillator is too inaccurate for a UART.
const START_CRYSTAL: usize = 0x4000_0000;
const CRYSTAL_STARTED: usize = 0x4000_0100;

pub(super) fn set_up() {
    set(START_CRYSTAL, 1u32);
    while get::<u32>(CRYSTAL_STARTED) == 0 {}
    // The line idles high.
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

/// No-op: the interrupt stays pending while the event is set, and `receive` clears the event.
pub(super) fn clear_interrupt() {}

pub(super) fn receive() -> Option<u8> {
    let errors: u32 = get(ERROR_SOURCE);
    if errors & OVERRUN != 0 {
        // Write one to clear.
        set(ERROR_SOURCE, OVERRUN);
        return Some(LOST);
    }
    if get::<u32>(RECEIVED) == 0 {
        return None;
    }
    // Clear before reading the byte: if the FIFO holds another one, reading sets the event again.
    set(RECEIVED, 0u32);
    Some(get::<u32>(RECEIVE_DATA) as u8)
}

pub(super) fn send(byte: u8) {
    set(SENT, 0u32);
    set(SEND_DATA, u32::from(byte));
    while get::<u32>(SENT) == 0 {}
}
