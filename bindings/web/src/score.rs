//! Likelihood of images, value by value.
#![forbid(unsafe_code)]

use crate::app::{App, check_size};
use crate::draw::step_failure;
use crate::error::{Failure, zeros};
use pixelrnn::network::Image;
use pixelrnn::{Cost, Distribution, FromImage, Inspect, Position};

impl App {
    /// Scores images; see [`crate::score`].
    ///
    /// # Errors
    /// The images or the label do not fit the model, or there is not enough memory.
    pub fn score(&mut self, label: Option<usize>) -> Result<(), Failure> {
        let input = self.take_input();
        let loaded = self.loaded()?;
        loaded.check_label(label)?;
        let image = loaded.image();
        let Image { height, width, .. } = image;
        let count = input.len() / image.values();
        if count * image.values() != input.len() {
            let what = format!("{} values, expected a multiple of the image's {}", input.len(), image.values());
            return Err(Failure::new("image", what));
        }
        let mut output: Vec<u8> = zeros(8 * count + 4 * check_size(count, image)?, "the scores")?;
        let (nats, each) = output.split_at_mut(8 * count);
        let all = input.chunks_exact(image.values());
        for ((values, nats), each) in all.zip(nats.chunks_exact_mut(8)).zip(each.chunks_exact_mut(4 * image.values())) {
            let mut source =
                Inspect::new(FromImage::new(values, image), |at: Position, distribution: &Distribution<'_>| {
                    let Position { row, column, channel } = at;
                    let place = (channel * height + row) * width + column;
                    let value = values.get(place).copied().unwrap_or_default();
                    if usize::from(value) < image.levels
                        && let Some(to) = each.get_mut(4 * place..4 * place + 4)
                    {
                        to.copy_from_slice(&(Cost(distribution.cost(value).into()).nats() as f32).to_le_bytes());
                    }
                });
            let cost = if let Some(scorer) = loaded.scorer()? {
                scorer.visit(label, values, &mut source).map_err(step_failure)?
            } else {
                loaded.engine(|mut engine| {
                    let mut again = zeros(values.len(), "the image")?;
                    engine.run(label, &mut source, &mut again).map_err(step_failure)
                })?
            };
            nats.copy_from_slice(&cost.nats().to_le_bytes());
        }
        self.output = output;
        Ok(())
    }
}
