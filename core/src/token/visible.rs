//! The characters of a line that a vocabulary sees.

use super::MARK;
use core::str::Chars;

/// [`char::is_whitespace`] without its table of 256 bytes.
pub(crate) const fn is_space(c: char) -> bool {
    match c {
        '\0'..='\x7f' => matches!(c, ' ' | '\t'..='\r'),
        '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' => true,
        _ => matches!(c, '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'),
    }
}

/// The characters of a line but for those that are dropped, and with a space for white space.
#[derive(Clone)]
pub(super) struct Visible<'t>(Chars<'t>);

impl<'t> Visible<'t> {
    pub fn new(text: &'t str) -> Self {
        Self(text.chars())
    }
}

impl Iterator for Visible<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            return match self.0.next()? {
                '\u{FEFF}' | '\u{200B}' | '\u{2060}' | '\u{AD}' => continue,
                c if c == MARK || is_space(c) => Some(' '),
                c if c.is_control() => continue,
                c => Some(c),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_space;

    #[test]
    fn spaces_are_those_of_unicode() {
        let differs = |c: &char| is_space(*c) != c.is_whitespace();
        assert_eq!(('\0'..=char::MAX).find(differs), None);
    }
}
