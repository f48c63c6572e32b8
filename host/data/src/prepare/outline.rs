//! The size and shape of a corpus, to choose a configuration by.

use super::pairs::{Buffers, SplitText};
use super::survey::{self, Survey};
use super::{MOST_LEARNT_FROM, PrepareRequest, check_languages};
use crate::vocab::{Vocab, Words};
use a2d_system::display::Wait;
use a2d_system::error::{Error, Result};
use a2d_system::signals;
use serde::Serialize;
use std::collections::HashSet;

/// Pairs of the training text that lengths and characters are counted in, evenly spaced.
const MOST_SAMPLED: usize = 20_000;

/// The training text as an excerpt, and the numbers of pairs of all texts.
pub struct Excerpt {
    pairs: Counts,
    /// Every n-th pair is in the excerpt.
    every: usize,
    lines: Vec<[String; 2]>,
    alphabet: usize,
}

/// Numbers of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Pairs of the training text.
    pub train: usize,
    /// Pairs of the validation text.
    pub valid: usize,
    /// Pairs of the test text; 0 without one.
    pub test: usize,
    /// Training pairs equal to an earlier one.
    pub repeated: usize,
    /// Training pairs with a sentence of the validation or the test text.
    pub overlap: usize,
}

/// The size and shape of a corpus.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outline {
    /// Numbers of pairs.
    pub pairs: Counts,
    /// Mean words of a line between spaces, source and target.
    pub words: [f64; 2],
    /// Mean characters of a line.
    pub characters: [f64; 2],
    /// Distinct characters.
    pub alphabet: usize,
    /// The size of the vocabulary, smaller than requested if the text gives no more subwords.
    pub vocab_size: usize,
    /// Mean tokens of a line in that vocabulary, with the end of the sentence.
    pub tokens: [f64; 2],
    /// Mean tokens of the longer side of a pair.
    pub longer: f64,
}

/// Reads the texts of a request. Nothing is written, and most settings of the request are not used.
///
/// # Errors
///
/// Misuse: a text is missing, empty, blank or unreadable, or the files of a split have different numbers of lines.
pub fn excerpt(request: &PrepareRequest) -> Result<Excerpt> {
    check_languages(request)?;
    let texts = SplitText::all(request);
    let folder = std::env::temp_dir();
    let surveys = survey::all(&texts, &folder, request.clean, request.normalization)?;
    let pairs = counts(&surveys);
    let every = pairs.train.div_ceil(MOST_SAMPLED).max(1);
    let (mut lines, mut bytes, mut buffers) = (Vec::new(), 0, Buffers::default());
    texts[0].each(|chunk| {
        for i in (0..chunk.len()).filter(|i| (chunk.first + i).is_multiple_of(every)) {
            let sides = buffers.sides(chunk.pair(i), request.normalization);
            let Some(sides) = sides.filter(|sides| !sides.lack()) else { continue };
            bytes += sides.text.iter().map(|side| side.len() as u64).sum::<u64>();
            if bytes <= MOST_LEARNT_FROM {
                lines.push(sides.text.map(str::to_owned));
            }
        }
        Ok(())
    })?;
    if lines.is_empty() {
        let [source, target] = texts[0].paths.each_ref().map(|path| path.display());
        return Err(Error::misuse(format!(
            "{source} and {target} hold no pair with text on both sides"
        )));
    }
    let letters: HashSet<char> = lines.iter().flatten().flat_map(|line| line.chars()).collect();
    Ok(Excerpt { pairs, every, alphabet: letters.len(), lines })
}

fn counts(surveys: &[Survey]) -> Counts {
    let pairs = |i: usize| surveys.get(i).map_or(0, |survey| survey.pairs);
    let train = &surveys[0];
    Counts {
        train: pairs(0),
        valid: pairs(1),
        test: pairs(2),
        repeated: train.repeated.count(),
        overlap: train.overlap.count(),
    }
}

impl Excerpt {
    /// The number of training pairs.
    pub fn pairs(&self) -> usize {
        self.pairs.train
    }

    /// The number of distinct characters.
    pub fn alphabet(&self) -> usize {
        self.alphabet
    }

    /// Learns `vocab_size` subwords from the excerpt and counts tokens. The time is displayed unless `quiet`.
    ///
    /// # Errors
    ///
    /// The size is too small (misuse); an interrupt by a signal.
    pub fn outline(
        &self,
        request: &PrepareRequest,
        vocab_size: usize,
        quiet: bool,
    ) -> Result<Outline> {
        let mut words = Words::new(request.normalization);
        self.lines.iter().flatten().for_each(|line| words.add_normal(line));
        let mut wait = Wait::new(quiet, format!("learning {vocab_size} subwords from an excerpt"));
        let bytes = Vocab::wants_bytes(vocab_size);
        let vocab = Vocab::learn_words(words, vocab_size, bytes, &mut || {
            wait.tick();
            signals::go_on()
        })?;
        let lengths = self.lengths(&vocab)?;
        let whole = self.every == 1;
        let sides =
            |of: &dyn Fn(&str) -> usize| [0, 1].map(|side| self.mean(|pair| of(&pair[side])));
        let tokens = |of: fn(&[usize; 2]) -> usize| mean(lengths.iter().map(of));
        Ok(Outline {
            pairs: self.pairs,
            words: sides(&|line| line.split_whitespace().count()),
            characters: sides(&|line| line.chars().count()),
            alphabet: self.alphabet,
            vocab_size: if whole { vocab.sizes().most() } else { vocab_size },
            tokens: [tokens(|pair| pair[0]), tokens(|pair| pair[1])],
            longer: tokens(|pair| pair[0].max(pair[1])),
        })
    }

    /// Tokens of each pair, with the ends of the sentences.
    fn lengths(&self, vocab: &Vocab) -> Result<Vec<[usize; 2]>> {
        let side = |side: usize| {
            let lines: Vec<_> = self.lines.iter().map(|pair| pair[side].as_str()).collect();
            vocab.sides()[side].encode_batch(&lines)
        };
        let pairs = side(0)?.into_iter().zip(side(1)?);
        Ok(pairs.map(|(source, target)| [source.len() + 1, target.len() + 1]).collect())
    }

    fn mean(&self, of: impl Fn(&[String; 2]) -> usize) -> f64 {
        mean(self.lines.iter().map(of))
    }
}

fn mean(numbers: impl ExactSizeIterator<Item = usize>) -> f64 {
    let count = numbers.len() as f64;
    numbers.sum::<usize>() as f64 / count
}
