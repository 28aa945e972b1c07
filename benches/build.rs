//! The model that the README's program includes: it is compiled and run as a test of this crate.

fn main() -> Result<(), pixelrnn_build::Error> {
    pixelrnn_build::model("digits", "../models/mnist-pixelcnn/model.prnn")
}
