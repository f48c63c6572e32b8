//! The nearest neighbours of a report's sentences, by the vectors of its models.

use super::models::PageModels;
use crate::texts::{Read, read_lines};
use a2d_core::backend::Train;
use a2d_report::numbers::digits;
use a2d_report::sentences::{Sentences, Text};
use a2d_score::cosine;
use a2d_system::error::Result;
use a2d_system::signals;
use serde_json::{Value, json};

/// The most lines of a text that neighbours are looked for in.
const SEARCHED: usize = 1000;

/// The sentences, with the nearest other line of `text` by each model, and its cosine.
///
/// # Errors
///
/// A signal.
pub fn samples<B: Train>(
    b: &mut B,
    models: &PageModels<B::Tensor>,
    sentences: &Sentences,
    text: &Text,
) -> Result<Value> {
    let lines = &text.source[..SEARCHED.min(text.source.len())];
    let mut found = vec![Vec::new(); sentences.source.len()];
    for (place, of) in models.opened() {
        let mut read =
            |lines: &[String]| read_lines(b, &of.model, &of.vocab, lines, &|_| signals::go_on());
        let (keys, queries) = (read(lines)?, read(&sentences.source)?);
        for ((found, query), line) in found.iter_mut().zip(queries.rows()).zip(&sentences.source) {
            if let Some((near, cosine)) = nearest(query, line, lines, &keys) {
                found.push(json!({"run": place, "text": near, "cosine": digits(cosine, 3)}));
            }
        }
    }
    let sample = |(i, neighbours): (usize, Vec<Value>)| {
        json!({
            "number": sentences.numbers[i],
            "source": sentences.source[i],
            "neighbours": neighbours,
        })
    };
    Ok(found.into_iter().enumerate().map(sample).collect())
}

/// The line with the largest cosine that is not `own`; of equal ones the first.
fn nearest<'a>(
    query: &[f32],
    own: &str,
    lines: &'a [String],
    keys: &Read,
) -> Option<(&'a str, f64)> {
    let others = lines.iter().zip(keys.rows()).filter(|(line, _)| *line != own);
    let cosines = others.map(|(line, key)| (line.as_str(), cosine(query, key)));
    cosines.reduce(|best, other| if other.1 > best.1 { other } else { best })
}
