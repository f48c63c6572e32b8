//! BERT's words and tokens, computed in the plainest way: the text as a whole, step by step.

use a2d_host::data::vocab::wordpiece::{Model, Rules};
use std::collections::HashMap;
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::UnicodeNormalization;

/// The words of a text.
pub fn words(text: &str, rules: Rules) -> Vec<String> {
    let mut normal: String = text.chars().filter(|c| !is_dropped(*c)).collect();
    if rules.ideographs {
        let apart = |c: char| if is_ideograph(c) { format!(" {c} ") } else { c.to_string() };
        normal = normal.chars().map(apart).collect();
    }
    if rules.strip_accents {
        let apart = normal.nfd().map(|(c, _)| c);
        normal = apart.filter(|c| !c.is_mark_nonspacing()).collect();
    }
    if rules.lowercase {
        normal = normal.chars().flat_map(char::to_lowercase).collect();
    }
    normal.split_whitespace().flat_map(split).collect()
}

/// Cuts a word around punctuation marks.
fn split(word: &str) -> Vec<String> {
    let is_mark = |c: char| c.is_ascii_punctuation() || c.is_punctuation();
    let mut words = vec![String::new()];
    for c in word.chars() {
        match is_mark(c) {
            true => words.extend([c.to_string(), String::new()]),
            false => words.last_mut().expect("a word").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_dropped(c: char) -> bool {
    let is_space = ['\t', '\n', '\r'].contains(&c);
    c == '\0' || c == '\u{fffd}' || c.is_other() && !is_space
}

fn is_ideograph(c: char) -> bool {
    let blocks = [
        ('\u{4e00}', '\u{9fff}'),
        ('\u{3400}', '\u{4dbf}'),
        ('\u{20000}', '\u{2a6df}'),
        ('\u{2a700}', '\u{2b73f}'),
        ('\u{2b740}', '\u{2b81f}'),
        ('\u{2b920}', '\u{2ceaf}'),
        ('\u{f900}', '\u{faff}'),
        ('\u{2f800}', '\u{2fa1f}'),
    ];
    blocks.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// A vocabulary as a map.
pub struct Plain<'a> {
    model: &'a Model,
    ids: HashMap<&'a str, u32>,
}

impl<'a> Plain<'a> {
    /// With the ids of the program.
    pub fn new(model: &'a Model) -> Self {
        let texts = model.rows().into_iter().map(|row| model.pieces[row].as_str());
        Self { model, ids: texts.zip(0..).collect() }
    }

    /// The ids of a line.
    pub fn encode(&self, line: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut rest = line;
        while let Some((at, special)) = self.first_special(rest) {
            self.encode_text(&rest[..at], &mut ids);
            ids.push(self.ids[special]);
            rest = &rest[at + special.len()..];
        }
        self.encode_text(rest, &mut ids);
        ids
    }

    /// The leftmost special token, of several there the longest.
    fn first_special(&self, text: &str) -> Option<(usize, &'a str)> {
        let special = self.model.special.iter().map(String::as_str);
        let found = special.filter_map(|special| Some((text.find(special)?, special)));
        found.min_by_key(|(at, special)| (*at, usize::MAX - special.len()))
    }

    fn encode_text(&self, text: &str, ids: &mut Vec<u32>) {
        for word in words(text, self.model.rules) {
            match self.pieces(&word) {
                Some(pieces) if word.chars().count() <= self.model.longest_word => {
                    ids.extend(pieces)
                }
                _ => ids.push(3),
            }
        }
    }

    fn pieces(&self, word: &str) -> Option<Vec<u32>> {
        let (mut pieces, mut rest) = (Vec::new(), word);
        while !rest.is_empty() {
            let glue = if rest.len() < word.len() { "##" } else { "" };
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            let known =
                |end: usize| Some((*self.ids.get(&*format!("{glue}{}", &rest[..end]))?, end));
            let (id, end) = ends.filter_map(known).next_back()?;
            pieces.push(id);
            rest = &rest[end..];
        }
        Some(pieces)
    }
}
