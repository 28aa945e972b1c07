//! LSTMs at one place, whose sums stay in registers.

use super::{Kind, Lstm, State};
use crate::kernels::Kernel;
use crate::kernels::panel::Inputs;
use crate::packed::alone::Alone;
use crate::packed::linear::{Ahead, Packed, Panel, Scaled, by_vectors};
use crate::packed::walk::{Shared, Step};
use crate::packed::{Pack, each_word};

impl<A: Pack> Lstm<A> {
    /// As [`Lstm::run`], at a pixel of the only image.
    #[inline(always)]
    pub(in crate::packed) fn alone<K: Kernel>(
        &self,
        step: &Step,
        state: &mut State<A>,
        shared: &mut Shared,
        kernel: K,
    ) -> Option<()> {
        if self.kind == Kind::Right {
            return self.lowered(step, state, shared, kernel);
        }
        if step.begins_row() {
            self.begin_row(step, state, shared, kernel)?;
        }
        let left = if self.kind == Kind::Row { self.record.reach().0 } else { 0 };
        let here = if left > 0 { state.x.at(0, step.row, 0, step.column, 0) } else { 0 };
        for group in step.groups.clone() {
            for panel in self.over_input.get(group)?.panels() {
                by_vectors!(panel, V => self.over_input_alone::<K, V>((group, panel), (here, left), step, state, shared, kernel))?;
            }
        }
        if left > 0 && step.groups.end == step.all_groups {
            let x = shared.registers.get(self.record.input, self.record.inputs.into())?;
            state.x.keep_alone(here, x)?;
        }
        self.advance(step, 0, state, shared, kernel)
    }

    /// Scaled sums over the inputs, of a panel; the centre's inputs are to be kept `here`.
    #[inline(always)]
    fn over_input_alone<K: Kernel, const V: usize>(
        &self,
        (group, panel): (usize, &Panel),
        (here, left): (usize, usize),
        step: &Step,
        state: &mut State<A>,
        shared: &Shared,
        kernel: K,
    ) -> Option<()> {
        let packed = self.over_input.get(group)?;
        let mut sums = Alone::<A, V>::new(
            packed.begin(panel, kernel, step.label)?,
            (&panel.multipliers, packed.left),
            panel.outputs.len(),
        )?;
        let words = usize::from(self.record.inputs).next_multiple_of(each_word::<A>());
        for back in (1..=left).rev() {
            let at = state.x.left_of(here, back.cast_signed());
            sums.add(kernel, state.x.numbers().get(at..at + words)?)?;
        }
        sums.add(kernel, shared.registers.words(self.record.input, *self.open.get(group)?)?)?;
        sums.each(
            kernel,
            &mut state.sums,
            (panel.outputs.start, 0),
            #[inline(always)]
            |v, y| *y = v,
        )
    }
}

/// Gates of a panel, of scaled sums over the inputs and of what is left of the state, which is in one piece at most.
#[inline(always)]
pub(super) fn gates_alone<A: Pack, K: Kernel>(
    (packed, panel, ahead): (&Packed<A>, &Panel, (&Ahead, usize)),
    inputs: &Inputs<'_, A::Input>,
    sums: &[i32],
    gates: &mut [i16],
    kernel: K,
) -> Option<()> {
    by_vectors!(panel, V => {
        let mut state = Alone::<A, V>::new(packed.ahead_of(panel, ahead.0, ahead.1)?, (&panel.multipliers, packed.left), panel.outputs.len())?;
        for piece in inputs.pieces {
            let end = piece.start + piece.words * each_word::<A>();
            state.add(kernel, inputs.numbers.get(piece.start..end)?)?;
        }
        state.each_with(
            kernel,
            sums,
            gates,
            (panel.outputs.start, 0),
            #[inline(always)]
            |h, x, gate| *gate = A::gate(x, h),
        )
    })
}
