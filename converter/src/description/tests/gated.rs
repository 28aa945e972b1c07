//! The preset `gated_pixel_cnn`.

use super::*;
use pixelrnn::network::Class;

#[test]
fn a_gated_preset_has_its_values_and_tensors() {
    let json = PRESET.replace("diagonal_bilstm", "gated_pixel_cnn").replace("\"layers\": 7", "\"layers\": 2");
    let description = Description::from_json(&json).unwrap();
    let list = description.nodes().unwrap();
    let classes: Vec<_> = list.iter().map(|node| (node.op.kind(), node.class)).collect();
    let (above, past) = (Class::Above, Class::Past);
    let block = |last: bool, residual: bool| {
        let all = [
            ("conv", above, true),
            ("masked_conv", past, true),
            ("gate", above, !last),
            ("conv", above, true),
            ("add", past, true),
            ("gate", past, true),
            ("masked_conv", past, true),
            ("add", past, residual),
        ];
        all.into_iter().filter(|(_, _, present)| *present).map(|(kind, class, _)| (kind, class)).collect::<Vec<_>>()
    };
    let head = ["relu", "masked_conv", "relu", "masked_conv"].map(|kind| (kind, past)).to_vec();
    // The block's vertical convolution has its own row, of a value that knows rows above.
    assert_eq!(classes, [block(false, false), block(false, true), block(true, true), head].concat());

    let with = |rest: &str| json.replace("\"classes\": 0", rest);
    let names = |json: &str| {
        let description = Description::from_json(json).unwrap();
        let mut names = Vec::new();
        for node in description.nodes().unwrap() {
            node.tensors(description.classes, |tensor| {
                assert!(tensor.required);
                names.push((tensor.name.to_string(), tensor.shape.to_vec()));
            });
        }
        names
    };
    let plain = names(&json);
    let tensor = |name: &str| plain.iter().find(|(n, _)| n == name).map(|(_, shape)| shape.clone());
    assert_eq!(tensor("input.vertical.weight"), Some(vec![32, 1, 3, 7]));
    assert_eq!(tensor("input.horizontal.weight"), Some(vec![32, 1, 1, 7]));
    assert_eq!(tensor("input.link.weight"), Some(vec![32, 32, 1, 1]));
    assert_eq!(tensor("input.out.weight"), Some(vec![16, 16, 1, 1]));
    assert_eq!(tensor("blocks.1.vertical.weight"), Some(vec![32, 16, 2, 3]));
    assert_eq!(tensor("blocks.1.horizontal.weight"), Some(vec![32, 16, 1, 3]));
    assert_eq!(tensor("head.0.weight"), Some(vec![32, 16, 1, 1]));
    assert_eq!(plain.len(), 3 * 8 + 4);
    let conditional = names(&with("\"classes\": 4"));
    assert_eq!(conditional.iter().filter(|(_, shape)| *shape == [32, 4]).count(), 6);
    assert!(conditional.iter().any(|(name, _)| name == "blocks.0.horizontal.class.weight"));
    let skip = names(&json.replace("\"skip\": false", "\"skip\": true"));
    assert!(skip.contains(&("blocks.0.skip.weight".into(), vec![16, 16, 1, 1])));
}

#[test]
fn a_gated_preset_has_odd_kernels_and_no_state() {
    let json = PRESET.replace("diagonal_bilstm", "gated_pixel_cnn");
    let with = |from: &str, to: &str| json.replace(from, to);
    refused(&with("\"input_kernel\": 7", "\"input_kernel\": 1"), &["`input_kernel` is 1", "odd, 3 to 127"]);
    refused(&with("\"input_kernel\": 7", "\"input_kernel\": 4"), &["`input_kernel` is 4"]);
    refused(&with("\"kernel\": 3", "\"kernel\": 2"), &["`kernel` is 2", "odd"]);
    refused(&with("\"depth_gate\": false", "\"depth_gate\": true"), &["`depth_gate` does not apply"]);
    refused(&with("\"skip\": false", "\"skip\": false, \"initial_state\": true"), &["`initial_state` needs an LSTM"]);
    assert!(Description::from_json(&with("\"kernel\": 3", "\"kernel\": 1")).is_ok());
    assert!(Description::from_json(&with("\"layers\": 7", "\"layers\": 0")).is_ok());
    // In colour, with an odd number of features in each half.
    let rgb = with("\"channels\": 1", "\"channels\": 3");
    assert!(Description::from_json(&rgb.replace("\"hidden\": 16", "\"hidden\": 5")).is_ok());
    refused(&rgb.replace("cyclic", "contiguous"), &["32 features do not divide into contiguous colour groups"]);
    for groups in ["contiguous", "none"] {
        assert!(
            Description::from_json(
                &rgb.replace("\"hidden\": 16, ", "\"hidden\": 15, ")
                    .replace("\"head\": 32", "\"head\": 30")
                    .replace("cyclic", groups)
            )
            .is_ok()
        );
    }
}
