use super::*;
use crate::description::Description;
use crate::images::Range;
use crate::quantize::{Numbers, quantize};
use crate::testing::{Random, preset, random_model};
use crate::trained::TrainedModel;
use pixelrnn::network::{Architecture, ColourGroups, Preset};

const ALL: [Architecture; 3] = [Architecture::PixelCnn, Architecture::RowLstm, Architecture::DiagonalBilstm];
const WIDE: Image = Image { height: 6, width: 7, channels: 1, levels: 2 };
const COLOUR: Image = Image { height: 4, width: 4, channels: 3, levels: 4 };

fn images(image: &Image, count: usize) -> ImageSet {
    let mut random = Random(9);
    let data = (0..count).flat_map(|_| random.image(image)).collect();
    ImageSet::new([image.channels, image.height, image.width], data, Range::Levels).unwrap()
}

fn at(row: usize, column: usize, channel: usize) -> Position {
    Position { row, column, channel }
}

/// A chain of convolutions `(mask, rows, columns, dilation)` without activations, so no dependence is lost.
fn chain(image: &Image, output: &str, convs: &[(char, usize, usize, usize)]) -> TrainedModel {
    let logits = image.channels * if output == "bernoulli" { 1 } else { image.levels };
    let op = |(n, (mask, rows, columns, dilation)): (usize, &(char, usize, usize, usize))| {
        let out = if n + 1 == convs.len() { logits } else { 6 };
        format!(
            r#"{{"op": "masked_conv", "name": "c{n}", "mask": "{mask}", "kernel": [{rows}, {columns}], "out": {out},
                "dilation": {dilation}}}"#
        )
    };
    let ops: Vec<String> = convs.iter().enumerate().map(op).collect();
    let Image { height, width, channels, levels } = image;
    let json = format!(
        r#"{{"image": {{"height": {height}, "width": {width}, "channels": {channels}, "levels": {levels}}},
            "output": "{output}", "ops": [{}]}}"#,
        ops.join(",")
    );
    random_model(&Description::from_json(&json).unwrap(), 4)
}

fn measured(model: &TrainedModel, target: Position) -> Dependence {
    let set = images(&model.description().image, 2);
    Dependence::measure(Scorer::Reference(&Reference::new(model)), &set, target, None, || ()).unwrap()
}

fn by_blob(model: &TrainedModel, target: Position) -> Dependence {
    let blob = quantize(model, Numbers::F32).unwrap();
    let set = images(&model.description().image, 2);
    Dependence::measure(Scorer::Engine(blob.model().unwrap()), &set, target, None, || ()).unwrap()
}

/// Rows of a gray map, `#` for set.
fn rows(image: &Image, values: &[bool]) -> Vec<String> {
    values.chunks(image.width).map(|row| row.iter().map(|set| if *set { '#' } else { '.' }).collect()).collect()
}

#[test]
fn one_convolution_reads_its_open_taps() {
    let model = chain(&WIDE, "bernoulli", &[('A', 3, 3, 1)]);
    let seen = measured(&model, at(3, 3, 0));
    let expected = [".......", ".......", "..###..", "..#....", ".......", "......."];
    assert_eq!(rows(&WIDE, seen.noticed()), expected);
    assert_eq!((seen.pixels(), seen.ideal()), (4, 24));
    assert!(matches!(seen.farthest(), Some((2, 2 | 4))), "{:?}", seen.farthest());
    assert_eq!(by_blob(&model, at(3, 3, 0)).noticed(), seen.noticed());
    // The kernel is cut off at the edge, and the corner has nothing to read.
    assert_eq!(measured(&model, at(0, 3, 0)).pixels(), 1);
    let corner = measured(&model, at(0, 0, 0));
    assert_eq!((corner.pixels(), corner.ideal(), corner.farthest(), corner.most()), (0, 0, None, 0));
}

#[test]
fn stacked_convolutions_have_a_blind_spot() {
    let model = chain(&WIDE, "bernoulli", &[('A', 3, 3, 1), ('B', 3, 3, 1), ('B', 1, 1, 1)]);
    let seen = measured(&model, at(3, 3, 0));
    let expected = [".......", ".#####.", ".####..", ".##....", ".......", "......."];
    let reached = reach(model.nodes(), &WIDE, at(3, 3, 0));
    assert_eq!(rows(&WIDE, &reached), expected);
    assert_eq!(seen.noticed(), reached);
    let dilated = chain(&WIDE, "bernoulli", &[('A', 3, 3, 2)]);
    assert_eq!(rows(&WIDE, measured(&dilated, at(3, 3, 0)).noticed())[1], ".#.#.#.");
}

#[test]
fn what_is_found_is_what_the_masks_allow() {
    for image in [WIDE, COLOUR] {
        let output = if image.levels == 2 { "bernoulli" } else { "softmax" };
        let mut models = vec![chain(&image, output, &[('A', 3, 3, 1), ('B', 1, 3, 1), ('B', 1, 1, 1)])];
        for architecture in ALL.into_iter().skip(1) {
            models.push(random_model(&Description::from(preset(architecture, image)), 6));
        }
        for (model, (row, column)) in
            models.iter().flat_map(|model| [(0, 0), (2, 0), (3, 2), (3, 3)].map(|at| (model, at)))
        {
            for channel in 0..image.channels {
                let target = at(row, column, channel);
                let reached = reach(model.nodes(), &image, target);
                let found = measured(model, target);
                assert!(
                    found.noticed() == reached,
                    "{target:?}: {:?}, expected {:?}",
                    rows(&image, found.noticed()),
                    rows(&image, &reached)
                );
            }
        }
    }
}

/// A model of the ops over `image`, without activations that could lose a dependence.
fn graph(image: &Image, groups: &str, ops: &str) -> TrainedModel {
    let Image { height, width, channels, levels } = image;
    let json = format!(
        r#"{{"image": {{"height": {height}, "width": {width}, "channels": {channels}, "levels": {levels}}},
            "output": "{}", "colour_groups": "{groups}", "ops": [{ops}]}}"#,
        if *levels == 2 { "bernoulli" } else { "softmax" }
    );
    random_model(&Description::from_json(&json).unwrap(), 5)
}

#[test]
fn what_is_found_in_a_graph_is_what_its_taps_allow() {
    let stacks = r#"{"op": "ones", "as": "one"}, {"op": "concat", "in": ["image", "one"], "as": "both"},
        {"op": "conv", "name": "v", "kernel": [2, 3], "out": 8, "parts": 2}, {"op": "shift", "rows": 1, "as": "v"},
        {"op": "conv", "name": "u", "kernel": [2, 3], "anchor": [2, 2], "out": 7, "in": "image"},
        {"op": "slice", "from": 1, "count": 6}, {"op": "glu", "as": "any"},
        {"op": "masked_conv", "name": "h", "mask": "A", "kernel": [1, 3], "out": 6, "parts": 2, "in": "both", "as": "h"},
        {"op": "conv", "name": "link", "kernel": [1, 1], "out": 6, "parts": 2, "in": "v", "as": "link"},
        {"op": "add", "in": ["h", "link"]}, {"op": "gate", "as": "g"}, {"op": "add", "in": ["any", "g"]},
        {"op": "masked_conv", "name": "out", "mask": "B", "kernel": [1, 1], "out": OUT}"#;
    for (image, groups) in [(WIDE, "cyclic"), (COLOUR, "cyclic"), (COLOUR, "none")] {
        let out = if image.levels == 2 { 1 } else { image.channels * image.levels };
        let model = graph(&image, groups, &stacks.replace("OUT", &out.to_string()));
        for channel in 0..image.channels {
            for target in [at(0, 0, channel), at(1, 2, channel), at(3, 3, channel), at(2, 0, channel)] {
                let reached = reach(model.nodes(), &image, target);
                let found = measured(&model, target);
                assert_eq!(found.noticed(), reached, "{groups} {target:?}");
                // A pixel whose values are predicted at once does not count as known.
                let own = usize::from(channel > 0 && groups != "none");
                assert_eq!(found.ideal(), target.row * image.width + target.column + own);
            }
        }
    }
}

#[test]
fn a_gated_network_has_no_blind_spot() {
    for (image, groups) in
        [(WIDE, ColourGroups::Cyclic), (COLOUR, ColourGroups::Contiguous), (COLOUR, ColourGroups::None)]
    {
        let preset = Preset { colour_groups: groups, kernel: 5, ..preset(Architecture::GatedPixelCnn, image) };
        let model = random_model(&Description::from(preset), 3);
        let target = at(3, 2, image.channels - 1);
        let reached = reach(model.nodes(), &image, target);
        // All pixels before the target, to the right above too, and of its own the colours before it.
        let known = earlier(&image, target);
        let own = target.row * image.width + target.column;
        let expected = (0..image.values()).map(|place| {
            let at_own = place % (image.height * image.width) == own;
            known.contains(&place) && !(at_own && groups == ColourGroups::None)
        });
        assert_eq!(reached, expected.collect::<Vec<_>>());
        assert!(measured(&model, target).noticed().iter().zip(&reached).all(|(found, allowed)| !found || *allowed));
    }
}

#[test]
fn nothing_is_found_where_nothing_is_known_yet() {
    for (image, architecture) in [WIDE, COLOUR].into_iter().flat_map(|image| ALL.map(|a| (image, a))) {
        let model = random_model(&Description::from(preset(architecture, image)), 7);
        let target = at(2, 1, image.channels - 1);
        let places = earlier(&image, target);
        let reached = reach(model.nodes(), &image, target);
        for found in [measured(&model, target), by_blob(&model, target)] {
            assert!(found.pixels() > 0);
            for (place, noticed) in found.noticed().iter().enumerate() {
                assert!(!noticed || reached[place], "{architecture:?}: value {place} is masked");
                assert!(!reached[place] || places.contains(&place), "{architecture:?}: value {place} is not known yet");
                assert!(*noticed || found.change()[place] == 0.0);
            }
        }
    }
}

#[test]
fn a_diagonal_bilstm_reaches_all_that_is_known_but_one() {
    let model = random_model(&Description::from(preset(Architecture::DiagonalBilstm, WIDE)), 2);
    let seen = measured(&model, at(4, 2, 0));
    // With mask A a feature reads the pixels before its own. The last pixel of a row reaches only the next row, as far
    // right as the first 5x5 kernel extends: from column 2 to column 4.
    let expected = ["#######", "#######", "#######", "######.", "##.....", "......."];
    assert_eq!(rows(&WIDE, seen.noticed()), expected);
    assert_eq!((seen.pixels(), seen.ideal(), seen.farthest()), (29, 30, Some((0, 6))));
    assert!((1..=29).contains(&seen.most()), "{}", seen.most());
    assert_eq!(measured(&model, at(4, 4, 0)).pixels(), 32, "from column 4 the kernel reaches the last one");
}

#[test]
fn earlier_values_come_in_the_order_of_prediction() {
    assert_eq!(earlier(&WIDE, at(1, 1, 0)), (0..8).collect::<Vec<_>>());
    assert_eq!(earlier(&COLOUR, at(0, 1, 2)), [0, 16, 32, 1, 17]);
}

#[test]
fn the_top_of_a_network_gives_the_numbers_of_the_whole() {
    for architecture in ALL {
        let reference = Reference::new(&random_model(&Description::from(preset(architecture, WIDE)), 8));
        let image = Random(1).image(&WIDE);
        let whole = reference.logits(&image, None).unwrap();
        let top = reference.top(2).logits(&image[..14], None).unwrap();
        assert_eq!(top.data, whole.data[..14], "{architecture:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let model = chain(&WIDE, "bernoulli", &[('A', 3, 3, 1)]);
    let reference = Reference::new(&model);
    let measure = |set: &ImageSet, target| {
        Dependence::measure(Scorer::Reference(&reference), set, target, None, || ()).unwrap_err().to_string()
    };
    let set = images(&WIDE, 1);
    assert_eq!(measure(&set, at(6, 0, 0)), "row 6, column 0, channel 0, expected at most row 5, column 6, channel 0");
    assert!(measure(&images(&COLOUR, 1), at(0, 0, 0)).contains("values"));
    assert_eq!(measure(&set.clone().truncated(0), at(0, 0, 0)), "it has no images");
}

#[test]
fn pictures_of_any_models_side_by_side_have_room() {
    let gray = |title: &str| Panel {
        title: title.to_string(),
        dependence: measured(&chain(&WIDE, "bernoulli", &[('A', 3, 3, 1)]), at(3, 3, 0)),
    };
    let colour = Panel {
        title: "colours".into(),
        dependence: measured(&chain(&COLOUR, "softmax", &[('A', 3, 3, 1)]), at(2, 1, 1)),
    };
    let one = picture(&[gray("one")]).unwrap();
    let two = picture(&[gray("one"), gray(&"two".repeat(99))]).unwrap();
    assert!(one.width < two.width && one.height == two.height);
    let lines = picture(&[gray("one"), colour]).unwrap();
    assert!(lines.height > 2 * 400);
    // Every picture contains the target's colour, at least one square per map.
    for picture in [one, two, lines] {
        assert!(picture.data.chunks(3).filter(|pixel| **pixel == [0, 190, 110]).count() > 100);
    }
}
