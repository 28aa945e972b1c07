//! Selects the board's memory map and embeds the models.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// RAM reserved for the stack and for statics other than model state and image.
const RESERVE: u64 = 4 * 1024;

/// Baud rate of the serial ports.
const BAUD: u32 = 115_200;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    println!("cargo::rerun-if-env-changed=PIXELRNN_BOARD");
    println!("cargo::rerun-if-env-changed=PIXELRNN_MODELS");
    println!("cargo::rustc-check-cfg=cfg(uart, values(none(), \"cmsdk\", \"stm32f4\", \"nrf5\", \"ns16550\"))");

    let target = env::var("TARGET").unwrap();
    let mut ram = None;
    if let Some(board) = env::var("PIXELRNN_BOARD").ok().or_else(|| default_board(&target)) {
        let script = here.join("boards").join(format!("{board}.x"));
        println!("cargo::rerun-if-changed={}", script.display());
        let Ok(text) = fs::read_to_string(&script) else {
            println!("cargo::error=unknown board `{board}` in PIXELRNN_BOARD: {} does not exist", script.display());
            return;
        };
        fs::write(out.join("memory.x"), &text).unwrap();
        println!("cargo::rustc-link-search={}", out.display());
        if target.starts_with("riscv") {
            println!("cargo::rustc-link-arg-bins=-Tmemory.x");
        }
        println!("cargo::rustc-link-arg-bins=-Tlink.x");
        uart(&out, &board);
        ram = Some((length(&text, "RAM").expect("a board has RAM"), board));
    }
    models(&out, &here, ram);
}

/// Default board for a target when `PIXELRNN_BOARD` is unset.
fn default_board(target: &str) -> Option<String> {
    let board = match target {
        "thumbv6m-none-eabi" => "microbit",
        "thumbv7m-none-eabi" => "mps2-an385",
        "thumbv7em-none-eabihf" => "netduinoplus2",
        "thumbv8m.main-none-eabihf" => "mps2-an505",
        "riscv32imac-unknown-none-elf" => "riscv-virt",
        _ => return None,
    };
    Some(board.into())
}

/// Selects the UART driver for `board` and writes its base address and settings to `uart.rs`. Boards without a driver
/// have no `serve`.
fn uart(out: &Path, board: &str) {
    // UART clock cycles per bit.
    let clocked = |clock: u32| format!("BIT: u32 = {};", (clock + BAUD / 2) / BAUD);
    let pins = |send: u32, receive: u32| format!("SEND: u32 = {send};\n    pub(super) const RECEIVE: u32 = {receive};");
    let (driver, base, interrupt, more) = match board {
        "mps2-an385" | "mps2-an386" | "mps2-an500" => ("cmsdk", "0x4000_4000", Some(0), clocked(25_000_000)),
        // The core starts in secure state, where peripherals are aliased 256 MiB above their non-secure address.
        "mps2-an505" => ("cmsdk", "0x5020_0000", Some(42), clocked(20_000_000)),
        "mps3-an547" => ("cmsdk", "0x5930_3000", Some(43), clocked(25_000_000)),
        // USART1, clocked by the internal oscillator, the default after reset.
        "netduinoplus2" | "stm32f407" => ("stm32f4", "0x4001_1000", Some(37), clocked(16_000_000)),
        // Pins wired to the USB interface chip.
        "microbit" => ("nrf5", "0x4000_2000", Some(2), pins(24, 25)),
        "nrf52840" => ("nrf5", "0x4000_2000", Some(2), pins(6, 8)),
        "riscv-virt" => ("ns16550", "0x1000_0000", None, clocked(3_686_400)),
        _ => return,
    };
    println!("cargo::rustc-cfg=uart");
    println!("cargo::rustc-cfg=uart={driver:?}");
    let mut text = format!("mod board {{\n    pub(super) const BASE: usize = {base};\n    pub(super) const {more}\n");
    if let Some(number) = interrupt {
        writeln!(text, "    pub(super) const INTERRUPT: u16 = {number};").unwrap();
    }
    fs::write(out.join("uart.rs"), text + "}\n").unwrap();
}

/// Size in bytes of a memory region in a linker script.
fn length(script: &str, region: &str) -> Option<u64> {
    let line = script.lines().find(|line| line.trim_start().starts_with(&format!("{region} :")))?;
    let length = line.split("LENGTH =").nth(1)?.trim();
    let digits: String = length.chars().take_while(char::is_ascii_digit).collect();
    let unit = match &length[digits.len()..] {
        "K" => 1 << 10,
        "M" => 1 << 20,
        _ => 1,
    };
    Some(digits.parse::<u64>().ok()? * unit)
}

/// Writes `models.rs` with an entry for each model in `PIXELRNN_MODELS` (colon-separated paths), or for the shipped
/// PixelCNN.
fn models(out: &Path, here: &Path, ram: Option<(u64, String)>) {
    let default = here.join("../models/mnist-pixelcnn/model.prnn").display().to_string();
    let list = env::var("PIXELRNN_MODELS").unwrap_or(default);
    let mut modules = String::new();
    let mut entries = String::new();
    for path in list.split(':') {
        // Keep a path that does not resolve, so that the error message shows it unchanged.
        let path = Path::new(path).canonicalize().unwrap_or_else(|_| path.into());
        // Shipped models are `models/NAME/model.prnn`. Other models are named after their file.
        let stem = path.file_stem().unwrap_or_default();
        let name = if stem == "model" { path.parent().and_then(Path::file_name).unwrap_or(stem) } else { stem };
        let name = name.to_string_lossy();
        let module = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        // Relays the weights for the board's core, from any layout in the file.
        if let Err(error) = pixelrnn_build::model(&module, &path) {
            println!("cargo::error=PIXELRNN_MODELS: {error}");
            return;
        }
        writeln!(modules, "pixelrnn::include_model!(\n    /// `{name}`.\n    pub mod {module}\n);").unwrap();
        // A model that exceeds the board's RAM is a compile error that states the excess.
        if let Some((bytes, board)) = &ram {
            let available = bytes.saturating_sub(RESERVE);
            writeln!(
                modules,
                "const _: () = pixelrnn::blob::assert_fits({module}::STATE_WORDS, {available}, {board:?});"
            )
            .unwrap();
        }
        let blob = out.join(format!("{module}.prnn"));
        writeln!(entries, "    Entry {{ name: {name:?}, model: {module}::model, state_words: {module}::STATE_WORDS, values: {module}::VALUES, levels: levels(include_bytes!({blob:?})) }},").unwrap();
    }
    let text = format!("{modules}\n/// The models.\npub const MODELS: &[Entry] = &[\n{entries}];\n");
    fs::write(out.join("models.rs"), text).unwrap();
}
