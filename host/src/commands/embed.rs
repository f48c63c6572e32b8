//! `a2d embed`: texts to vectors.

use super::texts::Lines;
use crate::cli::{EmbedArgs, Globals, VectorForm};
use crate::config::Task;
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, write_output};
use crate::texts::Read;
use serde_json::json;
use std::io::{self, Write};

/// Writes a vector for each of the input's lines.
///
/// # Errors
///
/// A run or an input that cannot be used (misuse), an output that cannot be written, a signal.
pub fn run(args: EmbedArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let EmbedArgs { run: model, lines, device, .. } = &args;
    let texts = Lines { model, task: Task::Embed, lines, device };
    match args.format {
        VectorForm::Json => {
            let mut form = |read: &Read, _: &[String], _: usize, out: &mut dyn Write| {
                read.rows().try_for_each(|row| writeln!(out, "{}", json!(row)))
            };
            texts.write(globals, &mut form, out)
        }
        VectorForm::Npy => array(&texts, globals, out),
    }
}

/// Writes all vectors as one array, whose size is known at the end.
fn array(texts: &Lines<'_>, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let (mut all, mut width) = (Vec::new(), 0);
    if !texts.streams() {
        has_place(&texts.lines.output)?;
    }
    texts.read(globals, &mut |read, _, _, _| {
        width = read.width;
        all.extend_from_slice(&read.values);
        Ok(())
    })?;
    let output = &texts.lines.output;
    if !texts.streams() {
        return write_output(output, |out| npy(&all, width, out));
    }
    npy(&all, width, out).map_err(|e| Error::output("write", output, &e))
}

/// NumPy's format, version 1.0: `[rows, width]` of little-endian f32.
fn npy(values: &[f32], width: usize, out: &mut dyn Write) -> io::Result<()> {
    let rows = values.len() / width.max(1);
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
    // The data begins at a multiple of 64 bytes.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header.push_str(&" ".repeat(length - 1 - header.len()));
    header.push('\n');
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(length as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    values.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))
}
