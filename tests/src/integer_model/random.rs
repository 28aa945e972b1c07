//! Random number generator for seeded sampling.

/// xoshiro128++.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u32; 4],
}

impl Random {
    /// Seeds the state with two outputs of `SplitMix64`, low word first.
    pub fn seeded(seed: u64) -> Self {
        let mut splitmix = seed;
        let (a, b) = (splitmix64(&mut splitmix), splitmix64(&mut splitmix));
        Self { state: [a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32] }
    }

    /// Next 32-bit number.
    pub fn word(&mut self) -> u32 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(7).wrapping_add(s[0]);
        let t = s[1] << 9;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(11);
        result
    }
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_generator_is_the_published_one() {
        // Output of the reference implementation by Blackman and Vigna from the state 1, 2, 3, 4.
        let mut random = Random { state: [1, 2, 3, 4] };
        let got: Vec<u32> = (0..5).map(|_| random.word()).collect();
        assert_eq!(got, [641, 1_573_767, 3_222_811_527, 3_517_856_514, 836_907_274]);
    }
}
