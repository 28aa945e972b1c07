//! Shared code of the fuzz programs.

use std::sync::Once;

/// Runs the target `name`.
pub fn run(name: &str, bytes: &[u8]) {
    static ONE_THREAD: Once = Once::new();
    // A fuzzer runs one process per core, and each run is short.
    ONE_THREAD.call_once(|| {
        let _ = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
    });
    (pixelrnn_tests::targets::named(name).run)(bytes);
}
