//! A configuration that is proposed for a corpus, and the values that a configuration leaves to its corpus.

mod choose;
mod derive;
mod reasons;
mod start;
mod tiers;

pub use choose::choose;
pub use derive::{Derived, Known, load};
pub use tiers::vocab_size;

use crate::config::RunConfig;
use crate::config::reference::{Key, comment, sections, toml_text};
use a2d_data::prepare::Outline;
use a2d_system::program;

/// What is chosen by.
#[derive(Debug, Clone, PartialEq)]
pub struct Corpus {
    /// Training pairs.
    pub train: usize,
    /// Validation pairs.
    pub valid: usize,
    /// Mean tokens of the longer side of a training pair, with the end of the sentence.
    pub longer: f64,
    /// The vocabulary, if it is to be learned from the text.
    pub vocab: Option<Subwords>,
}

/// A vocabulary to learn.
#[derive(Debug, Clone, PartialEq)]
pub struct Subwords {
    /// Its size.
    pub size: usize,
    /// Distinct characters of the text.
    pub alphabet: usize,
    /// Mean words of a line.
    pub words: f64,
}

impl From<&Outline> for Corpus {
    fn from(outline: &Outline) -> Self {
        let &Outline { pairs, sides, words, alphabet, vocab_size, longer, .. } = outline;
        let vocab = Subwords {
            size: vocab_size,
            alphabet,
            words: words.iter().sum::<f64>() / sides as f64,
        };
        Self { train: pairs.train, valid: pairs.valid, longer, vocab: Some(vocab) }
    }
}

/// A configuration, and why its values were chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The configuration. Its texts are not named yet.
    pub run: RunConfig,
    /// Keys with the reason for their values, which may be the reason for the keys after them, too.
    pub reasons: Vec<(&'static str, String)>,
    /// Updates in an epoch, about.
    pub updates_per_epoch: usize,
}

impl Proposal {
    /// The chosen values as TOML, each after its reason, under the comment `head`. A key of
    /// `[teacher.train]` is left out if it has the value of `[train]`.
    pub fn to_toml(&self, head: &str) -> String {
        let mut out = String::new();
        head.lines().for_each(|line| comment(&mut out, line));
        for section in sections() {
            let keys: Vec<_> = section.keys.iter().filter(|key| self.is_chosen(key)).collect();
            if !keys.is_empty() {
                out.push_str(&format!("\n[{}]\n", section.path));
            }
            keys.into_iter().for_each(|key| self.assign(key, &mut out));
        }
        let all = program::command("config");
        out.push_str(&format!("\n# Every other key has its default: {all} lists them all.\n"));
        out
    }

    /// The chosen keys and their values.
    pub fn choices(&self) -> Vec<(String, toml::Value)> {
        let keys = sections().into_iter().flat_map(|section| section.keys);
        let chosen = keys.filter(|key| self.is_chosen(key));
        chosen.filter_map(|key| Some((key.path.clone(), self.run.value(&key.path)?))).collect()
    }

    fn assign(&self, key: &Key, out: &mut String) {
        let reason = self.reasons.iter().find(|(path, _)| *path == key.path);
        reason.iter().for_each(|(_, reason)| comment(out, reason));
        if let Some(value) = self.run.value(&key.path) {
            out.push_str(&format!("{} = {}\n", key.name(), toml_text(&value)));
        }
    }

    /// Whether the value is written: it differs from that of an absent key, or that depends on the corpus.
    fn is_chosen(&self, key: &Key) -> bool {
        let absent = match &key.inherits {
            Some(from) => self.run.value(from),
            None => key.default.clone().filter(|_| !key.derived),
        };
        let value = self.run.value(&key.path);
        value.is_some() && value != absent
    }
}
