//! The folder of a run: the names of its files, and what a run may do to those of an earlier one.

use crate::checkpoint;
use crate::error::Error;
use std::path::Path;

pub(crate) const CHECKPOINT: &str = "checkpoint.safetensors";
pub(crate) const METRICS: &str = "metrics.jsonl";
pub(crate) const PLOT: &str = "metrics.png";
pub(crate) const SAMPLES: &str = "samples";
/// The model of the best epoch.
pub const MODEL: &str = "model.safetensors";

/// What to do with a run that the folder holds already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Leave it as it is, and do nothing: an error.
    #[default]
    Keep,
    /// Go on from its checkpoint; a folder without any run gets a new one.
    Resume,
    /// Delete it, and begin anew.
    Overwrite,
}

/// The file of images that are drawn after an epoch.
pub(crate) fn sample_name(epoch: u64) -> String {
    format!("epoch-{epoch:04}.png")
}

/// Checks that `existing` allows to train into `folder`, without a change to anything.
///
/// # Errors
/// A usage error when the folder holds a run that would be lost: any, where it is to be kept, and one without a checkpoint where a run
/// is to go on.
pub(crate) fn check(folder: &Path, existing: Existing) -> Result<(), Error> {
    let ways = "replace it with --overwrite, or name another folder with --output";
    let name = folder.display();
    match (existing, held(folder)) {
        (Existing::Overwrite, _) | (_, None) => Ok(()),
        (Existing::Keep, Some(held)) => {
            Err(Error::usage(format!("{name} holds {held} already: go on with it with --resume, {ways}")))
        }
        (Existing::Resume, Some(_)) if folder.join(CHECKPOINT).exists() => Ok(()),
        (Existing::Resume, Some(held)) => {
            Err(Error::usage(format!("{name} holds {held} but no {CHECKPOINT} to go on from: {ways}")))
        }
    }
}

/// Says what of a run is in the folder and would be missed: a checkpoint from before the first epoch would not.
fn held(folder: &Path) -> Option<String> {
    let checkpoint = folder.join(CHECKPOINT);
    if checkpoint.exists() {
        match checkpoint::progress(&checkpoint) {
            Ok(progress) if progress.epochs > 0 => {
                let best = progress.best.map(|nats| format!(" (best validation likelihood {nats:.3} nats)"));
                let plural = if progress.epochs == 1 { "" } else { "s" };
                return Some(format!("a run of {} epoch{plural}{}", progress.epochs, best.unwrap_or_default()));
            }
            Ok(_) => {}
            Err(_) => return Some(CHECKPOINT.to_string()),
        }
    }
    // An empty list of epochs is one of none.
    let there = |name: &&&str| std::fs::metadata(folder.join(name)).is_ok_and(|file| file.len() > 0);
    [MODEL, METRICS].iter().find(there).map(ToString::to_string)
}

/// Deletes the files of a run from `folder`, and no others. The checkpoint goes first, so that none ever stands beside files that
/// are not its own.
///
/// # Errors
/// When a file is there and cannot be deleted.
pub(crate) fn clear(folder: &Path) -> Result<(), Error> {
    let samples = folder.join(SAMPLES);
    let drawn = std::fs::read_dir(&samples).into_iter().flatten().flatten().map(|entry| entry.path());
    let drawn = drawn.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_sample));
    let files = [CHECKPOINT, MODEL, METRICS, PLOT].map(|name| folder.join(name));
    for path in files.into_iter().chain(drawn) {
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::other(format!("cannot delete {}: {e}", path.display())));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a file of this name is one that [`sample_name`] names.
fn is_sample(name: &str) -> bool {
    let number = name.strip_prefix("epoch-").and_then(|rest| rest.strip_suffix(".png"));
    number.and_then(|number| number.parse().ok()).is_some_and(|epoch| sample_name(epoch) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(SAMPLES)).unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "something").unwrap();
        }
        folder
    }

    #[test]
    fn any_file_of_a_run_is_kept_and_other_files_are_not_asked_about() {
        for file in [MODEL, METRICS, CHECKPOINT] {
            let folder = folder(&[file]);
            let error = check(folder.path(), Existing::Keep).unwrap_err();
            assert!(error.exit_status() == 2 && error.to_string().contains(file), "{error}");
            assert!(check(folder.path(), Existing::Overwrite).is_ok());
            assert_eq!(check(folder.path(), Existing::Resume).is_ok(), file == CHECKPOINT);
        }
        let other = folder(&["notes.txt", "recipe.toml"]);
        std::fs::write(other.path().join(METRICS), "").unwrap();
        for existing in [Existing::Keep, Existing::Resume, Existing::Overwrite] {
            assert!(check(other.path(), existing).is_ok());
            assert!(check(&other.path().join("none"), existing).is_ok());
        }
    }

    #[test]
    fn only_the_files_of_a_run_are_deleted() {
        let own = [MODEL, METRICS, PLOT, CHECKPOINT, "samples/epoch-0001.png", "samples/epoch-10000.png"];
        let others = ["recipe.toml", "samples/epoch-1.png", "samples/epoch-last.png", "samples/mine.png"];
        let folder = folder(&[&own[..], &others].concat());
        clear(folder.path()).unwrap();
        assert!(own.iter().all(|file| !folder.path().join(file).exists()));
        assert!(others.iter().all(|file| folder.path().join(file).exists()));
        clear(&folder.path().join("none")).unwrap();
    }
}
