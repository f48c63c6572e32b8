//! Translations and attention maps of a report's models.

use super::attention::{TokenPair, View, tokens_shown};
use crate::translate::{SearchOptions, Translator, translate_lines};
use a2d_core::backend::Train;
use a2d_core::config::Config;
use a2d_report::numbers::rounded;
use a2d_report::sentences::Sentences;
use a2d_report::subject::Subject;
use a2d_run::config::RunConfig;
use a2d_run::model::Model;
use a2d_score::tokenize::Tokenizer;
use a2d_score::{Bleu, Metric};
use a2d_system::error::Result;
use a2d_system::signals;
use serde_json::{Value, json};

/// The model of each subject; `None` if it cannot be opened.
pub struct PageModels<T> {
    models: Vec<Option<Translator<T>>>,
    /// Search options shared by all models.
    options: Option<SearchOptions>,
}

/// The translations of each model, one a sentence; `None` for a model that could not be opened.
type Translations = Vec<Option<Vec<String>>>;

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

    /// Translates every sentence with every model.
    ///
    /// # Errors
    ///
    /// A signal.
    pub fn translate<B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        sentences: &Sentences,
    ) -> Result<Translations> {
        let Some(options) = &self.options else { return Ok(Vec::new()) };
        let mut translate = |of: &Option<Translator<T>>| {
            let Some(Translator { model, vocab, .. }) = of else { return Ok(None) };
            let found = translate_lines(b, model, vocab, &sentences.source, options, &|_| {
                signals::go_on()
            })?;
            let best = found.lines.into_iter().map(|line| line.into_iter().next());
            Ok(Some(best.map(|best| best.map(|t| t.text).unwrap_or_default()).collect()))
        };
        self.models.iter().map(&mut translate).collect()
    }

    /// The beam size.
    pub fn beam(&self) -> Option<usize> {
        self.options.map(|options| options.search.beam)
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
            let Some((target, by)) = target(sentences, translations, i) else { continue };
            let source = &sentences.source[i];
            let mut views = Vec::new();
            for (place, subject) in subjects.iter().enumerate() {
                let Some(of) = &self.models[place] else { continue };
                let Some(run) = &subject.config else { continue };
                let (model, vocab, alignment) = (&of.model, &of.vocab, subject.alignment());
                let pair = TokenPair::new(vocab, source, target, most)?;
                let teacher = self.teacher(subject, run, of);
                let view = View { model, run, alignment, teacher, pair: &pair, vocab };
                for mut view in view.json(b)? {
                    view["run"] = json!(place);
                    views.push(view);
                }
            }
            let number = sentences.numbers[i];
            all.push(json!({"number": number, "text": source, "target_by": by, "views": views}));
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

/// The target side of attention maps: the reference, or the translation of the first usable model and that model's
/// index.
fn target<'a>(
    sentences: &'a Sentences,
    translations: &'a Translations,
    i: usize,
) -> Option<(&'a str, Option<usize>)> {
    if let Some(reference) = &sentences.reference {
        return Some((&reference[i], None));
    }
    let place = translations.iter().position(Option::is_some)?;
    Some((translations[place].as_ref()?.get(i)?, Some(place)))
}

/// The sentences with all translations and the sentence BLEU of each, over the n-gram orders that a translation is long
/// enough for.
pub fn samples(sentences: &Sentences, translations: &Translations, tokenizer: Tokenizer) -> Value {
    let metric = Bleu { tokenizer, effective_order: true, ..Bleu::default() };
    let sample = |i: usize| {
        let reference = sentences.reference.as_ref().map(|lines| &lines[i]);
        let translation = |(place, lines): (usize, &Option<Vec<String>>)| {
            let text = lines.as_ref()?.get(i)?;
            let bleu = |reference: &String| metric.score(&metric.count(text, &[reference]));
            Some(json!({"run": place, "text": text, "bleu": reference.map(bleu).map(rounded)}))
        };
        let translations: Vec<_> =
            translations.iter().enumerate().filter_map(translation).collect();
        json!({
            "number": sentences.numbers[i],
            "source": sentences.source[i],
            "reference": reference,
            "translations": translations,
        })
    };
    (0..sentences.source.len()).map(sample).collect()
}
