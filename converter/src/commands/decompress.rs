//! `pixelrnn decompress`.

use super::model::{self, BuiltIn};
use super::output::{Images, check_ending};
use super::{Failure, progress};
use pixelrnn_converter::compress::{self, Decompressed};
use pixelrnn_converter::images::npy;
use pixelrnn_converter::picture::{Layout, Picture};
use pixelrnn_converter::{Error, ImageSet, files};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Compressed file; `-` is standard input
    file: PathBuf,
    /// Blob that the images were compressed with (.prnn); by default the built-in one that did it
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Where the images go: `.npy` gives the levels as numbers, `.png` a picture where there is one image, a name without an
    /// ending a folder of PNGs, with the names that they had in a folder; `-` is standard output, as .npy
    #[arg(short, long, value_name = "IMAGES")]
    output: PathBuf,
    /// Where the labels go, where the model has classes: .npy
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        Images::of(&self.output, 1)?;
        check_ending("--labels", self.labels.as_deref(), &["npy"])?;
        let bytes = files::read(&self.file)?;
        let named = |e: Error| e.in_file(files::display_name(&self.file));
        let header = compress::header(&bytes).map_err(named)?;
        let form = Images::of(&self.output, header.images)?;
        let blob = model::read_blob_or(self.model.as_deref(), BuiltIn::of_identity(header.identity))?;
        let model = blob.model()?;
        if self.labels.is_some() && model.classes() == 0 {
            return Err(Failure::Usage("--labels: the model has no classes".into()));
        }
        let bar = progress::bar("decompressing", header.images as usize);
        let restored = compress::decompress(model, &bytes, || bar.inc(1)).map_err(named)?;
        bar.finish_and_clear();
        write_images(&restored, model.image().levels, &self.output, form)?;
        if let (Some(path), Some(labels)) = (&self.labels, &restored.labels) {
            npy::write(path, &[labels.len()], labels)?;
        }
        if self.output.as_path() != Path::new("-") {
            writeln!(std::io::stdout(), "{}: {} images", files::display_name(&self.output), restored.set.count)?;
        }
        Ok(())
    }
}

fn write_images(restored: &Decompressed, levels: usize, path: &Path, form: Images) -> Result<(), Failure> {
    let set = &restored.set;
    let picture = |set: &ImageSet| Picture::grid(set, levels, Layout { columns: 1, scale: 1, gutter: 0 });
    match form {
        Images::Npy => Ok(set.write_npy(path)?),
        Images::Png => Ok(picture(set).write_png(path)?),
        Images::Folder => {
            std::fs::create_dir_all(path).map_err(|source| Error::Io {
                doing: "make the folder",
                file: files::display_name(path),
                source,
            })?;
            let digits = set.count.saturating_sub(1).to_string().len();
            for (n, image) in set.iter().enumerate() {
                let one = ImageSet::new([set.channels, set.height, set.width], image.to_vec(), set.range)?;
                let name = restored.names.as_ref().and_then(|names| names.get(n).cloned());
                let name = name.unwrap_or_else(|| format!("{n:0digits$}.png"));
                picture(&one).write_png(&path.join(name))?;
            }
            Ok(())
        }
    }
}
