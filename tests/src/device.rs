//! Boards in QEMU with the program `serve`, asked over their serial port.

use crate::golden;
use crate::machines::Machine;
use pixelrnn::blob::CRC32;
use pixelrnn::{Draw, Engine, Pixel, SymbolSource, Temperature};
use pixelrnn_converter::Blob;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any reply takes, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// A board in QEMU, with `serve` in its flash.
#[derive(Debug)]
pub struct Device {
    qemu: Child,
    port: BufReader<UnixStream>,
    _folder: TempDir,
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

        let socket = folder.path().join("port");
        let qemu = Command::new("qemu-system-arm")
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
        let begun = Instant::now();
        let port = loop {
            match UnixStream::connect(&socket) {
                Ok(port) => break Ok(port),
                Err(error) if begun.elapsed() > PATIENCE => break Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut qemu = qemu;
        let Ok(port) = port else {
            let _ = qemu.kill();
            panic!("QEMU does not listen: {:?}", qemu.wait());
        };
        port.set_read_timeout(Some(PATIENCE)).unwrap();
        port.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut device = Self { qemu, port: BufReader::new(port), _folder: folder };
        assert_eq!(device.reply(), json!({"ready": true, "protocol": 1}));
        Some(device)
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the device does not read them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.port.get_mut().write_all(bytes).expect("the device reads");
    }

    /// The next reply.
    ///
    /// # Panics
    /// When there is none.
    pub fn reply(&mut self) -> Value {
        let mut line = String::new();
        self.port.read_line(&mut line).expect("the device answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Replies to a line, to the first one that is no row.
    ///
    /// # Panics
    /// When the device does not answer.
    pub fn ask(&mut self, line: &str) -> Vec<Value> {
        self.send(line.as_bytes());
        self.send(b"\n");
        self.replies()
    }

    /// The next replies, to the first one that is no row.
    ///
    /// # Panics
    /// When there are none.
    pub fn replies(&mut self) -> Vec<Value> {
        let mut replies = vec![self.reply()];
        while replies.last().is_some_and(|reply| reply.get("row").is_some()) {
            replies.push(self.reply());
        }
        replies
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
    pub fn run<S: SymbolSource<Error: std::fmt::Debug>>(&self, mut source: S) -> (Vec<u8>, u64) {
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
    pub fn due(&self, command: &str, seed: Option<u64>, (image, cost): &(Vec<u8>, u64)) -> Vec<Value> {
        let shape = self.blob.model().unwrap().image();
        let planes = || image.chunks(shape.height * shape.width);
        let row = |n: usize| planes().flat_map(move |plane| &plane[n * shape.width..(n + 1) * shape.width]).copied();
        let rows = (0..shape.height).map(|n| json!({"row": n, "values": self.text(&row(n).collect::<Vec<_>>())}));
        let nats = (Pixel::nats(*cost) * 1e4).round() / 1e4;
        let crc = format!("{:08x}", CRC32.checksum(image));
        let mut done = json!({"done": command, "nats": nats, "cost": cost, "crc": crc});
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
pub fn draw(seed: u64, milli: u32) -> Draw<pixelrnn::DefaultRng> {
    Draw::seeded(seed, Temperature::from_milli(milli).expect("a temperature in range"))
}
