//! Progress display: a bar on a terminal, plain lines elsewhere, nothing in quiet mode.

use crate::output;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The progress display of consecutive training stages, on standard error.
#[derive(Debug)]
pub struct Display {
    form: Form,
    /// Updates between two plain lines.
    interval: u64,
    stage: Option<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bar,
    Lines,
    Quiet,
}

/// The stage on display.
#[derive(Debug)]
struct Stage {
    label: String,
    total: u64,
    bar: Option<ProgressBar>,
    /// The first update displayed and its time. A resumed stage does not start at 0.
    first: Option<(u64, Instant)>,
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
    /// A display on standard error. In line mode a line is printed every `interval` updates.
    pub fn new(quiet: bool, interval: u64) -> Self {
        Self { form: Form::of_stderr(quiet), interval: interval.max(1), stage: None }
    }

    /// Begins a stage of `total` updates; 0 means unknown.
    pub fn begin(&mut self, label: &str, total: u64) {
        self.end();
        let bar = (self.form == Form::Bar).then(|| bar(label, total));
        self.stage = Some(Stage { label: label.to_owned(), total, bar, first: None });
    }

    /// Displays an update: its number, the terms of its loss, the learning rate, the speed.
    pub fn step(&mut self, update: u64, terms: &[(&str, f64)], lr: f64, tokens_per_second: f64) {
        let Some(stage) = &mut self.stage else { return };
        let (first, since) = *stage.first.get_or_insert_with(|| (update, Instant::now()));
        let message = message(terms, lr, tokens_per_second);
        if let Some(bar) = &stage.bar {
            bar.set_position(update);
            bar.set_message(message);
            if first == update {
                bar.reset_eta();
            }
        } else if self.form == Form::Lines && update.is_multiple_of(self.interval) {
            let eta = eta(update - first, stage.total.saturating_sub(update), since.elapsed());
            plain(&format!("{}  {message}{eta}", stage.position(update)));
        }
    }

    /// Prints a line of text above the bar.
    pub fn line(&self, text: &str) {
        match (self.form, self.stage.as_ref().and_then(|stage| stage.bar.as_ref())) {
            (Form::Quiet, _) => {}
            (_, Some(bar)) => bar.suspend(|| plain(text)),
            (_, None) => plain(text),
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

impl Stage {
    fn position(&self, update: u64) -> String {
        match self.total {
            0 => format!("{} {update}", self.label),
            total => format!("{} {update}/{total}", self.label),
        }
    }
}

fn bar(label: &str, total: u64) -> ProgressBar {
    let (bar, template) = match total {
        0 => (ProgressBar::new_spinner(), "{prefix} {spinner} {pos} {wide_msg} {elapsed}"),
        _ => (ProgressBar::new(total), "{prefix} {bar:12} {pos}/{len} {wide_msg} eta {eta}"),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(label.to_owned())
}

fn spinner(label: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {spinner} {elapsed}");
    ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        .with_prefix(label.to_owned())
}

fn message(terms: &[(&str, f64)], lr: f64, tokens_per_second: f64) -> String {
    let mut text = String::new();
    for (name, value) in terms {
        text += &format!("{name} {value:.3}  ");
    }
    text + &format!("{tokens_per_second:.0} tokens/s  lr {lr:.2e}")
}

/// The estimated time left, from the speed since the first update displayed.
fn eta(done: u64, left: u64, elapsed: Duration) -> String {
    if done == 0 || left == 0 {
        return String::new();
    }
    let seconds = elapsed.as_secs_f64() * left as f64 / done as f64;
    format!("  eta {}", duration(seconds as u64))
}

/// Formats seconds: `47s`, `3m07s`, `2h15m`.
pub fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

/// Writes a line to standard error. Write errors are ignored.
fn plain(text: &str) {
    let _ = writeln!(output::stderr(), "{text}");
}
