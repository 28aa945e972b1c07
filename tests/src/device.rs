//! Boards in QEMU with the program `serve`, asked over their serial port.

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

/// After so long without a reply, the client sees to it that the end of its line was not lost. Where it was not, nothing depends on this.
const SILENCE: Duration = Duration::from_secs(10);
/// So many of them end a test that hangs.
const SILENCES: usize = 180;

/// A board in QEMU, with `serve` in its flash.
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
    /// Builds `serve` with `models` for a board in the folder `build`, and starts it; `None` where that is not possible.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(board: &str, models: &[PathBuf], build: &Path) -> Option<Self> {
        Self::start_at(board, models, build, &[])
    }

    /// As [`Device::start`], at a million instructions a second: a pixel takes longer than a request to come in.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_slow(board: &str, models: &[PathBuf], build: &Path) -> Option<Self> {
        Self::start_at(board, models, build, &["-icount", "shift=10,align=on"])
    }

    fn start_at(board: &str, models: &[PathBuf], build: &Path, speed: &[&str]) -> Option<Self> {
        let machine = Machine::named(board).expect("a machine of the firmware's");
        // Boards of one target are built into the same file, by tests that run at the same time.
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
                // It is on its way to its socket.
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

    /// Sends bytes as they are: less than 510, or more than the device can hold.
    ///
    /// # Panics
    /// When the device does not read them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.client.port_mut().write_all(bytes).expect("the device reads");
    }

    /// The next reply.
    ///
    /// # Panics
    /// When there is none.
    pub fn reply(&mut self) -> Value {
        self.client.reply().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Replies to a line, to the one that ends them.
    ///
    /// # Panics
    /// When the device does not answer.
    pub fn ask(&mut self, line: impl AsRef<[u8]>) -> Vec<Value> {
        let line = line.as_ref();
        self.client.ask(line).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)))
    }

    /// Replies to a request with a file, which the device gets in pieces of `piece` bytes.
    ///
    /// # Panics
    /// When the device does not answer.
    pub fn ask_with_file(&mut self, request: &str, file: &[u8], piece: usize) -> Vec<Value> {
        self.client.ask_with_file(request, file.chunks(piece)).unwrap_or_else(|error| panic!("{error}: {request}"))
    }

    /// Sends a line again and again, and reads no reply, until the device cannot send any and bytes are lost to it. How often it was sent.
    ///
    /// A socket holds some hundreds of packets. Once there is no room for more of ours, each further line is one that QEMU has given to the
    /// board. The board sends each byte in a packet of its own, and cannot have sent more bytes than we packets.
    ///
    /// # Panics
    /// When the device does not read.
    pub fn flood(&mut self, line: &[u8]) -> usize {
        /// More lines than the device's queue and a line have room for.
        const FURTHER: usize = 100;
        let port = self.client.port_mut();
        port.set_nonblocking(true).unwrap();
        let mut packets = 0;
        let full = loop {
            // A part of a line is lost as well as a whole one.
            match port.write(line) {
                Ok(written) => packets += usize::from(written > 0),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock, "{full}");
        port.set_nonblocking(false).unwrap();
        // As many replies as fit the board's side of the socket have no more bytes than it holds packets.
        let further = FURTHER + packets / line.len();
        for _ in 0..further {
            self.send(line);
        }
        packets + further
    }

    /// Waits until the device has read all that was sent, and drops the replies to it.
    ///
    /// # Panics
    /// When it does not read it.
    pub fn synchronize(&mut self) {
        self.client.synchronize().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Leaves the port to another host, which gets the path of its socket.
    ///
    /// # Panics
    /// When the port is gone.
    pub fn hand_over<T>(mut self, host: impl FnOnce(&Path) -> T) -> T {
        self.client.port_mut().shutdown(Shutdown::Both).expect("a port");
        host(&self.folder.path().join("port"))
    }
}

/// A model of the device, here.
#[derive(Debug)]
pub struct Served {
    /// Its name there.
    pub name: &'static str,
    /// Its file here.
    pub path: PathBuf,
    /// What is in that.
    pub blob: Blob,
    /// A label, where it has classes.
    pub label: Option<usize>,
}

impl Served {
    /// The blob at `path`.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn new(name: &'static str, path: PathBuf, label: Option<usize>) -> Self {
        let blob = Blob::read(&path).unwrap();
        Self { name, path, blob, label }
    }

    /// The shipped `PixelCNN`.
    ///
    /// # Panics
    /// When it is not there.
    pub fn built_in() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(golden::BUILT_IN);
        Self::new("mnist-pixelcnn", path.canonicalize().expect("the built-in model"), None)
    }

    /// An image of the engine's, and its cost.
    ///
    /// # Panics
    /// When the engine fails.
    pub fn run<S: SymbolSource<Error: std::fmt::Debug>>(&self, mut source: S) -> (Vec<u8>, Cost) {
        let model = self.blob.model().unwrap();
        let (mut state, mut image) = (vec![0; model.state_words()], vec![0; model.image().values()]);
        let mut engine = Engine::new(model, &mut state).unwrap();
        let cost = engine.run(self.label, &mut source, &mut image).unwrap();
        (image, cost)
    }

    /// Values as a request has them.
    ///
    /// # Panics
    /// When the model is damaged.
    pub fn text(&self, values: &[u8]) -> String {
        let digits = if self.blob.model().unwrap().image().levels <= 16 { 1 } else { 2 };
        values.iter().fold(String::new(), |text, value| format!("{text}{value:0digits$x}"))
    }

    /// The replies to `command` that are due for an image, with its rows where there is a seed.
    ///
    /// # Panics
    /// When the model is damaged.
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

    /// A request with the model's name, and its label.
    pub fn request(&self, mut fields: Value) -> String {
        fields["model"] = self.name.into();
        if let Some(label) = self.label {
            fields["label"] = label.into();
        }
        fields.to_string()
    }
}

/// Draws with a seed, at a temperature of `milli` thousandths.
///
/// # Panics
/// When there is no such temperature.
pub fn draw(seed: u64, milli: u32) -> Sample<pixelrnn::DefaultRng> {
    Sample::seeded(seed, Temperature::from_milli(milli).expect("a temperature in range"))
}
