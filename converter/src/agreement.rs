//! Agreement of all kernels on this machine, which must give identical results.

use crate::error::Error;
use crate::memory;
use crate::run::{engine_error, setup_error};
use pixelrnn::batched::{PackedModel, Scorer};
use pixelrnn::kernels::{Host, Portable};
use pixelrnn::{Engine, FromImage, Model, Plan};

/// Comparison of one kernel with the portable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Number of images with the portable kernel's cost, both pixel by pixel and row by row.
    pub equal: usize,
    /// Number of images compared.
    pub images: usize,
}

/// Scores `images`, each with its label, with every kernel of this machine.
///
/// # Errors
/// When an image or a label does not fit the model.
pub fn of_kernels(model: Model<'_>, images: &[(&[u8], Option<usize>)]) -> Result<Vec<Agreement>, Error> {
    let shape = model.image();
    let mut state = memory::zeros(model.state_words(), memory::STATE)?;
    let mut out = vec![0; shape.values()];
    let mut expected = Vec::with_capacity(images.len());
    for (image, label) in images {
        let mut engine = Engine::with(model, &mut state, Portable, Plan::Pixel).map_err(setup_error)?;
        expected.push(engine.run(*label, &mut FromImage::new(image, shape), &mut out).map_err(engine_error)?);
    }
    let packed = PackedModel::new(model);
    let mut all = Vec::new();
    for kernel in Host::all() {
        let mut scorer = packed.as_ref().map(|packed| Scorer::with(packed, kernel)).transpose().map_err(setup_error)?;
        let mut equal = 0;
        for ((image, label), expected) in images.iter().zip(&expected) {
            let mut engine = Engine::with(model, &mut state, kernel, Plan::Pixel).map_err(setup_error)?;
            let by_pixels = engine.run(*label, &mut FromImage::new(image, shape), &mut out).map_err(engine_error)?;
            let by_rows = match &mut scorer {
                Some(scorer) => scorer.score(*label, image).map_err(engine_error)?,
                None => by_pixels,
            };
            equal += usize::from(by_pixels == *expected && by_rows == *expected);
        }
        all.push(Agreement { kernel: kernel.name(), equal, images: images.len() });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kernels_agree_on_the_built_in_model() {
        let blob = crate::Blob::new(include_bytes!("../models/mnist-pixelcnn.prnn"));
        let model = blob.model().unwrap();
        let (black, mixed) = (vec![0; 784], (0..784).map(|n| u8::from(n % 3 == 0)).collect::<Vec<_>>());
        let all = of_kernels(model, &[(&black, None), (&mixed, None)]).unwrap();
        assert_eq!(all[0].kernel, "portable");
        assert!(all.iter().all(|a| (a.equal, a.images) == (2, 2)), "{all:?}");
    }

    #[test]
    fn images_of_another_size_are_refused() {
        let blob = crate::Blob::new(include_bytes!("../models/mnist-pixelcnn.prnn"));
        assert!(of_kernels(blob.model().unwrap(), &[(&[0; 3], None)]).is_err());
    }
}
