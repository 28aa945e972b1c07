//! For hosts: many places at once, with weights packed for vectors.
//!
//! An [`crate::Engine`] reads weights in place and takes one pixel after the other, which is all that a small machine can do. A
//! host has memory to spare: [`Packed`] holds the weights as its vectors want them, [`Batch`] advances several images
//! together, so that weights are read once for all of them, and [`Scorer`] takes a whole row of an image that is there
//! already. All give what the engine gives, bit for bit.
//!
//! ```
//! use pixelrnn::packed::{Batch, Packed, Scorer};
//! use pixelrnn::{Draw, Temperature};
//!
//! pixelrnn::include_model!(mod digits = "../../../models/mnist-pixelcnn/model.prnn");
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let packed = Packed::new(digits::model()?).ok_or("float models are not packed")?;
//! let mut batch = Batch::new(&packed, 3)?;
//! let mut sources = [0, 1, 2].map(|seed| Draw::seeded(seed, Temperature::ONE));
//! let mut images = vec![0; 3 * 28 * 28];
//! let mut costs = [0; 3];
//! batch.run(None, &mut sources, &mut images, &mut costs)?;
//!
//! let mut scorer = Scorer::new(&packed)?;
//! assert_eq!(scorer.score(None, &images[28 * 28..2 * 28 * 28])?, costs[1]);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod alone;
mod batch;
mod chain;
mod conv;
mod elementwise;
mod linear;
mod lstm;
mod registers;
mod rows;
mod scorer;
mod walk;

use crate::blob::{Model, Weights};
use crate::kernels::panel::{Inputs, Sums, WORD};
use crate::kernels::{Host, Kernel};
#[cfg(feature = "a16")]
use crate::numbers::Int8A16;
use crate::numbers::{Arithmetic, Int8};
pub use batch::Batch;
use bytemuck::Pod;
use linear::Line;
pub use scorer::Scorer;
use walk::{Ops, Step, Walk};

/// Numbers whose weights can be packed.
trait Pack: Arithmetic<Weight = i8, Stream = i16, Sum = i32> + Sized {
    /// An activation as products read it.
    type Input: Pod;
    /// A weight, packed.
    type Element: Pod;
    /// What is added to an activation to make it an input.
    const OFFSET: i32;

    fn input(x: Self::Activation) -> Self::Input;
    /// [`Arithmetic::activation`] as products read it.
    #[inline(always)]
    fn activation_input(v: i32, zero_point: i32, low: i32) -> Self::Input {
        Self::input(Self::activation(v, zero_point, low))
    }
    fn element(weight: i8) -> Self::Element;
    fn panel<K: Kernel>(
        kernel: K,
        weights: &[Self::Element],
        inputs: &Inputs<'_, Self::Input>,
        bias: &[i32],
        vectors: usize,
        sums: &mut [i32],
    );
    /// [`batch::ahead`], which is large, in a function that is compiled here and in no program again.
    fn ahead(walk: &mut Walk<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Option<()>;
    /// As above, [`batch::finish`].
    fn finish(walk: &mut Walk<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Option<()>;

    /// The products of one place, added to sums that stay in registers; as many words as both slices have.
    fn place<K: Kernel, const V: usize>(kernel: K, weights: &[Line], inputs: &[Self::Input], sums: Sums<V>) -> Sums<V>;
}

impl Pack for Int8 {
    // Unsigned, as some instructions want it; what that adds to a sum is the same for all inputs and taken off its bias.
    type Input = u8;
    type Element = i8;
    const OFFSET: i32 = 128;

    #[inline(always)]
    fn input(x: i8) -> u8 {
        x.cast_unsigned() ^ 128
    }

    #[inline(always)]
    fn activation_input(v: i32, zero_point: i32, low: i32) -> u8 {
        // Of unsigned bytes, the first saturation is what makes them bytes, and the second one is of bytes.
        let above_low = v.wrapping_add(zero_point.wrapping_sub(low)).clamp(0, 255) as u8;
        above_low.saturating_add(low.wrapping_add(128) as u8)
    }

    #[inline(always)]
    fn element(weight: i8) -> i8 {
        weight
    }

    #[inline(always)]
    fn panel<K: Kernel>(
        kernel: K,
        weights: &[i8],
        inputs: &Inputs<'_, u8>,
        bias: &[i32],
        vectors: usize,
        sums: &mut [i32],
    ) {
        kernel.panel8(weights, inputs, bias, vectors, sums);
    }

    fn ahead(walk: &mut Walk<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Option<()> {
        batch::ahead(walk, ops, step, kernel)
    }

    fn finish(walk: &mut Walk<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Option<()> {
        batch::finish(walk, ops, step, kernel)
    }

    #[inline(always)]
    fn place<K: Kernel, const V: usize>(kernel: K, weights: &[Line], inputs: &[u8], sums: Sums<V>) -> Sums<V> {
        let weights = bytemuck::must_cast_slice(weights).as_chunks().0;
        kernel.place8(weights, inputs.as_chunks().0, sums)
    }
}

#[cfg(feature = "a16")]
impl Pack for Int8A16 {
    type Input = i16;
    type Element = i16;
    const OFFSET: i32 = 0;

    #[inline(always)]
    fn input(x: i16) -> i16 {
        x
    }

    #[inline(always)]
    fn element(weight: i8) -> i16 {
        weight.into()
    }

    #[inline(always)]
    fn panel<K: Kernel>(
        kernel: K,
        weights: &[i16],
        inputs: &Inputs<'_, i16>,
        bias: &[i32],
        vectors: usize,
        sums: &mut [i32],
    ) {
        kernel.panel16(weights, inputs, bias, vectors, sums);
    }

    fn ahead(walk: &mut Walk<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Option<()> {
        batch::ahead(walk, ops, step, kernel)
    }

    fn finish(walk: &mut Walk<Self>, ops: &Ops<Self>, step: &Step, kernel: Host) -> Option<()> {
        batch::finish(walk, ops, step, kernel)
    }

    #[inline(always)]
    fn place<K: Kernel, const V: usize>(kernel: K, weights: &[Line], inputs: &[i16], sums: Sums<V>) -> Sums<V> {
        let weights = bytemuck::must_cast_slice(weights).as_chunks().0;
        kernel.place16(weights, inputs.as_chunks().0, sums)
    }
}

/// Inputs of a word.
const fn each_word<A: Pack>() -> usize {
    WORD / size_of::<A::Input>()
}

/// Steps of a product over `inputs` inputs.
fn words<A: Pack>(inputs: usize) -> usize {
    inputs.div_ceil(each_word::<A>())
}

/// A model with its weights packed, which any number of threads may share.
pub struct Packed<'m> {
    model: Model<'m>,
    ops: AnyOps,
}

enum AnyOps {
    I8(Ops<Int8>),
    #[cfg(feature = "a16")]
    I8A16(Ops<Int8A16>),
}

impl<'m> Packed<'m> {
    /// Packs the weights. `None` for a model of float weights, and for a blob whose ops share their weights, which would take far more
    /// memory than the blob does: these only an engine runs.
    pub fn new(model: Model<'m>) -> Option<Self> {
        let (groups, layout) = (model.image().channels, model.layout());
        let numbers = model.instructions().flatten().map(|op| {
            let outputs = op.vectors().output.map_or(0, |output| output.count.into());
            op.weights(groups, layout).saturating_add(outputs)
        });
        if numbers.fold(0, usize::saturating_add) > model.blob().len() {
            return None;
        }
        let ops = match model.weights() {
            Weights::I8 => AnyOps::I8(Ops::new(&model)?),
            #[cfg(feature = "a16")]
            Weights::I8A16 => AnyOps::I8A16(Ops::new(&model)?),
            #[cfg(feature = "float")]
            Weights::F16 | Weights::F32 => return None,
        };
        Some(Self { model, ops })
    }

    /// Bytes of packed weights: what a batch reads for each pixel of all of its images.
    pub fn weight_bytes(&self) -> usize {
        match &self.ops {
            AnyOps::I8(ops) => ops.weight_bytes(),
            #[cfg(feature = "a16")]
            AnyOps::I8A16(ops) => ops.weight_bytes(),
        }
    }

    /// The model.
    pub const fn model(&self) -> &Model<'m> {
        &self.model
    }
}
