//! The first look at the texts: what can be told of a pair only once all others are known.

use super::pairs::{Buffers, Chunk, Sides, Text};
use super::runs::Runs;
use super::script::{Script, Scripts};
use crate::vocab::Normalization;
use a2d_system::error::{Error, Result};
use a2d_system::hash;
use a2d_system::text::Line;
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::Path;
use unicode_properties::GeneralCategoryGroup::Punctuation;
use unicode_properties::UnicodeGeneralCategory;

/// What a look at a text found. In memory it takes 3 bits a pair.
#[derive(Default)]
pub(super) struct Survey {
    /// Pairs of lines.
    pub pairs: usize,
    /// Bytes of text, both sides together, ends of lines not counted.
    pub bytes: u64,
    /// How many lines of a side are mostly of which script.
    pub scripts: [Scripts; 2],
    /// Pairs that equal an earlier one.
    pub repeated: Bits,
    /// Pairs that are like an earlier one, but for case, white space and final punctuation.
    pub alike: Bits,
    /// Pairs whose source is that of an earlier one, but not the target.
    pub ambiguous: Bits,
    /// Pairs with a side that is also in another split.
    pub overlap: Bits,
}

impl Survey {
    /// The script of most lines of each side.
    pub fn most(&self) -> [Option<Script>; 2] {
        self.scripts.each_ref().map(Scripts::most)
    }
}

/// Hashes of the sentences of a side, but for case, white space and final punctuation.
type Known = [HashSet<u64>; 2];

/// Surveys all texts of a request. Sentences are told apart by hashes of 64 bits, pairs of 128:
/// of 20 million lines, one is taken for another with a probability of 1 in 100,000.
///
/// The hashes of the texts that are measured on stay in memory, some 60 bytes a pair; those of the
/// training text go to nameless files in `folder` where they are many.
///
/// Errors: those of [`Text::each`]; a line that cannot be read, unless `clean` and in the training
/// text (misuse); `folder` cannot be written.
pub(super) fn all(
    texts: &[Text],
    folder: &Path,
    clean: bool,
    normalization: Normalization,
) -> Result<Vec<Survey>> {
    let Some((train, others)) = texts.split_first() else { return Ok(Vec::new()) };
    let mut looks = Vec::new();
    let mut watched = Known::default();
    for text in others {
        let mut look = Look::new(folder, normalization);
        look.keep = Some(Vec::new());
        look.over(text, &watched, false)?;
        for hashes in look.keep.iter().flatten() {
            for (known, hash) in watched.iter_mut().zip(hashes.iter().flatten()) {
                known.insert(*hash);
            }
        }
        looks.push(look);
    }
    let mut look = Look::new(folder, normalization);
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
    normalization: Normalization,
    survey: Survey,
    runs: Runs,
    /// The same of hashes that near duplicates have in common.
    plain: Runs,
    /// The sentences of the watched texts that were met.
    met: Known,
    /// The hashes of all pairs, where they are wanted.
    keep: Option<Vec<Hashes>>,
}

/// Of source and target; none where a pair has nothing to compare.
type Hashes = Option<[u64; 2]>;

/// What is told of a pair on its own.
struct Digest {
    exact: [u64; 2],
    plain: [u64; 2],
    scripts: [Option<Script>; 2],
}

impl Look {
    fn new(folder: &Path, normalization: Normalization) -> Self {
        Self {
            normalization,
            survey: Survey::default(),
            runs: Runs::new(folder),
            plain: Runs::new(folder),
            met: Known::default(),
            keep: None,
        }
    }

    fn over(&mut self, text: &Text, watched: &Known, clean: bool) -> Result<()> {
        let normalization = self.normalization;
        self.survey.pairs = text.each(|chunk| {
            let digests: Vec<_> = (0..chunk.len())
                .into_par_iter()
                .with_min_len(512)
                .map_init(Default::default, |(buffers, plain): &mut (Buffers, String), i| {
                    match buffers.sides(chunk.pair(i), normalization) {
                        Some(sides) => Ok(Digest::of(&sides, plain)),
                        None => Err(unreadable_side(chunk.pair(i))),
                    }
                })
                .collect();
            self.survey.bytes += chunk.bytes();
            let mut digests = digests.into_iter().enumerate();
            digests.try_for_each(|(i, digest)| match digest {
                Ok(digest) => self.take(chunk.first + i, digest, watched),
                Err(_) if clean => self.take(chunk.first + i, None, watched),
                Err(side) => Err(unreadable(text, chunk, i, side)),
            })
        })?;
        Ok(())
    }

    fn take(&mut self, i: usize, digest: Option<Digest>, watched: &Known) -> Result<()> {
        let hashes = digest.as_ref().map(|digest| digest.plain);
        self.keep.as_mut().into_iter().for_each(|keep| keep.push(hashes));
        let Some(digest) = digest else { return Ok(()) };
        for (scripts, script) in self.survey.scripts.iter_mut().zip(digest.scripts) {
            script.into_iter().for_each(|script| scripts.add(script));
        }
        for ((watched, met), hash) in watched.iter().zip(&mut self.met).zip(digest.plain) {
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
        // The first line with the source at hand.
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

fn unreadable(text: &Text, chunk: &Chunk, i: usize, side: usize) -> Error {
    let (path, line) = (text.paths[side].display(), chunk.first + i + 1);
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

/// Which side of a pair cannot be read.
fn unreadable_side(pair: [Line<'_>; 2]) -> usize {
    usize::from(matches!(pair[0], Line::Text(_)))
}

impl Digest {
    /// Nothing for a pair with a blank side.
    fn of(sides: &Sides<'_>, buffer: &mut String) -> Option<Self> {
        if sides.lack() {
            return None;
        }
        let sides = sides.text;
        Some(Self {
            exact: sides.map(|side| hash::bytes(side.as_bytes())),
            plain: sides.map(|side| {
                simplify(side, buffer);
                hash::bytes(buffer.as_bytes())
            }),
            scripts: sides.map(Script::of_most),
        })
    }
}

/// The words of a line in lower case, with single spaces between them and no punctuation at its end, unless it has
/// nothing else.
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

/// A set of numbers, one bit each.
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

    pub fn has(&self, i: usize) -> bool {
        self.0.get(i / 64).is_some_and(|word| word >> (i % 64) & 1 == 1)
    }
}
