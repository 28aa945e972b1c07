//! Instruction count and stack use, measured on the device itself.
//!
//! Under QEMU's `-icount shift=6` every instruction takes 64 ns of virtual time, independent of the host, and SysTick
//! counts that time. The result is a number of instructions. Cycles on a real core differ: an instruction takes one or
//! more, plus flash wait states.

#[cfg(target_arch = "arm")]
pub use arm::instructions;

/// Stack use of `work` in bytes, at most `LIMIT`. Fills the memory below the stack pointer with a pattern and finds the
/// deepest overwritten word.
#[cfg(target_arch = "arm")]
#[inline(never)]
pub fn stack<const LIMIT: usize>(work: impl FnOnce()) -> usize {
    const PAINT: u32 = 0xcccc_cccc;
    let top: usize;
    // SAFETY: only reads a register.
    unsafe { core::arch::asm!("mov {}, sp", out(reg) top, options(nomem, nostack, preserves_flags)) };
    let bottom = (top - LIMIT) as *mut u32;
    for at in 0..LIMIT / 4 {
        // SAFETY: memory below the stack pointer is unused, and the programs leave LIMIT bytes of it to the stack.
        unsafe { bottom.add(at).write_volatile(PAINT) };
    }
    work();
    // SAFETY: as above.
    let untouched = (0..LIMIT / 4).take_while(|&at| unsafe { bottom.add(at).read_volatile() } == PAINT).count();
    LIMIT - 4 * untouched
}

#[cfg(target_arch = "arm")]
mod arm {
    use core::cell::Cell;
    use cortex_m::peripheral::SYST;
    use cortex_m::peripheral::syst::SystClkSource;
    use cortex_m_rt::exception;
    use critical_section::Mutex;

    /// SysTick reload value.
    const TOP: u32 = 0xff_ffff;

    /// Number of SysTick wraparounds.
    static ROUNDS: Mutex<Cell<u32>> = Mutex::new(Cell::new(0));

    #[exception]
    fn SysTick() {
        critical_section::with(|cs| {
            let rounds = ROUNDS.borrow(cs);
            rounds.set(rounds.get() + 1);
        });
    }

    fn rounds() -> u32 {
        critical_section::with(|cs| ROUNDS.borrow(cs).get())
    }

    /// Ticks since [`start`].
    #[inline(never)]
    fn ticks() -> u64 {
        loop {
            let before = rounds();
            let left = SYST::get_current();
            if before == rounds() {
                return u64::from(before) * (u64::from(TOP) + 1) + u64::from(TOP - left);
            }
        }
    }

    /// Starts SysTick.
    fn start(timer: &mut SYST) {
        timer.set_clock_source(SystClkSource::Core);
        timer.set_reload(TOP);
        timer.clear_current();
        timer.enable_interrupt();
        timer.enable_counter();
    }

    /// Runs `2 · rounds` instructions.
    #[inline(never)]
    fn spin(rounds: u32) {
        // SAFETY: only decrements a register.
        unsafe {
            core::arch::asm!("2:", "subs {0}, #1", "bne 2b", inout(reg) rounds => _, options(nomem, nostack));
        }
    }

    /// Ticks of `work`.
    #[inline(never)]
    fn time(work: &mut dyn FnMut()) -> u64 {
        let begin = ticks();
        work();
        ticks() - begin
    }

    /// Number of instructions executed by `work`, accurate to a few parts in ten thousand.
    pub fn instructions(work: &mut dyn FnMut()) -> u64 {
        const SPINS: u32 = 1_000_000;
        if let Some(mut core) = cortex_m::Peripherals::take() {
            start(&mut core.SYST);
        }
        // Calibration by a loop of known length gives ticks per instruction, independent of the board's clock.
        let empty = time(&mut || ());
        let known = time(&mut || spin(SPINS)).saturating_sub(empty).max(1);
        (time(work).saturating_sub(empty) * u64::from(2 * SPINS) + known / 2) / known
    }
}
