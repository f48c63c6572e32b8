//! One page about a run or several: curves, scores, the learned alignment, attention, translations, settings.
//!
//! The page is one file that asks for nothing from anywhere. Its numbers are JSON inside it, drawn by a script in three
//! files: `draw.js`, `learned.js`, `page.js`. The same runs give the same bytes. What a run lacks is said on the page;
//! only what is no run at all is an error.

mod alignment;
mod attention;
mod history;
mod html;
mod jsonl;
mod models;
mod numbers;
mod provenance;
mod sentences;
mod settings;
mod subject;

pub use history::History;
pub use jsonl::{Line, Lines, number};
pub use numbers::base64;
pub use provenance::quoted;

use crate::backend::device::Work;
use crate::system::error::Result;
use a2d_core::backend::Train;
use models::Models;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use subject::Subject;

/// What a page is wanted of.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Folders of runs.
    pub runs: &'a [PathBuf],
    /// Numbers (from 1) of lines to show; nothing: some.
    pub lines: Option<&'a [usize]>,
    /// The text that they are of; nothing: the test or validation set of the runs.
    pub text: Option<&'a Path>,
}

impl Work for Request<'_> {
    /// The page.
    type Output = String;

    /// Errors (misuse): a folder without a run, a text or a line of it that is not there; a signal.
    fn go<B: Train>(self, b: &mut B) -> Result<String> {
        let mut subjects = subject::gather(self.runs)?;
        let sentences = sentences::choose(&mut subjects, &self)?;
        let models = Models::open(b, &mut subjects);
        let (mut samples, mut attention) = (Value::Null, Value::Null);
        if let Some(sentences) = &sentences {
            let translations = models.translate(b, sentences)?;
            attention = models.look(b, &subjects, sentences, &translations)?;
            let config = subjects.iter().find_map(|subject| subject.config.as_ref());
            let tokenizer = config.map(|run| run.data.tokenizer()).unwrap_or_default();
            samples = models::samples(sentences, &translations, tokenizer);
        }
        let runs: Value = subjects.iter().map(|subject| subject.json(&subjects)).collect();
        let data = json!({
            "program": concat!("a2d-host ", env!("CARGO_PKG_VERSION")),
            "runs": runs,
            "seeds": subject::seeds(&subjects),
            "text": sentences.map(|sentences| sentences.name),
            "beam": models.beam(),
            "samples": samples,
            "attention": attention,
        });
        Ok(html::page(&title(&subjects), &data))
    }
}

fn title(subjects: &[Subject]) -> String {
    let asked = subjects.iter().filter(|subject| subject.role == subject::Role::Asked);
    let labels: Vec<_> = asked.map(|subject| subject.label.as_str()).collect();
    match labels.len() {
        0..=3 => labels.join(", "),
        n => format!("{}, {} and {} more", labels[0], labels[1], n - 2),
    }
}
