//! Takes bytes off the UART as they come, while the program computes or sends.

use super::{board, driver};
use crate::inbox::Inbox;
use core::cell::Cell;
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;
use critical_section::Mutex;
use heapless::spsc::{Consumer, Queue};
use static_cell::ConstStaticCell;

/// A queue leaves one place free, and an inbox keeps one for its mark: 510 bytes may wait, which take 44 ms to send.
const PLACES: usize = 512;

static QUEUE: ConstStaticCell<Queue<u8, PLACES>> = ConstStaticCell::new(Queue::new());

/// Where the interrupt puts bytes, once someone listens.
static INBOX: Mutex<Cell<Option<Inbox<'static>>>> = Mutex::new(Cell::new(None));

/// That of the board's UART.
#[derive(Clone, Copy)]
struct Receive;

// SAFETY: it is always the same number, which the chip's manual has for its UART.
unsafe impl InterruptNumber for Receive {
    fn number(self) -> u16 {
        board::INTERRUPT
    }
}

/// Turns the interrupt on, and gives what it receives; `None` after the first time.
pub(super) fn listen() -> Option<Consumer<'static, u8>> {
    let (inbox, bytes) = Inbox::new(QUEUE.try_take()?);
    critical_section::with(|cs| INBOX.borrow(cs).set(Some(inbox)));
    driver::interrupt_on_receive();
    // SAFETY: no critical section depends on a mask of single interrupts; what the handler uses is behind a `Mutex`.
    unsafe { NVIC::unmask(Receive) };
    Some(bytes)
}

/// Whatever comes that has no handler of its own: the UART's, as there is no table of this chip's interrupts, and no other
/// one is turned on.
// SAFETY: the attribute asks for `unsafe` as some exceptions interrupt critical sections too. This enters one itself, and takes
// what it uses out of its place meanwhile.
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
