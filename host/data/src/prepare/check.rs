//! Checks of sentence pairs.

use super::pairs::Sides;
use super::script::Script;
use super::survey::Survey;
use crate::task::Task;
use crate::vocab::LineForm;
use serde::{Deserialize, Serialize};

/// A check applied to every pair of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A side is not UTF-8, or longer than [`a2d_system::text::LONGEST_LINE`].
    Unreadable,
    /// A side is empty or blank after normalisation. A text to classify or embed is kept, and this is not a flaw.
    Empty,
    /// A side has more than the allowed number of tokens. A text to classify or embed is cut, and this is not a flaw.
    TooLong,
    /// One side has more than 3 n + 5 tokens, where the other has n.
    Unbalanced,
    /// Both sides are equal and contain letters.
    Identical,
    /// The pair equals an earlier pair.
    Duplicate,
    /// A side also occurs in another split, up to case, white space and final punctuation: training text in the
    /// validation or test text, or the reverse.
    Overlap,
    /// A side shows a wrong encoding: `�`, `Ã¤`, control characters and byte-order marks that normalisation does not
    /// drop.
    Encoding,
    /// Most letters of a side are in another script than most lines of the training text.
    Script,
    /// The pair equals an earlier pair up to case, white space and final punctuation. Not a flaw.
    NearDuplicate,
    /// The source equals that of an earlier pair, the target does not: for texts to classify, the label. Not a flaw.
    Ambiguous,
}

impl Check {
    /// All checks, in report order.
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

    /// Whether the check has a meaning for the pairs of a task.
    pub(super) fn applies(self, task: Task) -> bool {
        match self {
            Self::Unbalanced | Self::Identical => task == Task::Translate,
            Self::Ambiguous => task != Task::Embed,
            _ => true,
        }
    }

    /// Whether the check finds flaws, as opposed to notes.
    pub fn is_flaw(self, task: Task) -> bool {
        match self {
            Self::NearDuplicate | Self::Ambiguous => false,
            Self::Empty | Self::TooLong => task == Task::Translate,
            _ => true,
        }
    }

    /// Whether flagged pairs are excluded.
    pub(super) fn leaves_out(self, task: Task, clean: bool) -> bool {
        let always = match self {
            Self::Unreadable => true,
            Self::Empty | Self::TooLong => task == Task::Translate,
            _ => false,
        };
        always || clean && self.is_flaw(task)
    }
}

/// The checks that flag a pair.
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

    /// The flags of a readable pair: [`Check::Empty`] only.
    pub fn of_empty(sides: &Sides<'_>) -> Self {
        let mut flags = Self::default();
        flags.set(Check::Empty, sides.lack());
        flags
    }
}

/// Applies all checks that need no tokens. `sides` is `None` for an unreadable pair, `i` is the pair's index in the
/// surveyed text, `scripts` are the expected scripts of its sides.
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
    if sides.lack() {
        return flags;
    }
    let mended = sides.form.sides[0] != LineForm::None;
    let copied = matches!(sides.texts(), [source, target] if is_copy(source, target));
    flags.set(Check::Identical, copied);
    flags.set(Check::Duplicate, survey.repeated.has(i));
    flags.set(Check::NearDuplicate, survey.alike.has(i));
    flags.set(Check::Ambiguous, survey.ambiguous.has(i));
    flags.set(Check::Overlap, survey.overlap.has(i));
    flags.set(Check::Encoding, sides.raw_texts().iter().any(|side| is_garbled(side, mended)));
    let foreign = sides.texts().iter().zip(scripts).any(|(side, wanted)| {
        let found = wanted.and_then(|_| Script::of_most(side));
        found.is_some() && found != wanted
    });
    flags.set(Check::Script, foreign);
    flags
}

/// Applies the check of the number of tokens.
pub(super) fn judge_length(flags: &mut Flags, tokens: usize, max_length: usize) {
    flags.set(Check::TooLong, tokens > max_length);
}

/// Applies the checks of the token counts of a translation.
pub(super) fn judge_lengths(flags: &mut Flags, tokens: [usize; 2], max_length: usize) {
    let (short, long) = (tokens[0].min(tokens[1]), tokens[0].max(tokens[1]));
    judge_length(flags, long, max_length);
    flags.set(Check::Unbalanced, long <= max_length && long > 3 * short + 5);
}

/// Applies the checks of token counts where only bounds are known: `bounds` are the fewest and the most tokens of each
/// side. Flags are set only if certain.
pub(super) fn judge_bounds(flags: &mut Flags, bounds: [[usize; 2]; 2], max_length: usize) {
    let [[source, most_of_source], [target, most_of_target]] = bounds;
    let outweighs = |fewest: usize, most: usize| fewest > 3 * most + 5;
    flags.set(Check::TooLong, source.max(target) > max_length);
    let unbalanced = outweighs(source, most_of_target) || outweighs(target, most_of_source);
    flags.set(Check::Unbalanced, unbalanced);
}

/// Whether both sides are equal. Pairs without letters do not count: numbers and symbols are often the same in both
/// languages.
fn is_copy(source: &str, target: &str) -> bool {
    source.trim() == target.trim() && source.chars().any(char::is_alphabetic)
}

/// Whether a line was probably decoded with the wrong encoding. `mended`: the line will be normalised, so characters
/// that normalisation drops do not count, except U+0080 to U+009F and U+FFFD.
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

/// Whether two characters are UTF-8 decoded as Windows-1252: `Ã¤` for `ä`, `â€œ` for `“`.
///
/// A UTF-8 continuation byte is 80..BF. Quotation marks and dashes after capitals are accepted, because they occur in
/// correct text.
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
