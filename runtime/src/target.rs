//! Detection of Cortex-M extensions from the compiler's target and flags; stable Rust does not expose them.
//!
//! The build script of this crate selects its kernel with it, and `pixelrnn-build` the layout of the weights, so both agree on
//! the core.

/// Cortex-M core with a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CortexM {
    /// M4, M7 and M33, with the DSP extension; weights should be tiled.
    Dsp,
    /// M52, M55 and M85, with MVE (Helium).
    Mve,
    /// M0 and M0+, with the ARMv6-M Thumb subset.
    Thumb,
}

impl CortexM {
    /// Core of the compilation target; `None` for a core without a kernel of its own.
    ///
    /// `flags` are the compiler's flags separated by 0x1f, as in Cargo's `CARGO_ENCODED_RUSTFLAGS`. ARMv7E-M always has DSP;
    /// ARMv8-M has DSP or MVE only if `-C target-cpu` names a core with it.
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
            // The last flag counts.
            (m33, "-Ctarget-cpu=cortex-m33\x1f-Ctarget-cpu=cortex-m85", Some(CortexM::Mve)),
            ("riscv32imac-unknown-none-elf", "", None),
            ("x86_64-unknown-linux-gnu", "-Ctarget-cpu=native", None),
        ] {
            assert_eq!(CortexM::of(target, flags), core, "{target} {flags:?}");
        }
    }
}
