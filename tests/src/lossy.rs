//! In-process device on a lossy line: the firmware's session and receive queue, without emulator or clock.

use heapless::spsc::{Consumer, Queue};
use heapless::{Vec as Fixed, VecView};
use pixelrnn_firmware::Entry;
use pixelrnn_firmware::inbox::Inbox;
use pixelrnn_firmware::protocol::{HELD_BYTES, LOST, Session, line_bytes};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Size of the firmware's queue.
const QUEUE: usize = 512;

/// Events received by the host.
enum Event {
    Said(String),
    /// All input is read and no further reply will come.
    Silence,
}

/// Host end of the line.
///
/// Bytes written between two reads reach the device at once while it is not reading, so any excess over its queue is
/// lost. If the device has nothing to send, a read fails like a timeout.
#[derive(Debug)]
pub struct Line {
    to: Sender<Vec<u8>>,
    from: Receiver<Event>,
    written: Vec<u8>,
    said: VecDeque<u8>,
    /// Batches that the device has not read completely.
    unread: usize,
    carried: usize,
    lost: Range<usize>,
    hesitant: bool,
    hesitated: bool,
}

impl Line {
    /// Connects to a device with the small models.
    pub fn to_small_models() -> Self {
        use crate::targets::protocol::MODELS;
        Self::start::<{ line_bytes(MODELS) }>(MODELS)
    }

    /// Connects to a device with the built-in model.
    pub fn to_built_in_model() -> Self {
        use pixelrnn_firmware::MODELS;
        Self::start::<{ line_bytes(MODELS) }>(MODELS)
    }

    fn start<const LINE: usize>(models: &'static [Entry]) -> Self {
        let ((to, batches), (said, from)) = (channel(), channel());
        thread::spawn(move || serve(models, &mut Fixed::<u8, LINE>::new(), &batches, &said));
        let (written, said) = (Vec::new(), VecDeque::new());
        Self { to, from, written, said, unread: 1, carried: 0, lost: 0..0, hesitant: false, hesitated: false }
    }

    /// Drops the bytes with indices in `bytes`.
    pub fn losing(mut self, bytes: Range<usize>) -> Self {
        self.lost = bytes;
        self
    }

    /// Makes every read fail once before it succeeds.
    pub fn hesitant(mut self) -> Self {
        self.hesitant = true;
        self
    }

    /// Drops the next `count` bytes.
    pub fn lose(&mut self, count: usize) {
        self.lost = self.carried..self.carried.saturating_add(count);
    }

    /// Number of bytes written.
    pub const fn carried(&self) -> usize {
        self.carried
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            // A UART reports an overrun with this marker.
            self.written.push(if self.lost.contains(&self.carried) { LOST } else { byte });
            self.carried += 1;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Line {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.hesitated = self.hesitant && !self.hesitated;
        if self.hesitated {
            return Err(ErrorKind::TimedOut.into());
        }
        if !self.written.is_empty() {
            let batch = std::mem::take(&mut self.written);
            self.to.send(batch).map_err(|_| ErrorKind::BrokenPipe)?;
            self.unread += 1;
        }
        while self.said.is_empty() {
            if self.unread == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            match self.from.recv() {
                Ok(Event::Said(text)) => self.said.extend(text.bytes()),
                Ok(Event::Silence) => self.unread -= 1,
                Err(_) => return Ok(0),
            }
        }
        self.said.read(bytes)
    }
}

/// The firmware's main loop. Ends when the line is dropped.
fn serve(
    models: &'static [Entry],
    line: &mut VecView<u8>,
    batches: &Receiver<Vec<u8>>,
    said: &Sender<Event>,
) -> Option<()> {
    let largest = |size: fn(&Entry) -> usize| models.iter().map(size).max().unwrap_or_default();
    let (mut state, mut image) = (vec![0; largest(|model| model.state_words)], vec![0; largest(|model| model.values)]);
    let (mut held, mut queue) = (Fixed::<u8, HELD_BYTES>::new(), Queue::<u8, QUEUE>::new());
    let (mut inbox, mut bytes) = Inbox::new(&mut queue);
    // Blocks for the next batch once all input is read.
    let mut next = |bytes: &mut Consumer<'_, u8>| {
        if bytes.peek().is_none() {
            said.send(Event::Silence).ok()?;
            batches.recv().ok()?.into_iter().for_each(|byte| inbox.put(byte));
        }
        bytes.dequeue()
    };
    let say = |text: &mut String| said.send(Event::Said(std::mem::take(text))).ok();
    let mut session = Session::new(models, &mut state, &mut image, line, &mut held);
    let mut text = String::new();
    session.greet(&mut text).ok()?;
    loop {
        say(&mut text)?;
        let byte = next(&mut bytes)?;
        session.push(byte, &mut text).ok()?;
        let Some(mut job) = session.start() else { continue };
        while job.step(&mut text).ok()? {
            say(&mut text)?;
            if job.waits() {
                let byte = next(&mut bytes)?;
                job.push(byte, &mut text).ok()?;
            }
            while let Some(byte) = bytes.dequeue() {
                job.push(byte, &mut text).ok()?;
            }
        }
    }
}
