//! USART1 of an STM32F4, on PA9 (transmit) and PA10 (receive).

use super::board::{BASE, BIT};
use super::{get, set};
use crate::protocol::LOST;

const STATUS: usize = BASE;
const DATA: usize = BASE + 0x04;
const BAUD_RATE: usize = BASE + 0x08;
const CONTROL_1: usize = BASE + 0x0c;

const OVERRUN: u32 = 1 << 3;
const RECEIVED: u32 = 1 << 5;
const SEND_EMPTY: u32 = 1 << 7;
const RECEIVE_ENABLE: u32 = 1 << 2;
const SEND_ENABLE: u32 = 1 << 3;
const RECEIVE_INTERRUPT: u32 = 1 << 5;
const USART_ENABLE: u32 = 1 << 13;

/// Peripheral clock enables: GPIOA is bit 0 of the first register, USART1 bit 4 of the second.
const AHB1_ENABLE: usize = 0x4002_3830;
const APB2_ENABLE: usize = 0x4002_3844;

/// Two bits per pin. 2 selects the alternate function.
const GPIOA_MODE: usize = 0x4002_0000;
/// Four bits per pin from PA8 on. 7 selects USART1.
const GPIOA_FUNCTION_HIGH: usize = 0x4002_0024;

fn change(address: usize, clear: u32, put: u32) {
    set(address, get::<u32>(address) & !clear | put);
}

pub(super) fn set_up() {
    change(AHB1_ENABLE, 0, 1 << 0);
    change(APB2_ENABLE, 0, 1 << 4);
    change(GPIOA_FUNCTION_HIGH, 0xff << 4, 0x77 << 4);
    change(GPIOA_MODE, 0b1111 << 18, 0b1010 << 18);
    // With 16-fold oversampling, the divisor in sixteenths equals the clock cycles per bit: 139, 0.1 % off 115,200
    // baud.
    set(BAUD_RATE, BIT);
    set(CONTROL_1, USART_ENABLE | SEND_ENABLE | RECEIVE_ENABLE);
}

pub(super) fn interrupt_on_receive() {
    change(CONTROL_1, 0, RECEIVE_INTERRUPT);
}

/// No-op: the interrupt stays pending until `receive` takes the byte.
pub(super) fn clear_interrupt() {}

pub(super) fn receive() -> Option<u8> {
    let status: u32 = get(STATUS);
    if status & (OVERRUN | RECEIVED) == 0 {
        return None;
    }
    // Reading the data register after the status clears both flags. On an overrun this also discards the last byte
    // before the gap.
    let byte = get::<u32>(DATA) as u8;
    Some(if status & OVERRUN == 0 { byte } else { LOST })
}

pub(super) fn send(byte: u8) {
    while get::<u32>(STATUS) & SEND_EMPTY == 0 {}
    set(DATA, u32::from(byte));
}
