//! The international tokeniser of the NIST script `mteval-v14.pl`.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::{isolate, split_pairs};

/// Separates punctuation unless a number character is on both sides, and all symbols.
///
/// The last character of a line has no neighbour: a period after a number stays joined.
pub fn space(line: &str) -> String {
    let after = |out: &mut String, a, b| out.extend([a, ' ', b, ' ']);
    let before = |out: &mut String, a, b| out.extend([' ', a, ' ', b]);
    let line = split_pairs(line, |a, b| !is_number(a) && is_punctuation(b), after);
    let line = split_pairs(&line, |a, b| is_punctuation(a) && !is_number(b), before);
    isolate(&line, is_symbol)
}

fn is_number(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Number
}

fn is_punctuation(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Punctuation
}

fn is_symbol(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Symbol
}
