//! What can be wrong with a pair of lines.

use super::pairs::Sides;
use super::script::Script;
use super::survey::Survey;
use crate::vocab::Normalization;
use serde::{Deserialize, Serialize};

/// Something that is looked for in every pair of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A side is not UTF-8, or longer than [`a2d_system::text::LONGEST_LINE`].
    Unreadable,
    /// A side is empty or blank, once it is normalised.
    Empty,
    /// A side has more tokens than allowed.
    TooLong,
    /// One side has more than three times the tokens of the other, and five more.
    Unbalanced,
    /// Both sides are the same, and have letters.
    Identical,
    /// The pair equals an earlier one.
    Duplicate,
    /// A side is also in another split, but for case, white space and final punctuation: training text in what is
    /// measured on, or the other way round.
    Overlap,
    /// A side has signs of a wrong encoding: `�`, `Ã¤`, control characters and byte-order marks that no
    /// normalisation drops.
    Encoding,
    /// Most letters of a side are of another script than most lines of the training text.
    Script,
    /// The pair equals an earlier one but for case, white space and final punctuation. No flaw.
    NearDuplicate,
    /// The source is that of an earlier pair, the target another. No flaw.
    Ambiguous,
}

impl Check {
    /// All, in the order of reports.
    pub const ALL: [Self; 11] = [
        Self::Unreadable,
        Self::Empty,
        Self::TooLong,
        Self::Unbalanced,
        Self::Identical,
        Self::Duplicate,
        Self::Overlap,
        Self::Encoding,
        Self::Script,
        Self::NearDuplicate,
        Self::Ambiguous,
    ];

    /// Whether it speaks against the pair.
    pub fn is_flaw(self) -> bool {
        !matches!(self, Self::NearDuplicate | Self::Ambiguous)
    }

    /// Whether pairs that it holds for are left out.
    pub(super) fn leaves_out(self, clean: bool) -> bool {
        matches!(self, Self::Unreadable | Self::Empty | Self::TooLong) || clean && self.is_flaw()
    }
}

/// The checks that hold for a pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    pub fn set(&mut self, check: Check, holds: bool) {
        self.0 |= u16::from(holds) << check as u16;
    }

    pub fn has(self, check: Check) -> bool {
        self.0 >> check as u16 & 1 == 1
    }

    pub fn any(self, which: impl Fn(Check) -> bool) -> bool {
        Check::ALL.into_iter().any(|check| self.has(check) && which(check))
    }

    /// Of a pair that can be read, whether a side is empty.
    pub fn of_empty(sides: &Sides<'_>) -> Self {
        let mut flags = Self::default();
        flags.set(Check::Empty, sides.lack());
        flags
    }

    /// Whether there is nothing to encode.
    pub fn hopeless(self) -> bool {
        self.has(Check::Unreadable) || self.has(Check::Empty)
    }
}

/// All that can be said of a pair without its tokens; without `sides`, it cannot be read. `i` is its
/// number in the text that was surveyed, `scripts` are what its sides should be written in.
pub(super) fn judge(
    i: usize,
    sides: Option<&Sides<'_>>,
    survey: &Survey,
    scripts: [Option<Script>; 2],
) -> Flags {
    let Some(sides) = sides else {
        let mut flags = Flags::default();
        flags.set(Check::Unreadable, true);
        return flags;
    };
    let mut flags = Flags::of_empty(sides);
    if flags.hopeless() {
        return flags;
    }
    let Sides { raw, text, normalization } = sides;
    let mended = *normalization != Normalization::None;
    flags.set(Check::Identical, is_copy(text[0], text[1]));
    flags.set(Check::Duplicate, survey.repeated.has(i));
    flags.set(Check::NearDuplicate, survey.alike.has(i));
    flags.set(Check::Ambiguous, survey.ambiguous.has(i));
    flags.set(Check::Overlap, survey.overlap.has(i));
    flags.set(Check::Encoding, raw.iter().any(|side| is_garbled(side, mended)));
    let foreign = text.iter().zip(scripts).any(|(side, wanted)| {
        let found = wanted.and_then(|_| Script::of_most(side));
        found.is_some() && found != wanted
    });
    flags.set(Check::Script, foreign);
    flags
}

/// Notes what the numbers of tokens of a pair tell.
pub(super) fn judge_lengths(flags: &mut Flags, tokens: [usize; 2], max_length: usize) {
    let (short, long) = (tokens[0].min(tokens[1]), tokens[0].max(tokens[1]));
    flags.set(Check::TooLong, long > max_length);
    flags.set(Check::Unbalanced, long <= max_length && long > 3 * short + 5);
}

/// Notes what is sure of the numbers of tokens of a pair: `bounds` are the fewest and the most of each side.
pub(super) fn judge_bounds(flags: &mut Flags, bounds: [[usize; 2]; 2], max_length: usize) {
    let [[source, most_of_source], [target, most_of_target]] = bounds;
    let outweighs = |fewest: usize, most: usize| fewest > 3 * most + 5;
    flags.set(Check::TooLong, source.max(target) > max_length);
    let unbalanced = outweighs(source, most_of_target) || outweighs(target, most_of_source);
    flags.set(Check::Unbalanced, unbalanced);
}

/// Numbers and signs are often the same in both languages.
fn is_copy(source: &str, target: &str) -> bool {
    source.trim() == target.trim() && source.chars().any(char::is_alphabetic)
}

/// Whether a line was likely read in another encoding than it was written in. Where it is `mended` by a
/// normalisation, what that drops speaks against it no more, but for characters that are none of
/// Unicode's and letters of Windows-1252.
fn is_garbled(line: &str, mended: bool) -> bool {
    let stray = |c: char| c == '\u{FEFF}' || c.is_control() && c != '\t';
    let sign = |c: char| matches!(c, '\u{FFFD}' | '\u{80}'..='\u{9F}') || !mended && stray(c);
    if line.is_ascii() {
        return !mended && line.chars().any(stray);
    }
    let mut before = ' ';
    line.chars().any(|c| {
        let misread = is_misread(before, c);
        before = c;
        sign(c) || misread
    })
}

/// Whether two characters are UTF-8 that was read as Windows-1252: `Ã¤` for `ä`, `â€œ` for `“`.
///
/// The second byte of UTF-8 lies in 80..BF. What a text may really have after such a letter is
/// let pass: quotation marks and dashes after capitals.
fn is_misread(first: char, second: char) -> bool {
    match first {
        'Ã' | 'Â' | 'Ä' | 'Å' | 'Ð' | 'Ñ' => {
            matches!(second, '\u{A0}'..='\u{BF}' if !matches!(second, '«' | '»' | '·'))
                || "€ƒ„†‡ˆ‰Š‹ŒŽ•˜™š›œžŸ".contains(second)
        }
        'â' => second == '€',
        'ï' => second == '»',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misread_text_is_told_from_text() {
        let good = ["schön, Größe, Äpfel", "À la carte «ÉTÉ»", "„MENÜ“", "NÃO", "Ångström · Ñandú"];
        assert!(!good.into_iter().any(|line| is_garbled(line, false) || is_garbled(line, true)));
        for bad in [
            "schÃ¶n",
            "GrÃ¶ÃŸe",
            "Â 5",
            "donâ€™t",
            "Ð¿Ñ€Ð¸",
            "ï»¿",
            "a\u{7f}",
            "a\u{1}",
            "�",
            "Å¡",
            "\u{feff}a",
            "ä\u{85}",
        ] {
            let line = bad.replace("Â 5", "Â\u{a0}5");
            let mended = ["a\u{7f}", "a\u{1}", "\u{feff}a"].contains(&bad);
            assert_eq!(
                [is_garbled(&line, false), is_garbled(&line, true)],
                [true, !mended],
                "{line}"
            );
        }
        assert!(!is_garbled("a\tb", false) && !is_garbled("ä\tb", false));
    }

    #[test]
    fn a_copy_has_letters() {
        assert!(is_copy("Tom ", "Tom") && is_copy("ß", "ß"));
        assert!(!is_copy("12:30 – 14", "12:30 – 14") && !is_copy("Tom", "tom"));
    }
}
