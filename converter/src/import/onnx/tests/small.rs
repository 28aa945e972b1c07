//! Small graphs written node by node: refusals, options, and files that lie.

use super::super::proto::{
    Attribute, Dimension, Entry, Graph, Model, Node, Opset, Shape, Tensor, TensorType, Type, Value,
};
use super::super::{InputRange, LogitOrder, Options, from_bytes};
use crate::error::Error;
use crate::import::onnx::Imported;
use pixelrnn::network::{Class, InputMap};
use prost::Message;

/// Input or output of shape `sides`; a negative side is not fixed.
fn end(name: &str, sides: &[i64], element: i32) -> Value {
    let dims = sides.iter().map(|side| Dimension { value: (*side >= 0).then_some(*side) }).collect();
    let tensor = TensorType { element, shape: Some(Shape { dims }) };
    Value { name: name.into(), kind: Some(Type { tensor: Some(tensor) }) }
}

fn floats(name: &str, dims: &[i64], data: Vec<f32>) -> Tensor {
    Tensor { name: name.into(), dims: dims.to_vec(), data_type: 1, floats: data, ..Tensor::default() }
}

fn ints(name: &str, data: &[i64]) -> Tensor {
    Tensor {
        name: name.into(),
        dims: vec![data.len() as i64],
        data_type: 7,
        int64s: data.to_vec(),
        ..Tensor::default()
    }
}

fn node(op: &str, name: &str, inputs: &[&str], output: &str) -> Node {
    let inputs = inputs.iter().map(ToString::to_string).collect();
    Node { op: op.into(), name: name.into(), inputs, outputs: vec![output.into()], ..Node::default() }
}

fn with(mut node: Node, attribute: &str, ints: &[i64]) -> Node {
    node.attributes.push(Attribute {
        name: attribute.into(),
        ints: ints.to_vec(),
        i: ints.first().copied().unwrap_or(0),
        ..Attribute::default()
    });
    node
}

fn model(nodes: Vec<Node>, initializers: Vec<Tensor>, input: Value) -> Model {
    let graph = Graph { nodes, initializers, inputs: vec![input], outputs: vec![end("y", &[], 1)] };
    Model { graph: Some(graph), opsets: vec![Opset { domain: String::new(), version: 17 }], ..Model::default() }
}

fn read(model: &Model, options: &Options) -> Result<Imported, Error> {
    from_bytes(&model.encode_to_vec(), None, options)
}

fn message(model: &Model) -> String {
    read(model, &Options::default()).unwrap_err().to_string()
}

/// A convolution of 3x3 with taps above and to the left, from `x` to `output`, whose weights are `w`.
fn conv(output: &str) -> Node {
    with(node("Conv", "conv", &["x", "w"], output), "pads", &[1, 1, 1, 1])
}

fn past(out: usize, inner: usize) -> Tensor {
    let taps = [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let data = (0..out * inner).flat_map(|n| taps.map(|x| x * (1.0 + n as f32))).collect();
    floats("w", &[out as i64, inner as i64, 3, 3], data)
}

const GRAY: [i64; 4] = [1, 1, 4, 4];

#[test]
fn a_size_that_is_open_is_asked_for() {
    let open = model(vec![conv("y")], vec![past(4, 1)], end("x", &[-1, 1, -1, -1], 1));
    assert!(message(&open).contains("`--image HEIGHTxWIDTH`"), "{}", message(&open));
    let given = Options { image: Some([5, 7]), ..Options::default() };
    let image = read(&open, &given).unwrap().model.description().image;
    assert_eq!([image.height, image.width, image.levels], [5, 7, 4]);
    let other = model(vec![conv("y")], vec![past(4, 1)], end("x", &GRAY, 1));
    assert!(read(&other, &given).unwrap_err().to_string().contains("its height is 4 in the graph, and 5 is asked for"));
}

#[test]
fn levels_or_units_follow_from_the_first_factor() {
    let graph = |factor: f32, element| {
        let scaled = node("Mul", "scale", &["image", "factor"], "x");
        model(
            vec![scaled, conv("y")],
            vec![past(4, 1), floats("factor", &[], vec![factor])],
            end("image", &GRAY, element),
        )
    };
    let map = |model: &Model, options: &Options| read(model, options).unwrap().model.description().input;
    let options = Options::default();
    assert_eq!(map(&graph(2.0, 1), &options), InputMap { scale: 2.0 / 3.0, shift: 0.0 });
    assert_eq!(map(&graph(0.5, 1), &options), InputMap { scale: 0.5, shift: 0.0 });
    assert_eq!(map(&graph(2.0, 7), &options), InputMap { scale: 2.0, shift: 0.0 });
    assert!(message(&graph(0.01, 1)).contains("`--reads levels` or `unit`"));
    let levels = Options { input: Some(InputRange::Levels), ..options };
    assert_eq!(map(&graph(0.01, 1), &levels), InputMap { scale: 0.01, shift: 0.0 });
    assert_eq!(read(&graph(2.0, 1), &options).unwrap().notes.len(), 1);
}

#[test]
fn logits_of_three_channels_need_an_order_where_nothing_tells() {
    let graph = model(vec![conv("y")], vec![past(12, 3)], end("x", &[1, 3, 4, 4], 1));
    assert!(message(&graph).contains("`--logit-order channel-major` or `level-major`"), "{}", message(&graph));
    let order = |order| Options { logits: Some(order), ..Options::default() };
    let major = read(&graph, &order(LogitOrder::ChannelMajor)).unwrap().model;
    let minor = read(&graph, &order(LogitOrder::LevelMajor)).unwrap().model;
    let weights = |model: &crate::TrainedModel| model.tensors()["conv.weight"].data.clone();
    // Logit 1 of R is feature 1 or feature 3.
    let run = 3 * weights(&major).len() / 36;
    assert_eq!(weights(&major)[3 * run..4 * run], weights(&minor)[run..2 * run]);
}

#[test]
fn rows_above_alone_are_known_above() {
    let mut above = past(2, 1);
    above.floats.chunks_mut(9).for_each(|taps| taps[3] = 0.0);
    let second = node("Conv", "head", &["h", "v"], "y");
    let graph =
        model(vec![conv("h"), second], vec![above, floats("v", &[4, 2, 1, 1], vec![1.0; 8])], end("x", &GRAY, 1));
    let trained = read(&graph, &Options::default()).unwrap().model;
    assert_eq!(trained.nodes()[0].class, Class::Above);
}

#[test]
fn nodes_without_counterpart_are_refused_by_name() {
    let after = |op: &str| model(vec![conv("h"), node(op, "odd", &["h"], "y")], vec![past(4, 1)], end("x", &GRAY, 1));
    for (op, help) in [
        ("LSTM", "recurrent layer"),
        ("Gelu", "activation functions are"),
        ("MaxPool", "maps keep the image's size"),
        ("NoSuchThing", "no counterpart"),
    ] {
        let message = message(&after(op));
        assert!(message.contains(&format!("node `odd` ({op})")) && message.contains(help), "{message}");
    }
    let mut strided = after("Relu");
    let nodes = &mut strided.graph.as_mut().unwrap().nodes;
    nodes[0] = with(nodes[0].clone(), "strides", &[2, 2]);
    assert!(message(&strided).contains("node `conv` (Conv): a stride larger than 1"));
    let mut foreign = after("Relu");
    foreign.graph.as_mut().unwrap().nodes[1].domain = "com.example".into();
    assert!(message(&foreign).contains("operator of `com.example`"));
}

#[test]
fn tensors_that_lie_are_refused() {
    let graph = |tensor: Tensor| model(vec![conv("y")], vec![tensor], end("x", &GRAY, 1));
    let mut short = past(4, 1);
    short.floats.pop();
    assert!(message(&graph(short)).contains("tensor `w`: 35 elements, expected 36"));
    let huge = Tensor { dims: vec![1 << 40, 1 << 40, 3, 3], ..past(4, 1) };
    assert!(message(&graph(huge)).contains("tensor `w`: shape"));
    let negative = Tensor { dims: vec![-4, 1, 3, 3], ..past(4, 1) };
    assert!(message(&graph(negative)).contains("tensor `w`: shape"));
    let strings = Tensor { data_type: 8, ..past(4, 1) };
    assert!(message(&graph(strings)).contains("data type STRING"));
    let ragged = Tensor { raw: Some(vec![0; 143]), floats: Vec::new(), ..past(4, 1) };
    assert!(message(&graph(ragged)).contains("0 elements, expected 36"));
    let not_finite = floats("w", &[4, 1, 3, 3], [[f32::NAN, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]; 4].concat());
    assert!(message(&graph(not_finite)).contains("expected a finite number"));
}

#[test]
fn data_beside_the_graph_stay_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), vec![0; 144]).unwrap();
    let graph = |entries: &[(&str, &str)]| {
        let entry = |(key, value): &(&str, &str)| Entry { key: (*key).into(), value: (*value).into() };
        let external = entries.iter().map(entry).collect();
        let tensor = Tensor { floats: Vec::new(), location: 1, external, ..past(4, 1) };
        let bytes = model(vec![conv("y")], vec![tensor], end("x", &GRAY, 1)).encode_to_vec();
        from_bytes(&bytes, Some(folder.path()), &Options::default()).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(graph(&[("location", "data")]), Ok(()));
    for location in ["../data", "/etc/hostname", "", "a/../../data", "."] {
        assert!(graph(&[("location", location)]).unwrap_err().contains("expected a file in the folder"), "{location}");
    }
    let outside = graph(&[("location", "data"), ("offset", "100"), ("length", "144")]);
    assert!(outside.unwrap_err().contains("its data lie outside `data`"));
    assert!(graph(&[("location", "data"), ("offset", "x")]).unwrap_err().contains("expected a number"));
    assert!(graph(&[("location", "none")]).unwrap_err().contains("cannot read its data from `none`"));
}

#[test]
fn cycles_and_missing_values_are_refused() {
    let cycle = model(
        vec![node("Add", "a", &["x", "z"], "h"), node("Relu", "b", &["h"], "z"), conv("y")],
        vec![past(4, 1)],
        end("x", &GRAY, 1),
    );
    // What the output does not need may be anything.
    assert!(read(&cycle, &Options::default()).is_ok());
    let needed = model(vec![node("Add", "a", &["x", "y"], "y")], Vec::new(), end("x", &GRAY, 1));
    assert!(message(&needed).contains("no node before it makes its input `y`"));
    assert!(message(&Model::default()).contains("it holds no graph"));
    assert!(from_bytes(b"\x08\x07nonsense", None, &Options::default()).is_err());
}

#[test]
fn constants_that_grow_without_end_are_refused() {
    let graph = |nodes: Vec<Node>, sizes: &[i64]| {
        let last = node("Reshape", "reshape", &["x", "c"], "y");
        model(nodes.into_iter().chain([last]).collect(), vec![ints("sizes", sizes)], end("x", &GRAY, 1))
    };
    let filled = graph(vec![node("ConstantOfShape", "fill", &["sizes"], "c")], &[1 << 20, 1 << 20]);
    assert!(message(&filled).contains("node `fill` (ConstantOfShape)") && message(&filled).contains("too large"));
    let tiled = graph(vec![node("Tile", "tile", &["sizes", "sizes"], "c")], &[1 << 40]);
    assert!(message(&tiled).contains("node `tile` (Tile)") && message(&tiled).contains("too large"));
}
