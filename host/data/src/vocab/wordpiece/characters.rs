//! The characters of the tables: how each is cut, and those that are replaced.

use super::cut::Cut;
use super::model::{GLUE, Model};
use a2d_core::token::wordpiece::{Change, Class};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

/// Planes whose characters are letters that stay as they are, left out for speed.
const EMPTY: Range<char> = '\u{30000}'..'\u{e0000}';

/// What the tables say of all characters.
#[derive(Default)]
pub(super) struct Characters {
    /// The first character of each range, and its class.
    pub ranges: Vec<(u32, Class)>,
    pub changes: Vec<Changed>,
    pub forms: String,
    /// Where each form begins.
    places: HashMap<String, u32>,
}

/// A range of replaced characters.
pub(super) struct Changed {
    pub first: u32,
    /// The last less the first.
    pub more: u16,
    pub change: Change,
    pub value: u32,
}

impl Characters {
    /// Every character, as the tokens of `model` need it.
    ///
    /// # Errors
    ///
    /// Marks that a device would have to sort.
    pub fn new(model: &Model) -> Result<Self, String> {
        let alphabet = alphabet(model);
        check_marks(model, &alphabet)?;
        let mut all = Self::default();
        let mut run: Option<Run> = None;
        for c in ('\0'..=char::MAX).filter(|c| !EMPTY.contains(c)) {
            let cut = model.rules.cut(c);
            all.add_range(c, cut.class);
            let is_needed = is_needed(c, &cut, &alphabet);
            if run.as_mut().is_some_and(|run| run.extend(c, &cut.form, is_needed)) {
                continue;
            }
            run.take().into_iter().for_each(|run| all.add_change(run));
            run = is_needed.then(|| Run::new(c, cut.form));
        }
        run.into_iter().for_each(|run| all.add_change(run));
        Ok(all)
    }

    fn add_range(&mut self, c: char, class: Class) {
        if self.ranges.last().is_none_or(|(_, last)| *last != class) {
            self.ranges.push((c.into(), class));
        }
    }

    fn add_change(&mut self, run: Run) {
        let (first, more) = (run.first, (run.last - run.first) as u16);
        let (change, value) = match run {
            Run { hangul: true, .. } => (Change::Hangul, 0),
            Run { shifts: true, .. } => (Change::Shift, single(&run.form).unwrap_or_default()),
            Run { form, .. } => (Change::Form, self.place(form)),
        };
        self.changes.push(Changed { first, more, change, value });
    }

    /// Where a form begins.
    fn place(&mut self, form: String) -> u32 {
        let end = self.forms.len() as u32;
        if let Some(place) = self.places.get(&form) {
            return *place;
        }
        self.forms.extend([&form, "\0"]);
        self.places.insert(form, end);
        end
    }
}

/// The characters of all tokens.
fn alphabet(model: &Model) -> HashSet<char> {
    let texts = model.pieces.iter().map(|text| text.strip_prefix(GLUE).unwrap_or(text));
    texts.flat_map(str::chars).collect()
}

/// Whether the tables must say by what a character is replaced: unless it stays, or leads to no token either way.
fn is_needed(c: char, cut: &Cut, alphabet: &HashSet<char>) -> bool {
    let is_cut = matches!(cut.class, Class::Letter | Class::Alone);
    let stays = single(&cut.form) == Some(c.into());
    let is_known = alphabet.contains(&c) || cut.form.chars().all(|c| alphabet.contains(&c));
    is_cut && !stays && is_known
}

/// A device does not sort the marks of a letter: marks of two classes in tokens are refused.
fn check_marks(model: &Model, alphabet: &HashSet<char>) -> Result<(), String> {
    let class = |c: &char| Some((model.rules.sorted_by(*c)?, *c));
    let marks: BTreeMap<u8, char> = alphabet.iter().filter_map(class).collect();
    match marks.values().map(|c| u32::from(*c)).collect::<Vec<_>>()[..] {
        [first, second, ..] => Err(format!(
            "its tokens have marks that would have to be sorted: U+{first:04X}, U+{second:04X}"
        )),
        _ => Ok(()),
    }
}

/// Characters in order that are replaced by one rule.
struct Run {
    first: u32,
    /// The last that the tables need.
    last: u32,
    /// The last that the rule is true of.
    reach: u32,
    form: String,
    /// Whether each is replaced by the next character.
    shifts: bool,
    /// Whether all are replaced by the same form.
    same: bool,
    hangul: bool,
}

impl Run {
    fn new(c: char, form: String) -> Self {
        let (first, shifts) = (u32::from(c), single(&form).is_some());
        let hangul = is_hangul(c, &form);
        Self { first, last: first, reach: first, form, shifts, same: true, hangul }
    }

    /// Takes in the next character, if it is replaced by the rule.
    fn extend(&mut self, c: char, form: &str, is_needed: bool) -> bool {
        let code = u32::from(c);
        let shifted = single(&self.form).map(|value| value + (code - self.first));
        let shifts = self.shifts && single(form) == shifted;
        let same = self.same && form == self.form;
        let hangul = self.hangul && is_hangul(c, form);
        let follows = code == self.reach + 1 && code - self.first <= u16::MAX.into();
        if !follows || !(shifts || same || hangul) {
            return false;
        }
        (self.shifts, self.same, self.hangul, self.reach) = (shifts, same, hangul, code);
        if is_needed {
            self.last = code;
        }
        true
    }
}

/// The code point of a form of one character.
fn single(form: &str) -> Option<u32> {
    let mut characters = form.chars();
    let first = characters.next()?;
    characters.next().is_none().then_some(first.into())
}

/// Whether a character is a Hangul syllable that is replaced by its letters.
fn is_hangul(c: char, form: &str) -> bool {
    ('\u{ac00}'..='\u{d7a3}').contains(&c) && single(form).is_none()
}
