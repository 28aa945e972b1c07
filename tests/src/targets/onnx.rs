//! ONNX graphs. Accepted input can be written and read back as a trained model; all else is an error.

use pixelrnn_converter::TrainedModel;
use pixelrnn_converter::import::onnx::{self, InputRange, LogitOrder, Options};

pub fn run(bytes: &[u8]) {
    let given = Options {
        image: Some([5, 4]),
        levels: None,
        input: Some(InputRange::Levels),
        logits: Some(LogitOrder::LevelMajor),
    };
    for options in [Options::default(), given] {
        let Ok(imported) = onnx::from_bytes(bytes, None, &options) else { continue };
        let file = imported.model.to_bytes().expect("what was read can be written");
        assert_eq!(TrainedModel::from_bytes(&file).expect("what was just written"), imported.model);
    }
}
