//! The normalisation of the program `tercom`, for TER.

use super::western::{space_points, space_symbols};
use super::{isolate, replace_all};

/// The settings of TER's normalisation, applied before lines are split at white space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tercom {
    /// Separate punctuation and replace markup.
    pub normalized: bool,
    /// Remove punctuation.
    pub no_punct: bool,
    /// Apply both to Chinese and Japanese as well.
    pub asian_support: bool,
    /// Keep the case of letters.
    pub case_sensitive: bool,
}

/// Markup in old test sets, and its replacements. A line end is joined with the dash after it, not with the dash before
/// it.
const MARKS: [(&str, &str); 6] =
    [("\n-", ""), ("\n", " "), ("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")];

impl Tercom {
    /// The line with white space between its words.
    pub fn space(&self, line: &str) -> String {
        let mut line = if self.case_sensitive { line.to_owned() } else { line.to_lowercase() };
        if self.normalized {
            line = normalize(line.trim_end_matches(super::is_space));
            if self.asian_support {
                line = isolate(&line, |c| is_asian(c) || is_asian_punctuation(c));
            }
        }
        if self.no_punct {
            let asian = self.asian_support;
            line.retain(|c| !(is_punctuation(c) || asian && is_asian_punctuation(c)));
        }
        line
    }
}

fn normalize(line: &str) -> String {
    let line = space_symbols(&format!(" {} ", replace_all(line, &MARKS)));
    space_points(&line.replace("'s ", " 's "))
}

fn is_punctuation(c: char) -> bool {
    matches!(c, '.' | ',' | '?' | ':' | ';' | '!' | '"' | '(' | ')')
}

/// Ideographs, strokes, radicals, compatibility forms and enclosed forms. The last range ends at U+3F22 as in
/// sacreBLEU, where U+32FF is meant.
fn is_asian(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{31c0}'..='\u{31ef}'
        | '\u{2e80}'..='\u{2eff}'
        | '\u{3300}'..='\u{33ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{3200}'..='\u{3f22}')
}

fn is_asian_punctuation(c: char) -> bool {
    matches!(c,
        '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}'
        | '\u{ff61}'..='\u{ff65}' | '\u{30fb}'
        | '\u{ff0e}' | '\u{ff0c}' | '\u{ff1f}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff01}'
        | '\u{ff02}' | '\u{ff08}' | '\u{ff09}')
}
