//! `pixelrnn decompress`.

use super::model::{self, BuiltIn};
use super::output::{Images, check_ending};
use super::sample::size;
use super::{Failure, progress};
use pixelrnn::Model;
use pixelrnn_converter::compress;
use pixelrnn_converter::images::{Label, npy};
use pixelrnn_converter::picture::{Layout, Picture};
use pixelrnn_converter::{Error, ImageSet, files, run};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Compressed file; `-` is standard input
    file: PathBuf,
    /// Blob that compressed the images (.prnn) [default: the built-in one that did]
    #[arg(short, long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Output: `.npy` for levels in their original shape, `.png` for a single image, no ending for a folder of PNGs,
    /// with their original names if known; `-` is standard output (.npy)
    #[arg(short, long, value_name = "IMAGES")]
    output: PathBuf,
    /// Output file for the labels, for a model with classes: .npy of uint8, above 256 classes uint16
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Restore only image N, counted from 0. Decodes only the images before it in its block
    #[arg(long, value_name = "N")]
    image: Option<u32>,
    /// Read the code of one image written by `compress --bare`. It has no checksum: damage and a wrong model or label
    /// go unnoticed
    #[arg(long, conflicts_with_all = ["image", "labels"])]
    bare: bool,
    /// Class of that image, for a model with classes
    #[arg(long, value_name = "K", requires = "bare")]
    label: Option<usize>,
    /// Size of that image, such as 64x128: rows and columns [default: the model's]
    #[arg(long, value_name = "HxW", requires = "bare", value_parser = size)]
    size: Option<[usize; 2]>,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        Images::of(&self.output, 1)?;
        check_ending("--labels", self.labels.as_deref(), &["npy"])?;
        let bytes = files::read(&self.file)?;
        let named = |e: Error| e.in_file(files::display_name(&self.file));
        if self.bare {
            return self.restore_bare(&bytes);
        }
        let header = compress::header(&bytes).map_err(named)?;
        let format = Images::of(&self.output, if self.image.is_some() { 1 } else { header.images })?;
        let blob = model::read_blob_or(self.model.as_deref(), BuiltIn::of_identity(header.identity))?;
        let model = blob.model()?;
        if self.labels.is_some() && model.classes() == 0 {
            return Err(Failure::Usage("--labels: the model has no classes".into()));
        }
        if let Some(number) = self.image {
            return self.restore_one(model, &bytes, number);
        }
        let bar = progress::bar("decompressing", header.images as usize);
        let restored = compress::decompress_sets(model, &bytes, || bar.inc(1)).map_err(named)?;
        bar.finish_and_clear();
        if restored.sets.len() > 1 && !matches!(format, Images::Folder) {
            return Err(named(Error::SeveralSizes).into());
        }
        let images: usize = restored.sets.iter().map(|set| set.count).sum();
        let (mut before, names) = (0, restored.names.as_deref());
        for set in &restored.sets {
            write_images(set, names, model.image().levels, &self.output, format, [before, images])?;
            before += set.count;
        }
        if let (Some(path), Some(labels)) = (&self.labels, &restored.labels) {
            write_labels(path, labels, model.classes())?;
        }
        if self.output.as_path() != Path::new("-") {
            writeln!(std::io::stdout(), "{}: {images} images", files::display_name(&self.output))?;
        }
        Ok(())
    }

    fn restore_bare(&self, bytes: &[u8]) -> Result<(), Failure> {
        let blob = model::read_blob_or(self.model.as_deref(), BuiltIn::for_labels(self.label.is_some()))?;
        let model = blob.model()?;
        let model = self.size.map_or(Ok(model), |size| run::with_size(model, size))?;
        model::check_label(self.label, model.classes())?;
        let set = compress::decompress_bare(model, bytes, self.label)
            .map_err(|e| e.in_file(files::display_name(&self.file)))?;
        write_images(&set, None, model.image().levels, &self.output, Images::of(&self.output, 1)?, [0, 1])?;
        self.report("one image, with no checksum to verify it")
    }

    fn restore_one(&self, model: Model<'_>, bytes: &[u8], number: u32) -> Result<(), Failure> {
        let bar = progress::bar("decompressing", 1);
        let one = compress::decompress_one(model, bytes, number, |done, needed| {
            bar.set_length(needed as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        let one = one.map_err(|error| match error {
            Error::NoSuchImage { .. } => Failure::Usage(format!("--image: {error}")),
            other => other.in_file(files::display_name(&self.file)).into(),
        })?;
        write_images(&one.set, None, model.image().levels, &self.output, Images::of(&self.output, 1)?, [0, 1])?;
        if let (Some(path), Some(label)) = (&self.labels, one.label) {
            write_labels(path, &[label as Label], model.classes())?;
        }
        let unchecked = if one.checked {
            ""
        } else {
            ", without verifying the checksum of its block, which covers later images too"
        };
        self.report(&format!("image {number}{unchecked}"))
    }

    /// Prints the result, unless the images go to standard output.
    fn report(&self, what: &str) -> Result<(), Failure> {
        if self.output.as_path() != Path::new("-") {
            writeln!(std::io::stdout(), "{}: {what}", files::display_name(&self.output))?;
        }
        Ok(())
    }
}

/// Writes labels as uint8, or as uint16 above 256 classes.
fn write_labels(path: &Path, labels: &[Label], classes: usize) -> Result<(), Error> {
    if classes > 256 {
        return npy::write(path, &[labels.len()], labels);
    }
    npy::write(path, &[labels.len()], &labels.iter().map(|label| *label as u8).collect::<Vec<_>>())
}

/// Writes a set of images, of which `before` come before it out of `images` in all. `names` are those of all images.
fn write_images(
    set: &ImageSet,
    names: Option<&[String]>,
    levels: usize,
    path: &Path,
    format: Images,
    [before, images]: [usize; 2],
) -> Result<(), Failure> {
    let picture = |set: &ImageSet| Picture::grid(set, levels, Layout { columns: 1, scale: 1, gutter: 0 });
    match format {
        Images::Npy => Ok(set.write_npy(path)?),
        Images::Png => Ok(picture(set).write_png(path)?),
        Images::Folder => {
            std::fs::create_dir_all(path).map_err(|source| Error::Io {
                doing: "make the folder",
                file: files::display_name(path),
                source,
            })?;
            let digits = images.saturating_sub(1).to_string().len();
            for (n, image) in (before..).zip(set.iter()) {
                let one = ImageSet::new([set.channels, set.height, set.width], image.to_vec(), set.range)?;
                let name = names.and_then(|names| names.get(n).cloned());
                let name = name.unwrap_or_else(|| format!("{n:0digits$}.png"));
                picture(&one).write_png(&path.join(name))?;
            }
            Ok(())
        }
    }
}
