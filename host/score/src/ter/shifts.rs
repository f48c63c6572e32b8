//! Moving blocks of words, one edit each, while that makes up for itself. The search is `tercom`'s
//! greedy one, and its limits are sacreBLEU's: both decide what the score is.

use super::edits::{Alignment, Edits};

/// Words of the longest block moved.
const LONGEST: usize = 10;
/// How far apart a block's places in hypothesis and reference can be.
const FARTHEST: usize = 50;
/// Moves tried for a line before the search is given up.
const MOST_TRIED: usize = 1000;

/// How many edits make the hypothesis its reference.
pub fn edits(hypothesis: &[u32], reference: &[u32]) -> u32 {
    if hypothesis.is_empty() || reference.is_empty() {
        return (hypothesis.len() + reference.len()) as u32;
    }
    let mut search = Search {
        words: hypothesis.to_vec(),
        moved: Vec::with_capacity(hypothesis.len()),
        edits: Edits::new(hypothesis, reference),
        reference,
        tried: 0,
    };
    let mut shifts = 0;
    while let Some(shift) = search.best() {
        // What was found when the search is given up is not used any more.
        if search.tried >= MOST_TRIED || shift.gain <= 0 {
            break;
        }
        shifts += 1;
        search.apply(&shift);
    }
    shifts + search.edits.total()
}

/// A block of words and where it goes.
struct Shift {
    /// By how much the distance shrinks.
    gain: i64,
    length: usize,
    from: usize,
    /// Before which word it is put.
    to: usize,
}

impl Shift {
    /// What is compared: more gained, then longer, then from farther left, then to farther left.
    fn rank(&self) -> impl Ord {
        use std::cmp::Reverse;
        (self.gain, self.length, Reverse(self.from), Reverse(self.to))
    }
}

struct Search<'a> {
    /// The hypothesis as shifted so far.
    words: Vec<u32>,
    /// Room for one more shift.
    moved: Vec<u32>,
    /// Of `words`.
    edits: Edits<'a>,
    reference: &'a [u32],
    tried: usize,
}

impl Search<'_> {
    /// The best shift of a block that stands elsewhere in the reference.
    fn best(&mut self) -> Option<Shift> {
        let alignment = self.edits.alignment(&self.words);
        let mut best: Option<Shift> = None;
        for from in 0..self.words.len() {
            let nearest = from.saturating_sub(FARTHEST);
            for at in nearest..self.reference.len().min(from + FARTHEST + 1) {
                for length in 1..=self.common(from, at) {
                    if !is_worthwhile(&alignment, from, at, length) {
                        continue;
                    }
                    self.try_places(&alignment, from, at, length, &mut best);
                    if self.tried >= MOST_TRIED {
                        return best;
                    }
                }
            }
        }
        best
    }

    /// Words that the hypothesis has from `from` on and the reference from `at` on.
    fn common(&self, from: usize, at: usize) -> usize {
        let pairs = self.words[from..].iter().zip(&self.reference[at..]).take(LONGEST);
        pairs.take_while(|(a, b)| a == b).count()
    }

    /// Tries the block before the words that are aligned with the one before `at` and the
    /// following ones.
    fn try_places(
        &mut self,
        alignment: &Alignment,
        from: usize,
        at: usize,
        length: usize,
        best: &mut Option<Shift>,
    ) {
        let before = at.checked_sub(1).map_or(0, |before| alignment.used[before]);
        let end = self.reference.len().min(at + length);
        let mut last = None;
        for to in [before].iter().chain(&alignment.used[at..end]).copied() {
            if last == Some(to) {
                continue;
            }
            last = Some(to);
            let shift = Shift { gain: self.gain(from, length, to), length, from, to };
            self.tried += 1;
            if best.as_ref().is_none_or(|best| shift.rank() > best.rank()) {
                *best = Some(shift);
            }
        }
    }

    fn gain(&mut self, from: usize, length: usize, to: usize) -> i64 {
        shift(&self.words, from, length, to, &mut self.moved);
        let same = self.words.iter().zip(&self.moved).take_while(|(a, b)| a == b).count();
        let after = self.edits.of_changed(&self.moved, same);
        i64::from(self.edits.total()) - i64::from(after)
    }

    fn apply(&mut self, found: &Shift) {
        shift(&self.words, found.from, found.length, found.to, &mut self.moved);
        std::mem::swap(&mut self.words, &mut self.moved);
        self.edits.set(&self.words);
    }
}

/// Whether a block is wrong where it stands, missed where it belongs, and would leave its place.
fn is_worthwhile(alignment: &Alignment, from: usize, at: usize, length: usize) -> bool {
    let wrong = alignment.wrong[from..from + length].contains(&true);
    let missed = alignment.missed[at..at + length].contains(&true);
    let stays = (from + 1..=from + length).contains(&alignment.used[at]);
    wrong && missed && !stays
}

/// Writes `words` to `out` with the block moved before the word `to`; if that is in the block, as
/// far to the right as it is in the block.
fn shift(words: &[u32], from: usize, length: usize, to: usize, out: &mut Vec<u32>) {
    out.clear();
    let block = &words[from..from + length];
    let parts: [&[u32]; 4] = if to < from {
        [&words[..to], block, &words[to..from], &words[from + length..]]
    } else {
        let end = if to > from + length { to } else { words.len().min(to + length) };
        [&words[..from], &words[from + length..end], block, &words[end..]]
    };
    parts.iter().for_each(|part| out.extend_from_slice(part));
}
