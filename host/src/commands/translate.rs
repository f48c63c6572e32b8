//! `a2d translate`: text to text, order kept.

use super::texts;
use crate::backend::device::{Backend, Chosen, Device};
use crate::cli::{DeviceArgs, Globals, ImageArgs, TranslateArgs};
use crate::config::Task;
use crate::run::run_dir::RunDir;
use crate::system::display::{Throughput, Total};
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, is_special};
use crate::system::output;
use crate::system::program;
use crate::system::signals;
use crate::system::text;
use crate::translate::image::is_image;
use crate::translate::lengths::Lengths;
use crate::translate::lines::{Job, On};
use crate::translate::saved::Saved;
use crate::translate::sink::{Form, Printed, Sink};
use crate::translate::source::Stream;
use std::fs::OpenOptions;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;

/// Translates the input's lines.
///
/// # Errors
///
/// A run or an input that cannot be used (misuse), an output that cannot be written, a signal.
pub fn run(args: TranslateArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    args.wanted()?;
    let writes_file = !text::is_stdin(&args.output) && !is_special(&args.output);
    if args.resume && !writes_file {
        return Err(Error::misuse("--resume needs a file to go on with: name it by --output"));
    }
    check_model(&args.run, &args.device, &args.image)?;
    let device = device(&args.run, &args.device, globals)?;
    if !text::is_stdin(&args.output) {
        has_place(&args.output)?;
    }
    let asked = Asked { args: &args, globals, device: device.as_ref() };
    if writes_file { asked.to_file() } else { asked.to_stream(out) }
}

/// A translation that was asked for.
struct Asked<'a> {
    args: &'a TranslateArgs,
    globals: &'a Globals,
    /// The device of a run.
    device: Option<&'a Chosen>,
}

impl Asked<'_> {
    /// Translates to a file, which appears when it is complete.
    fn to_file(&self) -> Result<()> {
        let mut saved = Saved::new(&self.args.output, self.form(), self.args.resume);
        let progress = self.progress();
        let error = match self.translate(&progress, &mut saved) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let Some(kept) = saved.keep()? else { return Err(error) };
        match error {
            Error::Misuse(text) => Err(Error::Misuse(format!("{text}; {kept}"))),
            Error::Failed(text) => Err(Error::Failed(format!("{text}; {kept}"))),
            other => {
                if !self.globals.quiet {
                    let _ = writeln!(output::stderr(), "{kept}");
                }
                Err(other)
            }
        }
    }

    /// Translates to standard output, a device or a pipe.
    fn to_stream(&self, out: &mut dyn Write) -> Result<()> {
        let (progress, form) = (self.progress(), self.form());
        if text::is_stdin(&self.args.output) {
            let name = Path::new("the translations");
            return self.translate(&progress.clone(), &mut Printed { out, name, form, progress });
        }
        let name = &self.args.output;
        let file = OpenOptions::new().write(true).open(name);
        let mut file = BufWriter::new(file.map_err(|e| Error::output("write", name, &e))?);
        let sink = &mut Printed { out: &mut file, name, form, progress: progress.clone() };
        self.translate(&progress, sink)
    }

    fn translate(&self, progress: &Throughput, sink: &mut dyn Sink) -> Result<()> {
        let args = self.args;
        let mut source = self.source(progress)?;
        signals::install()?;
        let hint = "--split-sentences translates each sentence by itself";
        let hint = (!args.split_sentences).then_some(hint);
        let mut lengths = Lengths::new(progress, self.is_interactive(), hint);
        let done = Job {
            model: &args.run,
            on: on(self.device, &args.image),
            options: args.search.options(args.n_best.unwrap_or(1), args.max_tokens),
            split: args.split_sentences,
            source: &mut source,
            sink,
            progress,
            lengths: &mut lengths,
        }
        .run();
        if self.is_interactive() {
            // The next output starts on a line of its own, not behind the prompt.
            let _ = writeln!(output::people());
        }
        progress.end(&done);
        lengths.tell();
        source.tell();
        done
    }

    /// The input, with a prompt if a person types it: the language that a run translates from.
    fn source(&self, progress: &Throughput) -> Result<Stream> {
        let args = self.args;
        let stream = Stream::open(&args.input, args.on_bad_input, progress)?;
        if !self.is_interactive() {
            return Ok(stream);
        }
        if is_image(&args.run) {
            return Ok(stream.prompted("> ".to_owned()));
        }
        let config = RunDir::open(&args.run)?.load_config()?;
        Ok(stream.prompted(format!("{}> ", config.data.source_lang)))
    }

    /// Whether a person types the lines and reads their translations.
    fn is_interactive(&self) -> bool {
        let shown = text::is_stdin(&self.args.output) && std::io::stdout().is_terminal();
        shown && self.is_typed() && !self.globals.quiet
    }

    /// Whether a person types the lines.
    fn is_typed(&self) -> bool {
        text::is_stdin(&self.args.input) && std::io::stdin().is_terminal()
    }

    fn progress(&self) -> Throughput {
        let input = &self.args.input;
        let total = match self.is_typed() {
            true => Total::Hidden,
            false if text::is_at_hand(input) && !text::is_stdin(input) => {
                Total::File(input.clone())
            }
            false => Total::Unknown,
        };
        Throughput::new(self.globals.quiet, "translated", total)
    }

    fn form(&self) -> Form {
        if self.args.n_best.is_some() { Form::Numbered } else { Form::Best }
    }
}

/// What a model runs on: a run on `device`, an image without one.
pub(super) fn on<'a>(device: Option<&'a Chosen>, image: &ImageArgs) -> On<'a> {
    device.map_or_else(|| On::Image(image.arithmetic()), On::Device)
}

/// Whether `path` is a run or an image that translates, and can be used so.
///
/// # Errors
///
/// Misuse: it is neither, or cannot.
pub(super) fn check_model(path: &Path, device: &DeviceArgs, image: &ImageArgs) -> Result<()> {
    texts::check(path, Task::Translate)?;
    check_place(path, device, image)
}

/// Whether a run, or an image, can be computed so.
///
/// # Errors
///
/// Misuse: options of an image for a run, or a device for an image.
pub(super) fn check_place(path: &Path, device: &DeviceArgs, image: &ImageArgs) -> Result<()> {
    if !is_image(path) {
        let Some(option) = image.given() else { return Ok(()) };
        let export = program::command("export");
        return Err(Error::misuse(format!("{option} is for images that {export} wrote")));
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
