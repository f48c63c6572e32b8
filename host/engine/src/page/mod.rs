//! The HTML report with translations and attention maps computed by its models.

mod attention;
mod models;

use a2d_core::kd::{self, Named};
use a2d_cpu::Cpu;
use a2d_report::html;
use a2d_report::sentences;
use a2d_report::subject::{self, Subject};
use a2d_system::error::Result;
use a2d_system::program;
use models::PageModels;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The runs and lines that a report shows.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<'a> {
    /// Folders of runs.
    pub runs: &'a [PathBuf],
    /// 1-based numbers of the lines to show; `None` chooses some.
    pub lines: Option<&'a [usize]>,
    /// The text that `lines` refers to; `None`: the test or validation set of the runs.
    pub text: Option<&'a Path>,
}

impl PageRequest<'_> {
    /// Builds the page. Models run on the CPU with `threads` threads, 0 for all cores.
    ///
    /// # Errors
    ///
    /// Misuse: a folder without a run, a missing text, or a line number past the end of the text. A signal.
    pub fn page(&self, threads: usize) -> Result<String> {
        let b = &mut Cpu::new(threads);
        let mut subjects = subject::gather(self.runs)?;
        let sentences = sentences::choose(&mut subjects, self.lines, self.text)?;
        let models = PageModels::open(b, &mut subjects);
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
            "program": format!("{} {}", program::name(), env!("CARGO_PKG_VERSION")),
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
