//! The tokenisers of BLEU and TER, as sacreBLEU 2.6.0 applies them.
//!
//! Each inserts white space between tokens; [`words`] then splits the line.

mod intl;
mod tercom;
mod western;
mod zh;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub use tercom::Tercom;

/// A tokeniser for BLEU.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Tokenizer {
    /// At white space only.
    None,
    /// ASCII punctuation, as `mteval-v13a.pl`.
    #[default]
    #[value(name = "13a")]
    #[serde(rename = "13a")]
    V13a,
    /// Every character.
    Char,
    /// Unicode punctuation and symbols, as `mteval-v14.pl --international-tokenization`.
    Intl,
    /// Every Chinese character, and the rest as 13a.
    Zh,
}

impl Tokenizer {
    /// sacreBLEU's choice for a target language, given as its code (`zh`, `zh-TW`, `zho_Hans`): `zh` for Chinese;
    /// `char` for Japanese and Korean, because MeCab is not included; `13a` for all others.
    pub fn of_language(code: &str) -> Self {
        let primary = code.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        match primary.as_str() {
            "zh" | "zho" | "chi" | "cmn" => Self::Zh,
            "ja" | "jpn" | "ko" | "kor" => Self::Char,
            _ => Self::V13a,
        }
    }

    /// The name in signatures and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::V13a => "13a",
            Self::Char => "char",
            Self::Intl => "intl",
            Self::Zh => "zh",
        }
    }

    /// The line with white space between its words.
    pub fn space(self, line: &str) -> Cow<'_, str> {
        let line = line.trim_end_matches(is_space);
        match self {
            Self::None => line.into(),
            Self::V13a => western::space_13a(line).into(),
            Self::Char => line.chars().flat_map(|c| [c, ' ']).collect(),
            Self::Intl => intl::space(line).into(),
            Self::Zh => zh::space(line).into(),
        }
    }
}

/// Splits at white space.
pub fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(is_space).filter(|word| !word.is_empty())
}

/// White space as in Python's `str.split`: Unicode white space and the four ASCII separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// Rewrites adjacent characters that `matching` accepts, from left to right. After a rewritten pair, its second
/// character does not start another pair.
fn split_pairs(
    line: &str,
    matching: impl Fn(char, char) -> bool,
    write: impl Fn(&mut String, char, char),
) -> String {
    let mut out = String::with_capacity(line.len() + 16);
    let mut rest = line.chars().peekable();
    while let Some(a) = rest.next() {
        match rest.next_if(|b| matching(a, *b)) {
            Some(b) => write(&mut out, a, b),
            None => out.push(a),
        }
    }
    out
}

/// Inserts white space around the characters that `alone` accepts.
fn isolate(line: &str, alone: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(2 * line.len());
    for c in line.chars() {
        if alone(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
    }
    out
}

/// Applies the replacements in order, each over the whole line: `&amp;lt;` becomes `<`.
fn replace_all<'a>(line: &'a str, replacements: &[(&str, &str)]) -> Cow<'a, str> {
    replacements.iter().fold(Cow::Borrowed(line), |line, (from, to)| {
        if line.contains(from) { Cow::Owned(line.replace(from, to)) } else { line }
    })
}
