//! Block shifts, one edit each, while they reduce the total. The greedy search is that of `tercom`, the limits are
//! sacreBLEU's; both affect the score.

use super::edits::{Alignment, Edits};

/// The longest block in words.
const LONGEST: usize = 10;
/// The largest distance between a block's positions in hypothesis and reference.
const FARTHEST: usize = 50;
/// The most shifts tried per line.
const MOST_TRIED: usize = 1000;

/// The number of edits from the hypothesis to the reference.
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
        // The shift found when the limit is reached is discarded.
        if search.tried >= MOST_TRIED || shift.gain <= 0 {
            break;
        }
        shifts += 1;
        search.apply(&shift);
    }
    shifts + search.edits.total()
}

/// A block of words and its new position.
struct Shift {
    /// The reduction of the edit distance.
    gain: i64,
    length: usize,
    from: usize,
    /// The index of the word to insert the block before.
    to: usize,
}

impl Shift {
    /// The sort key: larger gain, longer block, smaller start, smaller target.
    fn rank(&self) -> impl Ord {
        use std::cmp::Reverse;
        (self.gain, self.length, Reverse(self.from), Reverse(self.to))
    }
}

struct Search<'a> {
    /// The hypothesis after the shifts so far.
    words: Vec<u32>,
    /// A buffer for the next shift.
    moved: Vec<u32>,
    /// The edit distances of `words`.
    edits: Edits<'a>,
    reference: &'a [u32],
    tried: usize,
}

impl Search<'_> {
    /// The best shift of a block that occurs at another position in the reference.
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

    /// The number of equal words from `from` in the hypothesis and from `at` in the reference.
    fn common(&self, from: usize, at: usize) -> usize {
        let pairs = self.words[from..].iter().zip(&self.reference[at..]).take(LONGEST);
        pairs.take_while(|(a, b)| a == b).count()
    }

    /// Tries to move the block before the words aligned with the reference word before `at` and with the following
    /// words.
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

/// Whether a block is wrong at its position, missing at its target, and would move.
fn is_worthwhile(alignment: &Alignment, from: usize, at: usize, length: usize) -> bool {
    let wrong = alignment.wrong[from..from + length].contains(&true);
    let missed = alignment.missed[at..at + length].contains(&true);
    let stays = (from + 1..=from + length).contains(&alignment.used[at]);
    wrong && missed && !stays
}

/// Writes `words` to `out` with the block moved before the word `to`. If `to` is inside the block, the block moves
/// right by the offset of `to` in it.
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
