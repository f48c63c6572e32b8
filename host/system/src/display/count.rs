//! Progress of a known number of lines: a bar on a terminal, plain lines elsewhere.

use super::layout::Line;
use super::lines::Lines;
use super::pace::Pace;
use super::{Display, Form, line_bar, width};
use indicatif::ProgressBar;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The lines that are done, displayed until dropped.
#[derive(Debug)]
pub struct Count<'a> {
    display: &'a Display,
    what: String,
    done: AtomicUsize,
    all: usize,
    since: Instant,
    pace: Mutex<Pace>,
    bar: Option<ProgressBar>,
    /// The message of the stage's bar, which the count replaces for its time.
    covered: Option<String>,
}

impl Display {
    /// Counts `all` lines; `what` says what is done with them. The bar of a stage shows the count while there is one.
    pub fn count(&self, what: &str, all: usize) -> Count<'_> {
        let stage = self.stage.as_ref();
        let what = stage.map_or(what.to_owned(), |stage| format!("{}: {what}", stage.label));
        let shared = stage.and_then(|stage| stage.bar.clone());
        let covered = shared.as_ref().map(ProgressBar::message);
        let bar = shared.or_else(|| (self.form == Form::Bar).then(line_bar));
        let (since, pace) = (Instant::now(), Mutex::new(Pace::START));
        let done = AtomicUsize::new(0);
        let count = Count { display: self, what, done, all, since, pace, bar, covered };
        count.draw();
        count
    }
}

impl Count<'_> {
    /// Adds lines that are done.
    pub fn add(&self, lines: usize) {
        let done = lines + self.done.fetch_add(lines, Ordering::Relaxed);
        self.draw();
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        if self.bar.is_none() && done < self.all && pace.is_due(self.since.elapsed()) {
            self.display.line(&self.line().whole());
        }
    }

    fn draw(&self) {
        self.bar.iter().for_each(|bar| bar.set_message(self.line().fitted(width())));
    }

    fn line(&self) -> Line {
        let (done, all) = (self.done.load(Ordering::Relaxed), Some(self.all));
        let speed = done as f64 / self.since.elapsed().as_secs_f64().max(1e-3);
        Lines { label: &self.what, unit: "lines", done, all, speed }.line()
    }
}

impl Drop for Count<'_> {
    /// Gives the bar back to the stage, or clears it.
    fn drop(&mut self) {
        match (&self.bar, self.covered.take()) {
            (Some(bar), Some(message)) => bar.set_message(message),
            (Some(bar), None) => bar.finish_and_clear(),
            (None, _) => {}
        }
    }
}
