//! Finds out what instructions the target has, where the compiler keeps that to itself, and which kernel is the fastest.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(pixelrnn_dsp, pixelrnn_mve, pixelrnn_thumb)");
    println!(
        "cargo::rustc-check-cfg=cfg(pixelrnn_native, values(\"host\", \"dsp\", \"mve\", \"thumb\", \"avx512vnni\", \
         \"avx2\", \"neon-dotprod\", \"neon\", \"simd128\", \"portable\"))"
    );
    println!("cargo::rerun-if-changed=build.rs");
    // Stable Rust shows no `target_feature` of Cortex-M's extensions. ARMv7E-M always has DSP; ARMv8-M has it and MVE on
    // cores that are named with `-C target-cpu`.
    let target = env::var("TARGET").unwrap_or_default();
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let core = flags.split('\x1f').filter_map(|flag| flag.split_once("target-cpu=")).map(|(_, core)| core).next_back();
    let without = |extension: &str| {
        flags
            .split('\x1f')
            .any(|flag| flag.contains(&format!("-{extension}")) || flag.contains(&format!("+no{extension}")))
    };
    let mve = matches!(core, Some("cortex-m52" | "cortex-m55" | "cortex-m85"))
        && !without("mve")
        && target.starts_with("thumbv8m.main");
    // Cores with MVE have DSP too, but their vectors are faster.
    let dsp = (target.starts_with("thumbv7em") || core == Some("cortex-m33")) && !without("dsp");
    let thumb = target.starts_with("thumbv6m");
    if dsp {
        println!("cargo::rustc-cfg=pixelrnn_dsp");
    }
    if mve {
        println!("cargo::rustc-cfg=pixelrnn_mve");
    }
    if thumb {
        println!("cargo::rustc-cfg=pixelrnn_thumb");
    }
    let native = if env::var_os("CARGO_FEATURE_STD").is_some() {
        "host"
    } else if dsp {
        "dsp"
    } else if mve {
        "mve"
    } else if thumb {
        "thumb"
    } else {
        by_features()
    };
    println!("cargo::rustc-cfg=pixelrnn_native=\"{native}\"");
}

/// The fastest kernel whose instructions the compiler may use for this target.
fn by_features() -> &'static str {
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let has = |names: &[&str]| names.iter().all(|name| features.split(',').any(|feature| feature == *name));
    match env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default().as_str() {
        "x86_64" if has(&["avx512f", "avx512bw", "avx512vl", "avx512vnni"]) => "avx512vnni",
        "x86_64" if has(&["avx2"]) => "avx2",
        "aarch64" if has(&["neon", "dotprod"]) => "neon-dotprod",
        "aarch64" if has(&["neon"]) => "neon",
        "wasm32" if has(&["simd128"]) => "simd128",
        _ => "portable",
    }
}
