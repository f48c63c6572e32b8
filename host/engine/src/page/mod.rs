//! The page of a report with what its models do: translations and attention.

mod attention;
mod models;

use a2d_core::kd::{self, Named};
use a2d_cpu::Cpu;
use a2d_report::html;
use a2d_report::sentences;
use a2d_report::subject::{self, Subject};
use a2d_system::error::Result;
use models::Models;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

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

impl Request<'_> {
    /// The page; models run on the CPU with so many threads, 0 for all.
    ///
    /// # Errors
    /// Misuse: a folder without a run, a text or a line of it that is not there. A signal.
    pub fn page(&self, threads: usize) -> Result<String> {
        let b = &mut Cpu::new(threads);
        let mut subjects = subject::gather(self.runs)?;
        let sentences = sentences::choose(&mut subjects, self.lines, self.text)?;
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
        let losses = kd::names()
            .map(|Named { name, title, note }| json!({"name": name, "title": title, "note": note}));
        let losses: Value = losses.collect();
        let data = json!({
            "program": concat!("a2d-host ", env!("CARGO_PKG_VERSION")),
            "losses": losses,
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
