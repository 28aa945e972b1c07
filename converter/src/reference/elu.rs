//! `x` where `x > 0`, else `exp(x) - 1`.

use super::Map;

pub(super) fn apply(x: &Map) -> Map {
    x.map(|x| if x > 0.0 { x } else { x.exp_m1() })
}
