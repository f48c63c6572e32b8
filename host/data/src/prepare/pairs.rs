//! Reads two parallel files in chunks.

use super::PrepareRequest;
use crate::vocab::{LineForm, Touched};
use a2d_system::error::{Error, Result};
use a2d_system::signals;
use a2d_system::text::{Line, Lines, Reader};
use std::path::PathBuf;

/// The size of a chunk: enough work for all threads, little memory.
const MOST_PAIRS: usize = 1 << 14;
const MOST_BYTES: usize = 1 << 22;

/// A readable pair of lines.
pub(super) struct Sides<'a> {
    /// The lines as read.
    pub raw: [&'a str; 2],
    /// The lines after normalisation.
    pub text: [&'a str; 2],
    pub normalization: LineForm,
}

impl Sides<'_> {
    /// Whether a side is blank.
    pub fn lack(&self) -> bool {
        self.text.iter().any(|side| side.trim().is_empty())
    }

    /// What normalisation changed in each side.
    pub fn touched(&self) -> [Touched; 2] {
        [0, 1].map(|side| match std::ptr::eq(self.raw[side], self.text[side]) {
            true => Touched::default(),
            false => self.normalization.touches(self.raw[side]),
        })
    }
}

/// Buffers for the normalised lines.
#[derive(Default)]
pub(super) struct Buffers([String; 2]);

impl Buffers {
    /// The normalised pair, or `None` if a side is unreadable.
    pub fn sides<'a>(
        &'a mut self,
        pair: [Line<'a>; 2],
        normalization: LineForm,
    ) -> Option<Sides<'a>> {
        let [Line::Text(source), Line::Text(target)] = pair else { return None };
        let [first, second] = &mut self.0;
        let text = [normalization.apply(source, first), normalization.apply(target, second)];
        Some(Sides { raw: [source, target], text, normalization })
    }
}

/// The two files of a split.
pub(super) struct SplitText {
    /// `train`, `valid` or `test`.
    pub name: &'static str,
    /// The source and the target file.
    pub paths: [PathBuf; 2],
}

/// Consecutive pairs of lines.
#[derive(Default)]
pub(super) struct Chunk {
    /// The index of the first pair, from 0.
    pub first: usize,
    sides: [Lines; 2],
}

impl Chunk {
    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.sides[0].len()
    }

    /// Bytes of text, without line ends.
    pub fn bytes(&self) -> u64 {
        self.sides.iter().map(|lines| lines.bytes() as u64).sum()
    }

    /// Pair `i` of this chunk.
    pub fn pair(&self, i: usize) -> [Line<'_>; 2] {
        [self.sides[0].at(i), self.sides[1].at(i)]
    }
}

impl SplitText {
    /// The texts of a request, the training text first.
    pub fn all(request: &PrepareRequest) -> Vec<Self> {
        let langs = [&request.source_lang, &request.target_lang];
        let text = |(name, prefix)| Self { name, paths: langs.map(|l| super::find(prefix, l)) };
        request.splits().into_iter().map(text).collect()
    }

    /// Calls `work` on all chunks in order and returns the number of pairs. The next chunk is read meanwhile.
    ///
    /// # Errors
    ///
    /// Misuse: a file cannot be read or is empty, or the files have different numbers of lines. Also the errors of
    /// `work`, and an interrupt by a signal.
    pub fn each(&self, mut work: impl FnMut(&Chunk) -> Result<()> + Send) -> Result<usize> {
        let [source, target] = &self.paths;
        let mut input = Input { readers: [Reader::open(source)?, Reader::open(target)?], done: 0 };
        let (mut now, mut next) = (Chunk::default(), Chunk::default());
        self.read(&mut input, &mut now)?;
        while now.len() > 0 {
            signals::go_on()?;
            let (read, worked) = rayon::join(|| self.read(&mut input, &mut next), || work(&now));
            worked.and(read)?;
            std::mem::swap(&mut now, &mut next);
        }
        if input.done == 0 {
            let [from, to] = [source.display(), target.display()];
            return Err(Error::misuse(format!("{from} and {to} are empty")));
        }
        Ok(input.done)
    }

    fn read(&self, input: &mut Input, chunk: &mut Chunk) -> Result<()> {
        chunk.first = input.done;
        let [from, to] = &mut input.readers;
        let [source, target] = &mut chunk.sides;
        source.clear();
        target.clear();
        while source.len() < MOST_PAIRS && source.bytes() + target.bytes() < MOST_BYTES {
            match (from.next(source)?, to.next(target)?) {
                (true, true) => input.done += 1,
                (false, false) => break,
                (more, _) => {
                    let longer = if more { from } else { to };
                    let lines = input.done + 1 + longer.count()?;
                    return Err(self.unequal(input.done, lines, more));
                }
            }
        }
        Ok(())
    }

    fn unequal(&self, short: usize, long: usize, source_is_longer: bool) -> Error {
        let (s, t) = if source_is_longer { (long, short) } else { (short, long) };
        let [from, to] = self.paths.each_ref().map(|path| path.display());
        Error::misuse(format!(
            "{from} has {s} lines and {to} has {t}: line N of both must belong together"
        ))
    }
}

struct Input {
    readers: [Reader; 2],
    /// Pairs read so far.
    done: usize,
}
