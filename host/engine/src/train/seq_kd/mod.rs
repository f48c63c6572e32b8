//! Sequence-level distillation (Kim and Rush, 2016): the student learns from a teacher's translations of the training
//! source in place of the references, and of source text alone.
//!
//! A teacher of any vocabulary translates; or a file holds translations made elsewhere. The teacher's translations of
//! the training text are in `seq-kd/targets.jsonl` of the run's folder, those of source text in
//! `seq-kd/monolingual.jsonl`. Both grow chunk by chunk, so a killed run continues with the next chunk. Their first line
//! is the recipe of the translations.
//!
//! The teacher reads the training text as the student's vocabulary decodes it: without byte fallback, characters that
//! the vocabulary lacks are lost to a teacher of another vocabulary too.

mod closest;
mod recipe;
mod sentences;
mod teacher;

use super::open_any_teacher;
use crate::backend::device::Chosen as Device;
use crate::backend::work::Work;
use a2d_core::backend::Train;
use a2d_data::corpus::{Corpus, Writer};
use a2d_data::prepare;
use a2d_data::vocab::EOS;
use a2d_run::config::{Precision, RunConfig};
use a2d_run::partial::{CHUNK, Partial, Unit};
use a2d_run::prepared::Prepared;
use a2d_run::run_dir::RunDir;
use a2d_system::display::{Display, duration};
use a2d_system::error::{Error, Result};
use a2d_system::files::make_folder;
use a2d_system::hash;
use a2d_system::signals;
use a2d_system::text::read_lines;
use recipe::Recipe;
use sentences::Chosen;
use std::path::{Path, PathBuf};
use std::time::Instant;
use teacher::{Target, Translating, without_end};

/// The token file that the student trains on.
const CORPUS: &str = a2d_run::run_dir::TRANSLATED;
/// Sentences of source text that are translated and kept together: enough to fill batches of one length.
const SHARD: usize = 8 * CHUNK;

/// Replaces the targets of `run`'s training data by translations.
pub struct Distilled<'a> {
    /// Configuration of the search and of the choice among hypotheses.
    pub run: &'a RunConfig,
    /// Folder of the teacher's finished run; not needed if a file holds the translations.
    pub teacher: Option<&'a Path>,
    /// The data to translate.
    pub data: &'a Prepared,
    /// The student's folder.
    pub folder: &'a Path,
    /// Display for progress.
    pub display: &'a mut Display,
}

/// The corpus that [`Distilled`] wrote in the student's `folder`.
///
/// # Errors
///
/// Misuse: the corpus is missing or damaged.
pub fn written(folder: &Path) -> Result<Corpus> {
    Corpus::open(&RunDir::at(folder).translations().join(CORPUS))
}

impl Distilled<'_> {
    /// Translates the remaining sentences on `device` and writes the corpus.
    ///
    /// # Errors
    ///
    /// Misuse: an unusable teacher or text, or saved translations of another recipe. A file cannot be written; a signal,
    /// after which finished translations remain.
    pub fn make(self, device: &Device) -> Result<Corpus> {
        make_folder(&RunDir::at(self.folder).translations())?;
        match self.teacher {
            Some(teacher) if self.run.translates() => {
                device.run(Precision::F32, Taught { of: self, teacher })
            }
            _ => self.write(None, None),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        RunDir::at(self.folder).translations().join(name)
    }

    /// Writes the token file that the student trains on: the training text with the translations of `parallel` or of the
    /// given file, then source text with its translations.
    fn write(
        &self,
        parallel: Option<&Partial>,
        alone: Option<&(Chosen, Partial)>,
    ) -> Result<Corpus> {
        let path = self.path(CORPUS);
        let mut pairs = Pairs::new(self, &path)?;
        match (&self.run.distill.translations, parallel) {
            (Some(file), _) => pairs.given(file)?,
            (None, Some(targets)) => pairs.parallel(targets)?,
            (None, None) => {}
        }
        if let Some((text, targets)) = alone {
            pairs.alone(text, targets)?;
        }
        pairs.finish()?;
        Corpus::open(&path)
    }
}

/// The work of a teacher.
struct Taught<'a> {
    of: Distilled<'a>,
    teacher: &'a Path,
}

impl Work for Taught<'_> {
    type Output = Corpus;

    fn go<B: Train>(self, b: &mut B) -> Result<Corpus> {
        let (run, data) = (self.of.run, self.of.data);
        let weights = open_any_teacher(self.teacher)?.1.fingerprint();
        let mut parallel = None;
        if run.distill.translations.is_none() {
            let recipe = Recipe::parallel(run, weights.clone(), data.train.checksum());
            let unit = Unit::Chunk(data.train.len());
            let mut targets = Partial::open(&self.of.path("targets.jsonl"), &recipe, unit)?;
            self.parallel(b, &recipe, &mut targets)?;
            parallel = Some(targets);
        }
        let mut alone = None;
        if let Some(file) = &run.data.monolingual {
            let text = Chosen::new(file, data, run.data.max_length)?;
            let recipe = Recipe::monolingual(run, weights, hash::hex(text.checksum));
            let path = self.of.path("monolingual.jsonl");
            let mut targets = Partial::open(&path, &recipe, Unit::Item)?;
            let (name, Chosen { count, left_out, .. }) = (file.display(), &text);
            self.of.display.line(&format!("{name}: {count} sentences; left out: {left_out}"));
            self.alone(b, &recipe, &text, &mut targets)?;
            alone = Some((text, targets));
        }
        let made = self.of.path(CORPUS);
        if made.is_file() && alone.is_none() {
            return Corpus::open(&made);
        }
        self.of.write(parallel.as_ref(), alone.as_ref())
    }
}

impl Taught<'_> {
    /// Translates the training text, chunk by chunk.
    fn parallel<B: Train>(&self, b: &mut B, recipe: &Recipe, targets: &mut Partial) -> Result<()> {
        if targets.next().is_empty() {
            return Ok(());
        }
        let corpus = &self.of.data.train;
        let teacher = Translating::open(b, self.teacher, &self.of.data.vocab)?;
        let told = Told::new(self.of.display, targets.done(), corpus.len(), "training sentences");
        while !targets.next().is_empty() {
            signals::go_on()?;
            let pairs = targets.next().map(|i| corpus.pair(i)).collect::<Result<Vec<_>>>()?;
            let (sources, references): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let most = self.of.run.train.max_tokens;
            targets.append(&teacher.translate(b, sources, Some(&references), recipe, most)?)?;
            told.at(targets.done());
        }
        Ok(())
    }

    /// Translates source text, shard by shard.
    fn alone<B: Train>(
        &self,
        b: &mut B,
        recipe: &Recipe,
        text: &Chosen,
        targets: &mut Partial,
    ) -> Result<()> {
        if targets.done() == text.count {
            return Ok(());
        }
        let Distilled { run, data, display, .. } = &self.of;
        let teacher = Translating::open(b, self.teacher, &data.vocab)?;
        let told = Told::new(display, targets.done(), text.count, "sentences of source text");
        let mut text = text.sentences(data, targets.done())?;
        loop {
            signals::go_on()?;
            let mut shard = Vec::new();
            while shard.len() < SHARD
                && let Some(mut ids) = text.next()?
            {
                ids.push(EOS);
                shard.push(ids);
            }
            if shard.is_empty() {
                return Ok(());
            }
            targets.append(&teacher.translate(b, shard, None, recipe, run.train.max_tokens)?)?;
            told.at(targets.done());
        }
    }
}

/// Lines about the progress of a translation.
struct Told<'a> {
    display: &'a Display,
    start: Instant,
    first: usize,
    all: usize,
    what: &'static str,
}

impl<'a> Told<'a> {
    fn new(display: &'a Display, first: usize, all: usize, what: &'static str) -> Self {
        Self { display, start: Instant::now(), first, all, what }
    }

    fn at(&self, done: usize) {
        let Self { display, start, first, all, what } = self;
        let rate = (done - first) as f64 / start.elapsed().as_secs_f64();
        let eta = duration((all.saturating_sub(done) as f64 / rate) as u64);
        let text = format!("teacher: translated {done} of {all} {what}");
        display.line(&format!("{text}, {rate:.0} a second, eta {eta}"));
    }
}

/// The token file of the student, being written. Translations that are empty or too long are left out.
struct Pairs<'a> {
    of: &'a Distilled<'a>,
    writer: Writer,
    all: usize,
}

impl<'a> Pairs<'a> {
    fn new(of: &'a Distilled<'a>, path: &Path) -> Result<Self> {
        Ok(Self { of, writer: Writer::create(path, &of.data.vocab)?, all: 0 })
    }

    /// The training text with the teacher's translations.
    fn parallel(&mut self, targets: &Partial) -> Result<()> {
        for (i, target) in targets.items::<Target>()?.enumerate() {
            let (source, _) = self.of.data.train.pair(i)?;
            self.push(without_end(&source), &target?.tokens)?;
        }
        Ok(())
    }

    /// Source text with the teacher's translations.
    fn alone(&mut self, text: &Chosen, targets: &Partial) -> Result<()> {
        let mut text = text.sentences(self.of.data, 0)?;
        for target in targets.items::<Target>()? {
            let target = target?;
            let Some(source) = text.next()? else { break };
            self.push(&source, &target.tokens)?;
        }
        Ok(())
    }

    /// The training source with the lines of a file.
    fn given(&mut self, file: &Path) -> Result<()> {
        let data = &self.of.run.data;
        let Some(prefix) = data.train.as_ref().and_then(|path| path.to_str()) else {
            let text = "`distill.translations` needs the training text: name it by `data.train`";
            return Err(Error::misuse(text));
        };
        let path = prepare::find(prefix, &data.source_lang);
        let (sources, targets) = (read_lines(&path)?, read_lines(file)?);
        if sources.len() != targets.len() {
            let (lines, wanted) = (targets.len(), sources.len());
            let (file, path) = (file.display(), path.display());
            return Err(Error::misuse(format!(
                "{file} has {lines} lines, {path} {wanted}: line N must be the translation of line N"
            )));
        }
        let vocab = &self.of.data.vocab;
        let sources = vocab.source().encode_batch(&sources)?;
        for (source, target) in sources.iter().zip(vocab.target().encode_batch(&targets)?) {
            self.push(source, &target)?;
        }
        Ok(())
    }

    fn push(&mut self, source: &[u32], target: &[u32]) -> Result<()> {
        let (vocab, most) = (&self.of.data.vocab, self.of.run.data.max_length);
        self.all += 1;
        // The file may be edited or damaged: translations with ids outside the vocabulary are left out.
        let known = target.iter().all(|&id| (id as usize) < vocab.sizes().target);
        if known && [source, target].iter().all(|side| (1..=most).contains(&side.len())) {
            self.writer.push(source, target)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let (kept, all) = (self.writer.len(), self.all);
        if kept == 0 {
            let text = "no training sentence has a usable translation";
            return Err(Error::failed(text));
        }
        let left_out = all - kept;
        if left_out > 0 {
            let text = format!("{left_out} of {all} translations are empty or too long, left out");
            self.of.display.line(&format!("teacher: {text}"));
        }
        self.writer.finish()
    }
}
