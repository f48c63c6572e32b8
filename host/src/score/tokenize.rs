//! The tokeniser `13a` of the NIST script `mteval-v13a.pl`, as sacreBLEU 2.6.0 applies it.

use std::borrow::Cow;

/// Splits a line into words and punctuation, as `13a` does.
///
/// ASCII punctuation stands alone, except `'` and `-` (a dash only after a digit) and a period or
/// comma between digits. Markup that old test sets carry (`<skipped>`, `&quot;` and the like) is
/// undone first.
pub fn tokenize_13a(line: &str) -> Vec<String> {
    let plain = unmark(line.trim_end_matches(is_space));
    let spaced = split_symbols(&format!(" {plain} "));
    let spaced = split_after_non_digit(&spaced);
    let spaced = split_before_non_digit(&spaced);
    let spaced = split_dash_after_digit(&spaced);
    spaced.split(is_space).filter(|token| !token.is_empty()).map(String::from).collect()
}

/// What Python's `str.split` takes for white space: Unicode's and the four separators of ASCII.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// Replacements in this order, each over the whole line: `&amp;lt;` ends up as `<`.
fn unmark(line: &str) -> Cow<'_, str> {
    const MARKS: [(&str, &str); 7] = [
        ("<skipped>", ""),
        ("-\n", ""),
        ("\n", " "),
        ("&quot;", "\""),
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ];
    MARKS.iter().fold(Cow::Borrowed(line), |line, (mark, text)| {
        if line.contains(mark) { Cow::Owned(line.replace(mark, text)) } else { line }
    })
}

fn split_symbols(line: &str) -> String {
    let mut out = String::with_capacity(2 * line.len());
    for c in line.chars() {
        match c {
            ' '..='&' | '('..='+' | '/' | ':'..='@' | '['..='`' | '{'..='~' => {
                out.extend([' ', c, ' '])
            }
            _ => out.push(c),
        }
    }
    out
}

fn split_after_non_digit(line: &str) -> String {
    split_pairs(
        line,
        |a, b| !a.is_ascii_digit() && is_point(b),
        |out, a, b| out.extend([a, ' ', b, ' ']),
    )
}

fn split_before_non_digit(line: &str) -> String {
    split_pairs(
        line,
        |a, b| is_point(a) && !b.is_ascii_digit(),
        |out, a, b| out.extend([' ', a, ' ', b]),
    )
}

fn split_dash_after_digit(line: &str) -> String {
    split_pairs(
        line,
        |a, b| a.is_ascii_digit() && b == '-',
        |out, a, b| out.extend([a, ' ', b, ' ']),
    )
}

/// Rewrites the neighbours that `matching` accepts, from left to right. A pair once rewritten is
/// passed over: its second character is not the first of another pair.
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

fn is_point(c: char) -> bool {
    matches!(c, '.' | ',')
}
