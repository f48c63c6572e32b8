//! Text in the form that is encoded: normalised, with `▁` for each space.

use super::MARK;
#[cfg(feature = "nfc")]
use super::nfc::Composed as Forms;
#[cfg(not(feature = "nfc"))]
use super::visible::Visible as Forms;
use core::str::Chars;

/// The normalisation of text; step 1 of [the module's description](super).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Normalization {
    /// No normalisation.
    None,
    /// NFC, with the feature `nfc`.
    Nfc,
    /// NFKC; on a device the same as NFC.
    Nfkc,
}

impl Normalization {
    /// The normalisation of a byte of the tables.
    pub(super) fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Nfc),
            2 => Some(Self::Nfkc),
            _ => None,
        }
    }

    /// The byte of the normalisation in the tables.
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

/// The characters of a line, with `▁` for spaces.
#[derive(Clone)]
pub(super) enum Marked<'t> {
    /// Without normalisation.
    Plain { mark: bool, chars: Chars<'t> },
    /// Normalised. `gap`: a space, or the start of the line, came before; `held`: the character after the next `▁`.
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
