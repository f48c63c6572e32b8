//! Unicode normalisation of lines.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

/// How a line is normalised before it is encoded. Part of a vocabulary.
///
/// All forms but [`LineForm::None`]:
///
/// 1. drop U+FEFF, U+200B, U+2060, U+00AD and control characters other than white space (U+200C and U+200D stay: some
///    scripts need them);
/// 2. replace every Unicode white space and a literal `▁` by a space;
/// 3. apply the Unicode normal form;
/// 4. collapse runs of spaces, and remove spaces at both ends.
///
/// Normalisation is idempotent.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum LineForm {
    /// The text unchanged.
    None,
    /// Canonical composition: `é` is one character, whether typed as one or two.
    #[default]
    Nfc,
    /// Compatibility composition: in addition `ﬁ` becomes `fi`, `２` becomes `2`, `™` becomes `TM`.
    Nfkc,
}

/// What normalisation changes in a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touched {
    /// White space other than single spaces between words.
    pub spaces: bool,
    /// Invisible characters.
    pub invisible: bool,
    /// Characters that the normal form replaces.
    pub composition: bool,
}

impl LineForm {
    /// The normalised line. It borrows `line` if nothing changes, otherwise `buffer`.
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

    /// What normalisation changes in a line.
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

    /// Steps 1 to 3: passes each character to `push`.
    fn compose(self, line: &str, push: impl FnMut(char)) {
        let chars = visible(line).map(spaced);
        match self {
            Self::None => line.chars().for_each(push),
            Self::Nfc => chars.nfc().for_each(push),
            Self::Nfkc => chars.nfkc().for_each(push),
        }
    }
}

impl fmt::Display for LineForm {
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

/// Whether a character is a space or is replaced by one.
fn is_space(c: char) -> bool {
    c == super::SPACE || c.is_whitespace()
}

fn visible(line: &str) -> impl Iterator<Item = char> {
    line.chars().filter(|c| !is_invisible(*c))
}

fn spaced(c: char) -> char {
    if is_space(c) { ' ' } else { c }
}

/// Whether all spaces are single and none is at an end.
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
