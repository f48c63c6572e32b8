//! The tokeniser `13a` of the NIST script `mteval-v13a.pl`, and the steps that other tokenisers share.

use super::{isolate, replace_all, split_pairs};

/// Markup in old test sets, and its replacements.
const MARKS: [(&str, &str); 7] = [
    ("<skipped>", ""),
    ("-\n", ""),
    ("\n", " "),
    ("&quot;", "\""),
    ("&amp;", "&"),
    ("&lt;", "<"),
    ("&gt;", ">"),
];

/// Separates ASCII punctuation, except `'` and `-` (a dash only after a digit) and a period or comma between digits.
/// Markup is replaced first.
pub fn space_13a(line: &str) -> String {
    space_points(&space_symbols(&format!(" {} ", replace_all(line, &MARKS))))
}

/// Separates ASCII punctuation except `'`, `-`, the period and the comma.
pub fn space_symbols(line: &str) -> String {
    isolate(line, |c| matches!(c, ' '..='&' | '('..='+' | '/' | ':'..='@' | '['..='`' | '{'..='~'))
}

/// Separates periods and commas unless digits are on both sides, and dashes after digits.
///
/// They stay joined at either end of a line, where a neighbour is missing.
pub fn space_points(line: &str) -> String {
    let after = |out: &mut String, a, b| out.extend([a, ' ', b, ' ']);
    let before = |out: &mut String, a, b| out.extend([' ', a, ' ', b]);
    let line = split_pairs(line, |a, b| !a.is_ascii_digit() && is_point(b), after);
    let line = split_pairs(&line, |a, b| is_point(a) && !b.is_ascii_digit(), before);
    split_pairs(&line, |a, b| a.is_ascii_digit() && b == '-', after)
}

fn is_point(c: char) -> bool {
    matches!(c, '.' | ',')
}
