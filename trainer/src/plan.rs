//! In which order an LSTM computes the pixels of an image.

/// In which order the pixels of an image are computed, and whose states each of them reads.
///
/// States are numbered: first those of the pixels, then one that is always zero, then the initial ones.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) pixels: usize,
    pub(crate) initials: usize,
    pub(crate) taps: usize,
    /// Where each wave ends in `order`.
    pub(crate) ends: Vec<usize>,
    /// The pixels, wave by wave.
    pub(crate) order: Vec<usize>,
    /// For each pixel the states that its taps read, `[pixels, taps]`.
    pub(crate) outputs: Vec<usize>,
    /// For each pixel the state whose cell it continues.
    pub(crate) cells: Vec<usize>,
    /// The numbers of states where those of pixels are counted wave by wave.
    #[cfg(feature = "gpu")]
    pub(crate) ranks: Vec<usize>,
}

/// The two numbers that a pixel may read beside those of other pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// That of a pixel.
    Pixel(usize),
    /// Zero.
    Zero,
    /// One of the initial ones.
    Initial(usize),
}

impl Plan {
    /// A plan for `pixels` pixels and `initials` initial states. `waves` gives the pixels in order; `reads` gives, for
    /// each pixel, the states that its `taps` taps read, and the one whose cell it continues.
    ///
    /// # Panics
    /// When a pixel is missing or reads one that comes no earlier: every caller's numbers follow from its geometry.
    pub(crate) fn new(
        pixels: usize,
        initials: usize,
        taps: usize,
        waves: impl Iterator<Item = Vec<usize>>,
        reads: impl Fn(usize) -> (Vec<State>, State),
    ) -> Self {
        let number = |state: State| match state {
            State::Pixel(at) => at,
            State::Zero => pixels,
            State::Initial(at) => pixels + 1 + at,
        };
        let mut done = vec![false; pixels];
        done.resize(pixels + 1 + initials, true);
        let (mut ends, mut order) = (Vec::new(), Vec::new());
        let (mut outputs, mut cells) = (vec![pixels; pixels * taps], vec![pixels; pixels]);
        for wave in waves {
            for &at in &wave {
                let (states, cell) = reads(at);
                assert!(states.len() == taps);
                for (to, state) in outputs[at * taps..(at + 1) * taps].iter_mut().zip(states) {
                    *to = number(state);
                    assert!(done[*to]);
                }
                cells[at] = number(cell);
                assert!(done[cells[at]]);
            }
            for &at in &wave {
                assert!(!done[at]);
                done[at] = true;
            }
            order.extend(wave);
            ends.push(order.len());
        }
        assert!(done.iter().all(|&done| done));
        #[cfg(feature = "gpu")]
        let mut ranks: Vec<usize> = (0..done.len()).collect();
        #[cfg(feature = "gpu")]
        order.iter().enumerate().for_each(|(rank, &at)| ranks[at] = rank);
        Self {
            pixels,
            initials,
            taps,
            ends,
            order,
            outputs,
            cells,
            #[cfg(feature = "gpu")]
            ranks,
        }
    }

    /// Pixels of an image.
    pub(crate) fn pixels(&self) -> usize {
        self.pixels
    }

    /// Taps of the state-to-state kernel.
    pub(crate) fn taps(&self) -> usize {
        self.taps
    }

    /// States of an image: its pixels', zero, and the initial ones.
    pub(crate) fn states(&self) -> usize {
        self.pixels + 1 + self.initials
    }

    /// The state that tap `tap` of pixel `at` reads.
    pub(crate) fn output(&self, at: usize, tap: usize) -> usize {
        self.outputs[at * self.taps + tap]
    }
}
