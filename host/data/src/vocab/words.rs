//! Cuts lines into pieces and counts them, to learn a vocabulary.

use super::{LineForm, SPACE, Symbols};
use a2d_system::hash;
use std::cmp::Reverse;
use std::collections::HashMap;

/// The longest learnt token in characters.
pub const LONGEST_TOKEN: usize = 32;

/// The most distinct pieces that a vocabulary is learnt from.
const MOST_LEARNT: usize = 1 << 18;

/// The counts of all distinct pieces of some lines.
///
/// Pieces are cut after every [`LONGEST_TOKEN`] characters, which bounds learning time for text without spaces. A
/// vocabulary is learnt from the 262,144 most frequent pieces; ordinary text in two languages has that many after some
/// 30 million words. All pieces are counted, in memory.
#[derive(Default)]
pub struct Words {
    normalization: LineForm,
    normal: String,
    counts: HashMap<Box<str>, u64>,
    marked: String,
    symbols: Symbols,
}

impl Words {
    /// No pieces yet. Lines will be normalised by `normalization`.
    pub fn new(normalization: LineForm) -> Self {
        Self { normalization, ..Self::default() }
    }

    /// [`Words::new`] of a vocabulary with `symbols`, which are cut out of the lines.
    pub fn with_symbols(normalization: LineForm, symbols: Symbols) -> Self {
        Self { normalization, symbols, ..Self::default() }
    }

    /// The symbols of the vocabulary.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// How lines are normalised.
    pub fn normalization(&self) -> LineForm {
        self.normalization
    }

    /// Counts the pieces of a line.
    pub fn add(&mut self, line: &str) {
        let mut buffer = std::mem::take(&mut self.normal);
        self.add_normal(self.normalization.apply(line, &mut buffer));
        self.normal = buffer;
    }

    /// [`Words::add`] of a normalised line.
    pub(crate) fn add_normal(&mut self, line: &str) {
        mark(line, &mut self.marked);
        let texts = self.symbols.cut(&self.marked).map(|(text, _)| &self.marked[text]);
        for part in texts.flat_map(pieces).flat_map(parts) {
            count(&mut self.counts, part);
        }
    }

    /// The number of distinct pieces that a vocabulary would be learnt from.
    #[allow(clippy::len_without_is_empty)] // only the number is needed
    pub fn len(&self) -> usize {
        self.counts.len().min(MOST_LEARNT)
    }

    /// The fewest and the most tokens of a normalised line in a learnt vocabulary.
    pub(crate) fn bounds(&mut self, line: &str) -> [usize; 2] {
        mark(line, &mut self.marked);
        let (mut fewest, mut most) = (0, 0);
        for (text, symbol) in self.symbols.cut(&self.marked) {
            let text = &self.marked[text];
            let parts = text.chars().count().div_ceil(LONGEST_TOKEN);
            fewest += pieces(text).count().max(parts) + usize::from(symbol.is_some());
            most += text.len() + usize::from(symbol.is_some());
        }
        [fewest, most]
    }

    /// The pieces that a vocabulary is learnt from. Ties are broken by hash, which samples them evenly, independent of
    /// line order.
    pub(super) fn most_frequent(self) -> HashMap<Box<str>, u64> {
        if self.counts.len() <= MOST_LEARNT {
            return self.counts;
        }
        let key = |(word, count): &(Box<str>, u64)| (Reverse(*count), hash::bytes(word.as_bytes()));
        let mut words: Vec<_> = self.counts.into_iter().collect();
        words.select_nth_unstable_by(MOST_LEARNT, |a, b| {
            key(a).cmp(&key(b)).then_with(|| a.0.cmp(&b.0))
        });
        words.truncate(MOST_LEARNT);
        words.into_iter().collect()
    }
}

/// Counts a text. Only a new one is copied.
pub(super) fn count(counts: &mut HashMap<Box<str>, u64>, text: &str) {
    match counts.get_mut(text) {
        Some(count) => *count += 1,
        None => drop(counts.insert(text.into(), 1)),
    }
}

/// Step 2 of [`vocab`](super), into a reused buffer.
pub(super) fn mark(line: &str, marked: &mut String) {
    marked.clear();
    if !line.is_empty() && !line.starts_with([' ', SPACE]) {
        marked.push(SPACE);
    }
    marked.extend(line.chars().map(|c| if c == ' ' { SPACE } else { c }));
}

/// Step 3 of [`vocab`](super).
pub(super) fn pieces(marked: &str) -> impl Iterator<Item = &str> {
    let mut rest = marked;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices();
        let (_, first) = chars.next()?;
        let end = if first.is_ascii_punctuation() {
            1
        } else {
            chars.find(|&(_, c)| c == SPACE || c.is_ascii_punctuation()).map_or(rest.len(), |f| f.0)
        };
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// Cuts a piece into parts of [`LONGEST_TOKEN`] characters.
fn parts(piece: &str) -> impl Iterator<Item = &str> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(LONGEST_TOKEN).map_or(rest.len(), |(end, _)| end);
        let (part, after) = rest.split_at(end);
        rest = after;
        Some(part).filter(|part| !part.is_empty())
    })
}
