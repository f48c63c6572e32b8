//! The pieces of a line, and counting them: what a vocabulary is learnt from.

use super::{Normalization, SPACE};
use a2d_system::hash;
use std::cmp::Reverse;
use std::collections::HashMap;

/// The most characters of a token that is learnt.
pub const LONGEST_TOKEN: usize = 32;

/// Of how many different pieces a vocabulary is learnt.
const MOST_LEARNT: usize = 1 << 18;

/// Every piece of some lines and how often it occurs: what a vocabulary is learnt from.
///
/// Pieces are cut after every [`LONGEST_TOKEN`] characters, so that learning takes no longer where
/// there are no spaces. A vocabulary is learnt from the 262,144 most frequent; ordinary text of two
/// languages has so many after some 30 million words. All are counted, in memory.
#[derive(Default)]
pub struct Words {
    normalization: Normalization,
    normal: String,
    counts: HashMap<Box<str>, u64>,
    marked: String,
}

impl Words {
    /// None yet, of lines that are to be normalised thus.
    pub fn new(normalization: Normalization) -> Self {
        Self { normalization, ..Self::default() }
    }

    /// How lines are normalised.
    pub fn normalization(&self) -> Normalization {
        self.normalization
    }

    /// Counts the pieces of one more line.
    pub fn add(&mut self, line: &str) {
        mark(self.normalization.apply(line, &mut self.normal), &mut self.marked);
        for part in pieces(&self.marked).flat_map(parts) {
            match self.counts.get_mut(part) {
                Some(count) => *count += 1,
                None => drop(self.counts.insert(part.into(), 1)),
            }
        }
    }

    /// Of how many different pieces a vocabulary would be learnt.
    #[allow(clippy::len_without_is_empty)] // nobody asks
    pub fn len(&self) -> usize {
        self.counts.len().min(MOST_LEARNT)
    }

    /// The fewest and the most tokens that a line can have in a vocabulary that is learnt.
    pub fn bounds(&mut self, line: &str) -> [usize; 2] {
        mark(self.normalization.apply(line, &mut self.normal), &mut self.marked);
        let parts = self.marked.chars().count().div_ceil(LONGEST_TOKEN);
        [pieces(&self.marked).count().max(parts), self.marked.len()]
    }

    /// Those that a vocabulary is learnt from. Of equally frequent ones a hash decides: they are an
    /// even sample, whatever the order of the lines.
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

/// Step 2 of the description of [`vocab`](super), into a buffer that is used again.
pub(super) fn mark(line: &str, marked: &mut String) {
    marked.clear();
    if !line.is_empty() && !line.starts_with([' ', SPACE]) {
        marked.push(SPACE);
    }
    marked.extend(line.chars().map(|c| if c == ' ' { SPACE } else { c }));
}

/// Step 3 of that description.
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

/// A piece in parts of [`LONGEST_TOKEN`] characters.
fn parts(piece: &str) -> impl Iterator<Item = &str> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(LONGEST_TOKEN).map_or(rest.len(), |(end, _)| end);
        let (part, after) = rest.split_at(end);
        rest = after;
        Some(part).filter(|part| !part.is_empty())
    })
}
