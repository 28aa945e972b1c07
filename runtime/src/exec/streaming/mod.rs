//! Streaming executor: one pixel at a time, one forward pass per image, in the caller's buffer.
#![forbid(unsafe_code)]

mod context;
mod conv;
mod elementwise;
mod forward;
mod fused;
mod gemv;
mod im2col;
mod lstm;
mod memory;
mod observer;
mod registers;
mod ring;

#[cfg(feature = "float")]
use crate::arithmetic::Float;
#[cfg(feature = "a16")]
use crate::arithmetic::Int8A16;
use crate::arithmetic::{Arithmetic, Int8};
use crate::blob::{Model, NumberFormat, Plan};
use crate::exec::error::Corrupt;
use crate::exec::pixel::{Cost, Pixel, check_label, next_value, predicted};
use crate::exec::{SetupError, StepError};
use crate::kernels::{Kernel, Native};
use crate::network::Image;
use crate::source::{Position, SymbolSource};
use context::{PixelContext, zeroed_accumulators};
use forward::{end_pixel, forward};
pub use observer::Observer;
pub use registers::Registers;

/// Executor that computes one pixel per call.
///
/// The state of an image is in the caller's buffer of [`Model::state_words`] words. The engine allocates nothing, and two engines
/// share only the blob.
#[derive(Debug)]
pub struct Engine<'m, 'b, K = Native> {
    model: Model<'m>,
    state: &'b mut [u32],
    kernel: K,
    plan: Plan,
    label: Option<usize>,
    next: usize,
}

impl<'m, 'b> Engine<'m, 'b> {
    /// Engine at the first pixel of an image, with the fastest kernel of the machine and [`Plan::Pixel`].
    ///
    /// On hosts the environment variable `PIXELRNN_KERNEL` names another kernel: `portable`, `avx2`, `avx512vnni`, `neon`,
    /// `neon-dotprod` or `simd128`; see [`crate::kernels`].
    ///
    /// # Errors
    /// The buffer is too small, or the machine lacks the kernel that the variable names.
    pub fn new(model: Model<'m>, state: &'b mut [u32]) -> Result<Self, SetupError> {
        #[cfg(feature = "std")]
        let kernel = Native::from_env().map_err(SetupError::Kernel)?;
        #[cfg(not(feature = "std"))]
        let kernel = Native::default();
        Self::with(model, state, kernel, Plan::Pixel)
    }
}

impl<'m, 'b, K: Kernel> Engine<'m, 'b, K> {
    /// Engine at the first pixel of an image, in a buffer of [`Model::state_words_for`] `plan` words.
    ///
    /// # Errors
    /// The buffer is too small.
    pub fn with(model: Model<'m>, state: &'b mut [u32], kernel: K, plan: Plan) -> Result<Self, SetupError> {
        let (needed, got) = (model.state_words_for(plan), state.len());
        let state = state.get_mut(..needed).ok_or(SetupError::Buffer { needed, got })?;
        Ok(Self { model, state, kernel, plan, label: None, next: 0 })
    }

    /// Returns to the first pixel, for another image.
    ///
    /// The buffer needs no clearing: pixels before the first are never read.
    ///
    /// # Errors
    /// The model has no class `label`, or has classes and `label` is `None`.
    pub fn restart(&mut self, label: Option<usize>) -> Result<(), SetupError> {
        check_label(&self.model, label)?;
        self.label = label;
        self.next = 0;
        Ok(())
    }

    /// Resumes an image after `position` pixels, in a buffer with a saved copy of [`Engine::state`] at that position.
    ///
    /// The copy may come from any engine with the same model and plan, on any kernel and machine. The caller saves the state of the
    /// source, such as a random number generator. The buffer cannot be validated. Wrong contents give a wrong image but stay
    /// memory-safe and panic-free.
    ///
    /// # Errors
    /// Same as [`Engine::restart`]; `Position` if the image has fewer pixels.
    pub fn resume(&mut self, label: Option<usize>, position: usize) -> Result<(), SetupError> {
        let Image { height, width, .. } = self.model.image();
        if position > height * width {
            return Err(SetupError::Position { pixels: height * width, got: position });
        }
        self.restart(label)?;
        self.next = position;
        Ok(())
    }

    /// State of the current image except label and position, to be saved between two pixels; see [`Engine::resume`].
    pub const fn state(&self) -> &[u32] {
        self.state
    }

    /// Mutable state, to restore a saved copy before [`Engine::resume`].
    pub const fn state_mut(&mut self) -> &mut [u32] {
        self.state
    }

    /// Model of the engine.
    pub const fn model(&self) -> &Model<'m> {
        &self.model
    }

    /// Number of finished pixels.
    pub const fn position(&self) -> usize {
        self.next
    }

    /// Computes the next pixel: predicts its values in turn and takes each from `source`.
    ///
    /// `None` after the last pixel. After an error the engine remains at the same pixel.
    ///
    /// # Errors
    /// The source has no value or an invalid one, or a model with classes has no label.
    pub fn step<S: SymbolSource>(&mut self, source: &mut S) -> Result<Option<Pixel>, StepError<S::Error>> {
        self.step_observed(source, &mut ())
    }

    /// [`Engine::step`] with an observer.
    ///
    /// # Errors
    /// Same as [`Engine::step`].
    pub fn step_observed<S: SymbolSource, O: Observer>(
        &mut self,
        source: &mut S,
        observer: &mut O,
    ) -> Result<Option<Pixel>, StepError<S::Error>> {
        match self.model.weights() {
            NumberFormat::I8 => self.step_as::<Int8, S, O>(source, observer),
            #[cfg(feature = "a16")]
            NumberFormat::I8A16 => self.step_as::<Int8A16, S, O>(source, observer),
            #[cfg(feature = "float")]
            NumberFormat::F16 => self.step_as::<Float<u16>, S, O>(source, observer),
            #[cfg(feature = "float")]
            NumberFormat::F32 => self.step_as::<Float<f32>, S, O>(source, observer),
        }
    }

    fn step_as<A: Arithmetic, S: SymbolSource, O: Observer>(
        &mut self,
        source: &mut S,
        observer: &mut O,
    ) -> Result<Option<Pixel>, StepError<S::Error>> {
        let Image { height, width, channels, levels } = self.model.image();
        let classes = self.model.classes();
        if classes > 0 && self.label.is_none() {
            return Err(SetupError::Label { classes, got: None }.into());
        }
        if self.next >= height * width {
            return Ok(None);
        }
        let row = self.next.checked_div(width).ok_or(Corrupt)?;
        let column = self.next - row * width;
        let mut pixel = Pixel { row, column, values: [0; 3], cost: Cost(0) };
        let mut sums = zeroed_accumulators::<A>();
        let (model, plan, label) = (self.model, self.plan, self.label);
        let mut context = PixelContext { model, plan, label, height, width, row, column, groups: channels, group: 0 };
        for (channel, slot) in pixel.values.iter_mut().enumerate().take(channels) {
            context.group = channel;
            let logits = forward::<A, K, O>(&context, self.state, &mut sums, self.kernel, observer)
                .map_err(|_| stopped::<A, _>())?;
            let distribution = predicted(self.model.output(), logits, source.temperature(), self.kernel);
            let position = Position { row, column, channel };
            let value = next_value(source, position, &distribution, levels)?;
            pixel.cost += Cost(distribution.cost(value).into());
            *slot = value;
            self.store::<A>(channel, value)?;
        }
        end_pixel::<A, K>(&context, self.state, &mut sums, self.kernel).map_err(|_| stopped::<A, _>())?;
        self.next += 1;
        Ok(Some(pixel))
    }

    /// Iterator over the remaining pixels of the image, one step each.
    ///
    /// After an error the iterator remains at the same pixel, and the next call retries.
    ///
    /// ```
    /// use pixelrnn::{Argmax, Engine};
    ///
    /// # pixelrnn::include_model!(mod digits = "../../../testdata/mnist-pixelcnn.prnn");
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut state: digits::State = [0; digits::STATE_WORDS];
    /// let mut engine = Engine::new(digits::model()?, &mut state)?;
    /// let mut ink = 0;
    /// for pixel in engine.pixels(&mut Argmax) {
    ///     ink += usize::from(pixel?.values[0]);
    /// }
    /// assert!(ink < 28 * 28);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn pixels<'e, S: SymbolSource>(&'e mut self, source: &'e mut S) -> Pixels<'m, 'b, 'e, K, S> {
        Pixels { engine: self, source }
    }

    /// Computes a whole image, `[C, H, W]`, from the first pixel on, and returns its cost.
    ///
    /// # Errors
    /// Same as [`Engine::restart`] and [`Engine::step`]; `Corrupt` if `out` is shorter than an image.
    pub fn run<S: SymbolSource>(
        &mut self,
        label: Option<usize>,
        source: &mut S,
        out: &mut [u8],
    ) -> Result<Cost, StepError<S::Error>> {
        let Image { height, width, channels, .. } = self.model.image();
        self.restart(label).map_err(|_| SetupError::Label { classes: self.model.classes(), got: label })?;
        let mut cost = Cost(0);
        while let Some(pixel) = self.step(source)? {
            for (channel, value) in pixel.values.iter().enumerate().take(channels) {
                let at = (channel * height + pixel.row) * width + pixel.column;
                *out.get_mut(at).ok_or(Corrupt)? = *value;
            }
            cost += pixel.cost;
        }
        Ok(cost)
    }

    /// Writes a value's activation to the input register.
    fn store<A: Arithmetic>(&mut self, channel: usize, value: u8) -> Result<(), Corrupt> {
        let image = self.model.image();
        let table: &[A::Activation] =
            self.model.slice(self.model.header().input_table, 0..image.levels).ok_or(Corrupt)?;
        let mut registers = Registers::new(self.state);
        *registers.get_mut(0, channel..channel + 1).ok_or(Corrupt)?.first_mut().ok_or(Corrupt)? =
            *table.get(usize::from(value)).ok_or(Corrupt)?;
        Ok(())
    }
}

/// Error of a stopped forward pass: a float sum that is not finite, or, with integers, a blob that changed after its check.
const fn stopped<A: Arithmetic, E>() -> StepError<E> {
    if A::MULTIPLIERS { StepError::Corrupt } else { StepError::NotFinite }
}

/// Iterator over the pixels of an image; see [`Engine::pixels`].
#[derive(Debug)]
pub struct Pixels<'m, 'b, 'e, K, S> {
    engine: &'e mut Engine<'m, 'b, K>,
    source: &'e mut S,
}

impl<K: Kernel, S: SymbolSource> Iterator for Pixels<'_, '_, '_, K, S> {
    type Item = Result<Pixel, StepError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.engine.step(self.source).transpose()
    }
}
