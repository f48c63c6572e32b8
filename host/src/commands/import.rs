//! `a2d import`: a run from a model of another toolkit.

use crate::cli::ImportArgs;
use crate::interop::import;
use crate::interop::model::Imported;
use crate::run::run_dir::RunDir;
use crate::system::error::{Error, Result};
use crate::system::output::thousands;
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Reads the model, then writes the run.
///
/// # Errors
///
/// Misuse: a model that cannot be used, or a folder that holds a run. The folder cannot be written.
pub fn run(args: &ImportArgs, out: &mut dyn Write) -> Result<()> {
    RunDir::free(&args.out)?;
    let imported = import(&args.model)?;
    imported.save(&args.out)?;
    tell(args, &imported, out).map_err(|e| Error::output("write", Path::new("the result"), &e))
}

fn tell(args: &ImportArgs, found: &Imported, out: &mut dyn Write) -> std::io::Result<()> {
    let sizes = found.pieces.sizes();
    let parameters: usize = found.parameters.values().map(|(_, values)| values.len()).sum();
    if args.json {
        let all = json!({
            "run": args.out.display().to_string(), "parameters": parameters,
            "vocabulary": {"source": sizes.source, "target": sizes.target},
            "notes": found.notes,
        });
        return writeln!(out, "{all}");
    }
    let model = &found.model;
    let (parameters, width) = (thousands(parameters), model.encoder_width());
    let layers = format!("{} + {} layers", model.encoder_layers, model.decoder_layers);
    let tokens = match sizes.source == sizes.target {
        true => thousands(sizes.source),
        false => format!("{} and {}", thousands(sizes.source), thousands(sizes.target)),
    };
    writeln!(out, "{}: {parameters} parameters", args.out.display())?;
    writeln!(out, "{layers} of width {width}, a vocabulary of {tokens} tokens")?;
    found.notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
}
