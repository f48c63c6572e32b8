//! The teacher's translations as the student's targets. The teacher may have another vocabulary than the student.

use super::closest::closest;
use super::recipe::Recipe;
use crate::translate::{Hypothesis, Translator, translate_tokens};
use a2d_core::backend::Train;
use a2d_data::vocab::{EOS, Vocab};
use a2d_run::config::SeqKd;
use a2d_system::error::Result;
use a2d_system::signals;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A chosen translation, in the student's vocabulary.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Target {
    pub tokens: Vec<u32>,
    pub score: f32,
}

/// A teacher that translates for a student.
pub(super) struct Translating<'a, T> {
    translator: Translator<T>,
    student: &'a Vocab,
    /// Teacher and student have the same vocabulary.
    same: bool,
}

impl<'a, T: Clone> Translating<'a, T> {
    /// Opens the teacher's finished run.
    ///
    /// # Errors
    ///
    /// Misuse: the run is incomplete or damaged.
    pub fn open<B: Train<Tensor = T, Param = T>>(
        b: &mut B,
        folder: &Path,
        student: &'a Vocab,
    ) -> Result<Self> {
        let translator = Translator::open(b, folder)?;
        let same = translator.vocab.fingerprint() == student.fingerprint();
        Ok(Self { translator, student, same })
    }

    /// Translates sentences of the student's ids, and chooses one translation of each. `references` are needed to choose
    /// by interpolation.
    ///
    /// # Errors
    ///
    /// A signal; the device was lost.
    pub fn translate<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        sources: Vec<Vec<u32>>,
        references: Option<&[Vec<u32>]>,
        recipe: &Recipe,
        max_tokens: usize,
    ) -> Result<Vec<Target>> {
        let Translator { model, vocab, .. } = &self.translator;
        let sources = if self.same { sources } else { self.foreign(&sources)? };
        let mut options = recipe.options(max_tokens);
        options.search.forbidden = vocab.target().forbidden();
        let found = translate_tokens(b, model, &sources, &options, &|_| signals::go_on())?;
        let (student, same) = (self.student, self.same);
        let choose = |(i, hypotheses): (usize, Vec<Hypothesis>)| {
            let best = match (recipe.target, references) {
                (SeqKd::Interpolation, Some(references)) => {
                    let said = |ids: &[u32]| vocab.target().decode(ids);
                    let reference = student.target().decode(without_end(&references[i]))?;
                    closest(&hypotheses, &reference, said, recipe.bleu_tokenizer)?
                }
                _ => 0,
            };
            let best = hypotheses.into_iter().nth(best);
            if same { Ok(Target::of(best)) } else { converted(best, vocab, student) }
        };
        found.into_par_iter().enumerate().map(choose).collect()
    }

    /// The sentences in the teacher's vocabulary.
    fn foreign(&self, sources: &[Vec<u32>]) -> Result<Vec<Vec<u32>>> {
        let (from, to) = (self.student.source(), self.translator.vocab.source());
        let convert = |ids: &Vec<u32>| {
            let mut ids = to.encode(&from.decode(without_end(ids))?)?;
            ids.push(EOS);
            Ok(ids)
        };
        sources.par_iter().map(convert).collect()
    }
}

impl Target {
    /// A translation; an empty one if there is none.
    fn of(found: Option<Hypothesis>) -> Self {
        let none = Self { tokens: Vec::new(), score: f32::MIN };
        found.map_or(none, |Hypothesis { tokens, score }| Self { tokens, score })
    }
}

/// A translation of a teacher with the vocabulary `theirs` in that of the student.
fn converted(found: Option<Hypothesis>, theirs: &Vocab, student: &Vocab) -> Result<Target> {
    let Target { tokens, score } = Target::of(found);
    let text = theirs.target().decode(&tokens)?;
    Ok(Target { tokens: student.target().encode(&text)?, score })
}

/// The ids before the end of the sentence.
pub(super) fn without_end(ids: &[u32]) -> &[u32] {
    ids.strip_suffix(&[EOS]).unwrap_or(ids)
}
