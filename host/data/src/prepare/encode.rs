//! The last pass over the texts: checks, encodes and writes every pair.

use super::PrepareRequest;
use super::check::{Check, Flags, judge, judge_lengths};
use super::pairs::{Buffers, Chunk, Sides, SplitText};
use super::report::Split;
use super::script::Script;
use super::survey::Survey;
use crate::corpus::Writer;
use crate::vocab::{Encoder, Subwords, Touched, UNK, Vocab};
use a2d_system::error::{Error, Result};
use a2d_system::files::Unfinished;
use a2d_system::text::Line;
use rayon::prelude::*;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// A split, written to temporary files.
pub(super) struct Encoded {
    corpus: Writer,
    /// Copies of the source and target text, for validation and test splits.
    texts: Vec<Unfinished>,
    pub split: Split,
}

impl Encoded {
    /// Moves the files to their final paths.
    ///
    /// # Errors
    ///
    /// The files cannot be written.
    pub fn finish(self) -> Result<()> {
        self.corpus.finish()?;
        self.texts.into_iter().try_for_each(Unfinished::finish)
    }
}

/// The encoders of both sides.
pub(super) type SideEncoders<'a> = [Encoders<'a>; 2];

/// One encoder per thread, because each has its own cache of words.
pub(super) struct Encoders<'a>(Vec<Mutex<Box<dyn Encoder + 'a>>>);

impl<'a> Encoders<'a> {
    pub fn new(side: &'a dyn Subwords) -> Self {
        Self((0..rayon::current_num_threads()).map(|_| Mutex::new(side.encoder())).collect())
    }

    /// Appends the ids of a normalised line.
    fn encode(&self, line: &str, ids: &mut Vec<u32>) -> Result<()> {
        let thread = rayon::current_thread_index().unwrap_or(0) % self.0.len();
        let mut encoder = self.0[thread].lock().unwrap_or_else(PoisonError::into_inner);
        encoder.encode_normal(line, ids)
    }
}

/// Checks, encodes and writes a text to temporary files.
///
/// # Errors
///
/// The errors of [`SplitText::each`]. Misuse: no usable pair is left. Failure: files cannot be written, or the text
/// changed since the survey.
pub(super) fn encode(
    text: &SplitText,
    survey: &Survey,
    scripts: [Option<Script>; 2],
    vocab: &Vocab,
    request: &PrepareRequest,
    encoders: &SideEncoders<'_>,
) -> Result<Encoded> {
    let clean = request.cleans(text.name);
    let files = text.paths.each_ref().map(|path| path.display().to_string());
    let mut out = Encoded {
        corpus: Writer::create(&request.out.join(text.name).with_extension("bin"), vocab)?,
        texts: Vec::new(),
        split: Split::new(text.name, files, clean),
    };
    if text.name != "train" {
        for side in ["source", "target"] {
            let path = request.out.join(text.name).with_extension(side);
            out.texts.push(Unfinished::begin(&path)?);
        }
    }
    out.split.scripts = survey.most();
    let pairs = text.each(|chunk| {
        let encoded: Vec<_> = (0..chunk.len())
            .into_par_iter()
            .with_min_len(256)
            .map_init(Buffers::default, |buffers, i| {
                let sides = buffers.sides(chunk.pair(i), vocab.source().normalization());
                let flags = judge(chunk.first + i, sides.as_ref(), survey, scripts);
                Pair::of(sides, flags, request.max_length, encoders)
            })
            .collect::<Result<_>>()?;
        out.take(chunk, &encoded, clean)
    })?;
    if pairs != survey.pairs {
        let [path, _] = text.paths.each_ref().map(|path| path.display());
        return Err(Error::failed(format!("{path} changed while it was read; prepare it again")));
    }
    out.split.end(pairs);
    if out.corpus.is_empty() {
        let name = text.name;
        return Err(Error::misuse(format!("{name}: none of the {pairs} pairs is usable")));
    }
    Ok(out)
}

/// An encoded pair.
struct Pair {
    flags: Flags,
    /// The ids of the source, then those of the target.
    ids: Vec<u32>,
    source: usize,
    /// What normalisation changed in each side.
    touched: [Touched; 2],
}

impl Pair {
    fn of(
        sides: Option<Sides<'_>>,
        flags: Flags,
        max_length: usize,
        encoders: &SideEncoders<'_>,
    ) -> Result<Self> {
        let mut pair = Self { flags, ids: Vec::new(), source: 0, touched: Default::default() };
        let Some(sides) = sides else { return Ok(pair) };
        pair.touched = sides.touched();
        let [source, target] = sides.text;
        if flags.hopeless() {
            return Ok(pair);
        }
        encoders[0].encode(source, &mut pair.ids)?;
        pair.source = pair.ids.len();
        encoders[1].encode(target, &mut pair.ids)?;
        let target = pair.ids.len() - pair.source;
        judge_lengths(&mut pair.flags, [pair.source, target], max_length);
        Ok(pair)
    }
}

impl Encoded {
    fn take(&mut self, chunk: &Chunk, pairs: &[Pair], clean: bool) -> Result<()> {
        for (i, Pair { flags, ids, source, touched }) in pairs.iter().enumerate() {
            if !self.texts.is_empty() {
                self.copy(chunk.pair(i))?;
            }
            let split = &mut self.split;
            touched.iter().for_each(|touched| split.normalized.add(*touched));
            if *flags != Flags::default() {
                split.note(*flags, chunk.first + i, chunk.pair(i));
            }
            let left_out = flags.any(|check| check.leaves_out(clean));
            split.flawed += usize::from(flags.any(Check::is_flaw) && !(clean && left_out));
            if left_out {
                continue;
            }
            let (source, target) = ids.split_at(*source);
            split.kept += 1;
            split.source_tokens += source.len();
            split.target_tokens += target.len();
            split.unknown += ids.iter().filter(|id| **id == UNK).count();
            self.corpus.push(source, target)?;
        }
        Ok(())
    }

    fn copy(&mut self, pair: [Line<'_>; 2]) -> Result<()> {
        for (out, line) in self.texts.iter_mut().zip(pair) {
            let Line::Text(line) = line else { continue };
            writeln!(out.file, "{line}").map_err(|e| Error::output("write", out.path(), &e))?;
        }
        Ok(())
    }
}
