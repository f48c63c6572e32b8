//! Input batches and sentences of a benchmark.

use super::{BenchRequest, BenchWhat};
use crate::train::Pairs;
use a2d_core::config::token::{EOS, PAD, UNK};
use a2d_core::rng;
use a2d_system::error::{Error, Result};
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// Batches in one repetition.
const BATCHES: usize = 3;

/// Sentences in one repetition.
const SENTENCES: usize = 1000;

/// The tokens of a benchmark.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Training pairs of each batch.
    Batches(Vec<Pairs>),
    /// Sentences to translate, longest first.
    Sentences(Vec<Vec<u32>>),
}

impl Input {
    /// Reads the files of the request; without files, draws random tokens.
    ///
    /// # Errors
    ///
    /// Misuse: a file that cannot be read or has the wrong format.
    pub fn new(request: &BenchRequest) -> Result<Self> {
        Self::of(request, request.shape.models().student.source_vocabulary)
    }

    /// [`Input::new`] for a vocabulary of so many tokens.
    ///
    /// # Errors
    ///
    /// As [`Input::new`].
    pub fn of(request: &BenchRequest, vocabulary: usize) -> Result<Self> {
        if request.what != BenchWhat::Translate {
            return batches(request, vocabulary).map(Self::Batches);
        }
        let mut sentences = match &request.sources {
            Some(path) => lines(path, vocabulary)?,
            None => {
                let batches = batches(request, vocabulary)?;
                let all: Vec<_> = batches.into_iter().flat_map(|(source, _)| source).collect();
                all.into_iter().cycle().take(SENTENCES).collect()
            }
        };
        sentences.sort_by_key(|s| std::cmp::Reverse(s.len()));
        Ok(Self::Sentences(sentences))
    }
}

fn batches(request: &BenchRequest, vocabulary: usize) -> Result<Vec<Pairs>> {
    match &request.batches {
        Some(path) => read(path, request.max_tokens, vocabulary),
        None => Ok(vec![random(request.max_tokens, vocabulary, request.seed)]),
    }
}

/// One batch of `max_tokens` padded tokens. Each sentence has 16 to 48 real tokens.
fn random(max_tokens: usize, vocabulary: usize, seed: u64) -> Pairs {
    const SHORTEST: usize = 16;
    const LONGEST: usize = 48;
    let row = |row: usize, side: u64| {
        let length = draw(seed, row, SHORTEST, LONGEST + 1);
        sentence(rng::derive(rng::derive(seed, side), row as u64), length, vocabulary)
    };
    let rows = (max_tokens / LONGEST).max(1);
    let side = |side| (0..rows).map(|i| row(i, side)).collect();
    (side(1), side(2))
}

/// `length` random tokens, the last one EOS.
pub(super) fn sentence(key: u64, length: usize, vocabulary: usize) -> Vec<u32> {
    let first = UNK as usize + 1;
    let mut out: Vec<u32> = (1..length).map(|i| draw(key, i, first, vocabulary) as u32).collect();
    out.push(EOS);
    out
}

/// Random number `i` of `key`, from `from` to below `to`.
fn draw(key: u64, i: usize, from: usize, to: usize) -> usize {
    from + (rng::uniform(key, i as u32) * (to - from) as f32) as usize
}

/// Reads the first batches of size `max_tokens` from a safetensors file: tensors `max_tokens.number.src`, `.prev` and
/// `.tgt`, 32-bit integers `[B, length]`, padded on the right.
fn read(path: &Path, max_tokens: usize, vocabulary: usize) -> Result<Vec<Pairs>> {
    let bytes = std::fs::read(path).map_err(|e| Error::input("read", path, &e))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|e| Error::misuse(format!("{} is not a safetensors file: {e}", path.display())))?;
    let file = File { path, tensors, vocabulary };
    (0..BATCHES).map(|number| file.batch(&format!("{max_tokens}.{number}"))).collect()
}

struct File<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    vocabulary: usize,
}

impl File<'_> {
    fn batch(&self, name: &str) -> Result<Pairs> {
        let rows = |kind| self.rows(&format!("{name}.{kind}"));
        let (source, shifted, target) = (rows("src")?, rows("prev")?, rows("tgt")?);
        if source.len() != target.len() {
            let text = format!("{} rows, `{name}.tgt` {}", source.len(), target.len());
            return Err(self.error(format!("`{name}.src` has {text}")));
        }
        let follows = |(shifted, target): (&Vec<u32>, &Vec<u32>)| {
            shifted.first() == Some(&EOS) && shifted[1..] == target[..target.len() - 1]
        };
        if shifted.len() != target.len() || !shifted.iter().zip(&target).all(follows) {
            return Err(self.error(format!("`{name}.prev` is not `{name}.tgt` after a first 2")));
        }
        Ok((source, target))
    }

    /// The rows of a tensor without padding.
    fn rows(&self, name: &str) -> Result<Vec<Vec<u32>>> {
        let tensor = self.tensors.tensor(name).map_err(|_| {
            let sizes = self.sizes().join(", ");
            self.error(format!("has no tensor `{name}` (--max-tokens may be: {sizes})"))
        })?;
        let (Dtype::I32, &[_, length]) = (tensor.dtype(), tensor.shape()) else {
            let found = format!("{:?} {:?}", tensor.dtype(), tensor.shape());
            return Err(self.error(format!("has `{name}` as {found}, expected I32 [B, length]")));
        };
        let (words, _) = tensor.data().as_chunks();
        let ids: Vec<i32> = words.iter().map(|&word| i32::from_le_bytes(word)).collect();
        ids.chunks_exact(length.max(1)).enumerate().map(|(i, row)| self.row(name, i, row)).collect()
    }

    fn row(&self, name: &str, number: usize, row: &[i32]) -> Result<Vec<u32>> {
        let end = row.iter().rposition(|&id| id != PAD as i32).map_or(0, |last| last + 1);
        let id =
            |&id: &i32| match usize::try_from(id) {
                Ok(id) if id < self.vocabulary && id != PAD as usize => Ok(id as u32),
                _ => Err(self
                    .error(format!("`{name}`, row {number}: {}", no_token(id, self.vocabulary)))),
            };
        if end == 0 {
            return Err(self.error(format!("`{name}`, row {number} is empty")));
        }
        row[..end].iter().map(id).collect()
    }

    /// Values of `--max-tokens` that the file has batches for.
    fn sizes(&self) -> Vec<String> {
        let size = |name: &&str| name.split('.').next().and_then(|size| size.parse().ok());
        let mut sizes: Vec<usize> = self.tensors.names().iter().filter_map(size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes.iter().map(usize::to_string).collect()
    }

    fn error(&self, text: String) -> Error {
        Error::misuse(format!("{}: {text}", self.path.display()))
    }
}

fn no_token(id: impl std::fmt::Display, vocabulary: usize) -> String {
    format!("{id} is no token of a sentence over {vocabulary} (see --shape)")
}

/// Reads the sentences of a text file: token ids separated by spaces, the last one EOS.
fn lines(path: &Path, vocabulary: usize) -> Result<Vec<Vec<u32>>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::input("read", path, &e))?;
    let wrong = |number: usize, text: String| {
        Error::misuse(format!("{}:{}: {text}", path.display(), number + 1))
    };
    let sentence = |(number, line): (usize, &str)| {
        let id = |word: &str| match word.parse() {
            Ok(id) if (id as usize) < vocabulary && id != PAD => Ok(id),
            _ => Err(wrong(number, no_token(word, vocabulary))),
        };
        let ids = line.split_whitespace().map(id).collect::<Result<Vec<u32>>>()?;
        if ids.last() != Some(&EOS) {
            return Err(wrong(number, "does not end with 2, the end of a sentence".to_owned()));
        }
        Ok(ids)
    };
    let found = text.lines().enumerate().map(sentence).collect::<Result<Vec<_>>>()?;
    if found.is_empty() {
        return Err(Error::misuse(format!("{} is empty", path.display())));
    }
    Ok(found)
}
