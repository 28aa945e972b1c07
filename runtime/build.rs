//! Selects the fastest kernel of the target, with Cortex-M extensions that the compiler does not expose.

// A build script cannot depend on its own crate.
#[path = "src/target.rs"]
mod target;

use std::env;
use target::CortexM;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(pixelrnn_dsp, pixelrnn_mve, pixelrnn_thumb)");
    println!(
        "cargo::rustc-check-cfg=cfg(pixelrnn_native, values(\"host\", \"dsp\", \"mve\", \"thumb\", \"avx512vnni\", \
         \"avx2\", \"neon-dotprod\", \"neon\", \"simd128\", \"portable\"))"
    );
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/target.rs");
    // Stable Rust exposes no `target_feature` for the extensions of Cortex-M.
    let target = env::var("TARGET").unwrap_or_default();
    let core = CortexM::of(&target, &env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default());
    let cortex_m = core.map(|core| match core {
        CortexM::Dsp => "dsp",
        // Cores with MVE have DSP as well; MVE is faster.
        CortexM::Mve => "mve",
        CortexM::Thumb => "thumb",
    });
    if let Some(name) = cortex_m {
        println!("cargo::rustc-cfg=pixelrnn_{name}");
    }
    let native = if env::var_os("CARGO_FEATURE_STD").is_some() { "host" } else { cortex_m.unwrap_or_else(by_features) };
    println!("cargo::rustc-cfg=pixelrnn_native=\"{native}\"");
}

/// Fastest kernel among the target features that the compiler exposes.
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
