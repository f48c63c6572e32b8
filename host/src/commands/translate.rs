//! `a2d translate`: text to text, order kept.

use crate::backend::device::{Backend, Chosen, Device};
use crate::cli::{DeviceArgs, Globals, TranslateArgs};
use crate::run::partial::Partial;
use crate::run::run_dir::RunDir;
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, write_output};
use crate::system::program;
use crate::system::signals;
use crate::system::text;
use crate::translate::Translation;
use crate::translate::image::is_image;
use crate::translate::lines::SourceLines;
use std::io::Write;
use std::path::Path;

/// Translates the input's lines.
///
/// # Errors
///
/// A run or an input that cannot be used (misuse), an output that cannot be written, a signal.
pub fn run(args: TranslateArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    let n_best = args.wanted()?;
    if args.resume && text::is_stdin(&args.output) {
        return Err(Error::misuse("--resume needs a file to go on with: name it by --output"));
    }
    check_model(&args.run, &args.device, args.int8_cache)?;
    if args.resume && is_image(&args.run) {
        let path = args.run.display();
        return Err(Error::misuse(format!("{path} is an image: --resume goes on with runs only")));
    }
    let device = device(&args.run, &args.device, globals)?;
    if !text::is_stdin(&args.output) {
        has_place(&args.output)?;
    }
    let lines = text::read_lines(&args.input)?;
    signals::install()?;
    let work = SourceLines {
        model: &args.run,
        lines: &lines,
        options: args.search.options(n_best, args.max_tokens),
        split: args.split_sentences,
    };
    let found = match device {
        None => work.by_image(args.int8_cache)?,
        Some(device) if args.resume => work.resume(&device, &args.output, globals.quiet)?,
        Some(device) => work.by_run(&device)?,
    };
    if !globals.quiet {
        let hint = "--split-sentences translates each sentence by itself";
        found.note_lengths((!args.split_sentences).then_some(hint));
    }
    let numbered = args.n_best.is_some();
    if text::is_stdin(&args.output) {
        return write(&found.translated.lines, numbered, out)
            .map_err(|e| Error::output("write", Path::new("the translations"), &e));
    }
    write_output(&args.output, |out| write(&found.translated.lines, numbered, out))?;
    found.partial.map_or(Ok(()), Partial::remove)
}

/// Whether `path` is a run or an image that can be used so.
///
/// # Errors
///
/// Misuse: it is neither, or cannot.
pub(super) fn check_model(path: &Path, device: &DeviceArgs, int8_cache: bool) -> Result<()> {
    if !is_image(path) {
        if int8_cache {
            let export = program::command("export");
            return Err(Error::misuse(format!("--int8-cache is for images that {export} wrote")));
        }
        return RunDir::open(path).map(drop);
    }
    let other = device.device.is_some_and(|device| device != Device::Cpu);
    if device.backend == Backend::Gpu || other {
        let path = path.display();
        return Err(Error::misuse(format!("{path} is an image: it runs on the CPU only")));
    }
    Ok(())
}

/// The device that a run translates on. An image needs none: it runs on the CPU as on a board.
///
/// # Errors
///
/// Misuse: the arguments contradict each other, or there is no such device.
pub(super) fn device(model: &Path, args: &DeviceArgs, globals: &Globals) -> Result<Option<Chosen>> {
    if is_image(model) { Ok(None) } else { args.choose(globals).map(Some) }
}

fn write(lines: &[Vec<Translation>], numbered: bool, out: &mut dyn Write) -> std::io::Result<()> {
    for (i, line) in lines.iter().enumerate() {
        for translation in line {
            if numbered {
                writeln!(out, "{}\t{:.4}\t{}", i + 1, translation.score, translation.text)?;
            } else {
                writeln!(out, "{}", translation.text)?;
            }
        }
    }
    Ok(())
}
