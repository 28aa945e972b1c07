//! Boards: their memories, and what a model takes of them.

use crate::blob::Blob;
use crate::error::Error;
use crate::layout::arrange;
use pixelrnn::Model;
use pixelrnn::blob::{Instruction, NumberFormat};
use pixelrnn::target::CortexM;
use pixelrnn_build::layout::suited;

/// Processor core of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// Cortex-M0 and M0+.
    M0,
    /// Cortex-M3.
    M3,
    /// Cortex-M4F and M7, which run the same code.
    M4,
    /// Cortex-M33.
    M33,
    /// Cortex-M55.
    M55,
    /// RISC-V, 32 bits with multiplication and compressed instructions.
    Rv32,
}

/// A board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Board {
    /// Name for the command line.
    pub name: &'static str,
    /// Name on the board, and its chip.
    pub title: &'static str,
    /// Core that the engine runs on.
    pub core: Core,
    /// Flash for programs, in bytes.
    pub flash: usize,
    /// Largest contiguous RAM for programs, in bytes.
    pub ram: usize,
}

const K: usize = 1 << 10;
const M: usize = 1 << 20;

const fn board(name: &'static str, title: &'static str, core: Core, flash: usize, ram: usize) -> Board {
    Board { name, title, core, flash, ram }
}

/// All boards.
pub const BOARDS: [Board; 18] = [
    board("microbit", "BBC micro:bit, nRF51822", Core::M0, 256 * K, 16 * K),
    board("arduino-zero", "Arduino Zero, SAMD21G18", Core::M0, 256 * K, 32 * K),
    board("rp2040", "Raspberry Pi Pico, RP2040", Core::M0, 2 * M, 256 * K),
    board("stm32f103", "Blue Pill, STM32F103C8", Core::M3, 64 * K, 20 * K),
    board("arduino-due", "Arduino Due, SAM3X8E", Core::M3, 512 * K, 64 * K),
    board("microbit-v2", "BBC micro:bit V2, nRF52833", Core::M4, 512 * K, 128 * K),
    board("nrf52840", "nRF52840-DK, nRF52840", Core::M4, M, 256 * K),
    board("stm32f405", "Netduino Plus 2, STM32F405RG", Core::M4, M, 128 * K),
    board("stm32f407", "STM32F4DISCOVERY, STM32F407VG", Core::M4, M, 128 * K),
    board("stm32l476", "NUCLEO-L476RG, STM32L476RG", Core::M4, M, 96 * K),
    board("stm32h743", "NUCLEO-H743ZI, STM32H743ZI", Core::M4, 2 * M, 512 * K),
    board("teensy41", "Teensy 4.1, i.MX RT1062", Core::M4, 7936 * K, 512 * K),
    board("nrf5340", "nRF5340-DK, nRF5340", Core::M33, M, 512 * K),
    board("rp2350", "Raspberry Pi Pico 2, RP2350", Core::M33, 4 * M, 512 * K),
    board("stm32u575", "NUCLEO-U575ZI-Q, STM32U575ZI", Core::M33, 2 * M, 768 * K),
    board("mps3-an547", "Arm MPS3 AN547", Core::M55, 512 * K, 512 * K),
    board("esp32c3", "ESP32-C3-DevKitM-1, ESP32-C3", Core::Rv32, 4 * M, 320 * K),
    board("esp32c6", "ESP32-C6-DevKitC-1, ESP32-C6", Core::Rv32, 8 * M, 452 * K),
];

/// The board with a name.
pub fn named(name: &str) -> Option<Board> {
    BOARDS.into_iter().find(|board| board.name == name)
}

/// Instructions of an op for a value, of a multiply-add, of a level of a value, and of a unit of an LSTM.
///
/// Fitted by least squares to the table in `docs/firmware.md`, which they meet within 4 percent, on the Cortex-M55 within 12. The table has
/// three models for the Cortex-M0, none of them with many levels: the third number is that of the Cortex-M3. One measured model has 256
/// levels, the same that has 16-bit activations, so the cost of these two is not told apart.
type Instructions = [f64; 4];

impl Core {
    /// Name for tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::M0 => "Cortex-M0",
            Self::M3 => "Cortex-M3",
            Self::M4 => "Cortex-M4F",
            Self::M33 => "Cortex-M33",
            Self::M55 => "Cortex-M55",
            Self::Rv32 => "RV32",
        }
    }

    /// Core that weights are laid out for.
    const fn layout(self) -> Option<CortexM> {
        match self {
            Self::M0 => Some(CortexM::Thumb),
            Self::M4 | Self::M33 => Some(CortexM::Dsp),
            Self::M55 => Some(CortexM::Mve),
            Self::M3 | Self::Rv32 => None,
        }
    }

    /// Flash kept free for the engine, in bytes: for a PixelCNN with 8-bit activations if `plain`, or else for any model. Both are more
    /// than the C library takes on the core to check a model and draw, see `docs/c.md`.
    const fn engine(self, plain: bool) -> usize {
        match (self, plain) {
            (Self::M55, true) => 40 * K,
            (Self::M55, false) => 112 * K,
            (_, true) => 20 * K,
            (_, false) => 60 * K,
        }
    }

    const fn instructions(self) -> Option<Instructions> {
        match self {
            Self::M0 => Some([1039.0, 6.725, 44.0, 0.0]),
            Self::M3 => Some([1015.0, 4.994, 44.0, 331.0]),
            Self::M4 => Some([764.0, 1.479, 21.0, 225.0]),
            Self::M33 => Some([775.0, 1.484, 20.0, 227.0]),
            Self::M55 => Some([234.0, 0.202, 46.0, 55.0]),
            Self::Rv32 => None,
        }
    }
}

/// Stack kept free for a call of the engine, in bytes: more than the most measured on any core, see `docs/firmware.md`.
pub const STACK: usize = 2 * K;

/// What a model takes of a board.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The board.
    pub board: Board,
    /// Bytes of flash for the model, laid out for the core.
    pub model: usize,
    /// Bytes of flash kept free for the engine.
    pub engine: usize,
    /// Bytes of RAM for the state.
    pub state: usize,
    /// Estimated instructions an image; `None` for kinds of models and cores that were not measured.
    pub instructions: Option<f64>,
}

impl Fit {
    /// What `blob` takes of `board`.
    ///
    /// # Errors
    /// The blob is invalid, or its weights cannot be laid out for the core.
    pub fn of(blob: &Blob, board: Board) -> Result<Self, Error> {
        let laid_out = arrange(blob, suited(blob.model()?.weights(), board.core.layout()))?;
        let model = laid_out.model()?;
        Ok(Self {
            board,
            model: laid_out.bytes().len(),
            engine: board.core.engine(is_plain(&model)),
            state: 4 * model.state_words(),
            instructions: board.core.instructions().and_then(|costs| instructions(&model, costs)),
        })
    }

    /// Flash that the model and the engine take, in bytes.
    pub const fn flash(&self) -> usize {
        self.model + self.engine
    }

    /// RAM that the state and the stack take, in bytes.
    pub const fn ram(&self) -> usize {
        self.state + STACK
    }

    /// True if both memories suffice.
    pub const fn fits(&self) -> bool {
        self.flash() <= self.board.flash && self.ram() <= self.board.ram
    }
}

/// True for a PixelCNN with 8-bit activations, which needs the smallest engine.
fn is_plain(model: &Model<'_>) -> bool {
    let plain = |op| matches!(op, Instruction::MaskedConv(_) | Instruction::Quantize(_) | Instruction::Elementwise(_));
    model.weights() == NumberFormat::I8 && model.instructions().flatten().all(plain)
}

/// Estimated instructions an image of a model with integer weights that is no graph.
fn instructions(model: &Model<'_>, [op, multiply_add, level, unit]: Instructions) -> Option<f64> {
    if !model.weights().is_integer() {
        return None;
    }
    let (mut ops, mut units) = (0, 0);
    for instruction in model.instructions().flatten() {
        ops += 1;
        match instruction {
            Instruction::RowLstm(lstm) | Instruction::DiagonalLeft(lstm) | Instruction::DiagonalRight(lstm) => {
                units += usize::from(lstm.hidden);
            }
            Instruction::Graph(_) => return None,
            _ => {}
        }
    }
    let image = model.image();
    let (values, pixels) = (image.values() as f64, (image.height * image.width) as f64);
    let of_values = values * (ops as f64 * op + image.levels as f64 * level);
    Some(of_values + pixels * (model.multiply_adds() as f64 * multiply_add + units as f64 * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of the table in `docs/firmware.md`: model, core, millions of instructions.
    const MEASURED: [(&str, Core, f64); 8] = [
        ("mnist-pixelcnn", Core::M0, 120.8),
        ("mnist-row-lstm", Core::M0, 319.3),
        ("cifar10-pixelcnn", Core::M3, 851.9),
        ("fashion-pixelcnn", Core::M4, 69.4),
        ("mnist-diagonal-bilstm", Core::M4, 137.8),
        ("mnist-row-lstm-h32", Core::M33, 310.4),
        ("mnist-pixelcnn", Core::M55, 8.3),
        ("cifar10-pixelcnn", Core::M55, 84.8),
    ];

    #[test]
    fn estimates_are_near_what_was_measured() {
        for (name, core, millions) in MEASURED {
            let path = format!("{}/../models/{name}/model.prnn", env!("CARGO_MANIFEST_DIR"));
            let blob = Blob::read(path.as_ref()).unwrap();
            let board = BOARDS.into_iter().find(|board| board.core == core).unwrap();
            let estimated = Fit::of(&blob, board).unwrap().instructions.unwrap() / 1e6;
            let most = if core == Core::M55 { 0.13 } else { 0.04 };
            assert!((estimated / millions - 1.0).abs() < most, "{name} {core:?}: {estimated}, measured {millions}");
        }
    }

    #[test]
    fn names_of_boards_are_their_own() {
        for (n, board) in BOARDS.iter().enumerate() {
            assert!(!BOARDS[..n].iter().any(|other| other.name == board.name), "{}", board.name);
            assert_eq!(named(board.name), Some(*board));
        }
        assert_eq!(named("none"), None);
    }
}
