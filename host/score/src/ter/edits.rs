//! Levenshtein distance within a band.

use std::ops::Range;

/// Cells computed on either side of the diagonal.
const BEAM: usize = 25;
/// The cost outside the band.
const NEVER: u32 = u32::MAX / 2;

/// The distances of all prefixes of a hypothesis to all prefixes of a reference.
///
/// Row i is for the first i words of the hypothesis, column j for the first j of the reference.
pub struct Edits<'a> {
    reference: &'a [u32],
    /// The range of computed cells of each row. All others are [`NEVER`].
    bands: Vec<Range<usize>>,
    /// The distances, row-major.
    costs: Vec<u32>,
    /// Two row buffers for [`of_changed`](Self::of_changed).
    spare: [Vec<u32>; 2],
}

/// The word alignment of a hypothesis and a reference.
pub struct Alignment {
    /// For each reference word, the number of hypothesis words up to and including its counterpart.
    pub used: Vec<usize>,
    /// For each hypothesis word, whether it is deleted or replaced.
    pub wrong: Vec<bool>,
    /// For each reference word, whether it is inserted or replaces another.
    pub missed: Vec<bool>,
}

impl<'a> Edits<'a> {
    /// For hypotheses of the length of `hypothesis`. Neither argument may be empty.
    pub fn new(hypothesis: &[u32], reference: &'a [u32]) -> Self {
        let columns = reference.len() + 1;
        let mut edits = Self {
            reference,
            bands: bands(hypothesis.len(), reference.len()),
            costs: vec![NEVER; (hypothesis.len() + 1) * columns],
            spare: [vec![NEVER; columns], vec![NEVER; columns]],
        };
        (0..).zip(&mut edits.costs[..columns]).for_each(|(j, cost)| *cost = j);
        edits.set(hypothesis);
        edits
    }

    /// Recomputes all distances for a hypothesis of the same length.
    pub fn set(&mut self, hypothesis: &[u32]) {
        let columns = self.reference.len() + 1;
        for (i, word) in hypothesis.iter().enumerate() {
            let (above, rest) = self.costs[i * columns..].split_at_mut(columns);
            fill(above, &mut rest[..columns], *word, self.reference, self.bands[i].clone());
        }
    }

    /// The distance of the hypothesis.
    pub fn total(&self) -> u32 {
        self.costs.last().copied().unwrap_or(0)
    }

    /// The distance of `changed`, which has the hypothesis's length and its first `same` words.
    pub fn of_changed(&mut self, changed: &[u32], same: usize) -> u32 {
        let columns = self.reference.len() + 1;
        let [above, row] = &mut self.spare;
        above.copy_from_slice(&self.costs[same * columns..][..columns]);
        for (word, band) in changed.iter().zip(&self.bands).skip(same) {
            fill(above, row, *word, self.reference, band.clone());
            std::mem::swap(above, row);
        }
        above[columns - 1]
    }

    /// The cheapest alignment. Ties are resolved from the end: a match or replacement first, then a deletion, then an
    /// insertion.
    pub fn alignment(&self, hypothesis: &[u32]) -> Alignment {
        let (mut i, mut j) = (hypothesis.len(), self.reference.len());
        let mut alignment =
            Alignment { used: vec![0; j], wrong: vec![true; i], missed: vec![true; j] };
        let columns = j + 1;
        let cost = |i: usize, j: usize| self.costs[i * columns + j];
        while i > 0 || j > 0 {
            let differ = i > 0 && j > 0 && hypothesis[i - 1] != self.reference[j - 1];
            if i > 0 && j > 0 && cost(i, j) == cost(i - 1, j - 1) + u32::from(differ) {
                alignment.used[j - 1] = i;
                alignment.wrong[i - 1] = differ;
                alignment.missed[j - 1] = differ;
                (i, j) = (i - 1, j - 1);
            } else if j == 0 || i > 0 && cost(i, j) == cost(i - 1, j) + 1 {
                i -= 1;
            } else {
                alignment.used[j - 1] = i;
                j -= 1;
            }
        }
        alignment
    }
}

/// The computed range of each row after the first: around a diagonal with the slope of the lengths, wide enough to
/// overlap the row above, and up to the end in the last row.
fn bands(rows: usize, columns: usize) -> Vec<Range<usize>> {
    let ratio = columns as f64 / rows as f64;
    let beam = if (BEAM as f64) < ratio / 2.0 {
        (ratio / 2.0 + BEAM as f64).ceil() as usize
    } else {
        BEAM
    };
    let band = |i: usize| {
        let diagonal = (i as f64 * ratio).floor() as usize;
        let end = if i == rows { columns + 1 } else { (columns + 1).min(diagonal + beam) };
        diagonal.saturating_sub(beam)..end
    };
    (1..=rows).map(band).collect()
}

/// Computes a row from the one above it.
fn fill(above: &[u32], row: &mut [u32], word: u32, reference: &[u32], band: Range<usize>) {
    row.fill(NEVER);
    let mut left = NEVER;
    for j in band {
        left = match j.checked_sub(1) {
            None => above[0] + 1,
            Some(before) => {
                let replaced = above[before] + u32::from(word != reference[before]);
                replaced.min(above[j] + 1).min(left + 1).min(NEVER)
            }
        };
        row[j] = left;
    }
}
