//! Progress display: a bar on a terminal, plain lines elsewhere, nothing in quiet mode.

mod count;
mod layout;
mod lines;
mod pace;
mod stage;
mod terminal;
mod throughput;
mod time;

pub use count::Count;
pub use stage::{End, Step};
pub(crate) use terminal::clear;
pub use throughput::{Throughput, Total};
pub use time::duration;

use crate::output;
use indicatif::{ProgressBar, ProgressStyle};
use stage::Stage;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};
use terminal::width;

/// The progress display of consecutive training stages, on standard error.
#[derive(Debug)]
pub struct Display {
    form: Form,
    since: Instant,
    stage: Option<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bar,
    Lines,
    Quiet,
}

impl Form {
    fn of_stderr(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bar,
            (false, false) => Self::Lines,
        }
    }
}

impl Display {
    /// A display on standard error. Plain lines carry the time since this call.
    pub fn new(quiet: bool) -> Self {
        Self { form: Form::of_stderr(quiet), since: Instant::now(), stage: None }
    }

    /// Begins a stage. In line mode a line is printed every `interval` updates.
    pub fn begin(&mut self, label: &str, interval: u64) {
        self.end();
        let bar = (self.form == Form::Bar).then(line_bar);
        self.stage = Some(Stage::new(label, interval, bar));
    }

    /// Sets what is known of the stage's end.
    pub fn expect(&mut self, end: End) {
        self.stage.iter_mut().for_each(|stage| stage.end = end);
    }

    /// Displays an update.
    pub fn step(&mut self, step: &Step<'_>) {
        let Some(stage) = &mut self.stage else { return };
        let line = stage.line(step);
        if let Some(bar) = &stage.bar {
            bar.set_message(line.fitted(width()));
        } else if step.update.is_multiple_of(stage.interval) {
            self.line(&line.whole());
        }
    }

    /// Prints a line of text: above the bar, or with the elapsed time.
    pub fn line(&self, text: &str) {
        match (self.form, self.stage.as_ref().and_then(|stage| stage.bar.as_ref())) {
            (Form::Quiet, _) => {}
            (Form::Lines, _) => {
                plain(&format!("[{}] {text}", time::clock(self.since.elapsed().as_secs())));
            }
            (Form::Bar, Some(bar)) => bar.suspend(|| plain(text)),
            (Form::Bar, None) => plain(text),
        }
    }

    /// Ends the stage: clears the bar, keeps the lines.
    pub fn end(&mut self) {
        if let Some(bar) = self.stage.take().and_then(|stage| stage.bar) {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Display {
    /// Clears the bar, so that an error message starts on a clean line.
    fn drop(&mut self) {
        self.end();
    }
}

/// Progress of work of unknown length: the elapsed time, on standard error.
#[derive(Debug)]
pub struct Wait {
    form: Form,
    label: String,
    since: Instant,
    bar: Option<ProgressBar>,
    /// Elapsed time at which the next plain line is printed. It doubles with every line.
    next: Duration,
}

impl Wait {
    /// Starts the clock. Nothing is displayed before the first [`Wait::tick`].
    pub fn new(quiet: bool, label: String) -> Self {
        let (form, since) = (Form::of_stderr(quiet), Instant::now());
        Self { form, label, since, bar: None, next: Duration::from_secs(2) }
    }

    /// Updates the display. Call it regularly.
    pub fn tick(&mut self) {
        let elapsed = self.since.elapsed();
        if self.form == Form::Bar {
            self.bar.get_or_insert_with(|| spinner(&self.label)).tick();
        } else if self.form == Form::Lines && elapsed >= self.next {
            plain(&format!("{}: {} so far", self.label, duration(elapsed.as_secs())));
            self.next = 2 * elapsed;
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// A bar whose message is the whole line.
fn line_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg}");
    new_bar().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn new_bar() -> ProgressBar {
    ProgressBar::with_draw_target(None, terminal::target())
}

fn spinner(label: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {spinner} {elapsed}");
    new_bar()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        .with_prefix(label.to_owned())
}

/// Writes a line to standard error. Write errors are ignored.
fn plain(text: &str) {
    let _ = writeln!(output::stderr(), "{text}");
}
