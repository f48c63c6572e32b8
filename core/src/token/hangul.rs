//! Hangul syllables, which are computed.

const SYLLABLE: u32 = 0xAC00;
const LEADING: u32 = 0x1100;
const VOWEL: u32 = 0x1161;
/// One below the first trailing consonant.
const TRAILING: u32 = 0x11A7;
const LEADINGS: u32 = 19;
const VOWELS: u32 = 21;
const TRAILINGS: u32 = 28;
const SYLLABLES: u32 = LEADINGS * VOWELS * TRAILINGS;

/// The index of a character in a range of `count` characters from `first` on.
fn number(c: char, first: u32, count: u32) -> Option<u32> {
    u32::from(c).checked_sub(first).filter(|number| *number < count)
}

fn nth(first: u32, number: u32) -> Option<char> {
    char::from_u32(first.saturating_add(number))
}

/// The syllable of two parts, if they have one.
#[cfg(feature = "nfc")]
pub(super) fn compose(first: char, second: char) -> Option<char> {
    if let Some(leading) = number(first, LEADING, LEADINGS) {
        let vowel = number(second, VOWEL, VOWELS)?;
        let number = leading.saturating_mul(VOWELS).saturating_add(vowel);
        return nth(SYLLABLE, number.saturating_mul(TRAILINGS));
    }
    let open = number(first, SYLLABLE, SYLLABLES).filter(|n| n.is_multiple_of(TRAILINGS))?;
    let trailing = number(second, TRAILING, TRAILINGS).filter(|number| *number > 0)?;
    nth(SYLLABLE, open.saturating_add(trailing))
}

/// The two parts of a syllable.
pub(super) fn decompose(c: char) -> Option<(char, char)> {
    let number = number(c, SYLLABLE, SYLLABLES)?;
    let trailing = number % TRAILINGS;
    if trailing > 0 {
        return Some((nth(SYLLABLE, number.saturating_sub(trailing))?, nth(TRAILING, trailing)?));
    }
    let number = number / TRAILINGS;
    Some((nth(LEADING, number / VOWELS)?, nth(VOWEL, number % VOWELS)?))
}
