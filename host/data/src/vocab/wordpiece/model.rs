//! A WordPiece vocabulary as other toolkits have it.

use crate::vocab::LARGEST;
use a2d_system::error::{Error, Result};
use std::collections::{HashMap, HashSet};

/// How text is changed before it is cut into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether letters become lower case (`lowercase`, `do_lower_case`).
    pub lowercase: bool,
    /// Whether accents are dropped (`strip_accents`; where that is null, as `lowercase`).
    pub strip_accents: bool,
    /// Whether each ideograph is a word (`handle_chinese_chars`, `tokenize_chinese_chars`).
    pub ideographs: bool,
}

/// A WordPiece vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The texts of the tokens, by the model's own ids.
    pub pieces: Vec<String>,
    /// The texts that are one token wherever they stand in a text.
    pub special: Vec<String>,
    /// How text is changed.
    pub rules: Rules,
    /// The most characters of a word; a longer one is unknown.
    pub longest_word: usize,
}

/// The names of `BOS`, `PAD`, `EOS` and `UNK`, in the order of the ids.
pub(super) const NAMES: [&str; 4] = ["[CLS]", "[PAD]", "[SEP]", "[UNK]"];
/// A token that BERT guesses in training.
const MASK: &str = "[MASK]";
/// The start of a token that goes on with a word.
pub(super) const GLUE: &str = "##";

impl Model {
    /// From a `vocab.txt`: a token a line.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`], with the line, for a token that is empty or there twice; for a missing special token.
    pub fn from_lines(text: &str, rules: Rules) -> Result<Self> {
        let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let pieces = lines.map(|line| line.strip_suffix('\r').unwrap_or(line).to_owned()).collect();
        let mut model = Self { pieces, special: Vec::new(), rules, longest_word: 100 };
        model.check(|id| format!("line {}", id + 1))?;
        let special = model.pieces.iter().filter(|text| NAMES.contains(&&***text) || *text == MASK);
        model.special = special.cloned().collect();
        Ok(model)
    }

    /// Each token has a text of its own, and the four special tokens are there.
    pub(super) fn check(&self, place: impl Fn(usize) -> String) -> Result<()> {
        let mut seen = HashMap::new();
        for (id, text) in self.pieces.iter().enumerate() {
            let place = || place(id);
            if text.is_empty() {
                return Err(Error::misuse(format!("{}: an empty token", place())));
            }
            if seen.insert(text.as_str(), id).is_some() {
                return Err(Error::misuse(format!(
                    "{}: the token {text:?} is there twice",
                    place()
                )));
            }
        }
        match NAMES.iter().find(|name| !seen.contains_key(*name)) {
            Some(name) => Err(Error::misuse(format!("the vocabulary has no token {name}"))),
            None if self.pieces.len() > LARGEST => {
                Err(Error::misuse(format!("a vocabulary of more than {LARGEST} tokens")))
            }
            None => Ok(()),
        }
    }

    /// The model's own id of each token: of the special tokens, then of the others in their order. Row `i` of a table of
    /// embeddings here is row `rows()[i]` there.
    pub fn rows(&self) -> Vec<usize> {
        let place = |name| self.pieces.iter().position(|text| text == name);
        let named: Vec<usize> = NAMES.iter().filter_map(place).collect();
        let others = (0..self.pieces.len()).filter(|id| !named.contains(id));
        named.iter().copied().chain(others).collect()
    }

    /// The tokens with these ids of the model, in this order.
    pub fn keep(&self, rows: &[usize]) -> Self {
        let pieces: Vec<String> = rows.iter().map(|row| self.pieces[*row].clone()).collect();
        let special = self.special.iter().filter(|text| pieces.contains(text)).cloned().collect();
        Self { pieces, special, ..*self }
    }

    /// The model's own ids, ascending, of the tokens that a text needs, of special tokens, and of tokens of a single
    /// character. A text whose tokens are all `used` is cut as before by what [`Model::keep`] makes of them.
    pub fn needed(&self, used: &HashSet<&str>) -> Vec<usize> {
        let stays = |text: &str| {
            let is_special = NAMES.contains(&text) || self.special.iter().any(|name| name == text);
            let is_short = text.strip_prefix(GLUE).unwrap_or(text).chars().count() <= 1;
            used.contains(text) || is_special || is_short
        };
        (0..self.pieces.len()).filter(|id| stays(&self.pieces[*id])).collect()
    }
}
