//! `a2d report`: runs as a page.

use crate::cli::{Globals, ReportArgs};
use crate::page::PageRequest;
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, write_output};
use crate::system::signals;
use crate::system::text::is_stdin;
use std::io::Write;
use std::path::Path;

/// The most sentences of a page.
const MOST_SENTENCES: usize = 50;

/// Writes the page of the runs. Computes on the CPU.
///
/// # Errors
///
/// A folder without a run or a text that cannot be used (misuse), an output that cannot be written, a signal.
pub fn run(args: ReportArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    if args.sentences.len() > MOST_SENTENCES {
        let found = args.sentences.len();
        let text = format!("--sentences: expected at most {MOST_SENTENCES} numbers, found {found}");
        return Err(Error::misuse(text));
    }
    let to_stdout = is_stdin(&args.out);
    if !to_stdout {
        has_place(&args.out)?;
    }
    signals::install()?;
    let lines = Some(&args.sentences[..]).filter(|lines| !lines.is_empty());
    let request = PageRequest { runs: &args.runs, lines, text: args.text.as_deref() };
    let page = request.page(globals.count())?;
    if to_stdout {
        let written = out.write_all(page.as_bytes());
        return written.map_err(|e| Error::output("write", Path::new("the page"), &e));
    }
    write_output(&args.out, |out| out.write_all(page.as_bytes()))
}
