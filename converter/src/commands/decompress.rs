//! `pixelrnn decompress`.

use super::model::{self, BuiltIn};
use super::{Failure, progress};
use pixelrnn_converter::images::npy;
use pixelrnn_converter::picture::{Layout, Picture};
use pixelrnn_converter::{Error, ImageSet, compress, files};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Compressed file; `-` is standard input
    file: PathBuf,
    /// Blob that the images were compressed with (.prnn); by default the built-in one that did it
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Where the images go: `.npy` gives the levels as numbers in the shape they came in, `.png` a picture where there is one image, anything else is a
    /// folder of PNGs; `-` is standard output, as .npy
    #[arg(short, long, value_name = "IMAGES")]
    output: PathBuf,
    /// Where the labels go, where the model has classes: .npy of uint8, beyond 256 classes of uint16
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        let bytes = files::read(&self.file)?;
        let named = |e: Error| e.in_file(files::display_name(&self.file));
        let header = compress::header(&bytes).map_err(named)?;
        let blob = model::read_blob_or(self.model.as_deref(), BuiltIn::of_identity(header.identity))?;
        let model = blob.model()?;
        if self.labels.is_some() && model.classes() == 0 {
            return Err(Failure::Usage("--labels: the model has no classes".into()));
        }
        let bar = progress::bar("decompressing", header.images as usize);
        let restored = compress::decompress(model, &bytes, || bar.inc(1)).map_err(named)?;
        bar.finish_and_clear();
        write_images(&restored.set, model.image().levels, &self.output)?;
        if let (Some(path), Some(labels)) = (&self.labels, &restored.labels) {
            if model.classes() > 256 {
                npy::write(path, &[labels.len()], labels)?;
            } else {
                npy::write(path, &[labels.len()], &labels.iter().map(|label| *label as u8).collect::<Vec<_>>())?;
            }
        }
        if self.output.as_path() != Path::new("-") {
            writeln!(std::io::stdout(), "{}: {} images", files::display_name(&self.output), restored.set.count)?;
        }
        Ok(())
    }
}

fn write_images(set: &ImageSet, levels: usize, path: &Path) -> Result<(), Failure> {
    let picture = |set: &ImageSet| Picture::grid(set, levels, Layout { columns: 1, scale: 1, gutter: 0 });
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => Ok(set.write_npy(path)?),
        None if path == Path::new("-") => Ok(set.write_npy(path)?),
        Some("png") if set.count == 1 => Ok(picture(set).write_png(path)?),
        Some("png") => {
            let name = files::display_name(path);
            Err(Failure::Usage(format!("{name}: one picture for {} images; name a folder, or a file .npy", set.count)))
        }
        _ => {
            std::fs::create_dir_all(path).map_err(|source| Error::Io {
                doing: "make the folder",
                file: files::display_name(path),
                source,
            })?;
            let digits = set.count.saturating_sub(1).to_string().len();
            for (n, image) in set.iter().enumerate() {
                let one = ImageSet::new([set.channels, set.height, set.width], image.to_vec(), set.range)?;
                picture(&one).write_png(&path.join(format!("{n:0digits$}.png")))?;
            }
            Ok(())
        }
    }
}
