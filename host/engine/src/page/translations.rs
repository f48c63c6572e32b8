//! Translations of a report's sentences.

use super::models::PageModels;
use crate::translate::{Translator, translate_lines};
use a2d_core::backend::Train;
use a2d_report::numbers::rounded;
use a2d_report::sentences::Sentences;
use a2d_score::tokenize::Tokenizer;
use a2d_score::{Bleu, Metric};
use a2d_system::error::Result;
use a2d_system::signals;
use serde_json::{Value, json};

/// The translations of each model, by the place of its run, one a sentence.
pub type Translations = Vec<(usize, Vec<String>)>;

/// Translates every sentence with every model.
///
/// # Errors
///
/// A signal.
pub fn translate<B: Train>(
    b: &mut B,
    models: &PageModels<B::Tensor>,
    sentences: &Sentences,
) -> Result<Translations> {
    let Some(options) = models.options() else { return Ok(Vec::new()) };
    let mut translate = |(place, of): (usize, &Translator<B::Tensor>)| {
        let Translator { model, vocab, .. } = of;
        let watch = |_| signals::go_on();
        let found = translate_lines(b, model, vocab, &sentences.source, options, &watch)?;
        let best = found.lines.into_iter().map(|line| line.into_iter().next());
        Ok((place, best.map(|best| best.map(|t| t.text).unwrap_or_default()).collect()))
    };
    models.opened().map(&mut translate).collect()
}

/// The sentences with all translations and the sentence BLEU of each, over the n-gram orders that a translation is long
/// enough for.
pub fn samples(sentences: &Sentences, translations: &Translations, tokenizer: Tokenizer) -> Value {
    let metric = Bleu { tokenizer, effective_order: true, ..Bleu::default() };
    let sample = |i: usize| {
        let reference = sentences.reference.as_ref().map(|lines| &lines[i]);
        let translation = |(place, lines): &(usize, Vec<String>)| {
            let text = lines.get(i)?;
            let bleu = |reference: &String| metric.score(&metric.count(text, &[reference]));
            Some(json!({"run": place, "text": text, "bleu": reference.map(bleu).map(rounded)}))
        };
        let translations: Vec<_> = translations.iter().filter_map(translation).collect();
        json!({
            "number": sentences.numbers[i],
            "source": sentences.source[i],
            "reference": reference,
            "translations": translations,
        })
    };
    (0..sentences.source.len()).map(sample).collect()
}
