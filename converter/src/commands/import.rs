//! `pixelrnn import`.

use super::Failure;
use super::describe::{Describe, Graph};
use super::model::{report_closed_weights, report_notes};
use super::output;
use pixelrnn_converter::import::{self, Imported, Listing, Options};
use pixelrnn_converter::{Error, files};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Turn a checkpoint or an ONNX graph into a trained model
///
/// The trained model is a .safetensors file. A checkpoint (.pt, .pth, .ckpt, .npz) holds tensors alone and needs a description
/// of the network, whose names are those of the tensors. Without one, the tensors are listed, with a description that their
/// names and shapes suggest. Nothing in a pickle is executed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoint (.pt, .pth, .ckpt), archive of arrays (.npz), ONNX graph (.onnx) or .safetensors
    file: PathBuf,
    #[command(flatten)]
    describe: Describe,
    #[command(flatten)]
    graph: Graph,
    /// Output file; `-` is standard output [default: the file's name with .safetensors]. Without --describe, a name that ends
    /// in .json receives the description that is suggested
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub fn run(self) -> Result<(), Failure> {
        let bytes = files::read(&self.file)?;
        if self.describe.describe.is_none() && import::is_tensors_alone(&bytes, &self.file) {
            return self.list(bytes);
        }
        output::check_ending("--output", self.output.as_deref(), &["safetensors"])?;
        let options = Options { onnx: self.graph.options(), ..self.describe.options()? };
        let named = |e: Error| e.in_file(files::display_name(&self.file));
        let imported = import::from_bytes(bytes, Some(&self.file), options).map_err(named)?;
        let output = self.output.clone().unwrap_or_else(|| self.file.with_extension("safetensors"));
        if same_file(&output, &self.file) {
            let name = files::display_name(&output);
            return Err(Failure::Usage(format!("--output: {name} is the file itself: give another name")));
        }
        imported.model.write(&output)?;
        report_closed_weights(&imported.model, Some(&self.file));
        self.report(&imported, &output)
    }

    fn report(&self, imported: &Imported, output: &Path) -> Result<(), Failure> {
        let Imported { model, notes } = imported;
        let tensors = model.all_tensors();
        let parameters: usize = tensors.iter().map(|(_, tensor)| tensor.data.len()).sum();
        let standard = output.as_os_str() == files::STANDARD;
        if self.json && !standard {
            let name = files::display_name(output);
            let all = json!({"kind": "import", "output": name, "tensors": tensors.len(), "parameters": parameters, "notes": notes});
            writeln!(std::io::stdout(), "{all}")?;
            return Ok(());
        }
        report_notes(notes, &self.file);
        if !standard {
            let name = files::display_name(output);
            writeln!(std::io::stdout(), "{name}: {} tensors, {parameters} parameters", tensors.len())?;
        }
        Ok(())
    }

    /// Lists the tensors, and prints or writes the description that they suggest.
    fn list(&self, bytes: Vec<u8>) -> Result<(), Failure> {
        output::check_ending("--output", self.output.as_deref(), &["json"]).map_err(|_| {
            let name = files::display_name(&self.file);
            Failure::Usage(format!(
                "{name} holds tensors alone: give a description with --describe, or let `-o network.json` receive one to edit"
            ))
        })?;
        let part = &self.describe.part;
        let listing = Listing::from_bytes(bytes, Some(&self.file), part.key.as_deref(), &part.drop)
            .map_err(|e| e.in_file(files::display_name(&self.file)))?;
        let mut out = std::io::stdout();
        if self.json {
            writeln!(out, "{}", to_json(&listing))?;
        } else {
            print(&listing, &files::display_name(&self.file), self.output.as_deref(), &mut out)?;
        }
        let Some(path) = &self.output else { return Ok(()) };
        let Some(suggestion) = &listing.suggestion else {
            let name = files::display_name(&self.file);
            return Err(Failure::Usage(format!(
                "--output: the tensors of {name} suggest no description: nothing was written"
            )));
        };
        files::write_output(path, |out| writeln!(out, "{}", suggestion.json))?;
        Ok(())
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn to_json(listing: &Listing) -> Value {
    let tensors: Vec<Value> =
        listing.tensors.iter().map(|t| json!({"name": t.name, "shape": t.shape, "type": t.dtype})).collect();
    let suggestion = listing.suggestion.as_ref().map(|s| {
        let description: Value = serde_json::from_str(&s.json).unwrap_or(Value::Null);
        json!({"description": description, "key": s.key, "fits": s.fits, "guesses": s.guesses})
    });
    json!({"kind": "tensors", "file": listing.is, "tensors": tensors, "suggestion": suggestion})
}

fn print(listing: &Listing, name: &str, output: Option<&Path>, out: &mut impl Write) -> std::io::Result<()> {
    let shapes: Vec<String> = listing.tensors.iter().map(|tensor| format!("{:?}", tensor.shape)).collect();
    let names = listing.tensors.iter().map(|tensor| tensor.name.chars().count()).max().unwrap_or(0).max(4);
    let width = shapes.iter().map(String::len).max().unwrap_or(0).max(5);
    writeln!(out, "{name}: {}, {} tensors", listing.is, listing.tensors.len())?;
    writeln!(out, "{:names$}  {:<width$}  type", "name", "shape")?;
    for (tensor, shape) in listing.tensors.iter().zip(&shapes) {
        writeln!(out, "{:names$}  {shape:<width$}  {}", tensor.name, tensor.dtype)?;
    }
    let Some(suggestion) = &listing.suggestion else {
        writeln!(out, "\nNames and shapes suggest no network: write its description (docs/import.md).")?;
        return Ok(());
    };
    let what = if suggestion.fits { "A description that fits names and shapes" } else { "A draft of a description" };
    writeln!(out, "\n{what}; the tensors do not tell:")?;
    for guess in &suggestion.guesses {
        writeln!(out, "- {guess}")?;
    }
    if output.is_none() {
        writeln!(out, "\n{}", suggestion.json)?;
    }
    let key = suggestion.key.as_ref().map_or(String::new(), |key| format!(" --key {key}"));
    let description = output.map_or_else(|| "network.json".to_string(), files::display_name);
    writeln!(out, "\nEdit it, then: pixelrnn import {name} --describe {description}{key}")
}
