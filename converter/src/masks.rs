//! Kernel masks of a network's layers, drawn as in Figure 4 of "Pixel Recurrent Neural Networks".

use crate::error::Error;
use crate::picture::Picture;
use crate::picture::canvas::{self, Area, Drawn, FAINT, INK, shortened};
use pixelrnn::Model;
use pixelrnn::blob::{GraphOp, Instruction, MapConvRecord};
use pixelrnn::network::taps::{self, Offset, Recurrence};
use pixelrnn::network::{Conv, Mask, Node, Op};
use plotters::prelude::*;

/// One tap of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// Multiplied with its input.
    Open,
    /// Masked to zero, neither stored nor multiplied.
    Closed,
    /// At the predicted pixel: open between some pairs of colour groups.
    Own(Mask),
    /// At the predicted pixel, without a mask: open between all colour groups.
    OwnOpen,
    /// At the predicted pixel, in a kernel without a tap there.
    Pixel,
}

/// Taps of one kernel around the predicted pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Name of the kernel within its layer. Empty for a single kernel.
    pub part: &'static str,
    /// Taps per row.
    pub width: usize,
    /// Taps, row-major.
    pub taps: Vec<Tap>,
    /// Distance between taps.
    pub dilation: usize,
}

impl Kernel {
    fn convolution(part: &'static str, [height, width]: [usize; 2], mask: Mask, dilation: usize) -> Self {
        let own = height / 2 * width + width / 2;
        let tap = |at: usize| match at.cmp(&own) {
            std::cmp::Ordering::Less => Tap::Open,
            std::cmp::Ordering::Equal => Tap::Own(mask),
            std::cmp::Ordering::Greater => Tap::Closed,
        };
        Self { part, width, taps: (0..height * width).map(tap).collect(), dilation }
    }

    /// Kernel of any convolution: the bounding box of its taps and the predicted pixel, in steps of the dilation.
    fn of_conv(part: &'static str, conv: &Conv) -> Self {
        let [height, width] = conv.kernel.map(|side| side as isize);
        let [above, left] = conv.anchor.map(|at| at as isize);
        let (rows, columns) = (-above..height - above, -left..width - left);
        let tap = |at: Offset| match (at, conv.mask) {
            ((0, 0), mask) if rows.contains(&0) && columns.contains(&0) => mask.map_or(Tap::OwnOpen, Tap::Own),
            ((0, 0), _) => Tap::Pixel,
            ((row, column), _) if !rows.contains(&row) || !columns.contains(&column) => Tap::Closed,
            (at, Some(_)) if at > (0, 0) => Tap::Closed,
            _ => Tap::Open,
        };
        let (top, bottom) = (rows.start.min(0), rows.end.max(1));
        let (first, end) = (columns.start.min(0), columns.end.max(1));
        let taps = (top..bottom).flat_map(|row| (first..end).map(move |column| (row, column))).map(tap).collect();
        Self { part, width: (end - first) as usize, taps, dilation: conv.dilation }
    }

    /// Kernel over a map: the taps of the map, and the centre.
    fn over_map(conv: &MapConvRecord) -> Self {
        let (first, dilation) = (-isize::from(conv.anchor[1]), usize::from(conv.dilation));
        let row = |(down, taps): (isize, usize)| {
            (0..taps).map(move |tap| (down / dilation.max(1) as isize, first + tap as isize))
        };
        let taps: Vec<Offset> = conv.rows().flat_map(row).collect();
        let kernel = Self::recurrence("", &taps);
        let centre = match conv.centre {
            0 => Tap::Pixel,
            1 => Tap::Own(Mask::A),
            2 => Tap::Own(Mask::B),
            _ => Tap::OwnOpen,
        };
        let own = |tap| if tap == Tap::Pixel { centre } else { tap };
        Self { dilation, taps: kernel.taps.into_iter().map(own).collect(), ..kernel }
    }

    /// State-to-state kernel: the bounding box of its taps and the predicted pixel.
    fn recurrence(part: &'static str, taps: &[Offset]) -> Self {
        let rows = || taps.iter().map(|tap| tap.0).chain([0]);
        let columns = || taps.iter().map(|tap| tap.1).chain([0]);
        let (top, bottom) = (rows().min().unwrap_or(0), rows().max().unwrap_or(0));
        let (left, right) = (columns().min().unwrap_or(0), columns().max().unwrap_or(0));
        let tap = |at: Offset| match at {
            at if taps.contains(&at) => Tap::Open,
            (0, 0) => Tap::Pixel,
            _ => Tap::Closed,
        };
        let taps = (top..=bottom).flat_map(|row| (left..=right).map(move |column| tap((row, column)))).collect();
        Self { part, width: (right - left + 1) as usize, taps, dilation: 1 }
    }

    /// Number of rows of taps.
    pub fn height(&self) -> usize {
        self.taps.len() / self.width
    }
}

/// A layer with masked kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Name of the layer in the file.
    pub name: String,
    /// Kind of op.
    pub kind: &'static str,
    /// Its kernels.
    pub kernels: Vec<Kernel>,
}

/// Masked layers of a trained network.
pub fn of_nodes(nodes: &[Node]) -> Vec<Layer> {
    let kernels = |op: &Op| {
        let recurrences = op.recurrences();
        let part = if recurrences.is_empty() { "" } else { "input_to_state" };
        // Both directions of a Diagonal BiLSTM read the same inputs.
        let input = op.convolutions().first().map(|(_, conv)| Kernel::of_conv(part, conv));
        let states = recurrences.iter().map(|recurrence| Kernel::recurrence(recurrence.name, &recurrence.taps));
        input.into_iter().chain(states).collect::<Vec<_>>()
    };
    let layer = |node: &Node| Layer { name: node.name.to_string(), kind: node.op.kind(), kernels: kernels(&node.op) };
    nodes.iter().map(layer).filter(|layer| !layer.kernels.is_empty()).collect()
}

/// Masked layers of a blob.
pub fn of_blob(model: &Model<'_>) -> Vec<Layer> {
    let mut notes = model.notes();
    let mut layers = Vec::new();
    for instruction in model.instructions().flatten() {
        let name = notes.next().and_then(|note| note.splitn(3, ' ').nth(2)).unwrap_or("").to_string();
        let input = |width: u8| Kernel::convolution("input_to_state", [1, usize::from(width)], Mask::B, 1);
        let state = |recurrence: &Recurrence| Kernel::recurrence("state_to_state", &recurrence.taps);
        let kernels = match instruction {
            Instruction::MaskedConv(conv) => {
                vec![Kernel::convolution("", conv.kernel.map(usize::from), conv.mask(), usize::from(conv.dilation))]
            }
            Instruction::RowLstm(lstm) => {
                vec![input(lstm.kernel), state(&taps::row_lstm(usize::from(lstm.kernel)))]
            }
            Instruction::DiagonalLeft(_) => vec![input(1), state(&taps::diagonal_left())],
            Instruction::DiagonalRight(_) => vec![input(1), state(&taps::diagonal_right())],
            Instruction::Graph(GraphOp::Conv(conv)) => vec![Kernel::over_map(conv)],
            Instruction::Quantize(_) | Instruction::Elementwise(_) | Instruction::Graph(_) => continue,
        };
        layers.push(Layer { name, kind: instruction.kind(), kernels });
    }
    layers
}

impl Layer {
    /// One-line summary: kernels with their masks.
    pub fn summary(&self) -> String {
        let kernel = |kernel: &Kernel| {
            let part = if kernel.part.is_empty() { String::new() } else { format!("{} ", kernel.part) };
            let mask = kernel.taps.iter().find_map(|tap| if let Tap::Own(mask) = tap { Some(*mask) } else { None });
            let dilation =
                if kernel.dilation > 1 { format!(", every {}th pixel", kernel.dilation) } else { String::new() };
            if let Some(mask) = mask {
                return format!("{part}{}x{} mask {mask:?}{dilation}", kernel.height(), kernel.width);
            }
            let open = kernel.taps.iter().filter(|tap| matches!(tap, Tap::Open | Tap::OwnOpen)).count();
            format!("{part}{open} open taps{dilation}")
        };
        self.kernels.iter().map(kernel).collect::<Vec<_>>().join("; ")
    }

    /// Draws the kernels side by side, a square per tap. With `groups` > 1 colours, a colour matrix beside each kernel
    /// shows its centre tap.
    ///
    /// # Errors
    /// [`Error::Drawing`] when drawing fails.
    pub fn picture(&self, groups: usize) -> Result<Picture, Error> {
        let matrices =
            |kernel: &Kernel| usize::from(groups > 1 && kernel.taps.iter().any(|t| matches!(t, Tap::Own(_))));
        let width_of =
            |kernel: &Kernel| (kernel.width * side(kernel)).max(MIN_WIDTH) + GAP + matrices(kernel) * (MATRIX + GAP);
        let width = GAP + self.kernels.iter().map(width_of).sum::<usize>();
        let least = if groups > 1 { MATRIX } else { 0 };
        let high = self.kernels.iter().map(|kernel| kernel.height() * side(kernel)).max().unwrap_or(0).max(least);
        canvas::draw(width.max(LEGEND_WIDTH), TOP + high + BOTTOM, |area| {
            let title = format!("{} ({})", shortened(&self.name, 40), self.kind);
            canvas::left(area, &title, (GAP as i32, 40), 30, INK)?;
            let mut left = GAP;
            for kernel in &self.kernels {
                kernel.draw(area, left, groups)?;
                left += (kernel.width * side(kernel)).max(MIN_WIDTH) + GAP;
                if let Some(mask) =
                    kernel.taps.iter().find_map(|t| if let Tap::Own(mask) = t { Some(*mask) } else { None })
                    && groups > 1
                {
                    draw_matrix(area, left, mask)?;
                    left += MATRIX + GAP;
                }
            }
            legend(area, TOP + high + 56)
        })
    }
}

const GAP: usize = 48;
const TOP: usize = 124;
const BOTTOM: usize = 100;
const MIN_WIDTH: usize = 270;
const LEGEND_WIDTH: usize = 900;
/// Side of a colour matrix, including its labels.
const MATRIX: usize = 336;
const NAMES: [&str; 3] = ["R", "G", "B"];

const OPEN: RGBColor = RGBColor(66, 133, 190);
const CLOSED: RGBColor = RGBColor(232, 234, 238);
const HALF: RGBColor = RGBColor(160, 190, 216);
const OWN: RGBColor = RGBColor(0, 190, 110);

impl Tap {
    fn colour(self, groups: usize) -> RGBColor {
        match self {
            Tap::Open | Tap::OwnOpen => OPEN,
            // Open between some colour groups only; the matrix shows which.
            Tap::Own(_) if groups > 1 => HALF,
            Tap::Own(mask) if mask.centre_open(0, 0) => OPEN,
            Tap::Own(_) | Tap::Closed | Tap::Pixel => CLOSED,
        }
    }
}

/// Side of a tap in pixels.
fn side(kernel: &Kernel) -> usize {
    (460 / kernel.width.max(kernel.height())).clamp(4, 92)
}

fn square(area: &Area<'_>, (x, y): (usize, usize), side: usize, colour: RGBColor) -> Drawn {
    let (x, y, last) = (x as i32, y as i32, side as i32 - 2);
    area.draw(&Rectangle::new([(x, y), (x + last, y + last)], colour.filled()))
}

fn frame(area: &Area<'_>, (x, y): (usize, usize), side: usize) -> Drawn {
    let (x, y, last) = (x as i32, y as i32, side as i32 - 2);
    for n in 0..(side as i32 / 14).max(1) {
        area.draw(&Rectangle::new([(x + n, y + n), (x + last - n, y + last - n)], OWN))?;
    }
    Ok(())
}

impl Kernel {
    fn draw(&self, area: &Area<'_>, left: usize, groups: usize) -> Drawn {
        let dilation = if self.dilation > 1 { format!(", every {}th pixel", self.dilation) } else { String::new() };
        let part = if self.part.is_empty() { "taps" } else { self.part };
        canvas::left(area, &format!("{part}{dilation}"), (left as i32, TOP as i32 - 28), 22, FAINT)?;
        let side = side(self);
        for (n, tap) in self.taps.iter().enumerate() {
            let corner = (left + n % self.width * side, TOP + n / self.width * side);
            square(area, corner, side, tap.colour(groups))?;
            if matches!(tap, Tap::Own(_) | Tap::OwnOpen | Tap::Pixel) {
                frame(area, corner, side)?;
            }
            if let Tap::Own(mask) = tap
                && side >= 24
            {
                let middle = ((corner.0 + side / 2) as i32, (corner.1 + side / 2) as i32);
                canvas::centred(area, &format!("{mask:?}"), middle, side as u32 / 2, INK)?;
            }
        }
        Ok(())
    }
}

/// Draws the open pairs of colour groups at the centre tap.
fn draw_matrix(area: &Area<'_>, left: usize, mask: Mask) -> Drawn {
    let (side, names) = ((MATRIX - 56) / 3, 56);
    canvas::left(area, "own pixel: reads", (left as i32 + names, TOP as i32 - 56), 22, FAINT)?;
    for (n, name) in NAMES.into_iter().enumerate() {
        let middle = (n * side + side / 2) as i32;
        canvas::centred(area, name, (left as i32 + names + middle, TOP as i32 - 24), 26, INK)?;
        canvas::centred(area, name, (left as i32 + names / 2, TOP as i32 + middle), 26, INK)?;
        for from in 0..NAMES.len() {
            let corner = (left + names as usize + from * side, TOP + n * side);
            square(area, corner, side, if mask.centre_open(from, n) { OPEN } else { CLOSED })?;
        }
    }
    Ok(())
}

fn legend(area: &Area<'_>, top: usize) -> Drawn {
    let own = "the pixel computed; A and B differ here";
    for (left, colour, what) in [(GAP, OPEN, "open"), (GAP + 140, CLOSED, "closed"), (GAP + 300, CLOSED, own)] {
        square(area, (left, top - 12), 26, colour)?;
        if what == own {
            frame(area, (left, top - 12), 26)?;
        }
        canvas::left(area, what, (left as i32 + 36, top as i32), 22, INK)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
