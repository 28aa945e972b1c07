use super::*;
use crate::description::Description;
use crate::quantize::{Numbers, quantize};
use crate::testing::{GRAY, RGB, preset, random_model};
use pixelrnn::network::{Architecture, Features, Presence};

#[test]
fn taps_are_those_that_the_definition_opens() {
    for architecture in [Architecture::PixelCnn, Architecture::RowLstm, Architecture::DiagonalBilstm] {
        let model = random_model(&Description::from(preset(architecture, RGB)), 1);
        let layers = of_nodes(model.nodes());
        for node in model.nodes() {
            let Op::Conv(conv) = node.op else { continue };
            let layer = layers.iter().find(|layer| layer.name == node.name.as_str()).unwrap();
            let kernel = &layer.kernels[0];
            for (n, tap) in kernel.taps.iter().enumerate() {
                for (from, to) in (0..3).flat_map(|from| (0..3).map(move |to| (from, to))) {
                    let open = match tap {
                        Tap::Open | Tap::OwnOpen => true,
                        Tap::Own(mask) => mask.centre_open(from, to),
                        Tap::Closed | Tap::Pixel => false,
                    };
                    // In cyclic order, features 0, 1 and 2 belong to groups 0, 1 and 2. Logits are in contiguous
                    // thirds.
                    let feature = |features: pixelrnn::network::Features, group: usize| {
                        (0..features.count).find(|f| features.group(*f) == group).unwrap()
                    };
                    let (from, to) = (feature(conv.inputs, from), feature(conv.outputs, to));
                    assert_eq!(open, conv.open(n / kernel.width, n % kernel.width, from, to), "{} {n}", node.name);
                }
            }
        }
    }
}

#[test]
fn kernels_of_any_anchor_show_the_predicted_pixel() {
    let conv = |kernel, anchor, mask| {
        let features = Features::GRAY;
        let (bias, class) = (Presence::Absent, Presence::Absent);
        Kernel::of_conv(
            "",
            &Conv { mask, kernel, anchor, dilation: 1, inputs: features, outputs: features, bias, class },
        )
    };
    let drawn = |kernel: Kernel| -> Vec<String> {
        let square = |tap: &Tap| match tap {
            Tap::Open => '#',
            Tap::Closed => '.',
            Tap::Own(Mask::A) => 'A',
            Tap::Own(Mask::B) => 'B',
            Tap::OwnOpen => 'O',
            Tap::Pixel => 'x',
        };
        kernel.taps.chunks(kernel.width).map(|row| row.iter().map(square).collect()).collect()
    };
    // Rows above alone, own row too, both about the middle; left of the pixel; above and far to the left.
    assert_eq!(drawn(conv([2, 3], [2, 1], None)), ["###", "###", ".x."]);
    assert_eq!(drawn(conv([2, 3], [1, 1], None)), ["###", "#O#"]);
    assert_eq!(drawn(conv([1, 2], [0, 2], None)), ["##x"]);
    assert_eq!(drawn(conv([1, 1], [1, 2], None)), ["#..", "..x"]);
    assert_eq!(drawn(conv([1, 1], [0, 0], None)), ["O"]);
    // With a mask, centred and not.
    assert_eq!(drawn(conv([3, 3], [1, 1], Some(Mask::A))), ["###", "#A.", "..."]);
    assert_eq!(drawn(conv([1, 3], [0, 2], Some(Mask::B))), ["##B"]);
    assert_eq!(drawn(conv([1, 3], [0, 0], Some(Mask::B))), ["B.."]);
    // Rows below, of a value that is known before the image.
    assert_eq!(drawn(conv([2, 1], [0, 0], None)), ["O", "#"]);
    let summary = |kernel| Layer { name: "c".into(), kind: "conv", kernels: vec![kernel] }.summary();
    assert_eq!(summary(conv([2, 3], [1, 1], None)), "6 open taps");
    assert_eq!(summary(conv([1, 3], [0, 2], Some(Mask::B))), "1x3 mask B");
}

#[test]
fn an_open_centre_is_framed() {
    let description = Description::from(preset(Architecture::GatedPixelCnn, RGB));
    let layers = of_nodes(random_model(&description, 1).nodes());
    let names = ["input.vertical", "input.link", "blocks.0.vertical", "blocks.0.horizontal"];
    for name in names {
        let layer = layers.iter().find(|layer| layer.name == name).unwrap();
        let picture = layer.picture(3).unwrap();
        assert!(picture.data.chunks(3).any(|pixel| *pixel == [0, 190, 110]), "{name}");
    }
    // Two stacks, the link and what follows it, in each of the input and two blocks, and the head.
    assert_eq!(layers.len(), 3 * 4 + 2);
}

#[test]
fn a_blob_has_the_masks_of_its_model() {
    for architecture in [Architecture::PixelCnn, Architecture::RowLstm] {
        let model = random_model(&Description::from(preset(architecture, GRAY)), 1);
        let blob = quantize(&model, Numbers::F32).unwrap();
        let [own, theirs] = [of_blob(&blob.model().unwrap()), of_nodes(model.nodes())];
        let kernels = |layers: &[Layer]| layers.iter().map(|layer| layer.kernels.clone()).collect::<Vec<_>>();
        assert_eq!(kernels(&own), kernels(&theirs));
        assert_eq!(own[0].name, "input");
        assert_eq!(own[0].summary(), "5x5 mask A");
    }
    let model = random_model(&Description::from(preset(Architecture::DiagonalBilstm, GRAY)), 1);
    let layers = of_blob(&quantize(&model, Numbers::F32).unwrap().model().unwrap());
    assert!(
        layers
            .iter()
            .any(|layer| layer.kernels.contains(&Kernel::recurrence("state_to_state", &taps::diagonal_right().taps)))
    );
    let summary = of_nodes(model.nodes())[1].summary();
    assert_eq!(summary, "input_to_state 1x1 mask B; left.state_to_state 2 open taps; right.state_to_state 2 open taps");
}

#[test]
fn layers_of_any_shape_can_be_drawn() {
    for (architecture, image) in [(Architecture::RowLstm, RGB), (Architecture::DiagonalBilstm, GRAY)] {
        for layer in of_nodes(random_model(&Description::from(preset(architecture, image)), 1).nodes()) {
            let picture = layer.picture(image.channels).unwrap();
            assert!(picture.data.chunks(3).any(|pixel| *pixel == [0, 190, 110]), "{}", layer.name);
        }
    }
    let wide = Layer {
        name: "x".repeat(40),
        kind: "masked_conv",
        kernels: vec![Kernel::convolution("", [127, 127], Mask::A, 127)],
    };
    assert!(wide.picture(3).is_ok());
}
