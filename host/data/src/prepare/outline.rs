//! The size and shape of a corpus, to choose a configuration by.

use super::pairs::{Buffers, Form, SplitText};
use super::survey::{self, Survey};
use super::{MOST_LEARNT_FROM, PrepareRequest, check_languages};
use crate::task::Task;
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
    form: Form,
    pairs: Counts,
    /// Every n-th pair is in the excerpt.
    every: usize,
    /// The texts; the target of a text without one is empty.
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
    /// Sides that are text: source and target, or the source alone. The numbers of the other side are 0.
    pub sides: usize,
    /// Mean words of a line between spaces, source and target.
    pub words: [f64; 2],
    /// Mean characters of a line.
    pub characters: [f64; 2],
    /// Distinct characters.
    pub alphabet: usize,
    /// The size of the vocabulary, smaller than requested if the text gives no more subwords.
    pub vocab_size: usize,
    /// Mean tokens of a line in that vocabulary, with the end of the sentence and what a text begins with.
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
    let form = request.form();
    let surveys = survey::all(&texts, &folder, request.clean, form)?;
    let pairs = counts(&surveys);
    let every = pairs.train.div_ceil(MOST_SAMPLED).max(1);
    let (mut lines, mut bytes, mut buffers) = (Vec::new(), 0, Buffers::default());
    texts[0].each(|chunk| {
        for i in (0..chunk.len()).filter(|i| (chunk.first + i).is_multiple_of(every)) {
            let sides = buffers.sides(chunk.pair(i), form);
            let Some(sides) = sides.filter(|sides| !sides.lack()) else { continue };
            bytes += sides.texts().iter().map(|side| side.len() as u64).sum::<u64>();
            if bytes <= MOST_LEARNT_FROM {
                let texts = sides.texts();
                let text = |side: usize| texts.get(side).map_or(String::new(), |t| (*t).to_owned());
                lines.push([0, 1].map(text));
            }
        }
        Ok(())
    })?;
    if lines.is_empty() {
        let [source, target] = [0, 1].map(|side| texts[0].path(side).display());
        return Err(Error::misuse(match request.task {
            Task::Translate => {
                format!("{source} and {target} hold no pair with text on both sides")
            }
            Task::Classify | Task::Embed => format!("{source} holds no text"),
        }));
    }
    let letters: HashSet<char> = lines.iter().flatten().flat_map(|line| line.chars()).collect();
    Ok(Excerpt { form, pairs, every, alphabet: letters.len(), lines })
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
            sides: self.form.task.texts(),
            words: sides(&|line| line.split_whitespace().count()),
            characters: sides(&|line| line.chars().count()),
            alphabet: self.alphabet,
            vocab_size: if whole { vocab.sizes().most() } else { vocab_size },
            tokens: [tokens(|pair| pair[0]), tokens(|pair| pair[1])],
            longer: tokens(|pair| pair[0].max(pair[1])),
        })
    }

    /// Tokens of each pair, with the ends of the sentences. The encoder of a text model reads a token before the text, too.
    fn lengths(&self, vocab: &Vocab) -> Result<Vec<[usize; 2]>> {
        let side = |side: usize| {
            let lines: Vec<_> = self.lines.iter().map(|pair| pair[side].as_str()).collect();
            vocab.sides()[side].encode_batch(&lines)
        };
        let ends = if self.form.task.is_of_texts() { [2, 0] } else { [1, 1] };
        let pairs = side(0)?.into_iter().zip(side(1)?);
        Ok(pairs.map(|(a, b)| [a.len() + ends[0], b.len() + ends[1]]).collect())
    }

    fn mean(&self, of: impl Fn(&[String; 2]) -> usize) -> f64 {
        mean(self.lines.iter().map(of))
    }
}

fn mean(numbers: impl ExactSizeIterator<Item = usize>) -> f64 {
    let count = numbers.len() as f64;
    numbers.sum::<usize>() as f64 / count
}
