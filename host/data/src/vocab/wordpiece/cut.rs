//! How BERT cuts and replaces single characters.
//!
//! The facts are those of `tokenizers` 0.x, of different versions of Unicode: general categories of 8, normal forms of 9,
//! and the lower case of the standard library.

use super::model::Rules;
use a2d_core::token::wordpiece::Class;
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::UnicodeNormalization;
use unicode_normalization_alignments::char::canonical_combining_class;

/// What becomes of one character.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub class: Class,
    /// The characters that stand for it in a word.
    pub form: String,
}

impl Rules {
    /// What becomes of `c`. Stripped accents apart, a character does not depend on those around it.
    pub(super) fn cut(self, c: char) -> Cut {
        let form = if is_dropped(c) { String::new() } else { self.form(c) };
        let class = match form.chars().next() {
            None => Class::Dropped,
            Some(first) if first.is_whitespace() => Class::Space,
            Some(first) if is_punctuation(first) => Class::Alone,
            _ if self.ideographs && is_ideograph(c) => Class::Alone,
            _ => Class::Letter,
        };
        Cut { class, form }
    }

    fn form(self, c: char) -> String {
        let mut form = String::from(c);
        if self.strip_accents {
            let apart = form.chars().nfd().map(|(c, _)| c);
            form = apart.filter(|c| !c.is_mark_nonspacing()).collect();
        }
        if self.lowercase {
            form = form.chars().flat_map(char::to_lowercase).collect();
        }
        form
    }

    /// The combining class of a character that is a mark and stays one: NFD sorts the marks of a letter by it.
    pub(super) fn sorted_by(self, c: char) -> Option<u8> {
        let class = canonical_combining_class(c);
        (self.strip_accents && class > 0 && !c.is_mark_nonspacing()).then_some(class)
    }
}

/// Whether a text is cleaned of a character.
fn is_dropped(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\r') && (matches!(c, '\0' | '\u{fffd}') || c.is_other())
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_punctuation()
}

/// The ideographs of BERT: neither all of Unicode's nor only those.
fn is_ideograph(c: char) -> bool {
    matches!(
        u32::from(c),
        0x3400..=0x4dbf
            | 0x4e00..=0x9fff
            | 0xf900..=0xfaff
            | 0x20000..=0x2a6df
            | 0x2a700..=0x2b73f
            | 0x2b740..=0x2b81f
            | 0x2b920..=0x2ceaf
            | 0x2f800..=0x2fa1f
    )
}
