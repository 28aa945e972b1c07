//! Masks and anchors of convolutions, from the zeros in their weights.

use super::maps::Kernel;
use pixelrnn::network::{ColourGroups, Features, Mask, Value};

/// A convolution with its mask.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Masked {
    pub(super) weight: Vec<f32>,
    /// Rows and columns that are kept.
    pub(super) kernel: [usize; 2],
    pub(super) anchor: [usize; 2],
    pub(super) mask: Option<Mask>,
    pub(super) parts: usize,
}

/// Numbers of parts that are looked for.
const PARTS: [usize; 6] = [1, 2, 3, 4, 6, 8];

/// How the outputs of a convolution belong to colours.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dealing {
    /// As the logits of so many channels.
    Logits,
    /// By the model's rule, in parts; `halves` if a gate reads them.
    Rule { order: ColourGroups, halves: bool },
}

/// Taps of a kernel that are not all 0.
struct Taps {
    rows: usize,
    columns: usize,
    used: Vec<bool>,
}

impl Taps {
    fn of(kernel: &Kernel) -> Self {
        let [_, _, rows, columns] = kernel.shape;
        let mut used = vec![false; rows * columns];
        for map in kernel.weight.chunks_exact(rows * columns) {
            for (used, x) in used.iter_mut().zip(map) {
                *used |= *x != 0.0;
            }
        }
        Self { rows, columns, used }
    }

    /// True if a tap that is used lies where `place` of its distance in rows and columns says.
    fn any(&self, anchor: [usize; 2], place: impl Fn(isize, isize) -> bool) -> bool {
        (0..self.rows * self.columns).any(|n| {
            let (u, v) = (n / self.columns, n % self.columns);
            self.used[n] && place(u as isize - anchor[0] as isize, v as isize - anchor[1] as isize)
        })
    }
}

/// The kernel with the mask, the anchor and the size that its zeros ask for.
pub(super) fn masked(kernel: &Kernel, anchor: [usize; 2], x: &Value, dealing: Dealing) -> Masked {
    let [out, _, rows, columns] = kernel.shape;
    let taps = Taps::of(kernel);
    let later = taps.any(anchor, |row, column| row > 0 || row == 0 && column > 0);
    let own = anchor[0] < rows && anchor[1] < columns;
    let beyond = anchor[0] + 1 < rows || anchor[0] < rows && anchor[1] + 1 < columns;
    let centred = anchor == [rows / 2, columns / 2];
    let (preferred, dealt) = parts(out, x.features.groups, dealing);
    let plain = |size: [usize; 2]| {
        let parts = preferred;
        Masked { weight: trimmed(kernel, size), kernel: size, anchor, mask: None, parts }
    };
    if later {
        // Rows and columns of zeros at the ends are none.
        let high = (0..rows).rev().find(|u| (0..columns).any(|v| taps.used[u * columns + v]));
        let wide = (0..columns).rev().find(|v| (0..rows).any(|u| taps.used[u * columns + v]));
        return plain([high.map_or(1, |u| u + 1), wide.map_or(1, |v| v + 1)]);
    }
    if !own && !beyond {
        return plain([rows, columns]);
    }
    let above = taps.any(anchor, |row, _| row < 0);
    if above && !taps.any(anchor, |row, _| row >= 0) {
        return plain([anchor[0].min(rows), columns]);
    }
    // The kernel in which the own pixel is the last row's.
    let size = if centred { [rows, columns] } else { [rows.min(anchor[0] + 1), columns] };
    let with = |mask, parts| Masked { weight: trimmed(kernel, size), kernel: size, anchor, mask: Some(mask), parts };
    if !own {
        return with(Mask::B, preferred);
    }
    if x.features.groups == 1 {
        let centre = taps.used[anchor[0] * columns + anchor[1]];
        let alone = rows * columns == 1;
        if !centre && !alone {
            return with(Mask::A, preferred);
        }
        return if centred || beyond { with(Mask::B, preferred) } else { plain(size) };
    }
    for mask in [Mask::A, Mask::B] {
        for (parts, outputs) in &dealt {
            if fits(kernel, anchor, mask, &x.features, outputs) {
                return with(mask, *parts);
            }
        }
    }
    // It mixes the colours: as it may of values that are known before the row, and else is reported for.
    plain([rows.min(anchor[0] + 1), columns])
}

/// True if later taps are closed and the tap at the own pixel mixes colours as no mask has it.
pub(super) fn mixes_colours(kernel: &Kernel, anchor: [usize; 2]) -> bool {
    !Taps::of(kernel).any(anchor, |row, column| row > 0 || row == 0 && column > 0)
}

/// Parts to use where the zeros do not tell, and assignments of the outputs to colours by parts.
fn parts(out: usize, groups: usize, dealing: Dealing) -> (usize, Vec<(usize, Features)>) {
    match dealing {
        Dealing::Logits => {
            let dealt = Features::dealt(out, groups, 1, ColourGroups::Contiguous);
            (1, dealt.map(|features| (1, features)).into_iter().collect())
        }
        Dealing::Rule { order, halves } => {
            let mut numbers = PARTS.to_vec();
            if halves && out.is_multiple_of(2) {
                numbers.swap(0, 1);
            }
            let dealt = |parts: usize| Features::dealt(out, groups, parts, order).map(|features| (parts, features));
            let all: Vec<_> = numbers.into_iter().filter_map(dealt).collect();
            let preferred = if groups == 1 { 1 } else { all.first().map_or(1, |(parts, _)| *parts) };
            (preferred, all)
        }
    }
}

/// True if all weights that the mask closes at the centre are 0.
fn fits(kernel: &Kernel, anchor: [usize; 2], mask: Mask, inputs: &Features, outputs: &Features) -> bool {
    let [out, inner, rows, columns] = kernel.shape;
    let from: Vec<usize> = (0..inner).map(|i| inputs.group(i)).collect();
    (0..out).all(|o| {
        let to = outputs.group(o);
        (0..inner).all(|i| {
            let at = ((o * inner + i) * rows + anchor[0]) * columns + anchor[1];
            mask.centre_open(from[i], to) || kernel.weight[at] == 0.0
        })
    })
}

/// The first rows and columns of the kernel.
fn trimmed(kernel: &Kernel, [high, wide]: [usize; 2]) -> Vec<f32> {
    let [_, _, rows, columns] = kernel.shape;
    if (high, wide) == (rows, columns) {
        return kernel.weight.clone();
    }
    let maps = kernel.weight.chunks_exact(rows * columns);
    maps.flat_map(|map| map.chunks_exact(columns).take(high).flat_map(move |row| row[..wide].to_vec())).collect()
}
