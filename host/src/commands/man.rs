//! `a2d man`: the manual, from the texts of `--help`.

use crate::cli::{self, ManArgs};
use crate::system::error::{Error, Result};
use crate::system::files::{make_folder, write_whole};
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::io::Write;
use std::path::Path;

/// Writes the main page to `out`, or all pages into a folder.
///
/// # Errors
///
/// The folder or `out` cannot be written.
pub fn run(args: &ManArgs, out: &mut dyn Write) -> Result<()> {
    let mut main = cli::command().disable_help_subcommand(true);
    main.build();
    let Some(folder) = &args.out else {
        let written = page(&main, out);
        return written.map_err(|e| Error::output("write", Path::new("the page"), &e));
    };
    make_folder(folder)?;
    let mut pages = std::iter::once(&main).chain(main.get_subcommands());
    pages.try_for_each(|command| {
        let path = folder.join(Man::new(command.clone()).get_filename());
        write_whole(&path, |out| page(command, out))
    })
}

fn page(command: &Command, out: &mut dyn Write) -> std::io::Result<()> {
    let man = Man::new(command.clone()).source(concat!("a2d ", env!("CARGO_PKG_VERSION")));
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    examples(command, out)
}

/// The text after the help, line by line as it is written.
fn examples(command: &Command, out: &mut dyn Write) -> std::io::Result<()> {
    let Some(text) = command.get_after_help() else { return Ok(()) };
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    let text = text.to_string();
    for line in text.strip_prefix("Example:\n").unwrap_or(&text).lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []).to_writer(out)
}
