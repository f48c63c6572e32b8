//! The tokeniser for Chinese: single Chinese characters, and `13a` for other text.

use super::western::{space_points, space_symbols};
use super::{is_space, isolate};

/// Separates Chinese characters, and splits other text at ASCII punctuation.
pub fn space(line: &str) -> String {
    let line = isolate(line.trim_start_matches(is_space), is_chinese);
    space_points(&space_symbols(&line))
}

/// Chinese characters as in sacreBLEU. Two of its ranges should begin above U+FFFF but have four digits, and so contain
/// general punctuation and symbols.
fn is_chinese(c: char) -> bool {
    matches!(c,
        '\u{2001}'..='\u{2a6d}'
        | '\u{2e80}'..='\u{2fdf}'
        | '\u{2ff0}'..='\u{303f}'
        | '\u{3100}'..='\u{312f}'
        | '\u{31a0}'..='\u{31bf}'
        | '\u{31c0}'..='\u{31ef}'
        | '\u{3200}'..='\u{4db5}'
        | '\u{4e00}'..='\u{9fbb}'
        | '\u{f900}'..='\u{fa2d}'
        | '\u{fa30}'..='\u{fa6a}'
        | '\u{fa70}'..='\u{fad9}'
        | '\u{fe10}'..='\u{fe1f}'
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff00}'..='\u{ffef}')
}
