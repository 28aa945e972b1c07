//! Finds out what instructions the target has, where the compiler keeps that to itself.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(pixelrnn_dsp, pixelrnn_thumb)");
    println!("cargo::rerun-if-changed=build.rs");
    // Stable Rust shows no `target_feature = "dsp"` for Cortex-M. ARMv7E-M always has the extension; ARMv8-M has it on the
    // cores that are named with `-C target-cpu`.
    let target = env::var("TARGET").unwrap_or_default();
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let core = flags.split('\x1f').filter_map(|flag| flag.split_once("target-cpu=")).map(|(_, core)| core).next_back();
    let without = flags.split('\x1f').any(|flag| flag.contains("-dsp") || flag.contains("+nodsp"));
    // Cortex-M55 has it too, but its vectors are faster.
    if (target.starts_with("thumbv7em") || core == Some("cortex-m33")) && !without {
        println!("cargo::rustc-cfg=pixelrnn_dsp");
    }
    if target.starts_with("thumbv6m") {
        println!("cargo::rustc-cfg=pixelrnn_thumb");
    }
}
