//! `pixelrnn inspect --board` and `--fits`.

use super::Failure;
use super::model::{self, AnyModel, BuiltIn};
use pixelrnn_converter::Error;
use pixelrnn_converter::boards::{BOARDS, Fit, STACK, named};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// Prints what the model takes of the board with a name, or of all boards.
pub fn print(model: Option<&Path>, name: Option<&str>, as_json: bool) -> Result<(), Failure> {
    let board = match name {
        None => None,
        Some(name) => Some(named(name).ok_or_else(|| {
            let names: Vec<_> = BOARDS.iter().map(|board| board.name).collect();
            Failure::Usage(format!("no board `{name}`, expected one of: {}", names.join(", ")))
        })?),
    };
    let blob = match model::read_or(model, BuiltIn::Digits)? {
        AnyModel::Blob(blob) => blob,
        AnyModel::Trained(_) => {
            return Err(Failure::Usage("boards run blobs: convert the trained model first".into()));
        }
    };
    let boards = board.map_or_else(|| BOARDS.to_vec(), |board| vec![board]);
    let fits: Vec<Fit> = boards.into_iter().map(|board| Fit::of(&blob, board)).collect::<Result<_, Error>>()?;
    let mut out = std::io::stdout();
    match (board, fits.as_slice()) {
        (_, all) if as_json => {
            let all: Vec<_> = all.iter().map(to_json).collect();
            let value =
                if board.is_some() { all.into_iter().next().unwrap_or_default() } else { json!({"boards": all}) };
            writeln!(out, "{value}")?;
        }
        (Some(_), [fit]) => one(fit, &mut out)?,
        (_, all) => table(all, &mut out)?,
    }
    Ok(())
}

fn to_json(fit: &Fit) -> Value {
    json!({"board": fit.board.name, "title": fit.board.title, "core": fit.board.core.name(), "fits": fit.fits(),
           "flash_bytes": fit.board.flash, "ram_bytes": fit.board.ram, "model_bytes": fit.model, "engine_bytes": fit.engine,
           "state_bytes": fit.state, "stack_bytes": STACK, "instructions_per_image": fit.instructions.map(f64::round)})
}

fn one(fit: &Fit, out: &mut impl Write) -> std::io::Result<()> {
    let board = fit.board;
    writeln!(out, "{}, {}", board.title, board.core.name())?;
    let memories = [
        ("flash", fit.flash(), board.flash, ("model", fit.model), ("engine", fit.engine)),
        ("RAM", fit.ram(), board.ram, ("state", fit.state), ("stack", STACK)),
    ];
    for (memory, taken, there, (first, bytes), (second, more)) in memories {
        writeln!(out, "{memory:<6}{taken:>9} of {there:>9} bytes: {first} {bytes}, {second} {more}")?;
    }
    match fit.instructions {
        Some(instructions) => writeln!(out, "about {:.1} million instructions an image", instructions / 1e6)?,
        None => writeln!(out, "instructions an image: not measured for this core or kind of model")?,
    }
    writeln!(out, "{}", if fit.fits() { "it fits" } else { "it does not fit" })
}

fn table(fits: &[Fit], out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{:<14}{:<32}{:<12}{:>9}{:>10}{:>9}{:>10}{:>15}  fits",
        "board", "", "core", "flash", "of", "RAM", "of", "M instructions"
    )?;
    for fit in fits {
        let board = fit.board;
        let instructions = fit.instructions.map_or_else(|| "?".into(), |count| format!("{:.1}", count / 1e6));
        writeln!(
            out,
            "{:<14}{:<32}{:<12}{:>9}{:>10}{:>9}{:>10}{instructions:>15}  {}",
            board.name,
            board.title,
            board.core.name(),
            fit.flash(),
            board.flash,
            fit.ram(),
            board.ram,
            if fit.fits() { "yes" } else { "no" }
        )?;
    }
    Ok(())
}
