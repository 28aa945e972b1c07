//! The model of the instance, and the mailboxes.
#![forbid(unsafe_code)]

use crate::draw::Drawing;
use crate::error::{Failure, zeros};
use pixelrnn::batched::{Batch, PackedModel, Scorer};
use pixelrnn::network::Image;
use pixelrnn::{Engine, Model};
use std::cell::RefCell;
use std::fmt::Write;

/// Memory that a batch may take, in bytes. Models that need more run pixel by pixel.
const MAX_MEMORY: u64 = 1 << 28;

/// Images of a batch.
pub const BATCH: usize = 16;

/// Bytes of images that a call may make.
pub const MAX_BYTES: u64 = 1 << 28;

/// State of the instance.
#[derive(Default)]
pub struct App {
    input: Vec<u8>,
    /// Answer of the last call.
    pub output: Vec<u8>,
    loaded: Option<Loaded>,
    /// Images that are being drawn, by number.
    pub drawings: Vec<Option<Drawing>>,
}

/// The model. It lives as long as the instance.
pub struct Loaded {
    pub model: Model<'static>,
    /// `None` for models that only [`Engine`] runs.
    pub packed: Option<&'static PackedModel<'static>>,
    /// The last batch, to be used again by a call with as many images.
    pub batch: Option<Batch<'static, 'static>>,
    pub scorer: Option<Scorer<'static, 'static>>,
}

impl Loaded {
    /// Image of the model.
    pub fn image(&self) -> Image {
        self.model.image()
    }

    /// Checks that the label fits the model.
    ///
    /// # Errors
    /// It does not.
    pub fn check_label(&self, label: Option<usize>) -> Result<(), Failure> {
        check_label(&self.model, label)
    }

    /// Batch of `images` images; `None` if the model cannot be packed.
    ///
    /// # Errors
    /// None for a checked model.
    pub fn batch(&mut self, images: usize) -> Result<Option<&mut Batch<'static, 'static>>, Failure> {
        let Some(packed) = self.packed else { return Ok(None) };
        if self.batch.as_ref().is_none_or(|batch| batch.images() != images) {
            self.batch = None;
            self.batch = Some(Batch::new(packed, images).map_err(Failure::engine)?);
        }
        Ok(self.batch.as_mut())
    }

    /// Scorer of the model; `None` if the model cannot be packed.
    ///
    /// # Errors
    /// None for a checked model.
    pub fn scorer(&mut self) -> Result<Option<&mut Scorer<'static, 'static>>, Failure> {
        let Some(packed) = self.packed else { return Ok(None) };
        if self.scorer.is_none() {
            self.scorer = Some(Scorer::new(packed).map_err(Failure::engine)?);
        }
        Ok(self.scorer.as_mut())
    }

    /// Calls `run` with an engine at the first pixel.
    ///
    /// # Errors
    /// There is not enough memory; those of `run`.
    pub fn engine<R>(&self, run: impl FnOnce(Engine<'static, '_>) -> Result<R, Failure>) -> Result<R, Failure> {
        engine(self.model, run)
    }
}

/// Calls `run` with an engine of `model` at the first pixel.
///
/// # Errors
/// There is not enough memory; those of `run`.
pub fn engine<'m, R>(model: Model<'m>, run: impl FnOnce(Engine<'m, '_>) -> Result<R, Failure>) -> Result<R, Failure> {
    let mut state = zeros(model.state_words(), "the state of the model")?;
    run(Engine::new(model, &mut state).map_err(Failure::engine)?)
}

/// Checks that the label fits the model.
///
/// # Errors
/// It does not.
pub fn check_label(model: &Model<'_>, label: Option<usize>) -> Result<(), Failure> {
    let what = match (model.classes(), label) {
        (0, Some(_)) => "the model has no classes, and a label was given".to_string(),
        (classes, None) if classes > 0 => format!("the model needs a label from 0 to {}", classes - 1),
        (classes, Some(label)) if label >= classes => format!("label {label}, expected 0 to {}", classes - 1),
        _ => return Ok(()),
    };
    Err(Failure::new("label", what))
}

/// The model with packed weights, if a batch of it fits in memory.
pub fn pack(model: Model<'_>) -> Option<PackedModel<'_>> {
    let columns = model.image().width.max(BATCH) as u64;
    // State plus accumulators per column of the batch, one accumulator per register byte.
    let per_column = 4 * model.state_words() as u64 + 4 * u64::from(model.header().register_bytes);
    (per_column * columns <= MAX_MEMORY).then(|| PackedModel::new(model)).flatten()
}

/// Bounds the images of one answer.
///
/// # Errors
/// They are more than [`MAX_BYTES`].
pub fn check_size(count: usize, image: Image) -> Result<usize, Failure> {
    let bytes = count as u64 * image.values() as u64;
    if bytes > MAX_BYTES {
        let what = format!("{count} images of {} values are more than {} MiB", image.values(), MAX_BYTES >> 20);
        return Err(Failure::new("memory", what));
    }
    Ok(bytes as usize)
}

impl App {
    /// Makes room for `length` bytes of input.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn reserve_input(&mut self, length: usize) -> Result<*mut u8, Failure> {
        self.input = Vec::new();
        self.input = zeros(length, "the input")?;
        Ok(self.input.as_mut_ptr())
    }

    /// The input of the call. It is taken: a call reads it once.
    pub fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    /// The model.
    ///
    /// # Errors
    /// None is loaded.
    pub fn loaded(&mut self) -> Result<&mut Loaded, Failure> {
        self.loaded.as_mut().ok_or_else(|| Failure::new("model", "no model is loaded"))
    }

    /// Loads the model of the input.
    ///
    /// # Errors
    /// The input is no valid model, the size does not fit it, or the instance has one already.
    pub fn load(&mut self, height: usize, width: usize) -> Result<(), Failure> {
        if self.loaded.is_some() {
            return Err(Failure::new("argument", "the instance has a model already"));
        }
        let input = self.take_input();
        let mut words: Vec<u32> = zeros(input.len().div_ceil(4), "the model")?;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        bytes.get_mut(..input.len()).unwrap_or_default().copy_from_slice(&input);
        // A blob that is refused is freed; one that is good stays as long as the instance.
        Model::new(bytes.get(..input.len()).unwrap_or_default()).map_err(|error| Failure::new("model", error))?;
        let words: &'static [u32] = Vec::leak(words);
        let blob = bytemuck::cast_slice(words).get(..input.len()).unwrap_or_default();
        let model = Model::new(blob).map_err(|error| Failure::new("model", error))?;
        let model = if (height, width) == (0, 0) { Ok(model) } else { model.with_size(height, width) };
        let model = model.map_err(|error| Failure::new("argument", error))?;
        let packed = pack(model).map(|packed| &*Box::leak(Box::new(packed)));
        self.describe(&model, packed.is_some());
        self.loaded = Some(Loaded { model, packed, batch: None, scorer: None });
        Ok(())
    }

    /// Writes the facts of the model to the output.
    fn describe(&mut self, model: &Model<'_>, packed: bool) {
        let Image { height, width, channels, levels } = model.image();
        let mut text = String::new();
        let _ = write!(
            text,
            "height {height}\nwidth {width}\nchannels {channels}\nlevels {levels}\nclasses {}\nidentity {:016x}\n\
             format {:?}\noutput {:?}\nops {}\nmultiplyAdds {}\nblobBytes {}\nstateBytes {}\npacked {packed}",
            model.classes(),
            model.identity(),
            model.weights(),
            model.output(),
            model.instructions().len(),
            model.multiply_adds(),
            model.blob().len(),
            4 * model.state_words(),
        );
        self.output = text.into_bytes();
    }
}

thread_local! {
    static APP: RefCell<App> = RefCell::default();
}

/// Calls `run` with the state of the instance.
pub fn with_app<R>(run: impl FnOnce(&mut App) -> R) -> R {
    APP.with_borrow_mut(run)
}
