//! The instructions of a Cortex-M that stable Rust keeps to itself, found from the compiler's target and flags.
//!
//! This crate's build script picks its kernel with it, and `pixelrnn-build` the layout of the weights: both mean the same
//! core.

/// A Cortex-M that has a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CortexM {
    /// M4, M7 and M33, with the DSP instructions: these want weights in blocks.
    Dsp,
    /// M52, M55 and M85, with MVE, Arm's vectors.
    Mve,
    /// M0 and M0+, with the first Thumb instructions alone.
    Thumb,
}

impl CortexM {
    /// The core that the compiler makes code for: its `target`, and its `flags` with the separator 0x1f between, as Cargo's
    /// `CARGO_ENCODED_RUSTFLAGS` has them. `None` for all others.
    ///
    /// ARMv7E-M always has DSP; ARMv8-M has it and MVE on cores that are named with `-C target-cpu`.
    pub fn of(target: &str, flags: &str) -> Option<Self> {
        let flags = || flags.split('\x1f');
        let cpu = flags().filter_map(|flag| flag.split_once("target-cpu=")).map(|(_, cpu)| cpu).next_back();
        let without = |off: [&str; 2]| flags().any(|flag| off.iter().any(|off| flag.contains(off)));
        let vectors = matches!(cpu, Some("cortex-m52" | "cortex-m55" | "cortex-m85"));
        if (target.starts_with("thumbv7em") || cpu == Some("cortex-m33")) && !without(["-dsp", "+nodsp"]) {
            Some(Self::Dsp)
        } else if target.starts_with("thumbv8m.main") && vectors && !without(["-mve", "+nomve"]) {
            Some(Self::Mve)
        } else if target.starts_with("thumbv6m") {
            Some(Self::Thumb)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CortexM;

    #[test]
    fn the_core_follows_from_target_and_flags() {
        let m33 = "thumbv8m.main-none-eabihf";
        for (target, flags, core) in [
            ("thumbv6m-none-eabi", "", Some(CortexM::Thumb)),
            ("thumbv7m-none-eabi", "", None),
            ("thumbv7em-none-eabihf", "", Some(CortexM::Dsp)),
            ("thumbv7em-none-eabi", "-Clink-arg=-Tlink.x\x1f-Ctarget-cpu=cortex-m7", Some(CortexM::Dsp)),
            ("thumbv7em-none-eabihf", "-Ctarget-feature=-dsp", None),
            (m33, "", None),
            (m33, "-C\x1ftarget-cpu=cortex-m33", Some(CortexM::Dsp)),
            (m33, "-Ctarget-cpu=cortex-m33+nodsp\x1f-Ctarget-cpu=cortex-m33", None),
            (m33, "-Ctarget-cpu=cortex-m55", Some(CortexM::Mve)),
            (m33, "-Ctarget-cpu=cortex-m55\x1f-Ctarget-feature=-mve", None),
            // The last one counts.
            (m33, "-Ctarget-cpu=cortex-m33\x1f-Ctarget-cpu=cortex-m85", Some(CortexM::Mve)),
            ("riscv32imac-unknown-none-elf", "", None),
            ("x86_64-unknown-linux-gnu", "-Ctarget-cpu=native", None),
        ] {
            assert_eq!(CortexM::of(target, flags), core, "{target} {flags:?}");
        }
    }
}
