//! Emulated machines for the firmware, with their build and run commands.
//!
//! `firmware-example/set-up` installs the requirements. [`Machine::build`] reports any that are missing.

use crate::cargo;
use pixelrnn::blob::Layout;
use pixelrnn_converter::layout::{arrange, for_dsp};
use pixelrnn_converter::{Blob, Error};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Emulator or runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulator {
    /// `qemu-system-arm`, which also counts instructions.
    Arm,
    /// `qemu-system-riscv32`.
    Riscv,
    /// `qemu-aarch64`, which runs programs rather than whole machines.
    Aarch64,
    /// Node.js.
    Node,
}

/// A target machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Name of the machine, its linker script and the QEMU board.
    pub name: &'static str,
    /// Processor name for display.
    pub core: &'static str,
    /// Rust target.
    pub target: &'static str,
    /// CPU name for the compiler, if the target does not imply it.
    pub cpu: Option<&'static str>,
    /// Target feature to enable.
    pub feature: Option<&'static str>,
    /// Emulator.
    pub emulator: Emulator,
    /// Bytes of flash and RAM available to programs.
    pub memory: [usize; 2],
    /// Bytes of flash kept for a program apart from its models, more than the largest program takes.
    pub program: usize,
    /// True if it has DSP instructions, which need tiled weights.
    pub dsp: bool,
}

const K: usize = 1 << 10;
const M: usize = 1 << 20;

const fn arm(name: &'static str, core: &'static str, target: &'static str, memory: [usize; 2], dsp: bool) -> Machine {
    let program = 176 * K;
    Machine { name, core, target, cpu: None, feature: None, emulator: Emulator::Arm, memory, program, dsp }
}

/// All machines on which the firmware is tested.
pub const MACHINES: [Machine; 12] = [
    arm("microbit", "Cortex-M0", "thumbv6m-none-eabi", [256 * K, 16 * K], false),
    arm("mps2-an385", "Cortex-M3", "thumbv7m-none-eabi", [4 * M, 4 * M], false),
    arm("mps2-an386", "Cortex-M4F", "thumbv7em-none-eabihf", [4 * M, 4 * M], true),
    arm("netduinoplus2", "Cortex-M4F", "thumbv7em-none-eabihf", [M, 128 * K], true),
    arm("mps2-an500", "Cortex-M7", "thumbv7em-none-eabihf", [4 * M, 4 * M], true),
    Machine {
        cpu: Some("cortex-m33"),
        ..arm("mps2-an505", "Cortex-M33", "thumbv8m.main-none-eabihf", [4 * M, 4 * M], true)
    },
    Machine {
        cpu: Some("cortex-m55"),
        program: 240 * K, // the vector kernels come on top
        ..arm("mps3-an547", "Cortex-M55 with MVE", "thumbv8m.main-none-eabihf", [512 * K, 512 * K], false)
    },
    Machine {
        emulator: Emulator::Riscv,
        ..arm("riscv-virt", "RV32IMAC", "riscv32imac-unknown-none-elf", [4 * M, 4 * M], false)
    },
    Machine {
        emulator: Emulator::Aarch64,
        ..arm("aarch64", "AArch64", "aarch64-unknown-none", [64 * M, 64 * M], false)
    },
    Machine {
        emulator: Emulator::Aarch64,
        feature: Some("dotprod"),
        ..arm("aarch64-dotprod", "AArch64 with sdot", "aarch64-unknown-none", [64 * M, 64 * M], false)
    },
    Machine {
        emulator: Emulator::Node,
        ..arm("node", "WebAssembly", "wasm32-unknown-unknown", [64 * M, 64 * M], false)
    },
    Machine {
        emulator: Emulator::Node,
        feature: Some("simd128"),
        ..arm("node-simd128", "WebAssembly SIMD", "wasm32-unknown-unknown", [64 * M, 64 * M], false)
    },
];

/// RAM of a program apart from states and an image: the reserve in the firmware's `build.rs`.
const RESERVE: usize = 4 * K;

/// Timeout of a program. The slowest one takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(3600);

impl Machine {
    /// Finds a machine by name.
    pub fn named(name: &str) -> Option<Self> {
        MACHINES.into_iter().find(|machine| machine.name == name)
    }

    /// Returns the flash size of the model in the layout preferred by the machine. `None` if it does not fit beside
    /// other models of `beside` bytes.
    ///
    /// Models share one buffer for state and image, so only the blobs add up.
    ///
    /// # Errors
    /// Fails if the weights cannot be converted to the layout, a step that the firmware's build script performs too.
    pub fn fits(&self, blob: &Blob, beside: usize) -> Result<Option<usize>, Error> {
        let blob = arrange(blob, if self.dsp { for_dsp(blob.model()?.weights()) } else { Layout::RowMajor })?;
        let model = blob.model()?;
        let bytes = blob.bytes().len();
        let needed = [beside + bytes, 4 * model.state_words() + model.image().values()];
        let reserved = [self.program, RESERVE];
        let fits = (0..2).all(|memory| needed[memory] + reserved[memory] <= self.memory[memory]);
        Ok(fits.then_some(bytes))
    }

    fn program(&self) -> &'static str {
        match self.emulator {
            Emulator::Arm => "qemu-system-arm",
            Emulator::Riscv => "qemu-system-riscv32",
            Emulator::Aarch64 => "qemu-aarch64",
            Emulator::Node => "node",
        }
    }

    /// Checks that the machine's emulator is installed.
    ///
    /// # Errors
    /// Returns a message about the missing emulator.
    pub fn ready(&self) -> Result<(), String> {
        let found = Command::new(self.program()).arg("--version").output();
        found.map(drop).map_err(|_| format!("{} not found", self.program()))
    }

    /// A compiler with the machine's target: the current one, or the one built by `set-up`.
    ///
    /// # Errors
    /// Returns a message if there is none.
    pub fn compiler(&self) -> Result<OsString, String> {
        let own = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
        let sysroot = std::env::var_os("PIXELRNN_SYSROOT").map(PathBuf::from);
        let sysroot = sysroot.or_else(|| Some(cache?.join("pixelrnn/sysroot")));
        let has_target = |rustc: &OsString| {
            let library = Command::new(rustc).args(["--print", "target-libdir", "--target", self.target]).output();
            library.is_ok_and(|out| Path::new(String::from_utf8_lossy(&out.stdout).trim()).is_dir())
        };
        let all = [Some(own), sysroot.map(|sysroot| sysroot.join("rustc").into_os_string())];
        all.into_iter().flatten().find(has_target).ok_or_else(|| format!("this Rust has no target {}", self.target))
    }

    /// Builds the firmware's program `bin` with the blobs at `models` into `folder`, and returns its path.
    ///
    /// # Errors
    /// Returns a message about a missing requirement.
    ///
    /// # Panics
    /// Panics if the program does not compile.
    pub fn build(&self, bin: &str, models: &[PathBuf], folder: &Path) -> Result<PathBuf, String> {
        self.ready()?;
        let compiler = self.compiler()?;
        let models: Vec<_> = models.iter().map(|path| path.display().to_string()).collect();
        let mut build = cargo::command();
        build.args(["build", "--quiet", "--release", "--target", self.target, "--target-dir"]);
        // Flags for the host do not apply to these targets.
        build.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        build.arg(folder).current_dir(firmware()).env("RUSTC", compiler).env("PIXELRNN_MODELS", models.join(":"));
        match self.emulator {
            Emulator::Node => build.args(["-p", "pixelrnn-wasm"]),
            _ => build.args(["--bin", bin, "--features", "every-entry"]),
        };
        if matches!(self.emulator, Emulator::Arm | Emulator::Riscv) {
            build.env("PIXELRNN_BOARD", self.name);
        }
        if let Some(cpu) = self.cpu {
            build.env("RUSTFLAGS", format!("-Ctarget-cpu={cpu}"));
        }
        if let Some(feature) = self.feature {
            build.env("RUSTFLAGS", format!("-Ctarget-feature=+{feature}"));
        }
        let built = build.output().expect("cargo runs");
        assert!(built.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&built.stderr));
        let folder = folder.join(self.target).join("release");
        Ok(folder.join(if self.emulator == Emulator::Node { "pixelrnn_wasm.wasm" } else { bin }))
    }

    /// Command that runs `program`. `counting` makes every instruction take 64 ns of virtual time.
    pub fn command(&self, program: &Path, counting: bool) -> Command {
        let mut command = Command::new(self.program());
        match self.emulator {
            Emulator::Arm | Emulator::Riscv => {
                let board = if self.emulator == Emulator::Arm { self.name } else { "virt" };
                command.args(["-M", board, "-nographic", "-monitor", "none", "-serial", "none"]);
                if self.emulator == Emulator::Riscv {
                    command.args(["-bios", "none"]);
                }
                if counting {
                    command.args(["-icount", "shift=6,align=off,sleep=off"]);
                }
                command.args(["-semihosting-config", "enable=on,target=native", "-kernel"]).arg(program);
            }
            Emulator::Aarch64 => {
                command.arg(program);
            }
            Emulator::Node => {
                command.arg(firmware().join("wasm/run.mjs")).arg(program);
            }
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs `program` to its end and returns its output.
    ///
    /// # Panics
    /// Panics if it fails or hangs.
    pub fn run(&self, program: &Path, counting: bool) -> String {
        let output = finish(self.command(program, counting), PATIENCE);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{text}{errors}", self.name, output.status);
        text
    }
}

/// Folder of the firmware.
pub fn firmware() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-example")
}

/// Runs a command and kills it after `patience`.
fn finish(mut command: Command, patience: Duration) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the emulator starts");
    let (stdout, stderr) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let (ended, end) = channel();
    let stdout = std::thread::spawn(move || {
        let text = std::io::read_to_string(stdout);
        let _ = ended.send(());
        text
    });
    let stderr = std::thread::spawn(|| std::io::read_to_string(stderr));
    // The output pipe closes when the emulator exits.
    if end.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} did not end within {patience:?}");
    }
    let status = child.wait().expect("the emulator is a child of this process");
    let text = |reader: std::thread::JoinHandle<std::io::Result<String>>| {
        reader.join().ok().and_then(Result::ok).unwrap_or_default().into_bytes()
    };
    Output { status, stdout: text(stdout), stderr: text(stderr) }
}
