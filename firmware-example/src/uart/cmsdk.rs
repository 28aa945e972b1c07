//! UART of Arm's Cortex-M System Design Kit, as found in the FPGA images of MPS2 and MPS3 boards.

use super::board::{BASE, BIT};
use super::{get, set};
use crate::protocol::LOST;

const DATA: usize = BASE;
const STATE: usize = BASE + 0x04;
const CONTROL: usize = BASE + 0x08;
const INTERRUPTS: usize = BASE + 0x0c;
const BAUD_DIVISOR: usize = BASE + 0x10;

const SEND_FULL: u32 = 1 << 0;
const RECEIVE_FULL: u32 = 1 << 1;
const RECEIVE_OVERRUN: u32 = 1 << 3;
const SEND_ENABLE: u32 = 1 << 0;
const RECEIVE_ENABLE: u32 = 1 << 1;
const RECEIVE_INTERRUPT: u32 = 1 << 3;
/// Receive interrupt bit.
const ON_RECEIVED: u32 = 1 << 1;

pub(super) fn set_up() {
    // Clock cycles per bit, at least 16.
    set(BAUD_DIVISOR, BIT);
    set(CONTROL, SEND_ENABLE | RECEIVE_ENABLE);
}

pub(super) fn interrupt_on_receive() {
    set(CONTROL, SEND_ENABLE | RECEIVE_ENABLE | RECEIVE_INTERRUPT);
}

/// Clears the interrupt. Call it before reading: a byte that arrives in between raises the interrupt again.
pub(super) fn clear_interrupt() {
    set(INTERRUPTS, ON_RECEIVED);
}

pub(super) fn receive() -> Option<u8> {
    let state: u32 = get(STATE);
    if state & RECEIVE_OVERRUN != 0 {
        // Write one to clear.
        set(STATE, RECEIVE_OVERRUN);
        return Some(LOST);
    }
    (state & RECEIVE_FULL != 0).then(|| get::<u32>(DATA) as u8)
}

pub(super) fn send(byte: u8) {
    while get::<u32>(STATE) & SEND_FULL != 0 {}
    set(DATA, u32::from(byte));
}
