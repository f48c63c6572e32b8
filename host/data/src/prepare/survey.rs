//! The first pass over the texts: finds properties of pairs that depend on all other pairs.

use super::labelled::NO_TAB;
use super::pairs::{Buffers, Chunk, Form, Sides, SplitText};
use super::runs::Runs;
use super::script::{Script, Scripts};
use crate::task::Task;
use crate::vocab::Labels;
use a2d_system::error::{Error, Result};
use a2d_system::hash;
use a2d_system::text::{Line, refused};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use unicode_properties::GeneralCategoryGroup::Punctuation;
use unicode_properties::UnicodeGeneralCategory;

/// The result of surveying a text. It takes 3 bits of memory per pair.
#[derive(Default)]
pub(super) struct Survey {
    /// The number of pairs.
    pub pairs: usize,
    /// Bytes of text on both sides, without line ends.
    pub bytes: u64,
    /// For each side, the number of lines per script.
    pub scripts: [Scripts; 2],
    /// Duplicates: pairs equal to an earlier pair.
    pub repeated: Bits,
    /// Near duplicates: pairs equal to an earlier pair up to case, white space and final punctuation.
    pub alike: Bits,
    /// Pairs with the source of an earlier pair but another target.
    pub ambiguous: Bits,
    /// Pairs with a side that also occurs in another split.
    pub overlap: Bits,
    /// The labels of texts to classify, by name, each with the index of its first line.
    pub labels: BTreeMap<Box<str>, usize>,
}

impl Survey {
    /// The most frequent script of each side.
    pub fn most(&self) -> [Option<Script>; 2] {
        self.scripts.each_ref().map(Scripts::most)
    }
}

/// For each side, the hashes of its sentences up to case, white space and final punctuation.
type Known = [HashSet<u64>; 2];

/// Surveys all texts of a request. Sentences are compared by 64-bit hashes, pairs by 128 bits. The probability of a
/// collision among 20 million lines is 1 in 100,000.
///
/// The hashes of the validation and test texts stay in memory, some 60 bytes per pair. Those of a large training text
/// go to unnamed files in `folder`.
///
/// # Errors
///
/// The errors of [`SplitText::each`]. Misuse: a line is unreadable, unless `clean` is set and it is in the training
/// text; a text to classify has no label. Failure: `folder` cannot be written.
pub(super) fn all(
    texts: &[SplitText],
    folder: &Path,
    clean: bool,
    form: Form,
) -> Result<Vec<Survey>> {
    let Some((train, others)) = texts.split_first() else { return Ok(Vec::new()) };
    let mut looks = Vec::new();
    let mut watched = Known::default();
    for text in others {
        let mut look = Look::new(folder, form);
        look.keep = Some(Vec::new());
        look.over(text, &watched, false)?;
        for hashes in look.keep.iter().flatten() {
            let texts = hashes.iter().flatten().take(form.task.texts());
            for (known, hash) in watched.iter_mut().zip(texts) {
                known.insert(*hash);
            }
        }
        looks.push(look);
    }
    let mut look = Look::new(folder, form);
    look.over(train, &watched, clean)?;
    for other in &mut looks {
        for (i, hashes) in other.keep.iter().flatten().enumerate() {
            if meets(*hashes, &look.met) {
                other.survey.overlap.set(i);
            }
        }
    }
    looks.insert(0, look);
    looks.into_iter().map(Look::end).collect()
}

struct Look {
    form: Form,
    survey: Survey,
    runs: Runs,
    /// The same with hashes that near duplicates share.
    plain: Runs,
    /// The sentences of the watched texts found in this text.
    met: Known,
    /// The hashes of all pairs, if they are needed later.
    keep: Option<Vec<Hashes>>,
}

/// The hashes of source and target; `None` for a pair with a blank side.
type Hashes = Option<[u64; 2]>;

/// The properties of a single pair.
struct Digest {
    exact: [u64; 2],
    plain: [u64; 2],
    scripts: [Option<Script>; 2],
}

impl Look {
    fn new(folder: &Path, form: Form) -> Self {
        Self {
            form,
            survey: Survey::default(),
            runs: Runs::new(folder),
            plain: Runs::new(folder),
            met: Known::default(),
            keep: None,
        }
    }

    fn over(&mut self, text: &SplitText, watched: &Known, clean: bool) -> Result<()> {
        let form = self.form;
        self.survey.pairs = text.each(|chunk| {
            let digests: Vec<_> = (0..chunk.len())
                .into_par_iter()
                .with_min_len(512)
                .map_init(Default::default, |(buffers, plain): &mut (Buffers, String), i| {
                    match buffers.sides(chunk.pair(i), form) {
                        Some(sides) => Ok(Digest::of(&sides, plain)),
                        None => Err(unreadable_side(chunk.pair(i))),
                    }
                })
                .collect();
            self.survey.bytes += chunk.bytes();
            let mut digests = digests.into_iter().enumerate();
            digests.try_for_each(|(i, digest)| match digest {
                Ok(digest) => {
                    self.take_label(text, chunk, i)?;
                    self.take(chunk.first + i, digest, watched)
                }
                Err(_) if clean => self.take(chunk.first + i, None, watched),
                Err(side) => Err(unreadable(text, chunk, i, side)),
            })
        })?;
        Ok(())
    }

    /// Notes the label of a text to classify.
    fn take_label(&mut self, text: &SplitText, chunk: &Chunk, i: usize) -> Result<()> {
        if self.form.task != Task::Classify {
            return Ok(());
        }
        let line = chunk.first + i;
        let lacks = |why| refused(text.path(0), line + 1, why);
        let [label, _] = chunk.label(i).ok_or_else(|| lacks(NO_TAB))?;
        let mut buffer = String::new();
        match Labels::FORM.apply(label, &mut buffer) {
            "" => return Err(lacks("the label before the tab is empty")),
            label if self.survey.labels.contains_key(label) => {}
            label => _ = self.survey.labels.insert(label.into(), line),
        }
        Ok(())
    }

    fn take(&mut self, i: usize, digest: Option<Digest>, watched: &Known) -> Result<()> {
        let hashes = digest.as_ref().map(|digest| digest.plain);
        self.keep.as_mut().into_iter().for_each(|keep| keep.push(hashes));
        let Some(digest) = digest else { return Ok(()) };
        for (scripts, script) in self.survey.scripts.iter_mut().zip(digest.scripts) {
            script.into_iter().for_each(|script| scripts.add(script));
        }
        let texts = digest.plain.into_iter().take(self.form.task.texts());
        for ((watched, met), hash) in watched.iter().zip(&mut self.met).zip(texts) {
            if watched.contains(&hash) {
                met.insert(hash);
                self.survey.overlap.set(i);
            }
        }
        self.plain.push([digest.plain[0], digest.plain[1], i as u64])?;
        self.runs.push([digest.exact[0], digest.exact[1], i as u64])
    }

    fn end(self) -> Result<Survey> {
        let Self { mut survey, runs, plain, .. } = self;
        let mut before = None;
        // The first line with the current source.
        let mut first = 0;
        runs.each(|[source, target, i]| {
            let i = i as usize;
            match before {
                Some(pair) if pair == (source, target) => survey.repeated.set(i),
                Some((same, _)) if same == source => {
                    survey.ambiguous.set(first.max(i));
                    first = first.min(i);
                }
                _ => first = i,
            }
            before = Some((source, target));
        })?;
        let mut before = None;
        plain.each(|[source, target, i]| {
            if before == Some((source, target)) && !survey.repeated.has(i as usize) {
                survey.alike.set(i as usize);
            }
            before = Some((source, target));
        })?;
        Ok(survey)
    }
}

fn meets(hashes: Hashes, known: &Known) -> bool {
    hashes.iter().flatten().zip(known).any(|(hash, known)| known.contains(hash))
}

fn unreadable(text: &SplitText, chunk: &Chunk, i: usize, side: usize) -> Error {
    let (path, line) = (text.path(side).display(), chunk.first + i + 1);
    let what = match chunk.pair(i)[side] {
        Line::TooLong => "longer than 1 MiB, which no sentence is",
        _ => "not UTF-8",
    };
    let help = match text.name {
        "train" => "; correct it, or have such lines left out by --clean or `data.clean`",
        _ => "",
    };
    Error::misuse(format!("{path}:{line}: {what}{help}"))
}

/// The unreadable side of a pair: 0 or 1.
fn unreadable_side(pair: [Line<'_>; 2]) -> usize {
    usize::from(matches!(pair[0], Line::Text(_)))
}

impl Digest {
    /// `None` for a pair with a blank side.
    fn of(sides: &Sides<'_>, buffer: &mut String) -> Option<Self> {
        if sides.lack() {
            return None;
        }
        let script = |side: usize| sides.texts().get(side).and_then(|text| Script::of_most(text));
        Some(Self {
            exact: sides.line.map(|side| hash::bytes(side.as_bytes())),
            plain: sides.line.map(|side| {
                simplify(side, buffer);
                hash::bytes(buffer.as_bytes())
            }),
            scripts: [0, 1].map(script),
        })
    }
}

/// The line in lower case, with single spaces between words and without final punctuation. A line of punctuation only
/// keeps it.
fn simplify(line: &str, plain: &mut String) {
    plain.clear();
    let is_mark = |c: char| c.is_whitespace() || c.general_category_group() == Punctuation;
    let line = Some(line.trim_end_matches(is_mark)).filter(|kept| !kept.is_empty()).unwrap_or(line);
    for word in line.split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        let start = plain.len();
        if word.is_ascii() {
            plain.push_str(word);
            plain[start..].make_ascii_lowercase();
        } else {
            plain.extend(word.chars().flat_map(char::to_lowercase));
        }
    }
}

/// A bit set.
#[derive(Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub fn set(&mut self, i: usize) {
        let word = i / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (i % 64);
    }

    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn has(&self, i: usize) -> bool {
        self.0.get(i / 64).is_some_and(|word| word >> (i % 64) & 1 == 1)
    }
}
