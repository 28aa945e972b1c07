//! Bare streams: an encoder and a decoder as sources, a byte at a time, one pixel a call.

use crate::bytes::{Get, Put, pixelrnn_get, pixelrnn_put};
use crate::memory::{status, writable, write};
use crate::source::{answer, pixelrnn_prediction, pixelrnn_source};
use crate::status::{
    PIXELRNN_ERROR_FILE_CORRUPT, PIXELRNN_ERROR_NOT_INITIALISED, PIXELRNN_ERROR_VALUE, pixelrnn_status,
};
use core::ffi::c_void;
use runtime::coder::{DecodeError, Decoder, DecoderState, Encoder, EncoderState};

pub use crate::bytes::PIXELRNN_END;

/// Writes values to a callback, at the cost of their predictions. Its members are the library's.
#[repr(C)]
#[derive(Debug)]
pub struct pixelrnn_encoder {
    opaque: [u64; 8],
}

/// Reads the values of an encoder from a callback. Its members are the library's.
#[repr(C)]
#[derive(Debug)]
pub struct pixelrnn_decoder {
    opaque: [u64; 8],
}

/// Marks of initialised ones.
const ENCODER: u32 = 0x504e_4e33;
const DECODER: u32 = 0x504e_4e34;

/// Content of an encoder or decoder.
#[derive(Clone, Copy)]
#[repr(C)]
struct Content<B, S> {
    mark: u32,
    bytes: B,
    state: S,
}

type EncoderContent = Content<Put, EncoderState>;
type DecoderContent = Content<Get, DecoderState>;

const _: () = assert!(size_of::<EncoderContent>() <= size_of::<pixelrnn_encoder>());
const _: () = assert!(size_of::<DecoderContent>() <= size_of::<pixelrnn_decoder>());
const _: () = assert!(align_of::<EncoderContent>() <= align_of::<pixelrnn_encoder>());
const _: () = assert!(align_of::<DecoderContent>() <= align_of::<pixelrnn_decoder>());

/// Reads the content at `place`.
///
/// # Safety
/// `place` is null, or all bytes of such a content lie there: zeros, or written by its `_init`.
unsafe fn content<T, B: Copy, S: Copy>(place: *const T, mark: u32) -> Result<Content<B, S>, pixelrnn_status> {
    writable(place.cast_mut())?;
    // SAFETY: not null and aligned; the mark comes first.
    if unsafe { place.cast::<u32>().read() } != mark {
        return Err(PIXELRNN_ERROR_NOT_INITIALISED);
    }
    // SAFETY: the mark says that a content was written here.
    Ok(unsafe { place.cast::<Content<B, S>>().read() })
}

/// Begins a stream that goes to `put`.
///
/// # Safety
/// `encoder` may be written. `put` is a function of that type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_encoder_init(
    encoder: *mut pixelrnn_encoder,
    put: pixelrnn_put,
    context: *mut c_void,
) -> pixelrnn_status {
    status((|| {
        let content = Content { mark: ENCODER, bytes: Put::new(put, context)?, state: EncoderState::default() };
        // SAFETY: the caller's promise; it fits size and alignment.
        unsafe { write(encoder.cast::<EncoderContent>(), content) }
    })())
}

/// Ends the stream: writes its last bytes. The encoder has to be initialised again for another stream.
///
/// # Safety
/// `encoder` is an encoder, or all zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_encoder_finish(encoder: *mut pixelrnn_encoder) -> pixelrnn_status {
    status((|| {
        // SAFETY: the caller's promise.
        let content: EncoderContent = unsafe { content(encoder, ENCODER) }?;
        // SAFETY: read above.
        unsafe { encoder.cast::<EncoderContent>().write(Content { mark: 0, ..content }) };
        Encoder::resume(content.state, content.bytes).finish().map(drop)
    })())
}

/// Source that writes an image to an encoder. Call `pixelrnn_encoder_finish` after the last image of the stream.
///
/// The label is not written: a reader has to know it, as it has to know the model. If the callback of the encoder fails, the stream is
/// lost.
///
/// @param encoder in place as long as the source is used
/// @param image   `bytes` values, channel by channel, row by row; in place as long as the source is used
///
/// # Safety
/// `source` may be written; `encoder` is an encoder; `image` points to that many values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_source_encode(
    source: *mut pixelrnn_source,
    encoder: *mut pixelrnn_encoder,
    image: *const u8,
    bytes: usize,
) -> pixelrnn_status {
    unsafe extern "C" fn next(
        source: *mut pixelrnn_source,
        prediction: *const pixelrnn_prediction,
        value: *mut u8,
    ) -> pixelrnn_status {
        let encode = |source: &mut pixelrnn_source, prediction: &pixelrnn_prediction| {
            let place = source.context.cast::<pixelrnn_encoder>();
            // SAFETY: made below; the engine's promise to callbacks.
            let (given, distribution) = unsafe { (source.given(prediction.index)?, prediction.distribution()?) };
            if usize::from(given) >= distribution.levels() {
                return Err(PIXELRNN_ERROR_VALUE);
            }
            // SAFETY: the program's promise.
            let content: EncoderContent = unsafe { content(place, ENCODER) }?;
            let mut encoder = Encoder::resume(content.state, content.bytes);
            encoder.put(&distribution, given)?;
            // SAFETY: read above.
            unsafe { place.cast::<EncoderContent>().write(Content { state: encoder.state(), ..content }) };
            Ok(given)
        };
        // SAFETY: the engine's promise to callbacks.
        unsafe { answer(source, prediction, value, encode) }
    }
    status((|| {
        // SAFETY: the caller's promise.
        unsafe {
            let _: EncoderContent = content(encoder, ENCODER)?;
            let made = pixelrnn_source::of_image(Some(next), image, bytes)?;
            write(source, pixelrnn_source { context: encoder.cast(), ..made })
        }
    })())
}

/// Begins to read a stream: asks `get` for its first seven bytes.
///
/// # Safety
/// `decoder` may be written. `get` is a function of that type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_decoder_init(
    decoder: *mut pixelrnn_decoder,
    get: pixelrnn_get,
    context: *mut c_void,
) -> pixelrnn_status {
    status((|| {
        writable(decoder)?;
        let bytes = Get::new(get, context)?;
        let state = Decoder::new(bytes).map_err(of_decoder)?.state();
        // SAFETY: the caller's promise; it fits size and alignment.
        unsafe { write(decoder.cast::<DecoderContent>(), Content { mark: DECODER, bytes, state }) }
    })())
}

/// Source of the values of a decoder.
///
/// A stream has no checksum: damaged bytes may give another image. `pixelrnn_decompress` reads files, which have one.
///
/// @param decoder in place as long as the source is used
///
/// # Safety
/// `source` may be written; `decoder` is a decoder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_source_decode(
    source: *mut pixelrnn_source,
    decoder: *mut pixelrnn_decoder,
) -> pixelrnn_status {
    unsafe extern "C" fn next(
        source: *mut pixelrnn_source,
        prediction: *const pixelrnn_prediction,
        value: *mut u8,
    ) -> pixelrnn_status {
        let decode = |source: &mut pixelrnn_source, prediction: &pixelrnn_prediction| {
            let place = source.context.cast::<pixelrnn_decoder>();
            // SAFETY: the program's promise; the engine's promise to callbacks.
            let (content, distribution): (DecoderContent, _) =
                unsafe { (content(place, DECODER)?, prediction.distribution()?) };
            let mut decoder = Decoder::resume(content.state, content.bytes);
            let decoded = decoder.next(&distribution).map_err(of_decoder)?;
            // SAFETY: read above.
            unsafe { place.cast::<DecoderContent>().write(Content { state: decoder.state(), ..content }) };
            Ok(decoded)
        };
        // SAFETY: the engine's promise to callbacks.
        unsafe { answer(source, prediction, value, decode) }
    }
    status((|| {
        // SAFETY: the caller's promise.
        unsafe {
            let _: DecoderContent = content(decoder, DECODER)?;
            let made = pixelrnn_source::with(Some(next), crate::source::PIXELRNN_TEMPERATURE_ONE);
            write(source, pixelrnn_source { context: decoder.cast(), ..made })
        }
    })())
}

/// Status of a decoder that stopped.
const fn of_decoder(error: DecodeError<pixelrnn_status>) -> pixelrnn_status {
    match error {
        DecodeError::Corrupt => PIXELRNN_ERROR_FILE_CORRUPT,
        DecodeError::Source(status) => status,
    }
}
