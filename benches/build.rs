//! Prepares the model for the README's program, which is compiled and run as a doctest of this crate.

fn main() -> Result<(), pixelrnn_build::Error> {
    pixelrnn_build::model("digits", "../models/mnist-pixelcnn/model.prnn")
}
