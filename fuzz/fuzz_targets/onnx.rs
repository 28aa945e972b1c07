#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pixelrnn_fuzz::run("onnx", bytes));
