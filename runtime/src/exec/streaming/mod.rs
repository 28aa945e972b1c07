//! Streaming executor: one pixel at a time, one forward pass per image, in the caller's buffer.
#![forbid(unsafe_code)]

mod context;
mod conv;
mod elementwise;
mod forward;
mod fused;
mod gemv;
mod graph;
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
use crate::blob::{GRAPH, Model, NumberFormat, Plan};
use crate::exec::error::Corrupt;
use crate::exec::pixel::{Cost, Pixel, check_label, next_value, predicted};
use crate::exec::{SetupError, StepError};
use crate::kernels::{Kernel, Native};
use crate::network::{Image, Output};
use crate::source::{Position, SymbolSource};
use context::{PixelContext, split, zeroed_accumulators};
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
        let groups = if GRAPH { model.groups() } else { channels };
        let mut context = PixelContext { model, plan, label, height, width, row, column, groups, group: 0, value: 0 };
        for (channel, slot) in pixel.values.iter_mut().enumerate().take(channels) {
            let logits = if !GRAPH || channel < groups {
                context.group = channel;
                let logits = forward::<A, K, O>(&context, self.state, &mut sums, self.kernel, observer)
                    .map_err(|_| stopped::<A, _>())?;
                logits_of(logits, channel, &model, groups)?
            } else {
                // The first pass has computed the logits of all channels.
                let (scratch, _) = split::<A>(&model, plan, self.state, &mut sums).ok_or(Corrupt)?;
                logits_of(scratch.logits, channel, &model, groups)?
            };
            let distribution = predicted(self.model.output(), logits, source.temperature(), self.kernel);
            let position = Position { row, column, channel };
            let value = next_value(source, position, &distribution, levels)?;
            pixel.cost += Cost(distribution.cost(value).into());
            *slot = value;
            context.value = value;
            self.store::<A>(channel, value)?;
            if GRAPH && model.is_graph() && (groups == channels || channel + 1 == channels) {
                graph::end_group::<A, K>(&context, self.state, &mut sums, self.kernel)
                    .map_err(|_| stopped::<A, _>())?;
            }
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

/// Logits of a channel, out of those that its pass has computed.
#[inline(always)]
fn logits_of<'l>(
    logits: &'l mut [u32],
    channel: usize,
    model: &Model<'_>,
    groups: usize,
) -> Result<&'l mut [u32], Corrupt> {
    let Image { channels, levels, .. } = model.image();
    if !GRAPH || groups == channels {
        return Ok(logits);
    }
    match model.output() {
        Output::Softmax => logits.get_mut(channel * levels..(channel + 1) * levels),
        // One logit becomes two, in a place behind those of the channels.
        Output::Bernoulli => {
            let logit = *logits.get(channel).ok_or(Corrupt)?;
            *logits.get_mut(channels).ok_or(Corrupt)? = logit;
            logits.get_mut(channels..channels + levels)
        }
    }
    .ok_or(Corrupt)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DefaultRng;
    use crate::distribution::{Distribution, Temperature};
    use crate::kernels::Portable;
    use crate::source::{Argmax, FromImage, Sample, TooShort};

    crate::include_model!(
        #[allow(dead_code)]
        mod digits = "../../../testdata/mnist-pixelcnn.prnn"
    );

    /// Engine for digits at the first pixel.
    fn engine(state: &mut digits::State) -> Engine<'static, '_, Portable> {
        Engine::with(digits::model().unwrap(), state, Portable, Plan::Pixel).unwrap()
    }

    fn source() -> Sample<DefaultRng> {
        Sample::seeded(7, Temperature::ONE)
    }

    /// Source that gives `wrong` instead of the value at one position, and then the values of another source.
    struct WrongOnce<S> {
        source: S,
        at: Option<Position>,
        wrong: Result<u8, TooShort>,
    }

    impl<S: SymbolSource<Error = core::convert::Infallible>> SymbolSource for WrongOnce<S> {
        type Error = TooShort;

        fn next(&mut self, at: Position, distribution: &Distribution<'_>) -> Result<u8, TooShort> {
            if self.at.take_if(|wrong| *wrong == at).is_some() {
                return self.wrong;
            }
            self.source.next(at, distribution).map_err(|never| match never {})
        }
    }

    #[test]
    fn a_buffer_one_word_too_small_is_refused_with_both_sizes() {
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let small = &mut state[1..];
        let error = Engine::with(digits::model().unwrap(), small, Portable, Plan::Pixel).unwrap_err();
        assert_eq!(error, SetupError::Buffer { needed: digits::STATE_WORDS, got: digits::STATE_WORDS - 1 });
    }

    #[test]
    fn of_a_larger_buffer_the_engine_takes_the_words_that_it_needs() {
        let mut state = [7; digits::STATE_WORDS + 3];
        let mut engine = Engine::with(digits::model().unwrap(), &mut state, Portable, Plan::Pixel).unwrap();
        assert_eq!(engine.state().len(), digits::STATE_WORDS);
        engine.run(None, &mut source(), &mut [0; digits::VALUES]).unwrap();
        assert_eq!(state[digits::STATE_WORDS..], [7; 3]);
    }

    #[test]
    fn a_model_without_classes_refuses_a_label() {
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut engine = engine(&mut state);
        let refused = SetupError::Label { classes: 0, got: Some(0) };
        assert_eq!(engine.restart(Some(0)), Err(refused));
        assert_eq!(engine.resume(Some(0), 1), Err(refused));
        assert_eq!(engine.run(Some(0), &mut Argmax, &mut [0; digits::VALUES]), Err(refused.into()));
        assert_eq!(engine.position(), 0);
    }

    #[test]
    fn steps_after_the_last_pixel_give_none_until_a_restart() {
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut engine = engine(&mut state);
        engine.run(None, &mut source(), &mut [0; digits::VALUES]).unwrap();
        for _ in 0..2 {
            assert_eq!(engine.step(&mut source()), Ok(None));
            assert_eq!(engine.position(), digits::VALUES);
        }
        engine.restart(None).unwrap();
        let pixel = engine.step(&mut source()).unwrap().unwrap();
        assert_eq!((pixel.row, pixel.column, engine.position()), (0, 0, 1));
    }

    #[test]
    fn nothing_of_an_earlier_image_is_read_after_a_restart() {
        let (mut clean, mut dirty): (digits::State, digits::State) =
            ([0; digits::STATE_WORDS], [0xdead_beef; digits::STATE_WORDS]);
        let (mut expected, mut got) = ([0; digits::VALUES], [0; digits::VALUES]);
        let cost = engine(&mut clean).run(None, &mut source(), &mut expected).unwrap();
        let mut engine = engine(&mut dirty);
        engine.run(None, &mut Sample::seeded(1, Temperature::ONE), &mut got).unwrap();
        assert_ne!(got, expected);
        assert_eq!(engine.run(None, &mut source(), &mut got), Ok(cost));
        assert_eq!(got, expected);
    }

    #[test]
    fn a_saved_state_is_resumed_by_another_engine() {
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut expected = [0; digits::VALUES];
        engine(&mut state).run(None, &mut source(), &mut expected).unwrap();
        for position in [0, 1, 28, 411, digits::VALUES - 1, digits::VALUES] {
            let (mut state, mut other): (digits::State, digits::State) =
                ([0; digits::STATE_WORDS], [0xdead_beef; digits::STATE_WORDS]);
            let mut source = source();
            let mut first = engine(&mut state);
            assert_eq!(first.pixels(&mut source).take(position).flatten().count(), position);
            let mut second = Engine::new(digits::model().unwrap(), &mut other).unwrap();
            second.state_mut().copy_from_slice(first.state());
            second.resume(None, position).unwrap();
            assert_eq!(second.position(), position);
            let rest = second.pixels(&mut source).map(|pixel| pixel.unwrap().values[0]);
            assert!(rest.eq(expected[position..].iter().copied()), "resumed at {position}");
        }
    }

    #[test]
    fn a_position_beyond_the_image_is_refused() {
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut engine = engine(&mut state);
        let (pixels, got) = (digits::VALUES, digits::VALUES + 1);
        assert_eq!(engine.resume(None, got), Err(SetupError::Position { pixels, got }));
        assert_eq!(engine.position(), 0);
    }

    #[test]
    fn after_an_error_the_engine_stands_at_the_same_pixel_and_goes_on() {
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut expected = [0; digits::VALUES];
        engine(&mut state).run(None, &mut source(), &mut expected).unwrap();
        let at = Position { row: 3, column: 27, channel: 0 };
        let error = [StepError::Source(TooShort), StepError::Value { position: at, got: 2, levels: 2 }];
        for (wrong, error) in [Err(TooShort), Ok(2)].into_iter().zip(error) {
            let mut engine = engine(&mut state);
            let mut source = WrongOnce { source: source(), at: Some(at), wrong };
            let before = at.row * 28 + at.column;
            assert_eq!(engine.pixels(&mut source).take(before).flatten().count(), before);
            assert_eq!(engine.step(&mut source), Err(error));
            assert_eq!(engine.position(), before);
            let rest = engine.pixels(&mut source).map(|pixel| pixel.unwrap().values[0]);
            assert!(rest.eq(expected[before..].iter().copied()), "{error}");
        }
    }

    #[test]
    fn pixels_come_in_raster_order_and_their_costs_add_up() {
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut engine = engine(&mut state);
        let cost = engine.run(None, &mut source(), &mut [0; digits::VALUES]).unwrap();
        engine.restart(None).unwrap();
        let (mut count, mut sum) = (0, Cost(0));
        for pixel in engine.pixels(&mut source()) {
            let pixel = pixel.unwrap();
            assert_eq!((pixel.row, pixel.column), (count / 28, count % 28));
            assert_eq!(pixel.values[1..], [0; 2]);
            (count, sum) = (count + 1, sum + pixel.cost);
        }
        assert_eq!((count, sum), (digits::VALUES, cost));
    }

    #[test]
    fn an_iterator_of_pixels_tries_again_after_an_error() {
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut engine = engine(&mut state);
        let at = Position { row: 0, column: 2, channel: 0 };
        let mut source = WrongOnce { source: Argmax, at: Some(at), wrong: Err(TooShort) };
        let mut pixels = engine.pixels(&mut source);
        let columns = [0; 4].map(|_| pixels.next().unwrap().map(|pixel| pixel.column));
        assert_eq!(columns, [Ok(0), Ok(1), Err(StepError::Source(TooShort)), Ok(2)]);
        assert_eq!(engine.position(), 3);
    }

    #[test]
    fn an_output_that_is_too_short_is_corrupt() {
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let out = &mut [0; digits::VALUES - 1];
        assert_eq!(engine(&mut state).run(None, &mut Argmax, out), Err(StepError::Corrupt));
    }

    #[test]
    fn a_given_image_that_is_too_short_is_an_error_of_the_source() {
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut engine = engine(&mut state);
        let mut short = FromImage::new(&[0; 30], engine.model().image());
        let error = engine.run(None, &mut short, &mut [0; digits::VALUES]);
        assert_eq!((error, engine.position()), (Err(StepError::Source(TooShort)), 30));
    }

    #[cfg(feature = "lstm")]
    mod classes {
        use super::*;

        crate::include_model!(
            #[allow(dead_code)]
            mod colour = "../../../testdata/row_lstm_rgb_classes.prnn"
        );

        #[test]
        fn a_model_with_classes_needs_one_of_its_labels() {
            let model = colour::model().unwrap();
            let (mut state, classes): (colour::State, _) = ([0; colour::STATE_WORDS], model.classes());
            let mut engine = Engine::new(model, &mut state).unwrap();
            let refused = |got| SetupError::Label { classes, got };
            assert_eq!(engine.step(&mut Argmax), Err(refused(None).into()));
            assert_eq!(engine.restart(None), Err(refused(None)));
            assert_eq!(engine.restart(Some(classes)), Err(refused(Some(classes))));
            assert_eq!(engine.restart(Some(classes - 1)), Ok(()));
            assert!(engine.step(&mut Argmax).unwrap().is_some());
        }

        #[test]
        fn after_an_error_in_any_channel_the_pixel_is_computed_again() {
            let (mut state, mut expected): (colour::State, _) = ([0; colour::STATE_WORDS], [0; colour::VALUES]);
            let mut engine = Engine::new(colour::model().unwrap(), &mut state).unwrap();
            let cost = engine.run(Some(1), &mut Argmax, &mut expected).unwrap();
            for channel in 0..3 {
                engine.restart(Some(1)).unwrap();
                let at = Some(Position { row: 1, column: 1, channel });
                let mut source = WrongOnce { source: Argmax, at, wrong: Err(TooShort) };
                let (mut errors, mut sum) = (0, Cost(0));
                for pixel in engine.pixels(&mut source) {
                    match pixel {
                        Ok(pixel) => sum += pixel.cost,
                        Err(_) => errors += 1,
                    }
                }
                assert_eq!((errors, sum), (1, cost), "channel {channel}");
            }
        }
    }
}
