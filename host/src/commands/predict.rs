//! `a2d predict`: texts to labels.

use super::texts::Lines;
use crate::cli::{Globals, PredictArgs};
use crate::config::Task;
use crate::system::error::Result;
use crate::texts::{Labelled, Read};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Labels the input's lines.
///
/// # Errors
///
/// A run or an input that cannot be used (misuse), an output that cannot be written, a signal.
pub fn run(args: PredictArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let mut form = |read: &Read, names: &[String], before: usize, out: &mut dyn Write| {
        let mut lines = read.rows().map(Labelled::of).zip(before + 1..);
        lines.try_for_each(|(found, number)| write(&args, &found, names, number, out))
    };
    let PredictArgs { run: model, lines, device, .. } = &args;
    Lines { model, task: Task::Classify, lines, device }.write(globals, &mut form, out)
}

/// Writes the labels of text `number`.
fn write(
    args: &PredictArgs,
    found: &Labelled,
    names: &[String],
    number: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let name = |label: u32| names.get(label as usize).map_or("", String::as_str);
    let top = found.0.iter().take(args.top.unwrap_or(1)).map(|&(label, p)| (name(label), p));
    if args.json {
        let labels: Vec<Value> =
            top.map(|(label, p)| json!({"label": label, "probability": p})).collect();
        let first = labels.first().cloned().unwrap_or_default();
        let whole = json!({
            "label": first["label"],
            "probability": first["probability"],
            "labels": labels,
        });
        return writeln!(out, "{whole}");
    }
    for (label, p) in top {
        match args.top {
            Some(_) => writeln!(out, "{number}\t{label}\t{p:.4}")?,
            None => writeln!(out, "{label}\t{p:.4}")?,
        }
    }
    Ok(())
}
