//! Classes of values by perturbation: no value of an accepted graph depends on more than its class says.

use super::*;
use pixelrnn::network::{Class, ColourGroups, Image, Node};

/// Random graphs: each op reads values that fit it, whatever they know.
struct Graphs {
    random: Random,
    image: Image,
    /// Features are multiples of this.
    unit: usize,
    ops: Vec<String>,
    /// Names of values that may be read, with their numbers of features.
    values: Vec<(String, usize)>,
}

impl Graphs {
    fn new(seed: u64, image: Image, groups: ColourGroups) -> Self {
        let values = vec![("image".to_string(), image.channels)];
        let unit = if groups == ColourGroups::Contiguous { 3 } else { 1 };
        Self { random: Random(seed), image, unit, ops: Vec::new(), values }
    }

    fn value(&mut self) -> (String, usize) {
        let n = self.random.below(self.values.len());
        self.values[n].clone()
    }

    fn push(&mut self, op: &str, inputs: &[&str], features: usize) {
        let name = format!("v{}", self.values.len());
        let inputs = if inputs.is_empty() { String::new() } else { format!(r#", "in": {inputs:?}"#) };
        self.ops.push(format!(r#"{{{op}{inputs}, "as": "{name}"}}"#));
        self.values.push((name, features));
    }

    /// A convolution whose taps reach to the right and, rarely, below.
    fn conv(&mut self) {
        let ((input, _), out) = (self.value(), 2 * self.unit * (1 + self.random.below(3)));
        let kernel = [1 + self.random.below(3), 1 + self.random.below(3)];
        let anchor = [self.random.below(3).max(kernel[0] - 1), self.random.below(4)];
        let mask = ["", "", r#", "mask": "A""#, r#", "mask": "B""#][self.random.below(4)];
        let (n, dilation, parts) = (self.ops.len(), 1 + self.random.below(2), 1 + self.random.below(2));
        let rest = format!(
            r#""kernel": {kernel:?}, "anchor": {anchor:?}, "out": {out}, "dilation": {dilation}, "parts": {parts}"#
        );
        self.push(&format!(r#""op": "conv", "name": "c{n}", {rest}{mask}"#), &[&input], out);
    }

    fn step(&mut self) {
        let (a, count) = self.value();
        let n = self.ops.len();
        match self.random.below(14) {
            0 => self.push(&format!(r#""op": "shift", "rows": {}, "columns": {}"#, n % 2, n % 3), &[&a], count),
            1 | 2 => {
                let (b, other) = self.value();
                let kind = ["add", "multiply"][n % 2];
                if count == other {
                    self.push(&format!(r#""op": "{kind}""#), &[&a, &b], count);
                }
            }
            3 => {
                let (b, other) = self.value();
                self.push(r#""op": "concat""#, &[&a, &b], count + other);
            }
            4 if count > 1 => {
                self.push(&format!(r#""op": "slice", "from": 1, "count": {}"#, count - 1), &[&a], count - 1);
            }
            5 if count.is_multiple_of(2) => self.push(r#""op": "gate""#, &[&a], count / 2),
            6 if self.image.channels == 1 => {
                self.push(&format!(r#""op": "embed", "name": "e{n}", "out": 2"#), &["image"], 2);
            }
            7 => self.push(r#""op": "ones""#, &[], 1),
            8 => self.push(r#""op": "tanh""#, &[&a], count),
            9 => {
                let kind = [r#""op": "row_lstm", "kernel": 3"#, r#""op": "diagonal_bilstm""#][n % 2];
                let hidden = 2 * self.unit;
                self.push(&format!(r#"{kind}, "name": "l{n}", "hidden": {hidden}"#), &[&a], hidden);
            }
            _ => self.conv(),
        }
    }

    /// Nodes of the ops, as far as they are valid. Ops that are refused are left out.
    fn description(seed: u64, image: Image, colour_groups: ColourGroups) -> Description {
        let mut graph = Self::new(seed, image, colour_groups);
        let mut description = None;
        for _ in 0..12 {
            let (ops, values) = (graph.ops.clone(), graph.values.clone());
            graph.step();
            if let Some(valid) = graph.closed(colour_groups) {
                description = Some(valid);
            } else {
                (graph.ops, graph.values) = (ops, values);
            }
        }
        description.unwrap_or_else(|| graph.closed(colour_groups).unwrap())
    }

    /// A description with these ops, in which all values are read. `None` if an op is refused.
    fn closed(&self, groups: ColourGroups) -> Option<Description> {
        let Image { height, width, channels, levels } = self.image;
        let mut ops = self.ops.clone();
        // What they know is taken back by rows above alone, so that the network builds.
        let mut sum = String::from("image");
        for (n, (name, _)) in self.values.iter().enumerate() {
            let above = format!(r#""kernel": [1, 1], "anchor": [1, 0], "out": {}"#, self.unit);
            ops.push(format!(r#"{{"op": "conv", "name": "read{n}", {above}, "in": "{name}", "as": "r{n}"}}"#));
            if n == 0 {
                sum = "r0".into();
            } else {
                ops.push(format!(r#"{{"op": "add", "in": ["{sum}", "r{n}"], "as": "s{n}"}}"#));
                sum = format!("s{n}");
            }
        }
        let out = channels * levels;
        ops.push(format!(
            r#"{{"op": "masked_conv", "name": "out", "mask": "B", "kernel": [1, 1], "out": {out}, "in": "{sum}"}}"#
        ));
        let groups = match groups {
            ColourGroups::Cyclic => "cyclic",
            ColourGroups::Contiguous => "contiguous",
            ColourGroups::None => "none",
        };
        let image = format!(r#"{{"height": {height}, "width": {width}, "channels": {channels}, "levels": {levels}}}"#);
        let json = format!(
            r#"{{"image": {image}, "output": "softmax", "colour_groups": "{groups}", "ops": [{}]}}"#,
            ops.join(", ")
        );
        Description::from_json(&json).ok()
    }
}

/// True if feature `f` of a value at pixel `at` may depend on colour `c` of pixel `on`, both row and column.
fn may_depend(node: &Node, colours: bool, f: usize, at: [usize; 2], c: usize, on: [usize; 2]) -> bool {
    let own = at == on;
    match node.class {
        Class::Given => false,
        Class::Above => on[0] < at[0],
        Class::Past => on < at || own && colours && c < node.features.group(f),
        Class::Itself => on < at || own && (!colours || c <= node.features.group(f)),
        Class::Row => on[0] <= at[0],
    }
}

/// Checks all values of a network. Returns, for each class, how many values depend on as much as it allows.
fn check(description: &Description, seed: u64) -> [usize; 5] {
    let image = description.image;
    let colours = image.channels > 1 && description.colour_groups != ColourGroups::None;
    let model = random_model(description, seed);
    let nodes = description.nodes().unwrap();
    let reference = Reference::new(&model);
    let mut pixels = Random(seed).image(&image);
    let before = reference.run(&pixels, None).unwrap();
    let mut most = vec![false; nodes.len()];
    for at in 0..image.values() {
        let (c, pixel) = (at / (image.height * image.width), at % (image.height * image.width));
        let on = [pixel / image.width, pixel % image.width];
        let old = pixels[at];
        pixels[at] = (old + 1) % image.levels as u8;
        let after = reference.run(&pixels, None).unwrap();
        pixels[at] = old;
        for (node, most) in nodes.iter().zip(&mut most) {
            let [before, after] = [&before, &after].map(|values| &values[node.output]);
            for (n, (a, b)) in before.data.iter().zip(&after.data).enumerate() {
                let place = [n / image.width % image.height, n % image.width];
                let f = n / (image.height * image.width);
                let (changed, what) = (a.to_bits() != b.to_bits(), node.op.kind());
                let may = may_depend(node, colours, f, place, c, on);
                assert!(
                    !changed || may,
                    "{what}, a value {}: feature {f} at {place:?} depends on {c} at {on:?}\n{}",
                    node.class,
                    description.to_json()
                );
                // Below the class before, this dependence is not allowed.
                *most |= changed
                    && match node.class {
                        Class::Given => true,
                        Class::Above => on[0] < place[0],
                        Class::Past => on[0] == place[0],
                        Class::Itself => on == place,
                        Class::Row => on[0] == place[0] && on >= place,
                    };
            }
        }
    }
    let mut counts = [0; 5];
    for (node, most) in nodes.iter().zip(most) {
        counts[node.class as usize] += usize::from(most);
    }
    counts
}

#[test]
fn no_value_of_a_random_graph_depends_on_more_than_its_class_says() {
    let gray = Image { height: 3, width: 4, channels: 1, levels: 3 };
    let rgb = Image { channels: 3, ..gray };
    let mut reached = [0; 5];
    let networks = [
        (gray, ColourGroups::Cyclic, 60),
        (rgb, ColourGroups::Cyclic, 40),
        (rgb, ColourGroups::Contiguous, 20),
        (rgb, ColourGroups::None, 20),
    ];
    for (image, groups, count) in networks {
        for seed in 0..count {
            let counts = check(&Graphs::description(seed, image, groups), seed);
            for (sum, count) in reached.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }
    // Otherwise the classes would say too much.
    assert!(reached[1..].iter().all(|count| *count > 50), "{reached:?} values depend on what sets their class apart");
}
