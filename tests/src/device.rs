//! QEMU boards that run `serve`, accessed over their serial port.

use crate::golden;
use crate::machines::Machine;
use pixelrnn::blob::CRC32;
use pixelrnn::{Cost, Engine, Sample, SymbolSource, Temperature};
use pixelrnn_client::Client;
use pixelrnn_converter::Blob;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Read timeout, after which the client checks whether a line end was lost. Correctness does not depend on its value.
const SILENCE: Duration = Duration::from_secs(10);
/// Number of timeouts after which a test is considered hung.
const SILENCES: usize = 180;

/// A QEMU board with `serve` in flash.
#[derive(Debug)]
pub struct Device {
    qemu: Child,
    client: Client<UnixStream>,
    folder: TempDir,
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Device {
    /// Builds `serve` with `models` in the folder `build` and starts it on a board. `None` if the tools are missing.
    ///
    /// # Panics
    /// Panics if the board does not start.
    pub fn start(board: &str, models: &[PathBuf], build: &Path) -> Option<Self> {
        Self::start_at(board, models, build, &[])
    }

    /// Like [`Device::start`], at a million instructions per second. A pixel then takes longer than the transmission of
    /// a request.
    ///
    /// # Panics
    /// Panics if the board does not start.
    pub fn start_slow(board: &str, models: &[PathBuf], build: &Path) -> Option<Self> {
        Self::start_at(board, models, build, &["-icount", "shift=10,align=on"])
    }

    fn start_at(board: &str, models: &[PathBuf], build: &Path, speed: &[&str]) -> Option<Self> {
        let machine = Machine::named(board).expect("a machine of the firmware's");
        // Concurrent tests build boards of one target to the same file.
        std::fs::create_dir_all(build).unwrap();
        let lock = File::create(build.join("lock")).unwrap();
        lock.lock().unwrap();
        let built = match machine.build("serve", models, build) {
            Ok(built) => built,
            Err(missing) => {
                println!("skipped: {missing}");
                return None;
            }
        };
        let folder = TempDir::new().unwrap();
        let program = folder.path().join("serve");
        std::fs::copy(built, &program).unwrap();
        drop(lock);

        let socket = folder.path().join("port");
        let mut qemu = Command::new("qemu-system-arm")
            .args(["-M", board, "-nographic", "-monitor", "none"])
            .args(speed)
            .arg("-serial")
            .arg(format!("unix:{},server=on,wait=on", socket.display()))
            .arg("-kernel")
            .arg(&program)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = loop {
            match UnixStream::connect(&socket) {
                Ok(port) => break port,
                // QEMU has not created its socket yet.
                Err(_) if qemu.try_wait().unwrap().is_none() => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => panic!("QEMU does not listen: {error}, {:?}", qemu.wait()),
            }
        };
        port.set_read_timeout(Some(SILENCE)).unwrap();
        port.set_write_timeout(Some(SILENCE * SILENCES as u32)).unwrap();
        let mut device = Self { qemu, client: Client::new(port).with_patience(SILENCES), folder };
        assert_eq!(device.reply(), json!({"ready": true, "protocol": 1}));
        Some(device)
    }

    /// Sends raw bytes. Fewer than 510 are never lost; more test the overflow of the queue.
    ///
    /// # Panics
    /// Panics if the device does not read them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.client.port_mut().write_all(bytes).expect("the device reads");
    }

    /// Reads the next reply.
    ///
    /// # Panics
    /// Panics if there is none.
    pub fn reply(&mut self) -> Value {
        self.client.reply().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends a line and returns all its replies.
    ///
    /// # Panics
    /// Panics if the device does not answer.
    pub fn ask(&mut self, line: impl AsRef<[u8]>) -> Vec<Value> {
        let line = line.as_ref();
        self.client.ask(line).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)))
    }

    /// Sends a request with a file in chunks of `piece` bytes, and returns all replies.
    ///
    /// # Panics
    /// Panics if the device does not answer.
    pub fn ask_with_file(&mut self, request: &str, file: &[u8], piece: usize) -> Vec<Value> {
        self.client.ask_with_file(request, file.chunks(piece)).unwrap_or_else(|error| panic!("{error}: {request}"))
    }

    /// Sends a line repeatedly without reading replies, until the device's output blocks and it loses input. Returns
    /// the number of lines sent.
    ///
    /// A socket buffers some hundreds of packets. Once this side's buffer is full, each further line has been delivered
    /// to the board by QEMU. The board sends every byte in its own packet, so it cannot have sent more bytes than this
    /// side sent packets.
    ///
    /// # Panics
    /// Panics if the device does not read.
    pub fn flood(&mut self, line: &[u8]) -> usize {
        /// Number of lines that exceeds the device's queue plus one line.
        const FURTHER: usize = 100;
        let port = self.client.port_mut();
        port.set_nonblocking(true).unwrap();
        let mut packets = 0;
        let full = loop {
            // A partially written line is lost too.
            match port.write(line) {
                Ok(written) => packets += usize::from(written > 0),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock, "{full}");
        port.set_nonblocking(false).unwrap();
        // The board's side of the socket holds at most this number of reply bytes, one per packet.
        let further = FURTHER + packets / line.len();
        for _ in 0..further {
            self.send(line);
        }
        packets + further
    }

    /// Waits until the device has read all input, and discards its replies.
    ///
    /// # Panics
    /// Panics if the device does not read it.
    pub fn synchronize(&mut self) {
        self.client.synchronize().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Releases the port and passes the path of its socket to `host`.
    ///
    /// # Panics
    /// Panics if the port is gone.
    pub fn hand_over<T>(mut self, host: impl FnOnce(&Path) -> T) -> T {
        self.client.port_mut().shutdown(Shutdown::Both).expect("a port");
        host(&self.folder.path().join("port"))
    }
}

/// Host copy of a model on the device.
#[derive(Debug)]
pub struct Served {
    /// Name on the device.
    pub name: &'static str,
    /// Path of the blob.
    pub path: PathBuf,
    /// The blob.
    pub blob: Blob,
    /// Label for models with classes.
    pub label: Option<usize>,
}

impl Served {
    /// Reads the blob at `path`.
    ///
    /// # Panics
    /// Panics if the blob cannot be read.
    pub fn new(name: &'static str, path: PathBuf, label: Option<usize>) -> Self {
        let blob = Blob::read(&path).unwrap();
        Self { name, path, blob, label }
    }

    /// The shipped `PixelCNN`.
    ///
    /// # Panics
    /// Panics if it is missing.
    pub fn built_in() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(golden::BUILT_IN);
        Self::new("mnist-pixelcnn", path.canonicalize().expect("the built-in model"), None)
    }

    /// Runs the engine and returns an image and its cost.
    ///
    /// # Panics
    /// Panics if the engine fails.
    pub fn run<S: SymbolSource<Error: std::fmt::Debug>>(&self, mut source: S) -> (Vec<u8>, Cost) {
        let model = self.blob.model().unwrap();
        let (mut state, mut image) = (vec![0; model.state_words()], vec![0; model.image().values()]);
        let mut engine = Engine::new(model, &mut state).unwrap();
        let cost = engine.run(self.label, &mut source, &mut image).unwrap();
        (image, cost)
    }

    /// Encodes values as in a request.
    ///
    /// # Panics
    /// Panics if the model is invalid.
    pub fn text(&self, values: &[u8]) -> String {
        let digits = if self.blob.model().unwrap().image().levels <= 16 { 1 } else { 2 };
        values.iter().fold(String::new(), |text, value| format!("{text}{value:0digits$x}"))
    }

    /// Expected replies to `command` for an image. Includes rows if there is a seed.
    ///
    /// # Panics
    /// Panics if the model is invalid.
    pub fn due(&self, command: &str, seed: Option<u64>, (image, cost): &(Vec<u8>, Cost)) -> Vec<Value> {
        let shape = self.blob.model().unwrap().image();
        let planes = || image.chunks(shape.height * shape.width);
        let row = |n: usize| planes().flat_map(move |plane| &plane[n * shape.width..(n + 1) * shape.width]).copied();
        let rows = (0..shape.height).map(|n| json!({"row": n, "values": self.text(&row(n).collect::<Vec<_>>())}));
        let nats = (cost.nats() * 1e4).round() / 1e4;
        let crc = format!("{:08x}", CRC32.checksum(image));
        let mut done = json!({"done": command, "nats": nats, "cost": cost.0, "crc": crc});
        match seed {
            Some(seed) => {
                done["seed"] = seed.into();
                rows.chain([done]).collect()
            }
            None => vec![done],
        }
    }

    /// Request with the model's name and label.
    pub fn request(&self, mut fields: Value) -> String {
        fields["model"] = self.name.into();
        if let Some(label) = self.label {
            fields["label"] = label.into();
        }
        fields.to_string()
    }
}

/// Sampler with a seed and a temperature of `milli` thousandths.
///
/// # Panics
/// Panics if the temperature is out of range.
pub fn draw(seed: u64, milli: u32) -> Sample<pixelrnn::DefaultRng> {
    Sample::seeded(seed, Temperature::from_milli(milli).expect("a temperature in range"))
}
