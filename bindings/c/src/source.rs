//! Sources of values: a callback of the program, and the ready ones.

use crate::engine::pixelrnn_engine;
use crate::memory::{apart, reference, slice, status, writable, write};
use crate::status::{
    PIXELRNN_ERROR_IMAGE_TOO_SHORT, PIXELRNN_ERROR_NOT_INITIALISED, PIXELRNN_ERROR_NULL, PIXELRNN_ERROR_TEMPERATURE,
    PIXELRNN_OK, of_callback, pixelrnn_status,
};
use core::ffi::c_void;
use runtime::network::Image;
use runtime::{DefaultRng, Distribution, Position, Sample, SymbolSource, Temperature};

/// Prediction of one value, valid during the callback.
#[repr(C)]
#[derive(Debug)]
pub struct pixelrnn_prediction {
    /// Frequency of each level, at least 1; their sum is 2^24.
    pub frequencies: *const u32,
    /// Number of levels.
    pub levels: u32,
    /// Row of the value, from the top.
    pub row: u32,
    /// Column of the value, from the left.
    pub column: u32,
    /// Channel of the value: 0, or 0, 1, 2 for R, G, B.
    pub channel: u32,
    /// Place of the value in an image that lies channel by channel, row by row.
    pub index: usize,
}

/// Supplies the next value: writes it to `value`, below `prediction->levels`, and returns `PIXELRNN_OK`.
///
/// Any other answer stops the engine at this pixel. Negative ones are passed on: `PIXELRNN_ERROR_OWN` and below are the program's.
pub type pixelrnn_next = Option<
    unsafe extern "C" fn(
        source: *mut pixelrnn_source,
        prediction: *const pixelrnn_prediction,
        value: *mut u8,
    ) -> pixelrnn_status,
>;

/// Supplies the values of an image, given the model's predictions. Made by a function `pixelrnn_source_…`.
///
/// Between two pixels it may be copied, and saved together with an engine.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct pixelrnn_source {
    /// Function that supplies a value.
    pub next: pixelrnn_next,
    /// In a callback of the program: what `pixelrnn_source_callback` was given.
    pub context: *mut c_void,
    /// The library's: a given image.
    pub image: *const u8,
    /// The library's: length of that image.
    pub image_bytes: usize,
    /// The library's: given rows of that image.
    pub rows: usize,
    /// The library's: random numbers.
    pub random: [u32; 5],
    /// Temperature of the predictions, in thousandths.
    pub temperature: u32,
}

/// A source as the engine takes it.
pub(crate) struct AnySource {
    source: *mut pixelrnn_source,
    next: unsafe extern "C" fn(*mut pixelrnn_source, *const pixelrnn_prediction, *mut u8) -> pixelrnn_status,
    temperature: Temperature,
    image: Image,
}

impl AnySource {
    /// Checks the source of an engine that was checked.
    ///
    /// # Safety
    /// `source` is null, or points to a source or zeros. `engine` is an engine.
    pub(crate) unsafe fn new(
        source: *mut pixelrnn_source,
        engine: *const pixelrnn_engine,
        image: Image,
    ) -> Result<Self, pixelrnn_status> {
        writable(source)?;
        apart(source, 1, engine, 1)?;
        // SAFETY: the caller's promise.
        let pixelrnn_source { next, temperature, .. } = unsafe { source.read() };
        let next = next.ok_or(PIXELRNN_ERROR_NOT_INITIALISED)?;
        Ok(Self { source, next, temperature: temperature_of(temperature)?, image })
    }
}

impl SymbolSource for AnySource {
    type Error = pixelrnn_status;

    fn temperature(&self) -> Temperature {
        self.temperature
    }

    fn next(&mut self, at: Position, distribution: &Distribution<'_>) -> Result<u8, pixelrnn_status> {
        let Image { height, width, .. } = self.image;
        let prediction = pixelrnn_prediction {
            frequencies: distribution.frequencies().as_ptr(),
            levels: distribution.levels() as u32,
            row: at.row as u32,
            column: at.column as u32,
            channel: at.channel as u32,
            index: (at.channel * height + at.row) * width + at.column,
        };
        let mut value = 0;
        // SAFETY: a function of this library or of the program, with the types of the header.
        match unsafe { (self.next)(self.source, &raw const prediction, &raw mut value) } {
            PIXELRNN_OK => Ok(value),
            error => Err(of_callback(error)),
        }
    }
}

fn temperature_of(milli: u32) -> Result<Temperature, pixelrnn_status> {
    Temperature::from_milli(milli).ok_or(PIXELRNN_ERROR_TEMPERATURE)
}

/// Temperature 1, the model's own predictions, in thousandths.
pub const PIXELRNN_TEMPERATURE_ONE: u32 = 1000;

type Draw = Sample<DefaultRng>;

const _: () = assert!(size_of::<Draw>() <= size_of::<[u32; 5]>() && align_of::<Draw>() <= align_of::<[u32; 5]>());

impl pixelrnn_source {
    /// Source with a function and nothing else.
    pub(crate) const fn with(next: pixelrnn_next, temperature: u32) -> Self {
        Self {
            next,
            context: core::ptr::null_mut(),
            image: core::ptr::null(),
            image_bytes: 0,
            rows: 0,
            random: [0; 5],
            temperature,
        }
    }

    /// Source of a given image.
    ///
    /// # Safety
    /// `image` points to that many values.
    pub(crate) unsafe fn of_image(
        next: pixelrnn_next,
        image: *const u8,
        bytes: usize,
    ) -> Result<Self, pixelrnn_status> {
        // SAFETY: the caller's promise; only the pointer is kept.
        unsafe { slice(image, bytes) }?;
        Ok(Self { image, image_bytes: bytes, ..Self::with(next, PIXELRNN_TEMPERATURE_ONE) })
    }

    /// Value at `index` of the given image.
    ///
    /// # Safety
    /// The source was made by [`Self::of_image`], and the image is still there.
    pub(crate) unsafe fn given(&self, index: usize) -> Result<u8, pixelrnn_status> {
        if index >= self.image_bytes {
            return Err(PIXELRNN_ERROR_IMAGE_TOO_SHORT);
        }
        // SAFETY: inside of the image. No reference is made, as the program may write an image from its pixels.
        Ok(unsafe { self.image.add(index).read() })
    }

    /// Begins the random numbers of `seed`.
    fn seed(&mut self, seed: u64) {
        let draw = Draw::seeded(seed, Temperature::ONE);
        // SAFETY: it fits size and alignment, and is plain data.
        unsafe { (&raw mut self.random).cast::<Draw>().write(draw) };
    }

    /// Draws a value.
    fn draw(&mut self, distribution: &Distribution<'_>) -> u8 {
        const ANY: Position = Position { row: 0, column: 0, channel: 0 };
        // SAFETY: `seed` wrote it; any words are random numbers of the generator.
        let draw = unsafe { &mut *(&raw mut self.random).cast::<Draw>() };
        draw.next(ANY, distribution).unwrap_or_else(|never| match never {})
    }
}

impl pixelrnn_prediction {
    /// Predicted distribution.
    ///
    /// # Safety
    /// The prediction is one that the engine passed to a callback, which has not returned.
    pub(crate) unsafe fn distribution<'a>(&self) -> Result<Distribution<'a>, pixelrnn_status> {
        // SAFETY: the caller's promise.
        Ok(Distribution::of(unsafe { slice(self.frequencies, self.levels as usize) }?))
    }
}

/// Runs a ready source: `answer` gives the value.
///
/// # Safety
/// The pointers are those of a callback.
pub(crate) unsafe fn answer(
    source: *mut pixelrnn_source,
    prediction: *const pixelrnn_prediction,
    value: *mut u8,
    answer: impl FnOnce(&mut pixelrnn_source, &pixelrnn_prediction) -> Result<u8, pixelrnn_status>,
) -> pixelrnn_status {
    status((|| {
        writable(source)?;
        // SAFETY: checked; the caller's promise.
        let (source, prediction) = unsafe { (&mut *source, reference(prediction)?) };
        let answered = answer(source, prediction)?;
        // SAFETY: the caller's promise.
        unsafe { write(value, answered) }
    })())
}

/// Source by a callback of the program, such as random numbers of its own or values from a wire.
///
/// @param context     what the callback finds as `source->context`; may be null
/// @param temperature of the predictions, 10 to 100000 thousandths: `PIXELRNN_TEMPERATURE_ONE` is the model's own
///
/// # Safety
/// `source` may be written. `next` is a function of that type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_source_callback(
    source: *mut pixelrnn_source,
    next: pixelrnn_next,
    context: *mut c_void,
    temperature: u32,
) -> pixelrnn_status {
    status((|| {
        temperature_of(temperature)?;
        if next.is_none() {
            return Err(PIXELRNN_ERROR_NULL);
        }
        // SAFETY: the caller's promise.
        unsafe { write(source, pixelrnn_source { context, ..pixelrnn_source::with(next, temperature) }) }
    })())
}

/// Source that draws at random; the same images for the same seed on every machine.
///
/// @param temperature 10 to 100000 thousandths: below `PIXELRNN_TEMPERATURE_ONE` images become more alike, above more random
///
/// # Safety
/// `source` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_source_draw(
    source: *mut pixelrnn_source,
    seed: u64,
    temperature: u32,
) -> pixelrnn_status {
    unsafe extern "C" fn next(
        source: *mut pixelrnn_source,
        prediction: *const pixelrnn_prediction,
        value: *mut u8,
    ) -> pixelrnn_status {
        // SAFETY: the engine's promise to callbacks.
        unsafe { answer(source, prediction, value, |source, prediction| Ok(source.draw(&prediction.distribution()?))) }
    }
    status((|| {
        temperature_of(temperature)?;
        let mut made = pixelrnn_source::with(Some(next), temperature);
        made.seed(seed);
        // SAFETY: the caller's promise.
        unsafe { write(source, made) }
    })())
}

/// Source of the most probable values.
///
/// # Safety
/// `source` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_source_most_probable(source: *mut pixelrnn_source) -> pixelrnn_status {
    unsafe extern "C" fn next(
        source: *mut pixelrnn_source,
        prediction: *const pixelrnn_prediction,
        value: *mut u8,
    ) -> pixelrnn_status {
        // SAFETY: the engine's promise to callbacks.
        unsafe { answer(source, prediction, value, |_, prediction| Ok(prediction.distribution()?.most_probable())) }
    }
    // SAFETY: the caller's promise.
    status(unsafe { write(source, pixelrnn_source::with(Some(next), PIXELRNN_TEMPERATURE_ONE)) })
}

/// Source that keeps the first `rows` rows of an image and draws the others at random.
///
/// @param image `bytes` values, channel by channel, row by row; in place as long as the source is used
///
/// # Safety
/// `source` may be written; `image` points to that many values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_source_complete(
    source: *mut pixelrnn_source,
    image: *const u8,
    bytes: usize,
    rows: usize,
    seed: u64,
    temperature: u32,
) -> pixelrnn_status {
    unsafe extern "C" fn next(
        source: *mut pixelrnn_source,
        prediction: *const pixelrnn_prediction,
        value: *mut u8,
    ) -> pixelrnn_status {
        let complete = |source: &mut pixelrnn_source, prediction: &pixelrnn_prediction| {
            if (prediction.row as usize) < source.rows {
                // SAFETY: made below.
                unsafe { source.given(prediction.index) }
            } else {
                // SAFETY: the engine's promise to callbacks.
                Ok(source.draw(&unsafe { prediction.distribution() }?))
            }
        };
        // SAFETY: the engine's promise to callbacks.
        unsafe { answer(source, prediction, value, complete) }
    }
    status((|| {
        temperature_of(temperature)?;
        // SAFETY: the caller's promise.
        let mut made = unsafe { pixelrnn_source::of_image(Some(next), image, bytes) }?;
        (made.rows, made.temperature) = (rows, temperature);
        made.seed(seed);
        // SAFETY: the caller's promise.
        unsafe { write(source, made) }
    })())
}

/// Source of the values of an image: the costs of its pixels are the image's exact negative log-likelihood.
///
/// @param image `bytes` values, channel by channel, row by row; in place as long as the source is used
///
/// # Safety
/// `source` may be written; `image` points to that many values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_source_score(
    source: *mut pixelrnn_source,
    image: *const u8,
    bytes: usize,
) -> pixelrnn_status {
    unsafe extern "C" fn next(
        source: *mut pixelrnn_source,
        prediction: *const pixelrnn_prediction,
        value: *mut u8,
    ) -> pixelrnn_status {
        // SAFETY: made below; the engine's promise to callbacks.
        unsafe { answer(source, prediction, value, |source, prediction| source.given(prediction.index)) }
    }
    // SAFETY: the caller's promise.
    status(unsafe { pixelrnn_source::of_image(Some(next), image, bytes).and_then(|made| write(source, made)) })
}

/// Value whose part of the frequencies holds `point`, 0 to 2^24 - 1: draws with random numbers of the program's own. 0 for a null
/// pointer.
///
/// # Safety
/// `prediction` is null or what a callback was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_prediction_find(prediction: *const pixelrnn_prediction, point: u32) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { reference(prediction).and_then(|prediction| prediction.distribution()) }
        .map_or(0, |distribution| distribution.find(point))
}
