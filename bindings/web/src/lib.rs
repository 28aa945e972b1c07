//! pixelrnn as a WebAssembly module without any glue: numbers go in and out as arguments, bytes by two mailboxes.
//!
//! One instance of the module holds one model. JavaScript writes a call's bytes to [`input`], calls a function, and reads the answer at
//! [`output`]. A function that fails returns a negative number, and the answer is then `kind`, a line feed, and a sentence. Dropping the
//! instance frees all of its memory, so nothing here is freed one by one but [`end`]ed drawings. `js/` is the typed layer above.
//!
//! Images are levels of the model, `[N, C, H, W]`. A label below 0 is none. All numbers of answers are little-endian.

#![allow(unsafe_code)] // the names of exports; nothing else here is unsafe

mod app;
mod code;
mod context;
mod draw;
mod error;
mod score;
mod source;

use app::{App, with_app};
use error::Failure;
use source::Plan;

/// Makes room for `length` bytes of the next call and returns their address, 0 if there is not enough memory.
#[unsafe(no_mangle)]
pub extern "C" fn input(length: u32) -> *mut u8 {
    with_app(|app| app.reserve_input(length as usize).unwrap_or(std::ptr::null_mut()))
}

/// Address of the last answer. It is valid until the next call.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    with_app(|app| app.output.as_ptr())
}

/// Bytes of the last answer.
#[unsafe(no_mangle)]
pub extern "C" fn output_length() -> u32 {
    with_app(|app| app.output.len() as u32)
}

/// 1 if this module was compiled with SIMD instructions.
#[unsafe(no_mangle)]
pub extern "C" fn simd() -> u32 {
    u32::from(cfg!(target_feature = "simd128"))
}

/// Loads the model of the input, for images of `height` rows and `width` columns, or of its own size if both are 0. The answer is a
/// line `name value` for each fact of the model.
#[unsafe(no_mangle)]
pub extern "C" fn load(height: u32, width: u32) -> i32 {
    run(|app| app.load(height as usize, width as usize).map(|()| 0))
}

/// Draws `count` images, of seeds `seed`, `seed + 1`, …, at the temperature `milli`/1000; 0 takes the likeliest values. The input gives
/// the first `rows` rows, as one image. The answer is the nats of each image as f64, then the images.
#[unsafe(no_mangle)]
pub extern "C" fn draw(count: u32, seed: u64, milli: u32, label: i32, rows: u32) -> i32 {
    run(|app| app.draw(count as usize, &Plan { seed, milli, rows: rows as usize }, class(label)).map(|()| 0))
}

/// Scores the images of the input. The answer is the nats of each image as f64, then those of each value as f32.
#[unsafe(no_mangle)]
pub extern "C" fn score(label: i32) -> i32 {
    run(|app| app.score(class(label)).map(|()| 0))
}

/// Compresses the `count` images of the input to the file that `pixelrnn compress` writes. For a model with classes, a label of two
/// bytes for each image comes before the images. The answer is the file.
#[unsafe(no_mangle)]
pub extern "C" fn compress(count: u32) -> i32 {
    run(|app| app.compress(count as usize).map(|()| 0))
}

/// Compresses the image of the input to its code alone, as `pixelrnn compress --bare` does.
#[unsafe(no_mangle)]
pub extern "C" fn compress_bare(label: i32) -> i32 {
    run(|app| app.compress_bare(class(label)).map(|()| 0))
}

/// Restores the images of a compressed file, all of one size. The answer is their number, channels, rows and columns as u32, their
/// labels as u32 if the model has classes, then the images.
#[unsafe(no_mangle)]
pub extern "C" fn decompress() -> i32 {
    run(|app| app.decompress().map(|()| 0))
}

/// Restores the image of a bare code.
#[unsafe(no_mangle)]
pub extern "C" fn decompress_bare(label: i32) -> i32 {
    run(|app| app.decompress_bare(class(label)).map(|()| 0))
}

/// Begins an image that is drawn pixel by pixel, with the arguments of [`draw`]. Returns its number.
#[unsafe(no_mangle)]
pub extern "C" fn begin(seed: u64, milli: u32, label: i32, rows: u32) -> i32 {
    run(|app| app.begin(&Plan { seed, milli, rows: rows as usize }, class(label)))
}

/// Draws up to `pixels` further pixels of the image with that number. Returns how many it drew, 0 at the end. The answer has, for
/// each, its nats as f32, then its values, padded to four bytes.
#[unsafe(no_mangle)]
pub extern "C" fn step(number: u32, pixels: u32) -> i32 {
    run(|app| app.step(number as usize, pixels as usize))
}

/// Frees the image with that number, finished or not.
#[unsafe(no_mangle)]
pub extern "C" fn end(number: u32) {
    with_app(|app| app.end(number as usize));
}

/// Measures how far the prediction at a pixel depends on earlier pixels of the image in the input. The indices of those pixels, u32
/// each, come after the image. The answer is, for each, the total variation as f32 between the predictions with and without a change of
/// the pixel by half of all levels.
#[unsafe(no_mangle)]
pub extern "C" fn depend(row: u32, column: u32, label: i32) -> i32 {
    run(|app| app.depend(row as usize, column as usize, class(label)).map(|()| 0))
}

/// The class of a label argument.
fn class(label: i32) -> Option<usize> {
    usize::try_from(label).ok()
}

/// Runs a call, and turns a failure into a negative number and an answer.
fn run(call: impl FnOnce(&mut App) -> Result<i32, Failure>) -> i32 {
    with_app(|app| {
        app.output.clear();
        call(app).unwrap_or_else(|failure| {
            app.output = format!("{}\n{}", failure.kind, failure.what).into_bytes();
            -1
        })
    })
}
