//! Where lines to translate come from.

use a2d_system::arrivals::{self, Arrivals};
use a2d_system::display::Throughput;
use a2d_system::error::{Error, Result};
use a2d_system::hash;
use a2d_system::output;
use a2d_system::text::{Line, Lines, refused};
use clap::ValueEnum;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A line to translate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Its text, without line end.
    pub text: String,
    /// Hash of its bytes, also of those that are not UTF-8.
    pub hash: u64,
}

/// A source of lines.
pub trait Source {
    /// The next lines: those that are there, as many as there is `room` for; see [`Arrivals::next`]. None: there are no
    /// more.
    ///
    /// # Errors
    ///
    /// The next line cannot be read, or is refused; a signal.
    fn next(&mut self, room: usize) -> Result<Vec<SourceLine>>;
}

/// Lines in memory.
pub struct Held<'a>(std::slice::Iter<'a, String>);

impl<'a> Held<'a> {
    /// All of `lines`.
    pub fn new(lines: &'a [String]) -> Self {
        Self(lines.iter())
    }
}

impl Source for Held<'_> {
    fn next(&mut self, room: usize) -> Result<Vec<SourceLine>> {
        let (mut lines, mut taken) = (Vec::new(), 0);
        while taken < room
            && let Some(line) = self.0.next()
        {
            taken += arrivals::room(line.len(), 1);
            lines.push(SourceLine { text: line.clone(), hash: hash::bytes(line.as_bytes()) });
        }
        Ok(lines)
    }
}

/// What becomes of a line that is not UTF-8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OnBadInput {
    /// An error, once the lines before it are translated.
    #[default]
    Fail,
    /// U+FFFD takes the place of the wrong bytes.
    Replace,
    /// An empty line is put out.
    SkipLine,
}

/// Warnings about lines that are not UTF-8. The others are counted.
const MOST_WARNINGS: usize = 10;

/// Lines of a file or of standard input.
pub struct Stream {
    arrivals: Arrivals,
    path: PathBuf,
    on_bad_input: OnBadInput,
    progress: Throughput,
    /// What asks for each line; see [`Stream::prompted`].
    prompt: Option<String>,
    /// Lines so far.
    read: usize,
    /// Lines among them that are not UTF-8.
    bad: usize,
    /// The error of the next line.
    error: Option<Error>,
}

impl Stream {
    /// Opens `path`; see [`Arrivals::open`]. Warnings are written through `progress`.
    ///
    /// # Errors
    ///
    /// As [`Arrivals::open`].
    pub fn open(path: &Path, on_bad_input: OnBadInput, progress: &Throughput) -> Result<Self> {
        let (arrivals, path) = (Arrivals::open(path)?, path.to_owned());
        let (progress, prompt, error) = (progress.clone(), None, None);
        Ok(Self { arrivals, path, on_bad_input, progress, prompt, read: 0, bad: 0, error })
    }

    /// Lines that a person types: `prompt` asks for each on standard output, and each is translated by itself.
    pub fn prompted(self, prompt: String) -> Self {
        Self { prompt: Some(prompt), ..self }
    }

    /// The lines that arrive next.
    fn arrive(&mut self, room: usize) -> Result<Lines> {
        let Some(prompt) = &self.prompt else { return self.arrivals.next(room) };
        if self.arrivals.is_waiting() {
            let mut out = output::people();
            let shown = write!(out, "{prompt}").and_then(|()| out.flush());
            shown.map_err(|e| Error::output("write", Path::new("the prompt"), &e))?;
        }
        self.arrivals.next(1)
    }

    /// The text of the next line.
    fn text(&mut self, line: Line<'_>) -> Result<String> {
        self.read += 1;
        let (bytes, why) = match (line, line.text()) {
            (_, Ok(text)) => return Ok(text.to_owned()),
            (Line::Bytes(bytes), Err(why)) => (bytes, why),
            (_, Err(why)) => return Err(refused(&self.path, self.read, why)),
        };
        let (text, done) = match self.on_bad_input {
            OnBadInput::Fail => {
                let help = "correct the line, or choose --on-bad-input replace or skip-line";
                return Err(refused(&self.path, self.read, &format!("{why}: {help}")));
            }
            OnBadInput::Replace => (String::from_utf8_lossy(bytes).into_owned(), "replaced"),
            OnBadInput::SkipLine => (String::new(), "skipped"),
        };
        self.bad += 1;
        if self.bad <= MOST_WARNINGS {
            let told = refused(&self.path, self.read, &format!("{why}: {done}"));
            self.progress.warn(&told.to_string());
        }
        Ok(text)
    }

    /// Warns of the lines that were only counted.
    pub fn tell(&self) {
        if let more @ 1.. = self.bad.saturating_sub(MOST_WARNINGS) {
            self.progress.warn(&format!("{more} more lines are not UTF-8"));
        }
    }
}

impl Source for Stream {
    fn next(&mut self, room: usize) -> Result<Vec<SourceLine>> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let (found, mut lines) = (self.arrive(room)?, Vec::new());
        for line in (0..found.len()).map(|i| found.at(i)) {
            let hash = hash::bytes(line.bytes());
            match self.text(line) {
                Ok(text) => lines.push(SourceLine { text, hash }),
                Err(error) if lines.is_empty() => return Err(error),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
        }
        Ok(lines)
    }
}
