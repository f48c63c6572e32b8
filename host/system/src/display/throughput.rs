//! Progress of lines whose number may be unknown: a bar on a terminal, plain lines elsewhere. Short work shows none.

use super::lines::Lines;
use super::pace::{FIRST, Pace};
use super::time::duration;
use super::{Form, line_bar, plain, width};
use crate::error::Result;
use crate::text::Reader;
use indicatif::ProgressBar;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of the stack of the thread that counts.
const STACK: usize = 1 << 18;

/// How many lines there are.
#[derive(Debug)]
pub enum Total {
    /// Nobody knows.
    Unknown,
    /// It does not matter: no progress is shown.
    Hidden,
    /// So many.
    Lines(usize),
    /// Those of this file. They are counted while the work goes on.
    File(PathBuf),
}

/// The progress of some lines. Clones show the same.
#[derive(Debug, Clone)]
pub struct Throughput(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    form: Form,
    /// What was done with the lines.
    verb: Cow<'static, str>,
    unit: &'static str,
    total: Total,
    counted: Arc<OnceLock<usize>>,
    start: Instant,
    /// Time without work.
    idle: Duration,
    /// Lines that were done before the start.
    before: usize,
    done: usize,
    bar: Option<ProgressBar>,
    pace: Pace,
}

impl Throughput {
    /// Starts the clock. `verb` says what is done with the lines: `translated`.
    pub fn new(quiet: bool, verb: &'static str, total: Total) -> Self {
        Self::of(quiet, verb.into(), "lines", total)
    }

    /// As [`Throughput::new`], for what is counted in another `unit`.
    pub fn of(quiet: bool, verb: Cow<'static, str>, unit: &'static str, total: Total) -> Self {
        Self(Arc::new(Mutex::new(State {
            form: Form::of_stderr(quiet),
            verb,
            unit,
            total,
            counted: Arc::default(),
            start: Instant::now(),
            idle: Duration::ZERO,
            before: 0,
            done: 0,
            bar: None,
            pace: Pace::START,
        })))
    }

    /// Starts the clock anew, after what had to be done before the first line.
    pub fn start(&self) {
        let mut state = self.lock();
        (state.start, state.idle) = (Instant::now(), Duration::ZERO);
    }

    /// Sets the number of lines that were done before, by another process.
    pub fn before(&self, lines: usize) {
        let mut state = self.lock();
        (state.before, state.done) = (lines, lines);
    }

    /// Shows that `lines` are done, those before included.
    pub fn at(&self, lines: usize) {
        self.lock().at(lines);
    }

    /// Shows that so many more are done.
    pub fn add(&self, lines: usize) {
        let mut state = self.lock();
        let done = state.done + lines;
        state.at(done);
    }

    /// Waits for something; the time does not count.
    pub fn wait<T>(&self, wait: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let found = wait();
        self.lock().idle += start.elapsed();
        found
    }

    /// Writes something to the terminal, without the bar.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        let bar = self.lock().bar.clone();
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Writes a warning, without the bar. Quiet work writes none.
    pub fn warn(&self, text: &str) {
        if self.lock().form != Form::Quiet {
            self.aside(|| plain(&format!("warning: {text}")));
        }
    }

    /// Clears the bar. Where plain lines were written, the last one says how long all took, unless the work has failed.
    pub fn end<T>(&self, result: &Result<T>) {
        self.lock().end(result.is_ok());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn at(&mut self, lines: usize) {
        self.done = lines;
        let elapsed = self.elapsed();
        let is_shown = self.form != Form::Quiet && !matches!(self.total, Total::Hidden);
        if !is_shown || elapsed < FIRST / 2 {
            return;
        }
        self.count();
        if elapsed < FIRST {
            return;
        }
        let line = self.lines().line();
        if self.form == Form::Bar {
            self.bar.get_or_insert_with(line_bar).set_message(line.fitted(width()));
        } else if self.all() != Some(lines) && self.pace.is_due(elapsed) {
            plain(&line.whole());
        }
    }

    fn end(&mut self, is_done: bool) {
        self.bar.take().iter().for_each(ProgressBar::finish_and_clear);
        if is_done && self.form == Form::Lines && self.pace.has_begun() {
            let (Self { verb, unit, done, .. }, rate) = (&*self, self.lines().rate());
            let time = duration(self.elapsed().as_secs());
            plain(&format!("{verb} {done} {unit} in {time}  {rate}"));
        }
    }

    fn all(&self) -> Option<usize> {
        match self.total {
            Total::Lines(all) => Some(all),
            _ => self.counted.get().copied(),
        }
    }

    /// Starts to count the lines of a file. A file that cannot be read has no total.
    fn count(&mut self) {
        if !matches!(self.total, Total::File(_)) {
            return;
        }
        if let Total::File(path) = std::mem::replace(&mut self.total, Total::Unknown) {
            let counted = self.counted.clone();
            let count = move || Reader::open(&path).and_then(|mut file| file.count());
            let thread = std::thread::Builder::new().stack_size(STACK);
            // Without a thread there is no total.
            let _ = thread.spawn(move || count().is_ok_and(|lines| counted.set(lines).is_ok()));
        }
    }

    /// Time of work.
    fn elapsed(&self) -> Duration {
        self.start.elapsed().saturating_sub(self.idle)
    }

    /// Lines a second of work.
    fn rate(&self) -> f64 {
        let seconds = self.elapsed().as_secs_f64();
        (self.done - self.before.min(self.done)) as f64 / seconds.max(1e-3)
    }

    fn lines(&self) -> Lines<'_> {
        let (done, all, speed) = (self.done, self.all(), self.rate());
        Lines { label: &self.verb, unit: self.unit, done, all, speed }
    }
}

impl Drop for State {
    /// Clears the bar, so that an error message starts on a clean line.
    fn drop(&mut self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}
