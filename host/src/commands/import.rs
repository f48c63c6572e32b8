//! `a2d import`: a run from a model of another toolkit.

use crate::cli::ImportArgs;
use crate::interop::import;
use crate::interop::model::Imported;
use crate::interop::trim::Texts;
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
    let mut imported = import(&args.model)?;
    if let Some([source, target]) = args.trim_vocab.as_deref() {
        trim(&mut imported, source, target)?;
    }
    imported.save(&args.out)?;
    tell(args, &imported, out).map_err(|e| Error::output("write", Path::new("the result"), &e))
}

/// Trims the vocabulary, and notes what that saves.
fn trim(imported: &mut Imported, source: &Path, target: &Path) -> Result<()> {
    let before = (imported.pieces.sizes().most(), parameters(imported));
    imported.trim(Texts { source, target })?;
    let [tokens, all] = [before.0, before.1].map(thousands);
    let now = thousands(imported.pieces.sizes().most());
    let fewer = 100.0 * (1.0 - parameters(imported) as f64 / before.1 as f64);
    imported.notes.push(format!(
        "the vocabulary is trimmed from {tokens} tokens to {now}, the model by {fewer:.0} % of {all} parameters; \
         0 tokens of the text differ"
    ));
    Ok(())
}

fn parameters(found: &Imported) -> usize {
    found.parameters.values().map(|(_, values)| values.len()).sum()
}

fn tell(args: &ImportArgs, found: &Imported, out: &mut dyn Write) -> std::io::Result<()> {
    let sizes = found.pieces.sizes();
    let parameters = parameters(found);
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
