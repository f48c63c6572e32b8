//! The units of translation: lines or their sentences.

use super::{Translated, Translation};
use a2d_data::sentences;

/// The units of some lines.
pub struct Units<'a> {
    /// The units of all lines.
    pub texts: Vec<&'a str>,
    /// Number of units in each line.
    counts: Vec<usize>,
}

impl<'a> Units<'a> {
    /// The lines or, with `split`, their sentences.
    pub fn of(lines: impl Iterator<Item = &'a str>, split: bool) -> Self {
        let of = |line| if split { sentences::split(line) } else { vec![line] };
        let parts: Vec<_> = lines.map(of).collect();
        let counts = parts.iter().map(Vec::len).collect();
        Self { texts: parts.concat(), counts }
    }

    /// The line of a unit.
    pub fn line_of(&self, unit: usize) -> usize {
        let mut end = 0;
        let ends = self.counts.iter().map(|count| {
            end += count;
            end
        });
        ends.take_while(|end| *end <= unit).count()
    }

    /// Joins the translations of the units to lines. The score of a line of several units is their mean, its length
    /// that of the longest.
    pub fn join(&self, found: Translated) -> Translated {
        let mut units = found.lines.into_iter().zip(found.lengths);
        let (mut lines, mut lengths) = (Vec::new(), Vec::new());
        for &count in &self.counts {
            let (mut parts, tokens): (Vec<_>, Vec<_>) = units.by_ref().take(count).unzip();
            lengths.push(tokens.into_iter().max().unwrap_or(0));
            lines.push(if count == 1 { parts.swap_remove(0) } else { vec![whole(&parts)] });
        }
        Translated { lines, lengths, tokens: found.tokens }
    }
}

/// Joins the best translations of several sentences.
fn whole(parts: &[Vec<Translation>]) -> Translation {
    let best: Vec<_> = parts.iter().filter_map(|part| part.first()).collect();
    let score = best.iter().map(|one| one.score).sum::<f32>() / best.len().max(1) as f32;
    Translation { text: sentences::join(best.iter().map(|one| one.text.as_str())), score }
}
