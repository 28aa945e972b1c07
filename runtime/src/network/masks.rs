//! Dependencies between values: colour groups and the masks of convolutions.

/// Assignment of features to R, G and B in a colour model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourGroups {
    /// Feature `f` belongs to group `f % 3`.
    #[default]
    Cyclic,
    /// Feature `f` of `F` belongs to group `f / (F / 3)`; `F` must divide by 3.
    Contiguous,
}

/// Vector of features at each pixel, and the colour group of each feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Number of features.
    pub count: usize,
    /// Number of colour groups: 1 (gray) or 3 (R, G, B).
    pub groups: usize,
    /// Equal parts of the vector, each with its own assignment to groups: 4 for the gates of an LSTM, else 1.
    pub parts: usize,
    /// Assignment of the features within a part.
    pub order: ColourGroups,
}

impl Features {
    /// Colour group of feature `f`, `0..groups`. A gray model has the single group 0.
    pub const fn group(&self, f: usize) -> usize {
        let part = self.count / self.parts;
        let f = f % part;
        if self.groups == 1 {
            0
        } else {
            match self.order {
                ColourGroups::Cyclic => f % self.groups,
                ColourGroups::Contiguous => f / (part / self.groups),
            }
        }
    }

    /// True if [`Features::group`] is defined for each feature: parts and contiguous groups must divide the count.
    pub const fn divides(&self) -> bool {
        self.count > 0
            && self.count.is_multiple_of(self.parts)
            && (self.groups == 1
                || matches!(self.order, ColourGroups::Cyclic)
                || (self.count / self.parts).is_multiple_of(self.groups))
    }

    /// `parts` vectors of `count` features each, with the same assignment.
    pub const fn repeated(self, parts: usize) -> Self {
        Self { count: self.count * parts, parts, ..self }
    }

    /// Another number of features, in one part with the same assignment.
    pub const fn with_count(self, count: usize) -> Self {
        Self { count, parts: 1, ..self }
    }
}

/// Mask of a convolution: A or B of PixelRNN. They differ at the centre tap alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// The centre tap is open from group `a` to group `b` if `a < b`. Needed by the layer that reads the image, and allowed in
    /// any later layer that excludes its own pixel.
    A,
    /// The centre tap is open from group `a` to group `b` if `a <= b`. For layers after one of mask A.
    B,
}

impl Mask {
    /// True if the centre tap is open from colour group `from` to colour group `to`.
    pub const fn centre_open(self, from: usize, to: usize) -> bool {
        match self {
            Mask::A => from < to,
            Mask::B => from <= to,
        }
    }
}
