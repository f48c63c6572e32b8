//! Lines that are translated sentence by sentence: how they come apart, and how they go together again.

use unicode_segmentation::UnicodeSegmentation;

/// What may stand before a name or a number, and so ends no sentence with its full stop. Where it is unknown, a
/// sentence comes apart, and its parts are translated each by itself.
const TITLES: [&str; 22] = [
    "Dr", "Fr", "Hr", "M", "Mlle", "Mme", "Mr", "Mrs", "Ms", "Nr", "No", "Prof", "Sr", "Sra", "St",
    "Sta", "art", "ca", "nr", "no", "p", "vs",
];

/// The sentences of a line, by the rules of Unicode (UAX 29), without the white space between them; a blank line is one
/// of its own. Initials, ordinal numbers and common titles (`J. S. Bach`, `z. B.`, `am 3. Mai`, `Dr. No`) end none, and neither does
/// a quotation that goes on in small letters.
pub fn split(line: &str) -> Vec<&str> {
    let (mut sentences, mut start) = (Vec::new(), 0);
    for (at, part) in line.split_sentence_bound_indices() {
        let end = at + part.len();
        let sentence = line[start..end].trim();
        let open = is_open(sentence, line[end..].chars().next());
        if !open && !sentence.is_empty() {
            sentences.push(sentence);
        }
        if !open {
            start = end;
        }
    }
    if sentences.is_empty() { vec![line] } else { sentences }
}

/// Whether a sentence goes on after what Unicode takes for its end, with `next`.
fn is_open(text: &str, next: Option<char>) -> bool {
    let Some(next) = next else { return false };
    let Some(text) = text.strip_suffix('.') else {
        // Who says a quotation: `"Go!" he said.`
        return text.ends_with(['"', '\'', '“', '”', '’', '«', '»']) && next.is_lowercase();
    };
    let word = text.rsplit(|c: char| c.is_whitespace() || "([{„“\"'»«".contains(c)).next();
    let word = word.unwrap_or_default();
    let initials = word.split('.').all(|part| {
        let mut letters = part.chars();
        letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none()
    });
    let digits = word.chars().all(|c| c.is_ascii_digit());
    initials || (digits && (1..=2).contains(&word.len())) || TITLES.contains(&word)
}

/// Sentences as one line: with a space between two, unless either is in a script that has none there.
pub fn join<'a>(sentences: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for sentence in sentences {
        let sides = line.chars().next_back().zip(sentence.chars().next());
        if sides.is_some_and(|(before, after)| !is_unspaced(before) && !is_unspaced(after)) {
            line.push(' ');
        }
        line.push_str(sentence);
    }
    line
}

/// Whether a character is of Chinese or Japanese: letters, punctuation, wide forms of others.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF9F}' | '\u{20000}'..='\u{3FFFF}')
}
