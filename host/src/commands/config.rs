//! `a2d config`: the reference of all keys, or the values of one configuration.

use crate::cli::ConfigArgs;
use crate::config::reference;
use crate::run::proposal::{self, Known};
use crate::system::error::{Error, Result};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Prints the reference of all keys, of one key, or the merged values of a configuration.
///
/// # Errors
///
/// Misuse: an unknown key, an invalid configuration. `out` cannot be written.
pub fn run(args: ConfigArgs, out: &mut dyn Write) -> Result<()> {
    let text = match (&args.explain, &args.config) {
        (Some(path), _) => explained(path, args.json)?,
        (None, Some(file)) => merged(file, &args)?,
        (None, None) if args.json => format!("{}\n", json!(reference::keys())),
        (None, None) if args.markdown => reference::markdown(),
        (None, None) => reference::commented(),
    };
    let written = out.write_all(text.as_bytes());
    written.map_err(|e| Error::output("write", Path::new("the configuration"), &e))
}

fn explained(path: &str, json: bool) -> Result<String> {
    let explained = reference::explain(path)?;
    Ok(if json { format!("{}\n", explained.json()) } else { explained.to_string() })
}

fn merged(file: &Path, args: &ConfigArgs) -> Result<String> {
    let known = Known { quiet: true, ..Known::default() };
    let merged = proposal::load(file, &args.settings()?, known)?.merged;
    if args.json { Ok(format!("{}\n", merged.json())) } else { Ok(merged.to_toml()) }
}
