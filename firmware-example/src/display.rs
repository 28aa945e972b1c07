//! Shows an image while it is being generated, on any display with an embedded-graphics driver.
//!
//! The engine returns one pixel per call, and that pixel can be on the display before the next one is computed. The
//! image appears progressively and needs no buffer apart from the display's own.

use core::fmt;
use embedded_graphics::geometry::Dimensions;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{DrawTarget, Point, Size};
use embedded_graphics::primitives::Rectangle;
use pixelrnn::kernels::Kernel;
use pixelrnn::network::Image;
use pixelrnn::{Engine, Pixel, StepError, SymbolSource};

/// Position and scale of an image on a display. Each pixel of the model covers a square of display pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    image: Image,
    origin: Point,
    scale: u32,
}

/// Reason why a pixel was not shown. `S` is the symbol source's error type, `T` the display's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<S, T> {
    /// The engine stopped; it stands at the same pixel.
    Engine(StepError<S>),
    /// The display did not take the pixel; the engine has moved on.
    Display {
        /// Error of the display driver.
        error: T,
        /// The rejected pixel. Pass it to [`Frame::put`] to retry.
        pixel: Pixel,
    },
}

// Most driver errors implement only `Debug`.
impl<S: fmt::Display, T: fmt::Debug> fmt::Display for Failure<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(error) => error.fmt(f),
            Self::Display { error, pixel } => {
                write!(f, "the display did not take row {}, column {}: {error:?}", pixel.row, pixel.column)
            }
        }
    }
}

impl<S: core::error::Error, T: fmt::Debug> core::error::Error for Failure<S, T> {}

impl Frame {
    /// Places an image with its top-left corner at `origin` and `scale` by `scale` display pixels per image pixel.
    pub const fn new(image: Image, origin: Point, scale: u32) -> Self {
        Self { image, origin, scale }
    }

    /// Centres an image at the largest integer scale that fits. An image larger than the display is cropped to its
    /// centre.
    pub fn fitted(image: Image, display: &impl Dimensions) -> Self {
        let area = display.bounding_box();
        let (width, height) = (side(image.width), side(image.height));
        let across = area.size.width.checked_div(width).unwrap_or(1);
        let down = area.size.height.checked_div(height).unwrap_or(1);
        let scale = across.min(down).max(1);
        let size = Size::new(width.saturating_mul(scale), height.saturating_mul(scale));
        Self { image, origin: Rectangle::with_center(area.center(), size).top_left, scale }
    }

    /// Area of the display that the image covers.
    pub fn area(&self) -> Rectangle {
        let side = |pixels| side(pixels).saturating_mul(self.scale);
        Rectangle::new(self.origin, Size::new(side(self.image.width), side(self.image.height)))
    }

    /// Generates the next pixel and draws it. Returns `None` after the last pixel.
    ///
    /// # Errors
    /// Fails if the engine stops or the display rejects the pixel.
    pub fn step<K: Kernel, S: SymbolSource, T: DrawTarget<Color: From<Rgb888>>>(
        &self,
        engine: &mut Engine<'_, '_, K>,
        source: &mut S,
        display: &mut T,
    ) -> Result<Option<Pixel>, Failure<S::Error, T::Error>> {
        let Some(pixel) = engine.step(source).map_err(Failure::Engine)? else { return Ok(None) };
        self.put(&pixel, display).map_err(|error| Failure::Display { error, pixel })?;
        Ok(Some(pixel))
    }

    /// Draws a pixel, clipped to the display.
    ///
    /// # Errors
    /// Returns the error of the display driver.
    pub fn put<T: DrawTarget<Color: From<Rgb888>>>(&self, pixel: &Pixel, display: &mut T) -> Result<(), T::Error> {
        let Some(square) = self.square(pixel.row, pixel.column) else { return Ok(()) };
        display.fill_solid(&square, self.colour(pixel.values).into())
    }

    /// Square of a pixel in display coordinates. `None` if it exceeds the coordinate range.
    fn square(&self, row: usize, column: usize) -> Option<Rectangle> {
        let scale = i32::try_from(self.scale).ok()?;
        let along = |origin: i32, at: usize| {
            let first = i32::try_from(at).ok()?.checked_mul(scale)?.checked_add(origin)?;
            first.checked_add(scale).map(|_| first)
        };
        let corner = Point::new(along(self.origin.x, column)?, along(self.origin.y, row)?);
        Some(Rectangle::new(corner, Size::new_equal(self.scale)))
    }

    /// Maps levels linearly to 0..=255, per channel or as gray.
    fn colour(&self, [first, green, blue]: [u8; 3]) -> Rgb888 {
        let highest = self.image.levels.saturating_sub(1).max(1);
        let full = |value: u8| ((usize::from(value) * 255 + highest / 2) / highest).min(255) as u8;
        if self.image.channels == 3 {
            Rgb888::new(full(first), full(green), full(blue))
        } else {
            Rgb888::new(full(first), full(first), full(first))
        }
    }
}

/// Converts a pixel count to the coordinate type of embedded-graphics, saturating.
fn side(pixels: usize) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Failure, Frame};
    use embedded_graphics::framebuffer::{Framebuffer, buffer_size};
    use embedded_graphics::geometry::{Dimensions, OriginDimensions};
    use embedded_graphics::image::GetPixel;
    use embedded_graphics::mock_display::MockDisplay;
    use embedded_graphics::pixelcolor::raw::{LittleEndian, RawU24};
    use embedded_graphics::pixelcolor::{BinaryColor, Gray8, Rgb565, Rgb888};
    use embedded_graphics::prelude::{DrawTarget, GrayColor, PixelColor, Point, PointsIter, RgbColor, Size};
    use embedded_graphics::primitives::Rectangle;
    use pixelrnn::network::Image;
    use pixelrnn::{Cost, Engine, FromImage, Pixel, Sample, StepError, Temperature, TooShort};

    pixelrnn::include_model!(
        /// Two levels.
        mod digits = "../../models/mnist-pixelcnn/model.prnn"
    );
    pixelrnn::include_model!(
        /// R, G and B.
        mod colourful = "../../tests/golden/pixel_cnn_rgb.prnn"
    );

    const TWO: Image = Image { height: 2, width: 3, channels: 1, levels: 2 };

    fn pixel(row: usize, column: usize, values: [u8; 3]) -> Pixel {
        Pixel { row, column, values, cost: Cost(0) }
    }

    /// A 28x28 display that rejects pixels from row `rows` on.
    struct Broken {
        rows: i32,
        taken: usize,
    }

    impl OriginDimensions for Broken {
        fn size(&self) -> Size {
            Size::new(28, 28)
        }
    }

    impl DrawTarget for Broken {
        type Color = BinaryColor;
        type Error = &'static str;

        fn draw_iter<I>(&mut self, pixels: I) -> Result<(), &'static str>
        where
            I: IntoIterator<Item = embedded_graphics::Pixel<BinaryColor>>,
        {
            for embedded_graphics::Pixel(at, _) in pixels {
                if at.y >= self.rows {
                    return Err("no acknowledgement");
                }
                self.taken += 1;
            }
            Ok(())
        }
    }

    #[test]
    fn a_pixel_is_a_square_at_its_place() {
        // The mock display panics on a pixel drawn twice or outside.
        let mut display = MockDisplay::<BinaryColor>::new();
        let frame = Frame::new(TWO, Point::new(1, 0), 2);
        for (row, column, value) in [(0, 0, 1), (0, 1, 0), (0, 2, 1), (1, 0, 0)] {
            frame.put(&pixel(row, column, [value, 0, 0]), &mut display).unwrap();
        }
        display.assert_pattern(&[" ##..## ", " ##..## ", " ..     ", " ..     "]);
        assert_eq!(frame.area(), Rectangle::new(Point::new(1, 0), Size::new(6, 4)));
    }

    #[test]
    fn levels_become_the_colours_of_each_kind_of_display() {
        fn shown<C>(image: Image, values: [u8; 3]) -> C
        where
            C: From<Rgb888> + PixelColor,
        {
            let mut display = MockDisplay::<C>::new();
            Frame::new(image, Point::zero(), 1).put(&pixel(0, 0, values), &mut display).unwrap();
            display.get_pixel(Point::zero()).unwrap()
        }
        let gray = |levels| Image { height: 1, width: 1, channels: 1, levels };
        for value in 0..=255 {
            assert_eq!(shown::<Gray8>(gray(256), [value, 0, 0]), Gray8::new(value));
        }
        let shades = [0, 1, 2, 3].map(|value| shown::<Gray8>(gray(4), [value, 0, 0]).luma());
        assert_eq!(shades, [0, 85, 170, 255]);
        let bits = [0, 1, 2, 3].map(|value| shown::<BinaryColor>(gray(4), [value, 0, 0]).is_on());
        assert_eq!(bits, [false, false, true, true]);
        let colour = |levels| Image { height: 1, width: 1, channels: 3, levels };
        assert_eq!(shown::<Rgb888>(colour(256), [1, 20, 255]), Rgb888::new(1, 20, 255));
        assert_eq!(shown::<Rgb888>(colour(2), [1, 0, 1]), Rgb888::MAGENTA);
        assert_eq!(shown::<Rgb565>(colour(2), [0, 1, 0]), Rgb565::GREEN);
        assert_eq!(shown::<Rgb565>(gray(2), [1, 0, 0]), Rgb565::WHITE);
    }

    #[test]
    fn an_image_stands_in_the_middle_as_large_as_it_can() {
        let digits = Image { height: 28, width: 28, ..TWO };
        let on = |width, height| Frame::fitted(digits, &Rectangle::new(Point::zero(), Size::new(width, height))).area();
        assert_eq!(on(128, 64), Rectangle::new(Point::new(36, 4), Size::new(56, 56)));
        assert_eq!(on(240, 320), Rectangle::new(Point::new(8, 48), Size::new(224, 224)));
        assert_eq!(on(28, 28), Rectangle::new(Point::zero(), Size::new(28, 28)));
        // Display smaller than the image: the centre is visible.
        assert_eq!(on(20, 10), Rectangle::new(Point::new(-4, -9), Size::new(28, 28)));
    }

    #[test]
    fn nothing_is_drawn_beyond_the_coordinates() {
        let mut display = MockDisplay::<BinaryColor>::new();
        for (origin, scale) in
            [(i32::MAX, 1), (i32::MAX - 1, 1), (0, u32::MAX), (0, i32::MAX as u32), (i32::MIN, 1), (0, 0)]
        {
            let frame = Frame::new(TWO, Point::new_equal(origin), scale);
            display.set_allow_out_of_bounds_drawing(true);
            frame.put(&pixel(1, 2, [1, 0, 0]), &mut display).unwrap();
            frame.put(&pixel(usize::MAX, usize::MAX, [1, 0, 0]), &mut display).unwrap();
        }
        assert_eq!(display.affected_area().size, Size::zero());
        let none = Image { height: 0, width: 0, channels: 1, levels: 0 };
        Frame::fitted(none, &display).put(&pixel(0, 0, [9, 9, 9]), &mut display).unwrap();
    }

    #[test]
    fn an_image_appears_as_it_is_drawn() {
        let model = digits::model().unwrap();
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut image = [0; digits::VALUES];
        let mut engine = Engine::new(model, &mut state).unwrap();
        let cost = engine.run(None, &mut Sample::seeded(7, Temperature::ONE), &mut image).unwrap();

        let mut display = MockDisplay::<BinaryColor>::new();
        let frame = Frame::fitted(model.image(), &display);
        assert_eq!(frame, Frame::new(model.image(), Point::new(4, 4), 2));
        let mut source = Sample::seeded(7, Temperature::ONE);
        engine.restart(None).unwrap();
        let mut sum = Cost(0);
        for _ in 0..14 * 28 {
            sum += frame.step(&mut engine, &mut source, &mut display).unwrap().unwrap().cost;
        }
        assert_eq!(display.affected_area(), Rectangle::new(Point::new(4, 4), Size::new(56, 28)));
        while let Some(pixel) = frame.step(&mut engine, &mut source, &mut display).unwrap() {
            sum += pixel.cost;
        }
        assert_eq!(sum, cost);
        assert_eq!(display.affected_area(), frame.area());
        for at in frame.area().points() {
            let model = (at - Point::new(4, 4)) / 2;
            let value = image[(model.y * 28 + model.x) as usize];
            assert_eq!(display.get_pixel(at), Some(BinaryColor::from(value == 1)), "{at}");
        }
    }

    #[test]
    fn a_colour_model_is_drawn_in_colour() {
        const SIDE: usize = 24;
        let model = colourful::model().unwrap();
        let shape = model.image();
        assert_eq!(shape.channels, 3);
        let mut state: colourful::State = [0; colourful::STATE_WORDS];
        let mut image = [0; colourful::VALUES];
        let mut engine = Engine::new(model, &mut state).unwrap();
        engine.run(None, &mut Sample::seeded(1, Temperature::ONE), &mut image).unwrap();

        let mut display =
            Framebuffer::<Rgb888, RawU24, LittleEndian, SIDE, SIDE, { buffer_size::<Rgb888>(SIDE, SIDE) }>::new();
        let frame = Frame::fitted(shape, &display);
        let mut given = FromImage::new(&image, shape);
        engine.restart(None).unwrap();
        while frame.step(&mut engine, &mut given, &mut display).unwrap().is_some() {}
        let full = |value: u8| (f64::from(value) * 255.0 / (shape.levels - 1) as f64).round() as u8;
        let Rectangle { top_left, size } = frame.area();
        let scale = size.width as usize / shape.width;
        for at in display.bounding_box().points() {
            let inside = frame.area().contains(at);
            let wanted = if inside {
                let (row, column) = ((at.y - top_left.y) as usize / scale, (at.x - top_left.x) as usize / scale);
                let value = |channel| full(image[(channel * shape.height + row) * shape.width + column]);
                Rgb888::new(value(0), value(1), value(2))
            } else {
                Rgb888::BLACK
            };
            assert_eq!(display.pixel(at), Some(wanted), "{at}");
        }
    }

    #[test]
    fn a_display_that_fails_says_which_pixel_is_missing() {
        let model = digits::model().unwrap();
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut engine = Engine::new(model, &mut state).unwrap();
        let mut display = Broken { rows: 3, taken: 0 };
        let frame = Frame::fitted(model.image(), &display);
        let mut source = Sample::seeded(7, Temperature::ONE);
        let failure = loop {
            match frame.step(&mut engine, &mut source, &mut display) {
                Ok(pixel) => assert!(pixel.is_some()),
                Err(failure) => break failure,
            }
        };
        assert_eq!(display.taken, 3 * 28);
        assert_eq!(failure.to_string(), "the display did not take row 3, column 0: \"no acknowledgement\"");
        assert_eq!(engine.position(), 3 * 28 + 1);
        // The retry succeeds and the image continues.
        let Failure::Display { pixel, .. } = failure else { panic!("{failure}") };
        display.rows = 28;
        frame.put(&pixel, &mut display).unwrap();
        while frame.step(&mut engine, &mut source, &mut display).unwrap().is_some() {}
        assert_eq!(display.taken, 28 * 28);
    }

    #[test]
    fn an_engine_that_stops_says_why() {
        let model = digits::model().unwrap();
        let mut state: digits::State = [0; digits::STATE_WORDS];
        let mut engine = Engine::new(model, &mut state).unwrap();
        let mut display = MockDisplay::<BinaryColor>::new();
        let frame = Frame::fitted(model.image(), &display);
        let mut given = FromImage::new(&[1], model.image());
        assert!(frame.step(&mut engine, &mut given, &mut display).unwrap().is_some());
        let failure = frame.step(&mut engine, &mut given, &mut display).unwrap_err();
        assert_eq!(failure, Failure::Engine(StepError::Source(TooShort)));
        assert_eq!(engine.position(), 1);
    }
}
