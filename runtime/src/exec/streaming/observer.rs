//! An observer of the streaming executor, for checks.

use super::registers::Registers;

/// Callback after each op, for checks of a model.
pub trait Observer {
    /// Called after op `op` has run for `channel`. Its output is in its register.
    ///
    /// `logits` holds the channel's logits after the op that makes them.
    fn after(&mut self, op: usize, channel: usize, registers: &Registers<'_>, logits: &[u32]);

    /// Called in a graph before ops run at another position than the last ones: some run ahead of the pixel.
    fn position(&mut self, row: usize, column: usize) {
        let _ = (row, column);
    }
}

/// No-op observer, free of cost.
impl Observer for () {
    #[inline(always)]
    fn after(&mut self, _: usize, _: usize, _: &Registers<'_>, _: &[u32]) {}
}
