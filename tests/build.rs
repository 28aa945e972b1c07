//! The model that the programs of the documents include: `book` compiles and runs them.

fn main() -> Result<(), pixelrnn_build::Error> {
    pixelrnn_build::model("digits", "../models/mnist-pixelcnn/model.prnn")
}
