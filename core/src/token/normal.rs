//! Text as its tokens spell it: normalised, with a mark for each space.

use super::MARK;
#[cfg(feature = "nfc")]
use super::nfc::Composed as Forms;
#[cfg(not(feature = "nfc"))]
use super::visible::Visible as Forms;
use core::str::Chars;

/// How a vocabulary's text is normalised; step 1 of [the module's description](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Normalization {
    /// Not at all.
    None,
    /// To NFC, by the feature `nfc`.
    Nfc,
    /// To NFKC, of which a device does what it does for NFC.
    Nfkc,
}

impl Normalization {
    /// That of a byte of the tables.
    pub(super) fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Nfc),
            2 => Some(Self::Nfkc),
            _ => None,
        }
    }

    /// The byte that stands for it in the tables.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The characters of a line, normalised and marked: steps 1 and 2 of the module's description.
    pub(super) fn marked(self, text: &str) -> Marked<'_> {
        match self {
            Self::None => {
                let mark = !text.is_empty() && !text.starts_with([' ', MARK]);
                Marked::Plain { mark, chars: text.chars() }
            }
            Self::Nfc | Self::Nfkc => {
                let forms = Forms::new(text);
                Marked::Normal { forms, gap: true, held: None }
            }
        }
    }
}

/// The characters of a line with their marks.
pub(super) enum Marked<'t> {
    /// As they are.
    Plain { mark: bool, chars: Chars<'t> },
    /// Normalised. `gap`: there was a space, or nothing yet; `held`: what comes after its mark.
    Normal { forms: Forms<'t>, gap: bool, held: Option<char> },
}

impl Iterator for Marked<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::Plain { mark, chars } => match core::mem::take(mark) {
                true => Some(MARK),
                false => chars.next().map(|c| if c == ' ' { MARK } else { c }),
            },
            Self::Normal { forms, gap, held } => {
                if let Some(c) = held.take() {
                    return Some(c);
                }
                let mut c = forms.next()?;
                while c == ' ' {
                    *gap = true;
                    c = forms.next()?;
                }
                if core::mem::take(gap) {
                    *held = Some(c);
                    return Some(MARK);
                }
                Some(c)
            }
        }
    }
}
