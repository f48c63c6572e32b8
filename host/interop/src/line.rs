//! Errors that quote what a file says, which may be anything.

/// `text` in one line: its control characters are escaped.
pub fn line(text: &str) -> String {
    let escaped = |c: char| c.escape_debug().collect::<String>();
    text.chars().map(|c| if c.is_control() { escaped(c) } else { c.to_string() }).collect()
}
