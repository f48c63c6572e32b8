//! The models of a report, and their attention maps.

use super::attention::{TokenPair, View, tokens_shown};
use super::translations::Translations;
use crate::texts::reader::longest;
use crate::translate::{SearchOptions, Translator};
use a2d_core::backend::Train;
use a2d_core::config::Config;
use a2d_report::sentences::Sentences;
use a2d_report::subject::Subject;
use a2d_run::config::RunConfig;
use a2d_run::model::Model;
use a2d_system::error::Result;
use a2d_system::signals;
use serde_json::{Value, json};

/// The model of each subject; `None` if it cannot be opened.
pub struct PageModels<T> {
    models: Vec<Option<Translator<T>>>,
    /// Search options shared by all models.
    options: Option<SearchOptions>,
}

impl<T: Clone> PageModels<T> {
    /// Opens the best checkpoint of each subject. A failure becomes a note of its subject.
    pub fn open<B: Train<Tensor = T, Param = T>>(b: &mut B, subjects: &mut [Subject]) -> Self {
        let options =
            subjects.iter().find_map(|s| Some(SearchOptions::of(&s.config.as_ref()?.train)));
        let open = |subject: &mut Subject| {
            let opened = Translator::open(b, subject.dir.folder());
            let known = |text: &String| opened.as_ref().is_err_and(|e| e.to_string() == *text);
            match subject.notes.iter().any(known) {
                true => None,
                false => subject.noted(opened),
            }
        };
        Self { models: subjects.iter_mut().map(open).collect(), options }
    }

    /// The models that could be opened, with the place of each run.
    pub fn opened(&self) -> impl Iterator<Item = (usize, &Translator<T>)> {
        self.models.iter().enumerate().filter_map(|(place, of)| Some((place, of.as_ref()?)))
    }

    /// The search options.
    pub fn options(&self) -> Option<&SearchOptions> {
        self.options.as_ref()
    }

    /// The attention maps of every model on the sentences chosen for them.
    ///
    /// # Errors
    ///
    /// A signal; the device was lost.
    pub fn look<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        subjects: &[Subject],
        sentences: &Sentences,
        translations: &Translations,
    ) -> Result<Value> {
        let most = tokens_shown(self.maps(subjects), sentences.looked_at.len());
        let mut all = Vec::new();
        for &i in &sentences.looked_at {
            signals::go_on()?;
            let target = target(sentences, translations, i);
            let source = &sentences.source[i];
            let mut views = Vec::new();
            for (place, subject) in subjects.iter().enumerate() {
                let Some(of) = &self.models[place] else { continue };
                let Some(run) = &subject.config else { continue };
                let (model, vocab, alignment) = (&of.model, &of.vocab, subject.alignment());
                let pair = match (model.config.head, target) {
                    (Some(_), _) => TokenPair::text(vocab, source, most.min(longest(model)))?,
                    (None, Some((target, _))) => TokenPair::new(vocab, source, target, most)?,
                    (None, None) => continue,
                };
                let teacher = self.teacher(subject, run, of);
                let view = View { model, run, alignment, teacher, pair: &pair, vocab };
                for mut view in view.json(b)? {
                    view["run"] = json!(place);
                    views.push(view);
                }
            }
            let (number, by) = (sentences.numbers[i], target.and_then(|(_, by)| by));
            if !views.is_empty() {
                let of = json!({"number": number, "text": source, "target_by": by, "views": views});
                all.push(of);
            }
        }
        Ok(Value::Array(all))
    }

    /// The teacher that the student's maps were aligned to. `None` if its vocabulary differs, or if its maps passed
    /// through its own alignment.
    fn teacher(&self, of: &Subject, run: &RunConfig, student: &Translator<T>) -> Option<&Model<T>> {
        let teacher = self.models.get(of.teacher?)?.as_ref()?;
        let same = teacher.vocab.fingerprint() == student.vocab.fingerprint();
        (same && !run.distill.teacher_aam).then_some(&teacher.model)
    }

    /// Number of attention maps per sentence, over all models.
    fn maps(&self, subjects: &[Subject]) -> usize {
        let own = |config: Config| config.encoder.maps() + 2 * config.decoder.maps();
        let used = subjects.iter().zip(&self.models).filter(|(_, of)| of.is_some());
        let maps = used.map(|(subject, _)| {
            let mixed = subject.alignment().map_or(0, |a| a.kinds.iter().map(Vec::len).sum());
            subject.model().map_or(0, own) + mixed
        });
        maps.sum()
    }
}

/// The target side of attention maps: the reference, or the first translation and the place of its run.
fn target<'a>(
    sentences: &'a Sentences,
    translations: &'a Translations,
    i: usize,
) -> Option<(&'a str, Option<usize>)> {
    if let Some(reference) = &sentences.reference {
        return Some((&reference[i], None));
    }
    let (place, lines) = translations.first()?;
    Some((lines.get(i)?, Some(*place)))
}
