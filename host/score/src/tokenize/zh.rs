//! The tokeniser for Chinese: character by character, and the rest as `13a`.

use super::western::{space_points, space_symbols};
use super::{is_space, isolate};

/// Chinese characters stand alone, other text is split at ASCII punctuation.
pub fn space(line: &str) -> String {
    let line = isolate(line.trim_start_matches(is_space), is_chinese);
    space_points(&space_symbols(&line))
}

/// What sacreBLEU takes for Chinese. Two of its ranges are meant to begin above U+FFFF but are
/// written with four digits: they hold general punctuation and symbols instead.
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
