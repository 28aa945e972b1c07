//! Receive interrupt: queues bytes from the UART while the program computes or sends.

use super::{board, driver};
use crate::inbox::Inbox;
use core::cell::Cell;
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
use critical_section::Mutex;
use heapless::spsc::{Consumer, Queue};
use static_cell::ConstStaticCell;

/// Queue size. The queue keeps one slot free and the inbox reserves one for its marker: 510 bytes can wait, 44 ms at
/// line speed.
const PLACES: usize = 512;

static QUEUE: ConstStaticCell<Queue<u8, PLACES>> = ConstStaticCell::new(Queue::new());

/// Producer end for the interrupt handler, set by [`listen`].
static INBOX: Mutex<Cell<Option<Inbox<'static>>>> = Mutex::new(Cell::new(None));

/// Interrupt of the board's UART.
#[derive(Clone, Copy)]
struct Receive;

// SAFETY: always returns the same number, the UART interrupt from the chip's manual.
unsafe impl InterruptNumber for Receive {
    fn number(self) -> u16 {
        board::INTERRUPT
    }
}

/// Enables the interrupt and returns the receiving end. `None` after the first call.
pub(super) fn listen() -> Option<Consumer<'static, u8>> {
    let (inbox, bytes) = Inbox::new(QUEUE.try_take()?);
    critical_section::with(|cs| INBOX.borrow(cs).set(Some(inbox)));
    driver::interrupt_on_receive();
    // SAFETY: no critical section relies on masking single interrupts, and the handler's data is behind a `Mutex`.
    unsafe { NVIC::unmask(Receive) };
    Some(bytes)
}

/// Handles the UART interrupt. There is no vector table for this chip, and no other interrupt is enabled.
// SAFETY: the attribute requires `unsafe`, as some exceptions can interrupt a critical section. This handler enters one
// itself and takes the inbox out of its cell for the duration.
#[exception]
unsafe fn DefaultHandler(_: i16) {
    critical_section::with(|cs| {
        let Some(mut inbox) = INBOX.borrow(cs).take() else { return };
        driver::clear_interrupt();
        while let Some(byte) = driver::receive() {
            inbox.put(byte);
        }
        INBOX.borrow(cs).set(Some(inbox));
    });
}
