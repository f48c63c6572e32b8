//! The normal text of a line, character by character.

use super::super::MARK;
use super::tables::{Flag, SentencePiece};

/// The characters of normal text. A clone continues at the same place.
#[derive(Clone)]
pub(super) struct Normal<'s> {
    tables: &'s SentencePiece<'s>,
    /// The text that was not read.
    input: &'s [u8],
    /// The rest of the last replacement.
    piece: &'s [u8],
    /// Whether spaces at the front of the next replacement are dropped.
    gap: bool,
    /// Marks to return before anything else.
    marks: usize,
    /// Marks to return if a character follows.
    owed: usize,
    /// The character after the marks.
    held: Option<char>,
    /// Whether a mark follows at the end.
    suffix: bool,
}

impl<'s> Normal<'s> {
    pub fn new(tables: &'s SentencePiece<'s>, text: &'s [u8]) -> Self {
        let strip = tables.has(Flag::Strip);
        let mut normal = Self {
            tables,
            input: text,
            piece: &[],
            gap: strip,
            marks: 0,
            owed: 0,
            held: None,
            suffix: false,
        };
        while strip && !normal.input.is_empty() {
            let (piece, len) = normal.replacement();
            if piece != b" " {
                break;
            }
            normal.advance(len);
        }
        if !normal.input.is_empty() && tables.has(Flag::Dummy) {
            let count = usize::from(!tables.has(Flag::Suffix));
            normal.suffix = count == 0;
            *(if strip { &mut normal.owed } else { &mut normal.marks }) = count;
        }
        normal
    }

    /// The replacement of the front of the input, and the bytes that it replaces.
    fn replacement(&self) -> (&'s [u8], usize) {
        if let Some(len) = self.tables.symbol(self.input) {
            return (self.input.get(..len).unwrap_or_default(), len);
        }
        if let Some((len, form)) = self.tables.mapped(self.input) {
            return (form, len);
        }
        match character(self.input) {
            Some(c) => (self.input.get(..c.len_utf8()).unwrap_or_default(), c.len_utf8()),
            None => ("\u{fffd}".as_bytes(), 1),
        }
    }

    fn advance(&mut self, len: usize) {
        self.input = self.input.get(len..).unwrap_or_default();
    }

    /// The next character, before marks at the end are dropped.
    fn raw(&mut self) -> Option<char> {
        while self.piece.is_empty() {
            if self.input.is_empty() {
                return None;
            }
            let (mut piece, len) = self.replacement();
            self.advance(len);
            while self.gap && piece.first() == Some(&b' ') {
                piece = piece.get(1..).unwrap_or_default();
            }
            if let Some(last) = piece.last() {
                self.gap = *last == b' ' && self.tables.has(Flag::Strip);
            }
            self.piece = piece;
        }
        let (c, len) =
            character(self.piece).map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8()));
        self.piece = self.piece.get(len..).unwrap_or_default();
        Some(if c == ' ' { self.mark() } else { c })
    }

    /// What stands for a space.
    fn mark(&self) -> char {
        if self.tables.has(Flag::Escape) { MARK } else { ' ' }
    }

    /// The next character, if it is not one of the marks at the end. Those are dropped.
    fn visible(&mut self) -> Option<char> {
        let mark = self.mark();
        let mut marks = core::mem::take(&mut self.owed);
        loop {
            let c = self.raw()?;
            if c == mark && self.tables.has(Flag::Strip) {
                marks = marks.saturating_add(1);
                continue;
            }
            let Some(more) = marks.checked_sub(1) else { return Some(c) };
            (self.marks, self.held) = (more, Some(c));
            return Some(mark);
        }
    }
}

impl Iterator for Normal<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        if let Some(fewer) = self.marks.checked_sub(1) {
            self.marks = fewer;
            return Some(self.mark());
        }
        let next = self.held.take().or_else(|| self.visible());
        next.or_else(|| core::mem::take(&mut self.suffix).then(|| self.mark()))
    }
}

/// The character at the front of `bytes`; `None` for a byte that is no part of one.
fn character(bytes: &[u8]) -> Option<char> {
    let len = match *bytes.first()? {
        0..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    core::str::from_utf8(bytes.get(..len)?).ok()?.chars().next()
}
