//! An observer of the streaming executor, for checks.

use super::registers::Registers;

/// Watches an engine at work, op by op; for checking a model, not for running one.
pub trait Observer {
    /// Called after op number `op` has run for `channel`: what it wrote is in its register.
    ///
    /// `logits` holds the channel's logits after the op that makes them.
    fn after(&mut self, op: usize, channel: usize, registers: &Registers<'_>, logits: &[u32]);
}

/// Watches nothing, and costs nothing.
impl Observer for () {
    #[inline(always)]
    fn after(&mut self, _: usize, _: usize, _: &Registers<'_>, _: &[u32]) {}
}
