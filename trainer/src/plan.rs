//! Order of an LSTM's computation over the pixels of an image.

/// Wavefront plan: the order of the pixels, and the states that each one reads.
///
/// States are numbered: pixels first, then a constant zero state, then the initial states.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) pixels: usize,
    pub(crate) initials: usize,
    pub(crate) taps: usize,
    /// End of each wave in `order`.
    pub(crate) ends: Vec<usize>,
    /// Pixels in wave order.
    pub(crate) order: Vec<usize>,
    /// For each pixel, the states read by its taps, `[pixels, taps]`.
    pub(crate) outputs: Vec<usize>,
    /// For each pixel, the state whose cell it continues.
    pub(crate) cells: Vec<usize>,
    /// State numbers with pixels counted in wave order.
    #[cfg(feature = "gpu")]
    pub(crate) ranks: Vec<usize>,
}

/// A state read by a pixel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// State of a pixel.
    Pixel(usize),
    /// Zero state.
    Zero,
    /// An initial state.
    Initial(usize),
}

impl Plan {
    /// Creates a plan for `pixels` pixels and `initials` initial states. `waves` lists the pixels in order; `reads`
    /// returns the states read by a pixel's `taps` taps and the state whose cell it continues.
    ///
    /// # Panics
    /// Panics if a pixel is missing or reads a later one. Callers derive both from the geometry.
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

    /// Pixels per image.
    pub(crate) fn pixels(&self) -> usize {
        self.pixels
    }

    /// Taps of the state-to-state kernel.
    pub(crate) fn taps(&self) -> usize {
        self.taps
    }

    /// States per image: pixels, zero, and initial states.
    pub(crate) fn states(&self) -> usize {
        self.pixels + 1 + self.initials
    }

    /// State read by tap `tap` of pixel `at`.
    pub(crate) fn output(&self, at: usize, tap: usize) -> usize {
        self.outputs[at * self.taps + tap]
    }
}
