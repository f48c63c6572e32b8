//! What `a2d predict` and `a2d embed` share: lines in, a text model, results out.

use crate::cli::{DeviceArgs, Globals, LineArgs};
use crate::config::Task;
use crate::run::run_dir::RunDir;
use crate::system::display::{Throughput, Total};
use crate::system::error::{Error, Result};
use crate::system::files::{Unfinished, has_place, is_special};
use crate::system::program;
use crate::system::signals;
use crate::system::text;
use crate::texts::Read;
use crate::texts::flow::Flow;
use crate::translate::image::{self, Words, is_image};
use crate::translate::lines::On;
use crate::translate::packed::Arithmetic;
use crate::translate::source::Stream;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Writes what a model makes of the next lines, after so many lines before.
pub(super) type Form<'a> =
    dyn FnMut(&Read, &[String], usize, &mut dyn Write) -> io::Result<()> + 'a;

/// As [`Form`], but takes the results as it likes, beside the progress.
pub(super) type Take<'a> = dyn FnMut(&Read, &[String], usize, &Throughput) -> Result<()> + 'a;

/// Lines to read.
pub(super) struct Lines<'a> {
    /// The folder of the run.
    pub model: &'a Path,
    /// The task that it must have.
    pub task: Task,
    /// Where lines come from, and where results go.
    pub lines: &'a LineArgs,
    /// What to read on.
    pub device: &'a DeviceArgs,
}

impl Lines<'_> {
    /// Whether the results go to a stream, line by line; otherwise to a file, which appears when it is complete.
    pub fn streams(&self) -> bool {
        text::is_stdin(&self.lines.output) || is_special(&self.lines.output)
    }

    /// Writes the results of all lines in `form`.
    ///
    /// # Errors
    ///
    /// A run or an input that cannot be used (misuse), an output that cannot be written, a signal.
    pub fn write(&self, globals: &Globals, form: &mut Form<'_>, out: &mut dyn Write) -> Result<()> {
        let output = &self.lines.output;
        let mut file = self.file()?;
        let mut take = |read: &Read, names: &[String], before: usize, progress: &Throughput| {
            let written = match &mut file {
                None => {
                    progress.aside(|| form(read, names, before, out).and_then(|()| out.flush()))
                }
                Some(file) => form(read, names, before, &mut file.file),
            };
            written.map_err(|e| Error::output("write", output, &e))
        };
        self.read(globals, &mut take)?;
        file.map_or(Ok(()), Unfinished::finish)
    }

    /// The file for the results; `None` if they go to a stream.
    fn file(&self) -> Result<Option<Unfinished>> {
        if self.streams() {
            return Ok(None);
        }
        let output = &self.lines.output;
        has_place(output)?;
        // Links are followed.
        Unfinished::begin(&output.canonicalize().unwrap_or(output.clone())).map(Some)
    }

    /// Passes what the model makes of the next lines to `take`, until there are no more.
    ///
    /// # Errors
    ///
    /// As [`Lines::write`], and those of `take`.
    pub fn read(&self, globals: &Globals, take: &mut Take<'_>) -> Result<()> {
        let Self { model, task, lines, device } = *self;
        check(model, task)?;
        let device = super::translate::device(model, device, globals)?;
        let on = device.as_ref().map_or(On::Image(Arithmetic::default()), On::Device);
        signals::install()?;
        let verb = if task == Task::Embed { "embedded" } else { "labelled" };
        let progress = Throughput::new(globals.quiet, verb, total(lines));
        let mut source = Stream::open(&lines.input, lines.on_bad_input, &progress)?;
        let mut take = |read: &Read, names: &[String], before| take(read, names, before, &progress);
        let flow = Flow { model, source: &mut source, take: &mut take, progress: &progress };
        let done = flow.run(on);
        progress.end(&done);
        source.tell();
        let [_, cut] = done?;
        if cut > 0 {
            progress.warn(&format!("{cut} texts are longer than the model reads, and were cut"));
        }
        Ok(())
    }
}

/// Checks that the run or image in `model` is for `task`.
///
/// # Errors
///
/// Misuse: it is not, or cannot be read.
pub(super) fn check(model: &Path, task: Task) -> Result<()> {
    let (kind, found) = match is_image(model) {
        true => ("an image", task_of_image(model)?),
        false => ("a run", RunDir::open(model)?.load_config()?.task),
    };
    if found == task {
        return Ok(());
    }
    let verb = match found {
        Task::Translate => "translate",
        Task::Classify => "predict",
        Task::Embed => "embed",
    };
    let (model, verb) = (model.display(), program::command(verb));
    Err(Error::misuse(format!("{model} is {kind} with `task = \"{found}\"`: use {verb}")))
}

/// The task of an image.
///
/// # Errors
///
/// Misuse: it is damaged, or cannot be read.
pub(super) fn task_of_image(path: &Path) -> Result<Task> {
    let bytes = Words::read(path)?;
    Ok(match image::model(path, bytes.bytes())?.config().task() {
        a2d_core::config::Task::Translate => Task::Translate,
        a2d_core::config::Task::Classify => Task::Classify,
        a2d_core::config::Task::Embed => Task::Embed,
    })
}

/// The lines to come, as far as they are known.
fn total(lines: &LineArgs) -> Total {
    let input = &lines.input;
    match text::is_stdin(input) {
        true if io::stdin().is_terminal() => Total::Hidden,
        false if text::is_at_hand(input) => Total::File(input.clone()),
        _ => Total::Unknown,
    }
}
