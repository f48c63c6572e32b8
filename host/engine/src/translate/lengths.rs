//! Warnings about long lines.

use super::MOST_TOKENS;
use a2d_system::display::Throughput;

/// The lines that were cut, and those longer than the longest training sentence.
pub struct Lengths {
    progress: Throughput,
    /// Appended to warnings of lines that training did not see.
    hint: String,
    /// Whether each line is told of at once.
    at_once: bool,
    /// Length of the longest source sentence in training, if known.
    longest: Option<usize>,
    cut: Long,
    unseen: Long,
}

/// Some long lines: how many, the first and its tokens.
#[derive(Default)]
struct Long {
    count: usize,
    first: usize,
    tokens: usize,
}

impl Long {
    fn add(&mut self, line: usize, tokens: usize) {
        if self.count == 0 {
            (self.first, self.tokens) = (line, tokens);
        }
        self.count += 1;
    }
}

impl Lengths {
    /// Warnings through `progress`: at the end, or with `at_once` for each line when it is translated. `hint` says what
    /// to do about lines that are longer than in training.
    pub fn new(progress: &Throughput, at_once: bool, hint: Option<&str>) -> Self {
        let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
        let (cut, unseen) = Default::default();
        Self { progress: progress.clone(), hint, at_once, longest: None, cut, unseen }
    }

    /// Sets the length of the longest source sentence in training.
    pub(super) fn expect(&mut self, longest: Option<usize>) {
        self.longest = longest;
    }

    /// Adds line number `line`, from 1.
    pub(super) fn add(&mut self, line: usize, tokens: usize) {
        if tokens >= MOST_TOKENS {
            self.cut.add(line, tokens);
        } else if self.longest.is_some_and(|longest| tokens > longest) {
            self.unseen.add(line, tokens);
        }
        if self.at_once {
            self.tell();
        }
    }

    /// Writes the warnings of the lines since the last call.
    pub fn tell(&mut self) {
        let cut = std::mem::take(&mut self.cut);
        match cut.count {
            0 => {}
            1 => self.warn(&format!("line {} was cut to {MOST_TOKENS} tokens", cut.first)),
            count => {
                let text = format!("{count} lines were cut to {MOST_TOKENS} tokens");
                self.warn(&format!("{text}, the first is line {}", cut.first));
            }
        }
        let unseen = std::mem::take(&mut self.unseen);
        let (longest, hint) = (self.longest.unwrap_or(0), &self.hint);
        let Long { count, first, tokens } = unseen;
        match count {
            0 => {}
            1 => self.warn(&format!(
                "line {first} has {tokens} tokens, and training saw no more than {longest}{hint}"
            )),
            _ => self.warn(&format!(
                "{count} lines have more tokens than training saw ({longest}), the first is line {first}{hint}"
            )),
        }
    }

    fn warn(&self, text: &str) {
        self.progress.warn(text);
    }
}
