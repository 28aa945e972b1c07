//! UART of QEMU's RISC-V board, compatible with National Semiconductor's 16550.

use super::board::{BASE, BIT};
use super::{get, set};
use crate::protocol::LOST;

const DATA: usize = BASE;
const INTERRUPTS: usize = BASE + 1;
const FIFO: usize = BASE + 2;
const LINE: usize = BASE + 3;
const STATUS: usize = BASE + 5;

const EIGHT_BITS: u8 = 0b11;
/// Maps the divisor to the addresses of the first two registers.
const DIVISOR: u8 = 1 << 7;
const RECEIVED: u8 = 1 << 0;
const OVERRUN: u8 = 1 << 1;
const SEND_EMPTY: u8 = 1 << 5;

pub(super) fn set_up() {
    let [low, high, ..] = (BIT / 16).to_le_bytes();
    set(LINE, EIGHT_BITS | DIVISOR);
    set(DATA, low);
    set(INTERRUPTS, high);
    set(LINE, EIGHT_BITS);
    set(INTERRUPTS, 0u8);
    set(FIFO, 1u8);
}

pub(super) fn receive() -> Option<u8> {
    let status: u8 = get(STATUS);
    // Reading the status clears the overrun flag.
    if status & OVERRUN != 0 {
        return Some(LOST);
    }
    (status & RECEIVED != 0).then(|| get(DATA))
}

pub(super) fn send(byte: u8) {
    while get::<u8>(STATUS) & SEND_EMPTY == 0 {}
    set(DATA, byte);
}
