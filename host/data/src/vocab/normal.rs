//! One form for text that looks equal.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

/// How a line is normalised before it becomes tokens: part of a vocabulary.
///
/// Unless it is [`Normalization::None`]:
///
/// 1. U+FEFF, U+200B, U+2060, U+00AD and control characters that are no white space are dropped (U+200C and
///    U+200D stay: some scripts need them);
/// 2. all white space of Unicode, and a literal `▁`, becomes a space;
/// 3. what is left is put into the normal form;
/// 4. runs of spaces become one, those at the ends none.
///
/// What is normalised stays as it is when it is normalised again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Normalization {
    /// The text as it is.
    None,
    /// Canonical composition: `é` is one character, however it was typed.
    #[default]
    Nfc,
    /// Compatibility composition: also `ﬁ` is `fi`, `２` is `2`, `™` is `TM`.
    Nfkc,
}

/// What normalisation changes in a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touched {
    /// White space that is no single space between words.
    pub spaces: bool,
    /// Characters that nobody sees.
    pub invisible: bool,
    /// Characters in another form.
    pub composition: bool,
}

impl Normalization {
    /// What it makes of a line; `buffer` holds that where it is not the line itself.
    pub fn apply<'t>(self, line: &'t str, buffer: &'t mut String) -> &'t str {
        if self.holds(line) {
            return line;
        }
        buffer.clear();
        let mut gap = false;
        self.compose(line, |c| {
            if c == ' ' {
                gap = !buffer.is_empty();
                return;
            }
            if std::mem::take(&mut gap) {
                buffer.push(' ');
            }
            buffer.push(c);
        });
        buffer
    }

    /// What it changes in a line.
    pub fn touches(self, line: &str) -> Touched {
        if self.holds(line) {
            return Touched::default();
        }
        let kept = || visible(line);
        let mut composed = String::with_capacity(line.len());
        self.compose(line, |c| composed.push(c));
        Touched {
            spaces: kept().any(|c| c != ' ' && is_space(c)) || !is_spaced(kept()),
            invisible: line.chars().any(is_invisible),
            composition: !composed.chars().eq(kept().map(spaced)),
        }
    }

    /// Whether a line is normalised.
    fn holds(self, line: &str) -> bool {
        if self == Self::None {
            return true;
        }
        let mut before = b' ';
        for &byte in line.as_bytes() {
            let plain = match byte {
                b' '..=b'~' => true,
                // Letters of U+00C0 to U+02FF.
                0x80..=0xBF | 0xC3..=0xCB => self == Self::Nfc,
                _ => false,
            };
            if !plain {
                return self.holds_slowly(line);
            }
            if byte == b' ' && before == b' ' {
                return false;
            }
            before = byte;
        }
        line.is_empty() || before != b' '
    }

    fn holds_slowly(self, line: &str) -> bool {
        let quick = match self {
            Self::None => IsNormalized::Yes,
            Self::Nfc => is_nfc_quick(line.chars()),
            Self::Nfkc => is_nfkc_quick(line.chars()),
        };
        let plain = |c: char| c == ' ' || !is_invisible(c) && !is_space(c);
        quick == IsNormalized::Yes && line.chars().all(plain) && is_spaced(line.chars())
    }

    /// Steps 1 to 3: hands each character to `push`.
    fn compose(self, line: &str, push: impl FnMut(char)) {
        let chars = visible(line).map(spaced);
        match self {
            Self::None => line.chars().for_each(push),
            Self::Nfc => chars.nfc().for_each(push),
            Self::Nfkc => chars.nfkc().for_each(push),
        }
    }
}

impl fmt::Display for Normalization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Nfc => "nfc",
            Self::Nfkc => "nfkc",
        })
    }
}

/// Whether a character is dropped.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{FEFF}' | '\u{200B}' | '\u{2060}' | '\u{AD}')
        || c.is_control() && !c.is_whitespace()
}

/// Whether a character is or becomes a space.
fn is_space(c: char) -> bool {
    c == super::SPACE || c.is_whitespace()
}

fn visible(line: &str) -> impl Iterator<Item = char> {
    line.chars().filter(|c| !is_invisible(*c))
}

fn spaced(c: char) -> char {
    if is_space(c) { ' ' } else { c }
}

/// Whether spaces stand alone, and between other characters.
fn is_spaced(chars: impl Iterator<Item = char>) -> bool {
    let mut before = ' ';
    let mut apart = true;
    let mut empty = true;
    for c in chars {
        apart &= c != ' ' || before != ' ';
        (before, empty) = (c, false);
    }
    apart && (empty || before != ' ')
}
