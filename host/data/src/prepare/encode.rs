//! The last pass over the texts: checks, encodes and writes every pair.

use super::PrepareRequest;
use super::check::{Flags, judge, judge_length, judge_lengths};
use super::pairs::{Buffers, Chunk, Form, Sides, SplitText};
use super::report::Split;
use super::script::Script;
use super::survey::Survey;
use crate::corpus::Writer;
use crate::task::Task;
use crate::vocab::{Encoder, Subwords, Touched, Vocab};
use a2d_system::error::{Error, Result};
use a2d_system::files::Unfinished;
use a2d_system::text::Line;
use rayon::prelude::*;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

    /// The encoder of this thread.
    fn own(&self) -> MutexGuard<'_, Box<dyn Encoder + 'a>> {
        let thread = rayon::current_thread_index().unwrap_or(0) % self.0.len();
        self.0[thread].lock().unwrap_or_else(PoisonError::into_inner)
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
    let form = Form::new(request.task, vocab.source().normalization());
    let files = text.paths.iter().map(|path| path.display().to_string()).collect();
    let labels = vocab.labels().map_or(0, |labels| labels.names().len());
    let mut out = Encoded {
        corpus: Writer::create(&request.out.join(text.name).with_extension("bin"), vocab)?,
        texts: Vec::new(),
        split: Split {
            labels: vec![0; labels],
            ..Split::new(text.name, files, request.task, clean)
        },
    };
    for side in request.copies(text.name) {
        out.texts.push(Unfinished::begin(&request.out.join(text.name).with_extension(side))?);
    }
    out.split.scripts = survey.most();
    let pairs = text.each(|chunk| {
        let encoded: Vec<_> = (0..chunk.len())
            .into_par_iter()
            .with_min_len(256)
            .map_init(Buffers::default, |buffers, i| {
                let sides = buffers.sides(chunk.pair(i), form);
                let flags = judge(chunk.first + i, sides.as_ref(), survey, scripts);
                Pair::of(sides, flags, request.max_length, encoders)
            })
            .collect::<Result<_>>()?;
        out.take(chunk, &encoded, form, clean)
    })?;
    if pairs != survey.pairs {
        let path = text.path(0).display();
        return Err(Error::failed(format!("{path} changed while it was read; prepare it again")));
    }
    out.split.end(pairs);
    if out.corpus.is_empty() {
        let name = text.name;
        return Err(Error::misuse(format!(
            "{name}: none of the {pairs} {} is usable",
            request.task.items()
        )));
    }
    Ok(out)
}

/// An encoded pair.
#[derive(Default)]
struct Pair {
    flags: Flags,
    /// The ids of the source, then those of the target.
    ids: Vec<u32>,
    source: usize,
    /// The subwords of the source before a text is cut.
    whole: usize,
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
        let mut pair = Self { flags, ..Self::default() };
        let Some(sides) = sides else { return Ok(pair) };
        pair.touched = sides.touched();
        let task = sides.form.task;
        if flags.any(|check| check.leaves_out(task, false)) {
            return Ok(pair);
        }
        match task {
            Task::Translate => pair.translate(sides.line, max_length, encoders)?,
            Task::Classify | Task::Embed => pair.text(sides.line, max_length, encoders)?,
        }
        Ok(pair)
    }

    fn translate(
        &mut self,
        [source, target]: [&str; 2],
        max_length: usize,
        encoders: &SideEncoders<'_>,
    ) -> Result<()> {
        encoders[0].own().encode_normal(source, &mut self.ids)?;
        self.source = self.ids.len();
        encoders[1].own().encode_normal(target, &mut self.ids)?;
        self.whole = self.source;
        let target = self.ids.len() - self.source;
        judge_lengths(&mut self.flags, [self.source, target], max_length);
        Ok(())
    }

    fn text(
        &mut self,
        [text, label]: [&str; 2],
        max_length: usize,
        encoders: &SideEncoders<'_>,
    ) -> Result<()> {
        self.whole = encoders[0].own().encode_text(text, max_length, &mut self.ids)?;
        self.source = self.ids.len();
        encoders[1].own().encode_normal(label, &mut self.ids)?;
        judge_length(&mut self.flags, self.whole, max_length);
        Ok(())
    }
}

impl Encoded {
    fn take(&mut self, chunk: &Chunk, pairs: &[Pair], form: Form, clean: bool) -> Result<()> {
        let task = form.task;
        for (i, Pair { flags, ids, source, whole, touched }) in pairs.iter().enumerate() {
            self.copy(chunk.pair(i), form)?;
            let split = &mut self.split;
            touched.iter().for_each(|touched| split.normalized.add(*touched));
            if *flags != Flags::default() {
                split.note(*flags, chunk.first + i, chunk.pair(i));
            }
            let left_out = flags.any(|check| check.leaves_out(task, clean));
            let flawed = flags.any(|check| check.is_flaw(task));
            split.flawed += usize::from(flawed && !(clean && left_out));
            if left_out {
                continue;
            }
            let (source, target) = ids.split_at(*source);
            split.keep(task, [source, target], *whole);
            self.corpus.push(source, target)?;
        }
        Ok(())
    }

    /// Copies a pair for scoring: lines as they are, labels normalised.
    fn copy(&mut self, pair: [Line<'_>; 2], form: Form) -> Result<()> {
        let mut buffer = String::new();
        for ((out, line), form) in self.texts.iter_mut().zip(pair).zip(form.copies()) {
            let Line::Text(line) = line else { continue };
            let line = form.apply(line, &mut buffer);
            writeln!(out.file, "{line}").map_err(|e| Error::output("write", out.path(), &e))?;
        }
        Ok(())
    }
}
