//! Symbols: texts such as `%s` that are one token wherever they occur.

use super::SPACE;
use a2d_system::error::{Error, Result};
use aho_corasick::{AhoCorasick, MatchKind};
use std::ops::Range;

/// The longest symbol in bytes.
pub const LONGEST_SYMBOL: usize = 255;

/// The symbols of a vocabulary: none by default. Found by text; at each character the longest symbol counts.
#[derive(Default)]
pub struct Symbols {
    /// Ascending by bytes.
    texts: Vec<String>,
    /// Finds the texts in a marked line; `None` without symbols.
    finder: Option<AhoCorasick>,
}

impl Symbols {
    /// Symbols from their texts, in any order.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a text that is repeated, empty, longer than [`LONGEST_SYMBOL`], contains `▁`, or has a
    /// space or a control character at an end.
    pub fn new(mut texts: Vec<String>) -> Result<Self> {
        texts.sort_unstable();
        let repeated = texts.windows(2).find(|two| two[0] == two[1]).map(|two| &two[0]);
        if let Some(text) = repeated.or(texts.iter().find(|text| !is_sound(text))) {
            return Err(Error::misuse(format!("{text:?} cannot be a protected symbol")));
        }
        if texts.is_empty() {
            return Ok(Self::default());
        }
        let marked = texts.iter().map(|text| text.replace(' ', SPACE.encode_utf8(&mut [0; 4])));
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(marked);
        let finder =
            finder.map_err(|e| Error::misuse(format!("too many protected symbols: {e}")))?;
        Ok(Self { texts, finder: Some(finder) })
    }

    /// The texts, ascending by bytes: the order of their ids.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The number of symbols.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Cuts a marked line: the text before each symbol with the symbol, then the text after the last.
    pub(super) fn cut<'t>(
        &'t self,
        marked: &'t str,
    ) -> impl Iterator<Item = (Range<usize>, Option<usize>)> + 't {
        let mut found = self.finder.iter().flat_map(move |finder| finder.find_iter(marked));
        let mut start = Some(0);
        std::iter::from_fn(move || {
            let from = start?;
            let symbol = found.next();
            start = symbol.map(|symbol| symbol.end());
            let end = symbol.map_or(marked.len(), |symbol| symbol.start());
            Some((from..end, symbol.map(|symbol| symbol.pattern().as_usize())))
        })
    }
}

/// Whether a text can be a symbol.
pub(super) fn is_sound(text: &str) -> bool {
    (1..=LONGEST_SYMBOL).contains(&text.len()) && !text.contains(SPACE) && trimmed(text) == text
}

/// A text without spaces and control characters at its ends.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}
