//! `y[i, j] = x[i - rows, j - columns]`, 0 outside the image.

use super::Map;

pub(super) fn apply(x: &Map, rows: usize, columns: usize) -> Map {
    let mut y = Map::zeros(x.channels, x.height, x.width);
    for c in 0..x.channels {
        for i in rows..x.height {
            for j in columns..x.width {
                let at = y.index(c, i, j);
                y.data[at] = x.at(c, i - rows, j - columns);
            }
        }
    }
    y
}
