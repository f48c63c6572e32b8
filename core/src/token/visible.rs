//! The characters of a line that a vocabulary sees.

use super::MARK;
use core::str::Chars;

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
                c if c == MARK || c.is_whitespace() => Some(' '),
                c if c.is_control() => continue,
                c => Some(c),
            };
        }
    }
}
