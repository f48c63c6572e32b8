//! The tokeniser `13a` of the NIST script `mteval-v13a.pl`, and the part of it that others share.

use super::{isolate, replace_all, split_pairs};

/// Markup that old test sets carry, and what it stands for.
const MARKS: [(&str, &str); 7] = [
    ("<skipped>", ""),
    ("-\n", ""),
    ("\n", " "),
    ("&quot;", "\""),
    ("&amp;", "&"),
    ("&lt;", "<"),
    ("&gt;", ">"),
];

/// ASCII punctuation stands alone, except `'` and `-` (a dash only after a digit) and a period or
/// comma between digits. Markup is undone first.
pub fn space_13a(line: &str) -> String {
    space_points(&space_symbols(&format!(" {} ", replace_all(line, &MARKS))))
}

/// Sets ASCII punctuation apart but for `'`, `-`, the period and the comma.
pub fn space_symbols(line: &str) -> String {
    isolate(line, |c| matches!(c, ' '..='&' | '('..='+' | '/' | ':'..='@' | '['..='`' | '{'..='~'))
}

/// Sets periods and commas apart unless digits are on both sides, and dashes after digits.
///
/// At either end of a line there is no neighbour to tell by, so they stay where they are.
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
