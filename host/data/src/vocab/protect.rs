//! Finds the texts that `data.protect` keeps whole, by regular expressions.

use super::document::reserved;
use super::symbols::{Symbols, is_sound, trimmed};
use super::words::count;
use a2d_system::error::Result;
use regex::Regex;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;

/// The fewest occurrences of a symbol, as of a merge. A placeholder found once has no counterpart in the translation.
const FEWEST: u64 = 2;

/// The regular expressions of `data.protect`.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<Regex>);

/// A regular expression that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPattern {
    /// Its index among the patterns, from 0.
    pub index: usize,
    /// The pattern as it was given.
    pub pattern: String,
    /// What is wrong with it, and where.
    pub reason: String,
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, and backslashes as typed.
        let pattern = self.pattern.replace(char::is_control, " ");
        write!(f, "`{pattern}`: {}", self.reason)
    }
}

impl Patterns {
    /// Compiles regular expressions, in the syntax of the crate `regex`.
    ///
    /// # Errors
    ///
    /// The first that is invalid, with the position, or that matches the empty text.
    pub fn new(patterns: &[impl AsRef<str>]) -> Result<Self, BadPattern> {
        let compiled = patterns.iter().enumerate().map(|(index, pattern)| {
            let pattern = pattern.as_ref();
            compile(pattern).map_err(|reason| BadPattern {
                index,
                pattern: pattern.to_owned(),
                reason,
            })
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Compiles a regular expression, or says in one line what is wrong.
fn compile(pattern: &str) -> Result<Regex, String> {
    if let Err(error) = regex_syntax::Parser::new().parse(pattern) {
        let (at, reason) = match &error {
            regex_syntax::Error::Parse(e) => (e.span().start.offset, e.kind().to_string()),
            regex_syntax::Error::Translate(e) => (e.span().start.offset, e.kind().to_string()),
            _ => (0, "not a regular expression".to_owned()),
        };
        let place = 1 + pattern.get(..at).map_or(0, |before| before.chars().count());
        return Err(format!("{reason}, at character {place}"));
    }
    let regex = Regex::new(pattern).map_err(|_| "it is too large when compiled".to_owned())?;
    match regex.is_match("") {
        true => Err("it matches the empty text".to_owned()),
        false => Ok(regex),
    }
}

/// Counts the texts that match in normalised lines.
pub struct Matches<'p> {
    patterns: &'p Patterns,
    counts: HashMap<Box<str>, u64>,
}

impl<'p> Matches<'p> {
    /// No matches yet.
    pub fn new(patterns: &'p Patterns) -> Self {
        Self { patterns, counts: HashMap::new() }
    }

    /// Counts the matches of each pattern in a normalised line, without the spaces at their ends. Matches longer than
    /// [`LONGEST_SYMBOL`](super::LONGEST_SYMBOL) are ignored.
    pub fn add(&mut self, line: &str) {
        let found = self.patterns.0.iter().flat_map(|pattern| pattern.find_iter(line));
        for text in found.map(|found| trimmed(found.as_str())) {
            if is_sound(text) {
                count(&mut self.counts, text);
            }
        }
    }

    /// The `most` most frequent texts; of equally frequent ones, the first by bytes. The names of special tokens and
    /// bytes (`<s>`, `<0x41>` …) are never symbols.
    ///
    /// # Errors
    ///
    /// As [`Symbols::new`].
    pub fn symbols(mut self, most: usize) -> Result<Symbols> {
        for token in reserved(true) {
            self.counts.remove(&*token);
        }
        let mut counts: Vec<_> =
            self.counts.into_iter().filter(|(_, count)| *count >= FEWEST).collect();
        counts.sort_unstable_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
        Symbols::new(counts.into_iter().map(|(text, _)| text.into()).take(most).collect())
    }
}
