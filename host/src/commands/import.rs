//! `a2d import`: a run from a model of another toolkit.

use crate::cli::ImportArgs;
use crate::config::{RunConfig, Task};
use crate::data::vocab::Sizes;
use crate::interop::{Foreign, import};
use crate::run::run_dir::RunDir;
use crate::system::error::{Error, Result};
use crate::system::output::thousands;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Reads the model, then writes the run.
///
/// # Errors
///
/// Misuse: a model that cannot be used, or a folder that holds a run. The folder cannot be written.
pub fn run(args: &ImportArgs, out: &mut dyn Write) -> Result<()> {
    RunDir::free(&args.out)?;
    let mut imported = import(&args.model)?;
    let trimmed = args.trim_vocab.as_deref();
    let trimmed = trimmed.map(|texts| trim(&mut *imported, texts)).transpose()?;
    imported.save(&args.out)?;
    let found = Found {
        run: imported.run_config(),
        sizes: imported.vocab()?.sizes(),
        parameters: parameters(&*imported),
        notes: imported.notes().iter().cloned().chain(trimmed).collect(),
    };
    found.tell(args, out).map_err(|e| Error::output("write", Path::new("the result"), &e))
}

/// Trims the vocabulary; a sentence says what that saves.
fn trim(imported: &mut dyn Foreign, texts: &[PathBuf]) -> Result<String> {
    let before = (imported.vocab()?.sizes().source, parameters(imported));
    imported.trim(texts)?;
    let [tokens, all] = [before.0, before.1].map(thousands);
    let now = thousands(imported.vocab()?.sizes().source);
    let fewer = 100.0 * (1.0 - parameters(imported) as f64 / before.1 as f64);
    Ok(format!(
        "the vocabulary is trimmed from {tokens} tokens to {now}, the model by {fewer:.0} % of {all} parameters; \
         0 tokens of the text differ"
    ))
}

fn parameters(found: &dyn Foreign) -> usize {
    found.parameters().values().map(|(_, values)| values.len()).sum()
}

/// What was imported, for people and programs.
struct Found {
    run: RunConfig,
    sizes: Sizes,
    parameters: usize,
    notes: Vec<String>,
}

impl Found {
    fn tell(&self, args: &ImportArgs, out: &mut dyn Write) -> std::io::Result<()> {
        let Self { sizes, parameters, notes, .. } = self;
        let folder = args.out.display();
        if args.json {
            let all = json!({
                "run": folder.to_string(), "parameters": parameters,
                "vocabulary": {"source": sizes.source, "target": sizes.target},
                "notes": notes,
            });
            return writeln!(out, "{all}");
        }
        writeln!(out, "{folder}: {} parameters", thousands(*parameters))?;
        writeln!(out, "{}", self.described())?;
        notes.iter().try_for_each(|note| writeln!(out, "note: {note}"))
    }

    /// Layers, tokens and output.
    fn described(&self) -> String {
        let (model, Sizes { source, target }) = (&self.run.model, self.sizes);
        let (layers, width) = (model.encoder_layers, model.encoder_width());
        let text = |output: String| {
            let tokens = thousands(source);
            format!("{layers} layers of width {width}, a vocabulary of {tokens} tokens, {output}")
        };
        match self.run.task {
            Task::Classify => text(format!("{target} labels")),
            Task::Embed => text(format!("vectors of width {}", model.vectors())),
            Task::Translate => {
                let tokens = match source == target {
                    true => thousands(source),
                    false => format!("{} and {}", thousands(source), thousands(target)),
                };
                let layers = format!("{layers} + {} layers", model.decoder_layers);
                format!("{layers} of width {width}, a vocabulary of {tokens} tokens")
            }
        }
    }
}
