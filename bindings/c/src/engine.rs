//! The engine: one pixel a call, in buffers of the program.

use crate::detail::{pixelrnn_detail, report};
use crate::memory::{apart, slice_mut, status, writable, write, write_optional};
use crate::model::{open, pixelrnn_model};
use crate::source::{AnySource, pixelrnn_source};
use crate::status::{
    PIXELRNN_DONE, PIXELRNN_ERROR_BUSY, PIXELRNN_ERROR_CORRUPT, PIXELRNN_ERROR_IMAGE_TOO_SHORT, PIXELRNN_ERROR_LABEL,
    PIXELRNN_ERROR_NOT_FINITE, PIXELRNN_ERROR_NOT_INITIALISED, PIXELRNN_ERROR_NULL, PIXELRNN_ERROR_POSITION,
    PIXELRNN_ERROR_UNSUPPORTED, PIXELRNN_ERROR_VALUE, PIXELRNN_OK, of_setup, pixelrnn_status,
};
use core::ffi::c_void;
use runtime::kernels::Native;
use runtime::network::Image;
use runtime::{Engine, Model, Plan, StepError};

/// Label of an image of a model without classes.
pub const PIXELRNN_NO_LABEL: i32 = -1;

/// An engine: computes one pixel a call. Its members are the library's.
///
/// Reserve it and its state as `static` variables or on the stack. Engines may share a model, each needs a state of its own. An engine
/// may be copied; only one of the copies may be used from then on, since both have the same state.
#[repr(C)]
#[derive(Debug)]
pub struct pixelrnn_engine {
    opaque: [usize; 16],
}

/// A finished pixel.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct pixelrnn_pixel {
    /// Negative log-likelihood of the values at the source's temperature, in units of 2^-24 bit.
    pub cost: u64,
    /// Row, from the top.
    pub row: u32,
    /// Column, from the left.
    pub column: u32,
    /// Values of the channels; those that the model does not have are 0.
    pub values: [u8; 3],
}

/// Mark of an initialised engine. No pattern of memory that is all zeros or all ones.
const MARK: usize = 0x504e_4e31;

/// Mark of an engine inside of a call, whose callbacks must not use it.
const BUSY: usize = 0x504e_4e32;

/// Content of a [`pixelrnn_engine`].
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    mark: usize,
    model: Model<'static>,
    state: *mut u32,
    words: usize,
    label: Option<u16>,
    position: u32,
    /// False until the first restart of a model with classes.
    begun: bool,
}

const _: () = assert!(size_of::<Cell>() <= size_of::<pixelrnn_engine>());
const _: () = assert!(align_of::<Cell>() <= align_of::<pixelrnn_engine>());

impl Cell {
    /// Reads the content of an engine.
    ///
    /// # Safety
    /// `engine` is null, or all bytes of an engine lie there: zeros, or written by [`pixelrnn_engine_init`].
    pub(crate) unsafe fn read(engine: *const pixelrnn_engine) -> Result<Self, pixelrnn_status> {
        writable(engine.cast_mut())?;
        // SAFETY: not null and aligned; the mark is the first word of the content.
        let mark =
            unsafe { engine.cast::<Self>().cast::<u8>().add(core::mem::offset_of!(Self, mark)).cast::<usize>().read() };
        match mark {
            MARK => {}
            BUSY => return Err(PIXELRNN_ERROR_BUSY),
            _ => return Err(PIXELRNN_ERROR_NOT_INITIALISED),
        }
        // SAFETY: the mark says that a content was written here; it fits size and alignment.
        Ok(unsafe { engine.cast::<Self>().read() })
    }

    /// Writes the content of an engine.
    ///
    /// # Safety
    /// `engine` was checked and may be written.
    pub(crate) unsafe fn write(self, engine: *mut pixelrnn_engine) {
        // SAFETY: the caller's promise; it fits size and alignment.
        unsafe { engine.cast::<Self>().write(self) };
    }

    /// Model of the engine.
    pub(crate) const fn model(&self) -> &Model<'static> {
        &self.model
    }

    /// Label as the engine takes it.
    pub(crate) fn label(&self) -> Option<usize> {
        self.label.map(usize::from)
    }

    /// The engine over the state, at its first pixel and without a label.
    ///
    /// # Safety
    /// The state is the engine's alone for `'b`.
    pub(crate) unsafe fn engine<'b>(&self) -> Result<Engine<'static, 'b>, pixelrnn_status> {
        // SAFETY: checked when the engine was initialised; the caller's promise.
        let state = unsafe { slice_mut(self.state, self.words) }?;
        Engine::with(self.model, state, Native::default(), Plan::Pixel).map_err(of_setup)
    }

    /// The engine at its pixel.
    ///
    /// # Safety
    /// As for [`Self::engine`].
    unsafe fn resumed<'b>(&self) -> Result<Engine<'static, 'b>, pixelrnn_status> {
        if !self.begun {
            return Err(PIXELRNN_ERROR_LABEL);
        }
        // SAFETY: the caller's promise.
        let mut engine = unsafe { self.engine() }?;
        engine.resume(self.label(), self.position as usize).map_err(of_setup)?;
        Ok(engine)
    }

    /// Calls `work` with the engine at its first pixel. Until it returns, the engine of the program is busy; afterwards it is at the
    /// first pixel.
    ///
    /// # Safety
    /// `engine` is where this content was read, and its state is the program's own.
    pub(crate) unsafe fn during<'b, R>(
        &self,
        engine: *mut pixelrnn_engine,
        work: impl FnOnce(Engine<'static, 'b>) -> R,
    ) -> Result<R, pixelrnn_status> {
        // SAFETY: the caller's promise.
        let running = unsafe { self.engine() }?;
        // SAFETY: the caller's promise.
        unsafe { Self { mark: BUSY, ..*self }.write(engine) };
        let done = work(running);
        // SAFETY: the caller's promise.
        unsafe { Self { position: 0, ..*self }.write(engine) };
        Ok(done)
    }

    /// Moves to `position` of an image with `label`.
    ///
    /// # Errors
    /// The label does not fit the model, or the position lies beyond the image.
    pub(crate) fn place(&mut self, label: i32, position: usize) -> Result<(), pixelrnn_status> {
        self.label = label_of(&self.model, label)?;
        let Image { height, width, .. } = self.model.image();
        if position > height * width {
            return Err(PIXELRNN_ERROR_POSITION);
        }
        self.position = position as u32;
        self.begun = true;
        Ok(())
    }
}

/// A label of `model`, none for [`PIXELRNN_NO_LABEL`].
fn label_of(model: &Model<'_>, label: i32) -> Result<Option<u16>, pixelrnn_status> {
    match (model.classes(), label) {
        (0, PIXELRNN_NO_LABEL) => Ok(None),
        (classes, label) => match u16::try_from(label) {
            Ok(label) if usize::from(label) < classes => Ok(Some(label)),
            _ => Err(PIXELRNN_ERROR_LABEL),
        },
    }
}

/// Status of an engine that stopped in an image.
pub(crate) fn of_step(error: StepError<pixelrnn_status>) -> pixelrnn_status {
    match error {
        StepError::Setup(error) => of_setup(error),
        StepError::Value { .. } => PIXELRNN_ERROR_VALUE,
        StepError::Source(status) => status,
        StepError::NotFinite => PIXELRNN_ERROR_NOT_FINITE,
        StepError::Corrupt => PIXELRNN_ERROR_CORRUPT,
        _ => PIXELRNN_ERROR_UNSUPPORTED,
    }
}

/// Makes an engine at the first pixel of an image. It checks the model, as `pixelrnn_model_check` does.
///
/// A model with classes wants `pixelrnn_engine_restart` with a label before its first pixel.
///
/// @param engine receives the engine
/// @param blob   the model, `bytes` long; unchanged and in place as long as the engine is used
/// @param state  `words` words of four bytes, at least `state_words` of the model, whose content does not matter. They are the engine's
///               until it is no longer used; a program may read them between two calls, to save the image
/// @param detail receives what an error is about; may be null
///
/// # Safety
/// The pointers point to that many bytes and words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_engine_init(
    engine: *mut pixelrnn_engine,
    blob: *const c_void,
    bytes: usize,
    state: *mut u32,
    words: usize,
    detail: *mut pixelrnn_detail,
) -> pixelrnn_status {
    let made = (|| {
        writable(engine).map_err(pixelrnn_detail::of)?;
        // SAFETY: the caller's promise.
        let model: Model<'static> = unsafe { open(blob, bytes) }?;
        // SAFETY: the caller's promise.
        let memory = unsafe { slice_mut(state, words) }.map_err(pixelrnn_detail::of)?;
        apart(state, words, blob.cast::<u8>(), bytes).map_err(pixelrnn_detail::of)?;
        apart(state, words, engine, 1).map_err(pixelrnn_detail::of)?;
        apart(blob.cast::<u8>(), bytes, engine, 1).map_err(pixelrnn_detail::of)?;
        Engine::with(model, memory, Native::default(), Plan::Pixel).map_err(pixelrnn_detail::of_setup)?;
        let begun = model.classes() == 0;
        let words = model.state_words();
        let cell = Cell { mark: MARK, model, state, words, label: None, position: 0, begun };
        // SAFETY: checked above.
        unsafe { cell.write(engine) };
        Ok(())
    })();
    // SAFETY: the caller's promise.
    unsafe { report(detail, made) }
}

/// Returns to the first pixel, for another image. The state needs no clearing.
///
/// @param label class of the image, or `PIXELRNN_NO_LABEL` for a model without classes
///
/// # Safety
/// `engine` is an engine, or all zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_engine_restart(engine: *mut pixelrnn_engine, label: i32) -> pixelrnn_status {
    // SAFETY: the caller's promise.
    unsafe { pixelrnn_engine_resume(engine, label, 0) }
}

/// Resumes an image after `position` pixels. The state holds what it held then, on this machine or another one.
///
/// The program saves the state, the label, the position and the source. Another content gives a wrong image and no other harm.
///
/// # Safety
/// `engine` is an engine, or all zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_engine_resume(
    engine: *mut pixelrnn_engine,
    label: i32,
    position: usize,
) -> pixelrnn_status {
    status((|| {
        // SAFETY: the caller's promise.
        let mut cell = unsafe { Cell::read(engine) }?;
        cell.place(label, position)?;
        // SAFETY: read above.
        unsafe { cell.write(engine) };
        Ok(())
    })())
}

/// Sizes of the engine's model.
///
/// # Safety
/// `engine` is an engine, or all zeros; `model` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_engine_model(
    engine: *const pixelrnn_engine,
    model: *mut pixelrnn_model,
) -> pixelrnn_status {
    // SAFETY: the caller's promise.
    status(unsafe { Cell::read(engine).and_then(|cell| write(model, pixelrnn_model::of(&cell.model))) })
}

/// Number of finished pixels; 0 for a pointer that is no engine.
///
/// # Safety
/// `engine` is an engine, or all zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_engine_position(engine: *const pixelrnn_engine) -> usize {
    // SAFETY: the caller's promise.
    unsafe { Cell::read(engine) }.map_or(0, |cell| cell.position as usize)
}

/// Computes the next pixel: predicts its values and takes each from `source`.
///
/// Returns `PIXELRNN_OK` with a pixel and `PIXELRNN_DONE` after the last one. After an error the engine is at the same pixel.
///
/// # Safety
/// `engine` is an engine, or all zeros; `source` is a source, or all zeros; `pixel` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_engine_step(
    engine: *mut pixelrnn_engine,
    source: *mut pixelrnn_source,
    pixel: *mut pixelrnn_pixel,
) -> pixelrnn_status {
    // SAFETY: the caller's promise.
    match unsafe { step(engine, source, pixel) } {
        Ok(status) | Err(status) => status,
    }
}

/// [`pixelrnn_engine_step`].
unsafe fn step(
    engine: *mut pixelrnn_engine,
    source: *mut pixelrnn_source,
    pixel: *mut pixelrnn_pixel,
) -> Result<pixelrnn_status, pixelrnn_status> {
    writable(pixel)?;
    // SAFETY: the caller's promise.
    let mut cell = unsafe { Cell::read(engine) }?;
    // SAFETY: the caller's promise.
    let mut source = unsafe { AnySource::new(source, engine, cell.model.image()) }?;
    // SAFETY: the engine is the program's, and busy until it is written again.
    let mut resumed = unsafe { cell.resumed() }?;
    // SAFETY: read above.
    unsafe { Cell { mark: BUSY, ..cell }.write(engine) };
    let stepped = resumed.step(&mut source);
    cell.position = resumed.position() as u32;
    // SAFETY: read above.
    unsafe { cell.write(engine) };
    let Some(done) = stepped.map_err(of_step)? else { return Ok(PIXELRNN_DONE) };
    let made =
        pixelrnn_pixel { cost: done.cost.0, row: done.row as u32, column: done.column as u32, values: done.values };
    // SAFETY: checked above.
    unsafe { pixel.write(made) };
    Ok(PIXELRNN_OK)
}

/// Computes a whole image, from the first pixel on.
///
/// @param label  class of the image, or `PIXELRNN_NO_LABEL`
/// @param image  receives the values, channel by channel, row by row; `bytes` at least `values` of the model. May be null if `bytes`
///               is 0: nothing is stored. A source may read the same memory: every value is read before it is written
/// @param cost   receives the cost of the image, in units of 2^-24 bit; may be null
///
/// # Safety
/// As for `pixelrnn_engine_step`; `image` and `cost` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pixelrnn_engine_run(
    engine: *mut pixelrnn_engine,
    label: i32,
    source: *mut pixelrnn_source,
    image: *mut u8,
    bytes: usize,
    cost: *mut u64,
) -> pixelrnn_status {
    status((|| {
        // SAFETY: the caller's promise.
        let cell = unsafe { Cell::read(engine) }?;
        let Image { height, width, channels, .. } = cell.model.image();
        if bytes > 0 {
            if image.is_null() {
                return Err(PIXELRNN_ERROR_NULL);
            }
            if bytes < cell.model.image().values() {
                return Err(PIXELRNN_ERROR_IMAGE_TOO_SHORT);
            }
        }
        // SAFETY: read above.
        match unsafe { pixelrnn_engine_restart(engine, label) } {
            PIXELRNN_OK => {}
            error => return Err(error),
        }
        let mut total = 0u64;
        let mut pixel = pixelrnn_pixel { cost: 0, row: 0, column: 0, values: [0; 3] };
        // SAFETY: the caller's promise.
        while unsafe { step(engine, source, &raw mut pixel) }? == PIXELRNN_OK {
            total = total.wrapping_add(pixel.cost);
            for (channel, value) in pixel.values.iter().enumerate().take(channels) {
                let at = (channel * height + pixel.row as usize) * width + pixel.column as usize;
                if at < bytes {
                    // SAFETY: inside of the image. No reference to it is held, as a source may read it.
                    unsafe { image.add(at).write(*value) };
                }
            }
        }
        // SAFETY: the caller's promise.
        unsafe { write_optional(cost, total) }
    })())
}
