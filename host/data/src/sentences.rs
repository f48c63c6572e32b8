//! Splits lines into sentences for translation, and joins them again.

use unicode_segmentation::UnicodeSegmentation;

/// Abbreviations before a name or number: their full stop ends no sentence. After an abbreviation not in this list a
/// sentence is split, and its parts are translated separately.
const TITLES: [&str; 22] = [
    "Dr", "Fr", "Hr", "M", "Mlle", "Mme", "Mr", "Mrs", "Ms", "Nr", "No", "Prof", "Sr", "Sra", "St",
    "Sta", "art", "ca", "nr", "no", "p", "vs",
];

/// Splits a line into sentences by UAX 29, without the white space between them. A blank line is one sentence.
/// Initials, ordinal numbers and common titles (`J. S. Bach`, `z. B.`, `am 3. Mai`, `Dr. No`) end no sentence, nor does
/// a quotation that continues in lower case.
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

/// Whether `text`, a sentence by UAX 29, continues with `next`.
fn is_open(text: &str, next: Option<char>) -> bool {
    let Some(next) = next else { return false };
    let Some(text) = text.strip_suffix('.') else {
        // A speaker follows the quotation: `"Go!" he said.`
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

/// Joins sentences into one line, with a space between two unless a Chinese or Japanese character is next to it.
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

/// Whether a character is Chinese or Japanese: letters, punctuation, full-width forms.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF9F}' | '\u{20000}'..='\u{3FFFF}')
}
