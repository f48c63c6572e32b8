//! Labels of a report's sentences, and of the whole text.

use super::models::PageModels;
use crate::texts::labels::numbers;
use crate::texts::{Labelled, judge, read_lines};
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

/// The confusions that are named beside a matrix.
const NAMED: usize = 5;

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

/// The confusion matrix of each model on `text`, of the labels with the most errors. A text with a label that a model lacks
/// becomes a note of its run.
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
        let Some(truth) = subjects[place].noted(numbers(&of.vocab, truth)) else { continue };
        let found = judge(b, (&of.model, &of.vocab), &text.source, &truth, &watch)?;
        all.push(matrix(place, &of.vocab, &found.confusion));
    }
    Ok(json!({"text": text.name, "count": truth.len(), "runs": all}))
}

/// The rows and columns of the labels with the most errors: a page of all pairs of many labels would be too large.
fn matrix(place: usize, vocab: &Vocab, found: &Confusion) -> Value {
    let name = |label: &u32| vocab.target().piece(*label).unwrap_or_default();
    let shown = found.confused(Confusion::SHOWN);
    let of_each = |of: &dyn Fn(usize) -> Value| -> Value {
        shown.iter().map(|label| of(*label as usize)).collect()
    };
    let pairs = found.confusions(NAMED);
    let pair = |([truth, found], texts): &([u32; 2], u64)| json!([name(truth), name(found), texts]);
    json!({
        "run": place,
        "accuracy": rounded(100.0 * found.accuracy()),
        "macro_f1": rounded(100.0 * found.macro_f1()),
        "all": vocab.sizes().target,
        "labels": shown.iter().map(name).collect::<Value>(),
        "texts": of_each(&|label| found.texts(label).into()),
        "f1": of_each(&|label| json!(found.f1(label).map(|f1| rounded(100.0 * f1)))),
        "rows": found.rows(&shown),
        "confused": pairs.iter().map(pair).collect::<Value>(),
    })
}
