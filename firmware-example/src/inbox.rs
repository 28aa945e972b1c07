//! Byte queue between the receive interrupt and the main program.
#![forbid(unsafe_code)]

use crate::protocol::LOST;
use heapless::spsc::{Consumer, Producer, QueueView};

/// Producer end, for the interrupt handler.
pub struct Inbox<'q>(Producer<'q, u8>);

impl<'q> Inbox<'q> {
    /// Splits `queue`, which needs a capacity of at least two, into both ends.
    pub fn new(queue: &'q mut QueueView<u8>) -> (Self, Consumer<'q, u8>) {
        let (producer, consumer) = queue.split();
        (Self(producer), consumer)
    }

    /// Queues `byte` if there is room.
    ///
    /// The last slot is reserved for [`LOST`]. A full queue ends with that marker, so it sits exactly where bytes are
    /// missing.
    pub fn put(&mut self, byte: u8) {
        let room = self.0.capacity() - self.0.len();
        // A full queue already ends with the marker, so a failed enqueue loses no information.
        let _ = self.0.enqueue(if room > 1 { byte } else { LOST });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heapless::spsc::Queue;

    fn read(bytes: &mut Consumer<'_, u8>, max: usize) -> Vec<u8> {
        std::iter::from_fn(|| bytes.dequeue()).take(max).collect()
    }

    #[test]
    fn what_fits_comes_out_as_it_went_in() {
        let mut queue = Queue::<u8, 8>::new();
        let (mut inbox, mut bytes) = Inbox::new(&mut queue);
        for round in 0..100u8 {
            let sent = [round, round + 1, round + 2, b'\n', 0, 255];
            sent.iter().for_each(|&byte| inbox.put(byte));
            assert_eq!(read(&mut bytes, usize::MAX), sent);
        }
    }

    #[test]
    fn where_bytes_are_missing_stands_a_mark() {
        let mut queue = Queue::<u8, 5>::new();
        let (mut inbox, mut bytes) = Inbox::new(&mut queue);
        b"abcdefgh".iter().for_each(|&byte| inbox.put(byte));
        assert_eq!(read(&mut bytes, 1), b"a");
        // The one free slot is reserved for the marker.
        b"ij".iter().for_each(|&byte| inbox.put(byte));
        assert_eq!(read(&mut bytes, 3), [b'b', b'c', LOST]);
        b"kl".iter().for_each(|&byte| inbox.put(byte));
        assert_eq!(read(&mut bytes, usize::MAX), [LOST, b'k', b'l']);
        b"\n".iter().for_each(|&byte| inbox.put(byte));
        assert_eq!(read(&mut bytes, usize::MAX), b"\n");
    }

    #[test]
    fn no_line_goes_through_with_bytes_missing_and_no_mark() {
        let mut queue = Queue::<u8, 16>::new();
        let (mut inbox, mut bytes) = Inbox::new(&mut queue);
        let mut random = 1u32;
        let mut below = |limit| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) as usize % limit
        };
        // All lines are equal, so any other line without a marker has lost bytes unnoticed.
        let mut sent = b"123456789\n".iter().cycle();
        let (mut line, mut whole, mut marked) = (Vec::new(), 0, 0);
        for _ in 0..20_000 {
            sent.by_ref().take(below(24)).for_each(|&byte| inbox.put(byte));
            for byte in read(&mut bytes, below(24)) {
                line.push(byte);
                if byte == b'\n' {
                    let lost = line.contains(&LOST);
                    assert!(lost || line == b"123456789\n", "{line:?}");
                    *if lost { &mut marked } else { &mut whole } += 1;
                    line.clear();
                }
            }
        }
        assert!(whole > 1000 && marked > 1000, "{whole} {marked}");
    }
}
