//! Labels of a report's sentences, and of the whole text.

use super::models::PageModels;
use crate::texts::{Labelled, confusion, read_lines};
use a2d_core::backend::Train;
use a2d_data::vocab::Vocab;
use a2d_report::numbers::{digits, rounded};
use a2d_report::sentences::{Sentences, Text};
use a2d_report::subject::Subject;
use a2d_score::Confusion;
use a2d_system::error::Result;
use a2d_system::signals;
use serde_json::{Value, json};

/// The labels shown of a sentence: the most probable ones.
const SHOWN: usize = 3;

/// The sentences, with the most probable labels of each model and their probabilities.
///
/// # Errors
///
/// A signal.
pub fn samples<B: Train>(
    b: &mut B,
    models: &PageModels<B::Tensor>,
    sentences: &Sentences,
) -> Result<Value> {
    let mut labels = vec![Vec::new(); sentences.source.len()];
    for (place, of) in models.opened() {
        let watch = |_| signals::go_on();
        let read = read_lines(b, &of.model, &of.vocab, &sentences.source, &watch)?;
        for (labels, logits) in labels.iter_mut().zip(read.rows()) {
            labels.push(json!({"run": place, "top": top(&of.vocab, logits)}));
        }
    }
    let sample = |(i, labels): (usize, Vec<Value>)| {
        json!({
            "number": sentences.numbers[i],
            "source": sentences.source[i],
            "reference": sentences.reference.as_ref().map(|lines| &lines[i]),
            "labels": labels,
        })
    };
    Ok(labels.into_iter().enumerate().map(sample).collect())
}

/// Names and probabilities of the most probable labels.
fn top(vocab: &Vocab, logits: &[f32]) -> Value {
    let Labelled(all) = Labelled::of(logits);
    let named = |(label, probability): &(u32, f32)| {
        json!([vocab.target().piece(*label), digits(f64::from(*probability), 3)])
    };
    all.iter().take(SHOWN).map(named).collect()
}

/// The confusion matrix of each model on `text`. A text with a label that a model lacks becomes a note of its run.
///
/// # Errors
///
/// A signal.
pub fn matrices<B: Train>(
    b: &mut B,
    models: &PageModels<B::Tensor>,
    subjects: &mut [Subject],
    text: &Text,
) -> Result<Value> {
    let Some(truth) = &text.target else { return Ok(Value::Null) };
    let mut all = Vec::new();
    for (place, of) in models.opened() {
        let watch = |_| signals::go_on();
        let read = read_lines(b, &of.model, &of.vocab, &text.source, &watch)?;
        let found = subjects[place].noted(confusion(&of.vocab, &read, truth));
        all.extend(found.map(|found| matrix(place, &of.vocab, &found)));
    }
    Ok(json!({"text": text.name, "count": truth.len(), "runs": all}))
}

fn matrix(place: usize, vocab: &Vocab, found: &Confusion) -> Value {
    let names = vocab.labels().map(|labels| labels.names().to_vec()).unwrap_or_default();
    let f1 = (0..names.len()).map(|label| found.f1(label).map(|f1| rounded(100.0 * f1)));
    json!({
        "run": place,
        "accuracy": rounded(100.0 * found.accuracy()),
        "macro_f1": rounded(100.0 * found.macro_f1()),
        "f1": f1.collect::<Vec<_>>(),
        "rows": found.rows().collect::<Vec<_>>(),
        "labels": names,
    })
}
