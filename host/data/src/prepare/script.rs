//! Detects the script of a line from the Unicode blocks of its letters.

use serde::{Deserialize, Serialize};

/// A writing system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are the documentation
pub enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Hebrew,
    Arabic,
    /// Devanagari, Bengali and the other scripts of India and Sri Lanka, one number per Unicode block.
    Indic(u8),
    Thai,
    Lao,
    Tibetan,
    Burmese,
    Georgian,
    Ethiopic,
    Khmer,
    Hangul,
    /// Han and Kana together, because Japanese mixes them.
    Han,
    /// All other scripts.
    Other,
}

/// The fewest letters of a line to detect its script.
const FEW_LETTERS: usize = 3;

/// The first and last code point of each block, in order.
const BLOCKS: [(u32, u32, Script); 27] = [
    (0x0041, 0x024F, Script::Latin),
    (0x0250, 0x02AF, Script::Latin),
    (0x0370, 0x03FF, Script::Greek),
    (0x0400, 0x052F, Script::Cyrillic),
    (0x0530, 0x058F, Script::Armenian),
    (0x0590, 0x05FF, Script::Hebrew),
    (0x0600, 0x077F, Script::Arabic),
    (0x08A0, 0x08FF, Script::Arabic),
    (0x0E00, 0x0E7F, Script::Thai),
    (0x0E80, 0x0EFF, Script::Lao),
    (0x0F00, 0x0FFF, Script::Tibetan),
    (0x1000, 0x109F, Script::Burmese),
    (0x10A0, 0x10FF, Script::Georgian),
    (0x1100, 0x11FF, Script::Hangul),
    (0x1200, 0x139F, Script::Ethiopic),
    (0x1780, 0x17FF, Script::Khmer),
    (0x1C80, 0x1C8F, Script::Cyrillic),
    (0x1C90, 0x1CBF, Script::Georgian),
    (0x1E00, 0x1EFF, Script::Latin),
    (0x1F00, 0x1FFF, Script::Greek),
    (0x2DE0, 0x2DFF, Script::Cyrillic),
    (0x3005, 0x30FF, Script::Han),
    (0x3130, 0x318F, Script::Hangul),
    (0x31F0, 0x9FFF, Script::Han),
    (0xAC00, 0xD7FF, Script::Hangul),
    (0xFB50, 0xFEFF, Script::Arabic),
    (0x20000, 0x3FFFF, Script::Han),
];

impl Script {
    /// The script of a letter.
    fn of(letter: char) -> Self {
        let code = letter as u32;
        if (0x0900..=0x0DFF).contains(&code) {
            return Self::Indic(((code - 0x0900) / 0x80) as u8);
        }
        let block = BLOCKS.partition_point(|(_, last, _)| *last < code);
        match BLOCKS.get(block) {
            Some((first, _, script)) if *first <= code => *script,
            _ => Self::Other,
        }
    }

    /// The script of more than half the letters of `line`; `None` with few letters or no majority.
    pub(super) fn of_most(line: &str) -> Option<Self> {
        if line.is_ascii() {
            let letters = line.bytes().filter(u8::is_ascii_alphabetic).take(FEW_LETTERS).count();
            return (letters == FEW_LETTERS).then_some(Self::Latin);
        }
        let mut counts: Vec<(Self, usize)> = Vec::new();
        for letter in line.chars().filter(|c| c.is_alphabetic()) {
            let script = Self::of(letter);
            match counts.iter_mut().find(|(known, _)| *known == script) {
                Some((_, count)) => *count += 1,
                None => counts.push((script, 1)),
            }
        }
        let letters: usize = counts.iter().map(|(_, count)| count).sum();
        let most = counts.into_iter().find(|(_, count)| 2 * count > letters);
        most.filter(|_| letters >= FEW_LETTERS).map(|(script, _)| script)
    }

    /// The name in reports.
    pub(super) fn name(self) -> &'static str {
        const INDIC: [&str; 10] = [
            "Devanagari",
            "Bengali",
            "Gurmukhi",
            "Gujarati",
            "Odia",
            "Tamil",
            "Telugu",
            "Kannada",
            "Malayalam",
            "Sinhala",
        ];
        match self {
            Self::Latin => "Latin",
            Self::Greek => "Greek",
            Self::Cyrillic => "Cyrillic",
            Self::Armenian => "Armenian",
            Self::Hebrew => "Hebrew",
            Self::Arabic => "Arabic",
            Self::Indic(block) => INDIC[usize::from(block).min(INDIC.len() - 1)],
            Self::Thai => "Thai",
            Self::Lao => "Lao",
            Self::Tibetan => "Tibetan",
            Self::Burmese => "Burmese",
            Self::Georgian => "Georgian",
            Self::Ethiopic => "Ethiopic",
            Self::Khmer => "Khmer",
            Self::Hangul => "Hangul",
            Self::Han => "Han",
            Self::Other => "another",
        }
    }

    /// The script of a language; `None` for languages with several scripts and unlisted languages.
    pub(super) fn of_language(code: &str) -> Option<Self> {
        Some(match code {
            "cs" | "da" | "de" | "en" | "es" | "et" | "fi" | "fr" | "hr" | "hu" | "id" | "is"
            | "it" | "lt" | "lv" | "nl" | "no" | "pl" | "pt" | "ro" | "sk" | "sl" | "sv" | "tr"
            | "vi" => Self::Latin,
            "el" => Self::Greek,
            "be" | "bg" | "mk" | "ru" | "uk" => Self::Cyrillic,
            "hy" => Self::Armenian,
            "he" | "yi" => Self::Hebrew,
            "ar" | "fa" | "ur" => Self::Arabic,
            "hi" | "mr" | "ne" => Self::Indic(0),
            "bn" => Self::Indic(1),
            "ta" => Self::Indic(5),
            "te" => Self::Indic(6),
            "th" => Self::Thai,
            "lo" => Self::Lao,
            "bo" => Self::Tibetan,
            "my" => Self::Burmese,
            "ka" => Self::Georgian,
            "am" => Self::Ethiopic,
            "km" => Self::Khmer,
            "ko" => Self::Hangul,
            "ja" | "zh" => Self::Han,
            _ => return None,
        })
    }
}

/// The number of lines per script.
#[derive(Debug, Default, Clone)]
pub(super) struct Scripts(Vec<(Script, usize)>);

impl Scripts {
    /// Counts a line.
    pub(super) fn add(&mut self, script: Script) {
        match self.0.iter_mut().find(|(known, _)| *known == script) {
            Some((_, count)) => *count += 1,
            None => self.0.push((script, 1)),
        }
    }

    /// The most frequent script. Ties go to the first variant of [`Script`].
    pub(super) fn most(&self) -> Option<Script> {
        let most = self.0.iter().max_by_key(|(script, count)| (*count, std::cmp::Reverse(*script)));
        most.map(|(script, _)| *script)
    }
}
