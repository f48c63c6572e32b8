//! How many words to insert, delete and replace: Levenshtein's distance in a band.

use std::ops::Range;

/// Cells on either side of the diagonal that are looked at.
const BEAM: usize = 25;
/// The cost of what is outside of the band.
const NEVER: u32 = u32::MAX / 2;

/// The distances of all prefixes of a hypothesis to all prefixes of a reference.
///
/// Row i is for the first i words of the hypothesis, column j for the first j of the reference.
pub struct Edits<'a> {
    reference: &'a [u32],
    /// Where the cells of a row can be less than [`NEVER`].
    bands: Vec<Range<usize>>,
    /// Row by row.
    costs: Vec<u32>,
    /// Two rows for [`of_changed`](Self::of_changed).
    spare: [Vec<u32>; 2],
}

/// What becomes of the words when a hypothesis is edited into its reference.
pub struct Alignment {
    /// How many words of the hypothesis come before each word of the reference or make it.
    pub used: Vec<usize>,
    /// Whether a word of the hypothesis is deleted or replaced.
    pub wrong: Vec<bool>,
    /// Whether a word of the reference is inserted or replaces another.
    pub missed: Vec<bool>,
}

impl<'a> Edits<'a> {
    /// For hypotheses with as many words as `hypothesis`; neither it nor `reference` is empty.
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

    /// Computes all distances anew for a hypothesis of the same length.
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

    /// The distance of `changed`, which is as long as the hypothesis and begins with the same
    /// `same` words.
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

    /// The cheapest edits. Of equally cheap ones, the last is a word kept or replaced rather than
    /// one deleted, and that rather than one inserted; so is the one before it.
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

/// Where each row but the first is computed: around a diagonal as steep as the lengths are, wide
/// enough to meet the row above, and to the end in the last one.
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
