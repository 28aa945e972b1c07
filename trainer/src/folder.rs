//! Output folder of a run: file names, and protection of earlier runs.

use crate::checkpoint;
use crate::error::Error;
use std::path::Path;

pub(crate) const CHECKPOINT: &str = "checkpoint.safetensors";
pub(crate) const METRICS: &str = "metrics.jsonl";
pub(crate) const PLOT: &str = "metrics.png";
pub(crate) const SAMPLES: &str = "samples";
/// Model of the best epoch.
pub const MODEL: &str = "model.safetensors";

/// Treatment of an earlier run in the folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Keep it and fail.
    #[default]
    Keep,
    /// Resume from its checkpoint, or start a new run in an empty folder.
    Resume,
    /// Delete it and start again.
    Overwrite,
}

/// File name of the samples after an epoch.
pub(crate) fn sample_name(epoch: u64) -> String {
    format!("epoch-{epoch:04}.png")
}

/// Checks that `existing` permits training into `folder`, without side effects.
///
/// # Errors
/// Returns a usage error if an earlier run would be lost: any run if it must be kept, or a run without a checkpoint if
/// it should resume.
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

/// Describes the run in the folder, if there is anything worth keeping. A checkpoint before the first epoch is not.
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
    // An empty metrics file means that no epoch was completed.
    let there = |name: &&&str| std::fs::metadata(folder.join(name)).is_ok_and(|file| file.len() > 0);
    [MODEL, METRICS].iter().find(there).map(ToString::to_string)
}

/// Deletes only the files of a run from `folder`. The checkpoint is deleted first, so that it never remains beside
/// files of another run.
///
/// # Errors
/// Fails if a file cannot be deleted.
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

/// True for names produced by [`sample_name`].
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
