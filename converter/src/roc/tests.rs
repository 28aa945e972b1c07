use super::*;
use crate::testing::Random;

fn area(usual: &[f64], other: &[f64]) -> f64 {
    Comparison::new(usual, other).unwrap().area()
}

fn assert_same(a: f64, b: f64, what: &str) {
    assert!((a - b).abs() < 1e-12, "{what}: {a} against {b}");
}

#[test]
fn areas_of_known_sets() {
    for (usual, other, expected) in [
        (&[1.0, 2.0][..], &[3.0, 4.0][..], 1.0),
        (&[3.0, 4.0], &[1.0, 2.0], 0.0),
        (&[1.0, 3.0], &[2.0, 4.0], 0.75),
        (&[1.0, 2.0, 3.0], &[2.5], 2.0 / 3.0),
        // Example of scikit-learn's `roc_auc_score`.
        (&[0.1, 0.4], &[0.35, 0.8], 0.75),
    ] {
        assert_same(area(usual, other), expected, &format!("{usual:?} and {other:?}"));
    }
}

#[test]
fn ties_count_half() {
    for (usual, other, expected) in [
        (&[5.0][..], &[5.0][..], 0.5),
        (&[5.0; 7], &[5.0; 3], 0.5),
        (&[1.0, 2.0], &[2.0, 2.0], 0.75),
        (&[2.0, 2.0, 1.0], &[2.0, 3.0, 1.0], (1.0 + 0.5 + 0.5 + 3.0 + 0.5) / 9.0),
    ] {
        assert_same(area(usual, other), expected, &format!("{usual:?} and {other:?}"));
    }
}

#[test]
fn area_equals_share_of_pairs_and_integral_of_curve() {
    let mut random = Random(11);
    for (a, b, values) in [(1, 1, 2), (9, 4, 3), (30, 50, 10), (64, 40, 1000)] {
        let mut draw = |count: usize| (0..count).map(|_| random.below(values) as f64 - 3.0).collect::<Vec<_>>();
        let (usual, other) = (draw(a), draw(b));
        let pair = |u: f64, o: f64| if o > u { 1.0 } else { f64::from(u8::from((o - u).abs() < 0.5)) / 2.0 };
        let pairs: f64 = usual.iter().flat_map(|u| other.iter().map(move |o| pair(*u, *o))).sum();
        let comparison = Comparison::new(&usual, &other).unwrap();
        assert_same(comparison.area(), pairs / (a * b) as f64, "pairs");
        let curve = comparison.curve();
        let under: f64 = curve.windows(2).map(|p| (p[1].0 - p[0].0) * (p[0].1 + p[1].1) / 2.0).sum();
        assert_same(comparison.area(), under, "the curve");
        assert_eq!((curve[0], curve[curve.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
        let mirrored = Comparison::new(&other, &usual).unwrap();
        assert_same(comparison.area() + mirrored.area(), 1.0, "the sets changed round");
    }
}

#[test]
fn sets_without_images_and_numbers_that_are_none_are_refused() {
    assert!(matches!(Comparison::new(&[], &[1.0]), Err(Error::NoImages)));
    assert!(matches!(Comparison::new(&[1.0], &[]), Err(Error::NoImages)));
    let infinite = Comparison::new(&[1.0], &[f64::INFINITY]).unwrap();
    assert_same(infinite.area(), 1.0, "infinite nats are the most");
    assert!(matches!(infinite.picture(["a", "b"]), Err(Error::NotFinite { .. })));
}

#[test]
fn every_image_is_in_a_bar() {
    for (nats, logarithmic) in [([20.0, 25.0, 29.99, 30.0], false), ([1.0, 7.0, 99.0, 100.0], true)] {
        let bars = Bars::over(nats[0], nats[3]);
        let shares = bars.shares(&nats);
        assert_eq!(bars.logarithmic, logarithmic);
        assert_same(shares.iter().sum(), 1.0, "all of them");
        assert_same(shares[BARS - 4..].iter().sum(), 0.5, "the last bars");
        let middle = bars.nats(bars.start + bars.width * BARS as f64 / 2.0);
        assert_same(middle, if logarithmic { 10.0 } else { 25.0 }, "the axis");
    }
}

#[test]
fn equal_nats_and_long_names_can_be_drawn() {
    for (usual, other) in [(&[5.0][..], &[5.0][..]), (&[0.0; 3], &[1e9, 2e9])] {
        let comparison = Comparison::new(usual, other).unwrap();
        let picture = comparison.picture([&"a".repeat(300), "ü/…"]).unwrap();
        assert_eq!((picture.width, picture.channels), (1640, 3));
        assert_eq!(picture, comparison.picture([&"a".repeat(300), "ü/…"]).unwrap());
    }
}

#[test]
fn the_curve_never_goes_down_and_ties_are_one_step_of_it() {
    let mut random = Random(3);
    for values in [1, 2, 5, 50, 100_000] {
        let mut draw = |count: usize| (0..count).map(|_| random.below(values) as f64).collect::<Vec<_>>();
        let (usual, other) = (draw(300), draw(200));
        let curve = Comparison::new(&usual, &other).unwrap().curve();
        assert!(curve.windows(2).all(|p| p[0] != p[1] && p[0].0 <= p[1].0 && p[0].1 <= p[1].1), "{values} values");
        // One step per distinct value, plus the start.
        let mut all = [usual, other].concat();
        all.sort_by(f64::total_cmp);
        all.dedup();
        assert_eq!(curve.len(), 1 + all.len(), "{values} values");
    }
}

#[test]
fn the_drawn_curve_never_goes_down() {
    let mut random = Random(4);
    for (values, count, shift) in
        [(2, 40, 0.0), (6, 100, 1.0), (1000, 7, 300.0), (1000, 500, 250.0), (100_000, 3000, 9000.0)]
    {
        let mut draw = |shift: f64| (0..count).map(|_| random.below(values) as f64 + shift).collect::<Vec<_>>();
        let (usual, other) = (draw(0.0), draw(shift));
        let picture = Comparison::new(&usual, &other).unwrap().picture(["a", "b"]).unwrap();
        let is_line =
            |x: usize, y: usize| picture.data[(y * picture.width + x) * 3..][..3] == [USUAL.0, USUAL.1, USUAL.2];
        // Upper edge of the line in each column of the right half.
        let edge: Vec<_> = (950..picture.width).filter_map(|x| (0..picture.height).find(|y| is_line(x, *y))).collect();
        assert!(edge.len() > 400, "{values} values, {count} images: a line of {} columns", edge.len());
        // The pen is round at the end.
        let falls = edge[..edge.len() - 2].windows(2).filter(|pair| pair[1] > pair[0]).count();
        assert_eq!(falls, 0, "{values} values, {count} images");
    }
}
