//! Colour groups of features, and the masks of convolutions.

/// Assignment of features to R, G and B in a colour model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourGroups {
    /// Feature `f` belongs to group `f % 3`.
    #[default]
    Cyclic,
    /// Feature `f` of `F` belongs to group `f / (F / 3)`; `F` must divide by 3.
    Contiguous,
    /// No feature belongs to a colour: all values of a pixel are predicted at once, from earlier pixels.
    None,
}

/// Maximum number of pieces of a vector with assignments of their own; see [`Features::concat`].
pub const MAX_PIECES: usize = 24;

/// Consecutive features that are assigned to colour groups by one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    /// Number of features.
    count: u16,
    /// Position of the first feature within its part.
    first: u16,
    /// Features of a part: the assignment begins anew after so many.
    part: u16,
    /// True if a part consists of one run per group, false if groups alternate.
    contiguous: bool,
}

impl Piece {
    const NONE: Self = Self { count: 0, first: 0, part: 1, contiguous: false };

    const fn group(self, f: usize, groups: usize) -> usize {
        let position = (self.first as usize + f) % self.part as usize;
        if self.contiguous { position / (self.part as usize / groups) } else { position % groups }
    }
}

/// Vector of features at each pixel, and the colour group of each feature.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Number of features.
    pub count: usize,
    /// Number of colour groups: 1 or 3 (R, G, B).
    pub groups: usize,
    pieces: [Piece; MAX_PIECES],
}

/// Equal if they have as many features and each feature has the same group.
impl PartialEq for Features {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count
            && self.groups == other.groups
            && (self.pieces == other.pieces || (0..self.count).all(|f| self.group(f) == other.group(f)))
    }
}

impl Eq for Features {}

impl Features {
    /// One feature, of one group.
    pub const GRAY: Self = {
        let mut pieces = [Piece::NONE; MAX_PIECES];
        pieces[0] = Piece { count: 1, ..Piece::NONE };
        Self { count: 1, groups: 1, pieces }
    };

    /// `count` features, dealt to `groups` groups by `order` within each of `parts` equal parts. `None` if a part or, in contiguous
    /// order, a group would not be whole, or if there are no features.
    pub const fn dealt(count: usize, groups: usize, parts: usize, order: ColourGroups) -> Option<Self> {
        if count == 0 || count > u16::MAX as usize || parts == 0 || !count.is_multiple_of(parts) {
            return None;
        }
        let part = count / parts;
        let contiguous = groups > 1 && matches!(order, ColourGroups::Contiguous);
        if contiguous && !part.is_multiple_of(groups) {
            return None;
        }
        let mut pieces = [Piece::NONE; MAX_PIECES];
        pieces[0] = Piece { count: count as u16, first: 0, part: part as u16, contiguous };
        Some(Self { count, groups, pieces }.merged())
    }

    /// The pieces that have features.
    fn pieces(&self) -> impl Iterator<Item = Piece> {
        self.pieces.into_iter().take_while(|piece| piece.count > 0)
    }

    /// Colour group of feature `f`, `0..groups`. With a single group it is 0.
    pub const fn group(&self, f: usize) -> usize {
        if self.groups == 1 {
            return 0;
        }
        let (mut f, mut n) = (f, 0);
        while n + 1 < MAX_PIECES && f >= self.pieces[n].count as usize && self.pieces[n + 1].count > 0 {
            f -= self.pieces[n].count as usize;
            n += 1;
        }
        self.pieces[n].group(f, self.groups)
    }

    /// Features of a part and its order, if one rule assigns all features, from the beginning of a part on.
    pub const fn rule(&self) -> Option<(usize, ColourGroups)> {
        let piece = self.pieces[0];
        if piece.count as usize != self.count || piece.first != 0 {
            return None;
        }
        let order = if piece.contiguous { ColourGroups::Contiguous } else { ColourGroups::Cyclic };
        Some((piece.part as usize, order))
    }

    /// Features of `self`, then those of `other`. `None` with more than [`MAX_PIECES`] pieces.
    pub fn concat(&self, other: &Self) -> Option<Self> {
        let mut pieces = [Piece::NONE; MAX_PIECES];
        for (n, piece) in self.pieces().chain(other.pieces()).enumerate() {
            *pieces.get_mut(n)? = piece;
        }
        Some(Self { count: self.count + other.count, groups: self.groups, pieces }.merged())
    }

    /// `count` features from feature `from` on. `None` if there are fewer, or for none.
    pub fn slice(&self, from: usize, count: usize) -> Option<Self> {
        let end = from.checked_add(count).filter(|end| count > 0 && *end <= self.count)?;
        let mut pieces = [Piece::NONE; MAX_PIECES];
        let (mut at, mut length) = (0, 0);
        for piece in self.pieces() {
            let (start, stop) = (from.max(at), end.min(at + usize::from(piece.count)));
            if start < stop {
                let first = (usize::from(piece.first) + start - at) % usize::from(piece.part);
                pieces[length] = Piece { count: (stop - start) as u16, first: first as u16, ..piece };
                length += 1;
            }
            at += usize::from(piece.count);
        }
        Some(Self { count, groups: self.groups, pieces }.merged())
    }

    /// The same groups in fewer pieces, where consecutive ones continue one rule.
    const fn merged(self) -> Self {
        let mut pieces = [Piece::NONE; MAX_PIECES];
        let (mut length, mut n) = (0, 0);
        if self.groups == 1 {
            pieces[0] = Piece { count: self.count as u16, first: 0, part: self.count as u16, contiguous: false };
            return Self { pieces, ..self };
        }
        while n < MAX_PIECES && self.pieces[n].count > 0 {
            let piece = endless(self.pieces[n], self.groups);
            if length > 0 {
                let last = pieces[length - 1];
                let next = (last.first as usize + last.count as usize) % last.part as usize;
                if last.part == piece.part && last.contiguous == piece.contiguous && next == piece.first as usize {
                    pieces[length - 1].count += piece.count;
                    n += 1;
                    continue;
                }
            }
            pieces[length] = piece;
            length += 1;
            n += 1;
        }
        Self { pieces, ..self }
    }
}

/// The piece with the shortest part: an alternating one that does not reach a part's end, or whose parts are whole rounds, has
/// parts of one round.
const fn endless(piece: Piece, groups: usize) -> Piece {
    let (first, part, count) = (piece.first as usize, piece.part as usize, piece.count as usize);
    if !piece.contiguous && (first + count <= part || part.is_multiple_of(groups)) {
        return Piece { first: (first % groups) as u16, part: groups as u16, ..piece };
    }
    piece
}

/// Mask of a convolution: A or B of PixelRNN. They differ at the centre tap alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// The centre tap is open from group `a` to group `b` if `a < b`: the pixel's own value is hidden.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(features: &Features) -> std::vec::Vec<usize> {
        (0..features.count).map(|f| features.group(f)).collect()
    }

    fn dealt(count: usize, parts: usize, order: ColourGroups) -> Features {
        Features::dealt(count, 3, parts, order).unwrap()
    }

    #[test]
    fn features_are_dealt_within_each_part() {
        assert_eq!(groups(&dealt(8, 2, ColourGroups::Cyclic)), [0, 1, 2, 0, 0, 1, 2, 0]);
        assert_eq!(groups(&dealt(6, 1, ColourGroups::Contiguous)), [0, 0, 1, 1, 2, 2]);
        assert_eq!(groups(&dealt(6, 2, ColourGroups::Contiguous)), [0, 1, 2, 0, 1, 2]);
        assert_eq!(Features::dealt(4, 3, 1, ColourGroups::Contiguous), None);
        assert_eq!(Features::dealt(4, 3, 3, ColourGroups::Cyclic), None);
    }

    #[test]
    fn concatenations_and_slices_keep_each_features_group() {
        let (a, b) = (dealt(8, 2, ColourGroups::Cyclic), dealt(6, 1, ColourGroups::Contiguous));
        let both = a.concat(&b).unwrap();
        let expected: std::vec::Vec<_> = groups(&a).into_iter().chain(groups(&b)).collect();
        assert_eq!(groups(&both), expected);
        for (from, count) in (0..14).flat_map(|from| (1..=14 - from).map(move |count| (from, count))) {
            assert_eq!(groups(&both.slice(from, count).unwrap()), expected[from..from + count], "{count} from {from}");
        }
        assert_eq!(both.slice(10, 5), None);
        assert_eq!(both.slice(3, 0), None);
    }

    #[test]
    fn pieces_that_continue_a_rule_are_one() {
        let x = dealt(6, 1, ColourGroups::Cyclic);
        let mut all = x;
        for _ in 0..2 * MAX_PIECES {
            all = all.concat(&x).unwrap();
        }
        assert_eq!(all, dealt(6 * (2 * MAX_PIECES + 1), 1, ColourGroups::Cyclic));
        let odd = dealt(8, 2, ColourGroups::Cyclic);
        let mut pieces = Some(odd);
        for _ in 0..MAX_PIECES {
            pieces = pieces.and_then(|pieces| pieces.concat(&x)?.concat(&odd));
        }
        assert_eq!(pieces, None);
    }
}
