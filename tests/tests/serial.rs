//! Boards in QEMU, asked over their serial port as `docs/device-protocol.md` says: they draw what the engine draws here, and
//! nothing that comes in makes them lose their place.
//!
//! Where QEMU or Rust's target is missing, the test says so and passes.
#![cfg(target_os = "linux")]

use pixelrnn::blob::CRC32;
use pixelrnn::{Complete, Draw, Engine, Given, Pixel, SymbolSource, Temperature};
use pixelrnn_converter::Blob;
use pixelrnn_tests::machines::Machine;
use pixelrnn_tests::{fixtures, golden};
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
struct Device {
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
    /// Builds `serve` with `models` for a board, and starts it; `None` where that is not possible.
    fn start(board: &str, models: &[PathBuf]) -> Option<Self> {
        Self::start_at(board, models, &[])
    }

    /// As [`Device::start`], at a million instructions a second: a pixel takes longer than a request to come in.
    fn start_slow(board: &str, models: &[PathBuf]) -> Option<Self> {
        Self::start_at(board, models, &["-icount", "shift=10,align=on"])
    }

    fn start_at(board: &str, models: &[PathBuf], speed: &[&str]) -> Option<Self> {
        let machine = Machine::named(board).expect("a machine of the firmware's");
        let build = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
        let built = match machine.build("serve", models, &build) {
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

    fn send(&mut self, bytes: &[u8]) {
        self.port.get_mut().write_all(bytes).expect("the device reads");
    }

    fn reply(&mut self) -> Value {
        let mut line = String::new();
        self.port.read_line(&mut line).expect("the device answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Replies to a line, to the first one that is no row.
    fn ask(&mut self, line: &str) -> Vec<Value> {
        self.send(line.as_bytes());
        self.send(b"\n");
        self.replies()
    }

    fn replies(&mut self) -> Vec<Value> {
        let mut replies = vec![self.reply()];
        while replies.last().is_some_and(|reply| reply.get("row").is_some()) {
            replies.push(self.reply());
        }
        replies
    }
}

/// A model of the device, here.
struct Model {
    name: &'static str,
    path: PathBuf,
    blob: Blob,
    label: Option<usize>,
}

impl Model {
    fn new(name: &'static str, path: PathBuf, label: Option<usize>) -> Self {
        let blob = Blob::read(&path).unwrap();
        Self { name, path, blob, label }
    }

    /// An image of the engine's, and its cost.
    fn run<S: SymbolSource<Error: std::fmt::Debug>>(&self, mut source: S) -> (Vec<u8>, u64) {
        let model = self.blob.model().unwrap();
        let (mut state, mut image) = (vec![0; model.state_words()], vec![0; model.image().values()]);
        let mut engine = Engine::new(model, &mut state).unwrap();
        let cost = engine.run(self.label, &mut source, &mut image).unwrap();
        (image, cost)
    }

    fn text(&self, values: &[u8]) -> String {
        let digits = if self.blob.model().unwrap().image().levels <= 16 { 1 } else { 2 };
        values.iter().fold(String::new(), |text, value| format!("{text}{value:0digits$x}"))
    }

    /// The replies to `command` that are due for an image.
    fn due(&self, command: &str, seed: Option<u64>, (image, cost): &(Vec<u8>, u64)) -> Vec<Value> {
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

    fn request(&self, mut fields: Value) -> String {
        fields["model"] = self.name.into();
        if let Some(label) = self.label {
            fields["label"] = label.into();
        }
        fields.to_string()
    }
}

fn draw(seed: u64, milli: u32) -> Draw<pixelrnn::DefaultRng> {
    Draw::seeded(seed, Temperature::from_milli(milli).unwrap())
}

fn built_in() -> Model {
    Model::new(
        "mnist-pixelcnn",
        Path::new(env!("CARGO_MANIFEST_DIR")).join(golden::BUILT_IN).canonicalize().unwrap(),
        None,
    )
}

/// All that a host may ask, for each of the models.
fn answers(device: &mut Device, models: &[Model]) {
    let info = device.ask(r#"{"cmd":"info"}"#).remove(0);
    assert_eq!(info["temperature"], 1.0);
    for (model, entry) in models.iter().zip(info["models"].as_array().unwrap()) {
        let parsed = model.blob.model().unwrap();
        let shape = parsed.image();
        let expected = json!({"name": model.name, "height": shape.height, "width": shape.width,
            "channels": shape.channels, "levels": shape.levels, "classes": parsed.classes(),
            "state_bytes": 4 * parsed.state_words()});
        assert_eq!(*entry, expected);

        let sampled = model.run(draw(7, 1000));
        let replies = device.ask(&model.request(json!({"cmd": "sample", "seed": 7})));
        assert_eq!(replies, model.due("sample", Some(7), &sampled));
        let replies = device.ask(&model.request(json!({"cmd": "sample", "seed": u64::MAX, "temperature": 0.8})));
        assert_eq!(replies, model.due("sample", Some(u64::MAX), &model.run(draw(u64::MAX, 800))));

        let image = &sampled.0;
        let replies = device.ask(&model.request(json!({"cmd": "score", "image": model.text(image)})));
        assert_eq!(replies, model.due("score", None, &model.run(Given::new(image, shape))));
        let rows = shape.height / 2;
        let line = json!({"cmd": "complete", "image": model.text(image), "rows": rows, "seed": 9});
        let completed = model.run(Complete::new(image, shape, rows, draw(9, 1000)));
        assert_eq!(device.ask(&model.request(line)), model.due("complete", Some(9), &completed));
    }

    let model = &models[0];
    assert_eq!(device.ask(r#"{"cmd":"temperature","value":0.65}"#), [json!({"temperature": 0.65})]);
    let replies = device.ask(r#"{"cmd":"sample","seed":11}"#);
    assert_eq!(replies, model.due("sample", Some(11), &model.run(draw(11, 650))));
    assert_eq!(device.ask(r#"{"cmd":"temperature","value":1}"#), [json!({"temperature": 1.0})]);
    // Without a seed, that after the last one.
    let replies = device.ask(r#"{"cmd":"sample"}"#);
    assert_eq!(replies, model.due("sample", Some(12), &model.run(draw(12, 1000))));
}

/// What is no request, or no good one, gets its error, and changes nothing.
fn survives(device: &mut Device, model: &Model) {
    let zeros = "0".repeat(model.blob.model().unwrap().image().values());
    let image = |text: &str, more: &str| format!(r#"{{"cmd":"complete","image":"{text}"{more}}}"#).into_bytes();
    let nested = [br#"{"cmd":"sample","seed":"#.as_slice(), "[".repeat(800).as_bytes()].concat();
    let cases: [(&str, Vec<u8>); 22] = [
        ("not_json", b"hello".into()),
        ("not_json", b"\xff\xfe\x00\x01".into()),
        ("not_json", br#"{"cmd":"info","#.into()),
        ("not_json", "[".repeat(900).into()),
        ("not_json", br#"{"cmd":"info"}{"cmd":"info"}"#.into()),
        ("too_long", vec![b'x'; 20_000]),
        ("lost", b"{\"cmd\":\x1a".into()),
        ("unknown_command", br#"{"cmd":"reboot"}"#.into()),
        ("field", b"{}".into()),
        ("field", nested),
        ("field", br#"{"cmd":"sample","seed":-1}"#.into()),
        ("field", br#"{"cmd":"sample","sead":1}"#.into()),
        ("field", br#"{"cmd":"score"}"#.into()),
        ("field", br#"{"cmd":"temperature","value":"warm"}"#.into()),
        ("unknown_model", br#"{"cmd":"sample","model":"cats"}"#.into()),
        ("label", br#"{"cmd":"sample","label":3}"#.into()),
        ("image", image("01", r#","rows":1"#)),
        ("image", image(&format!("2{}", &zeros[1..]), r#","rows":1"#)),
        ("rows", image(&zeros, r#","rows":29"#)),
        ("temperature", br#"{"cmd":"temperature","value":0}"#.into()),
        ("temperature", br#"{"cmd":"sample","temperature":1000000000000000}"#.into()),
        ("idle", br#"{"cmd":"stop"}"#.into()),
    ];
    for (kind, mut line) in cases {
        line.push(b'\n');
        device.send(&line);
        let reply = device.reply();
        assert_eq!(reply["error"], kind, "{}: {reply}", String::from_utf8_lossy(&line));
        assert!(reply["message"].is_string());
    }

    let expected = model.due("sample", Some(7), &model.run(draw(7, 1000)));
    // Sent in one piece, so that the second line comes in while the image is in the making.
    for (kind, line) in [("busy", r#"{"cmd":"temperature","value":2}"#), ("not_json", "}"), ("", r#"{"cmd":"info"}"#)] {
        device.send(format!("{{\"cmd\":\"sample\",\"seed\":7}}\n{line}\n").as_bytes());
        let (mut rows, mut others) = (Vec::new(), Vec::new());
        while rows.len() < expected.len() {
            let reply = device.reply();
            let image = reply.get("row").is_some() || reply.get("done").is_some();
            if image { &mut rows } else { &mut others }.push(reply);
        }
        assert_eq!(rows, expected);
        assert_eq!(others.len(), 1);
        if kind.is_empty() {
            assert_eq!(others[0]["making"]["cmd"], "sample");
        } else {
            assert_eq!(others[0]["error"], kind);
        }
    }

    device.send(b"{\"cmd\":\"sample\",\"seed\":7}\n{\"cmd\":\"stop\"}\n");
    let replies = device.replies();
    let (last, rows) = replies.split_last().unwrap();
    assert_eq!(last["stopped"], true, "{last}");
    let pixels = usize::try_from(last["pixels"].as_u64().unwrap()).unwrap();
    assert!(pixels > 0 && pixels / 28 == rows.len() && pixels < 28 * 28, "{last} after {} rows", rows.len());
    assert_eq!(rows, &expected[..rows.len()]);

    assert_eq!(device.ask(r#"{"cmd":"sample","seed":7}"#), expected);
}

#[test]
fn a_cortex_m4f_serves_several_models() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("colour-256.prnn");
    std::fs::write(&path, fixtures::named("pixel_cnn_rgb_256_f16").blob().unwrap().bytes()).unwrap();
    let classes = golden::folder().join("row_lstm_rgb_classes.prnn");
    let models =
        [built_in(), Model::new("row_lstm_rgb_classes", classes, Some(3)), Model::new("colour-256", path, None)];
    let paths = models.each_ref().map(|model| model.path.clone());
    let Some(mut device) = Device::start("mps2-an386", &paths) else { return };
    answers(&mut device, &models);
    survives(&mut device, &models[0]);
    notices_what_it_missed(&mut device);
}

#[test]
fn a_board_with_16_kib_of_ram_serves_the_built_in_model() {
    let model = built_in();
    let Some(mut device) = Device::start("microbit", std::slice::from_ref(&model.path)) else {
        return;
    };
    answers(&mut device, std::slice::from_ref(&model));
    survives(&mut device, &model);
    notices_what_it_missed(&mut device);
}

/// Requests that come in one burst while a pixel is computed are all answered after it.
///
/// QEMU gives a byte only to who took the one before. A device that looks for bytes between pixels gets one, or the few that
/// its UART holds, a pixel: it would take a hundred pixels to read this burst.
fn listens_while_it_draws(device: &mut Device) {
    const FEW: u64 = 20;
    let (info, stop) = (r#"{"cmd":"info"}"#, r#"{"cmd":"stop"}"#);
    device.send(b"{\"cmd\":\"sample\",\"seed\":7}\n");
    let nonsense = "}".repeat(400);
    device.send(format!("{info}\n{nonsense}\n{stop}\n{info}\n{stop}\n").as_bytes());
    let [making, nonsense, stopped, resting, idle] = [(); 5].map(|()| {
        loop {
            let reply = device.reply();
            if reply.get("row").is_none() {
                break reply;
            }
        }
    });
    assert_eq!(making["making"]["cmd"], "sample", "{making}");
    assert_eq!(nonsense["error"], "not_json", "{nonsense}");
    let [begun, ended] = [&making["making"], &stopped].map(|reply| reply["pixels"].as_u64().unwrap());
    assert!(ended - begun < FEW, "the burst took from pixel {begun} to pixel {ended}");
    assert_eq!(resting["making"], Value::Null, "{resting}");
    assert_eq!(idle["error"], "idle", "{idle}");
}

/// More than the device can hold while it waits for the host to read: what is missing is noticed, and nothing else is wrong.
///
/// QEMU would keep the bytes for a device that did not interrupt itself to take them.
fn notices_what_it_missed(device: &mut Device) {
    const LINES: usize = 100;
    device.send("{\"cmd\":\"info\"}\n".repeat(LINES).as_bytes());
    // The socket's buffer is full after a few replies, and the device waits. All bytes are to have come before it goes on.
    std::thread::sleep(Duration::from_secs(2));
    let mut answered = 0;
    let lost = loop {
        // The end of the line that bytes are missing of may be missing as well.
        device.send(b"\n");
        let reply = device.reply();
        if reply.get("models").is_none() {
            break reply;
        }
        answered += 1;
        assert!(answered < LINES, "nothing was lost: the device does not listen while it sends");
    };
    assert_eq!(lost["error"], "lost", "{lost}, after {answered} replies");
    device.send(b"\n{\"cmd\":\"temperature\",\"value\":1}\n");
    let mut reply = device.reply();
    while reply["error"] == "lost" || reply.get("models").is_some() {
        reply = device.reply();
    }
    assert_eq!(reply, json!({"temperature": 1.0}));
}

#[test]
fn boards_listen_while_they_draw() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let slow = models.join("mnist-row-lstm/model.prnn").canonicalize().unwrap();
    for board in ["microbit", "mps2-an385", "netduinoplus2", "mps2-an505", "mps3-an547"] {
        let Some(mut device) = Device::start_slow(board, std::slice::from_ref(&slow)) else { continue };
        listens_while_it_draws(&mut device);
    }
}
