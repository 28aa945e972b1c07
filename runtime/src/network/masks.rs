//! Which value may read which: colour groups and the masks of convolutions.

/// How the features of a colour model are dealt out to R, G and B.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourGroups {
    /// Feature `f` belongs to group `f % 3`.
    #[default]
    Cyclic,
    /// Feature `f` of `F` belongs to group `f / (F / 3)`; `F` must divide by 3.
    Contiguous,
}

/// A vector of features at each pixel, and the colour group that each feature belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// How many features there are.
    pub count: usize,
    /// Colour groups: 1 (gray) or 3 (R, G, B).
    pub groups: usize,
    /// Equal parts of the vector that are dealt out each on its own: 4 for the gates of an LSTM, else 1.
    pub parts: usize,
    /// How the features of a part are dealt out.
    pub order: ColourGroups,
}

impl Features {
    /// The colour group of feature `f`, 0..`groups`. A gray model has the one group 0.
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

    /// Whether [`Features::group`] is defined for each feature: parts and contiguous groups must divide the count.
    pub const fn divides(&self) -> bool {
        self.count > 0
            && self.count.is_multiple_of(self.parts)
            && (self.groups == 1
                || matches!(self.order, ColourGroups::Cyclic)
                || (self.count / self.parts).is_multiple_of(self.groups))
    }

    /// The same features, made into `parts` vectors of `count` features each.
    pub const fn repeated(self, parts: usize) -> Self {
        Self { count: self.count * parts, parts, ..self }
    }

    /// Another number of features, dealt out in the same way.
    pub const fn with_count(self, count: usize) -> Self {
        Self { count, parts: 1, ..self }
    }
}

/// The two masks of a PixelCNN. They differ at the centre tap alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// The centre tap is open from group `a` to group `b` when `a < b`: for the layer that reads the image, and for any
    /// later one that is to leave out its own pixel.
    A,
    /// The centre tap is open from group `a` to group `b` when `a <= b`: for layers behind one of mask A.
    B,
}

impl Mask {
    /// Whether the centre tap is open from colour group `from` to colour group `to`.
    pub const fn centre_open(self, from: usize, to: usize) -> bool {
        match self {
            Mask::A => from < to,
            Mask::B => from <= to,
        }
    }
}
