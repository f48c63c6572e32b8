//! The HTML report with attention maps, and translations, labels or neighbours, computed by its models.

mod attention;
mod labels;
mod models;
mod neighbours;
mod translations;

use a2d_core::backend::Device;
use a2d_core::kd::{self, Named};
use a2d_cpu::Cpu;
use a2d_report::html;
use a2d_report::sentences::{self, Sentences, Text};
use a2d_report::subject::{self, Subject};
use a2d_run::config::Task;
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
        let task = subject::task(&subjects)?;
        let texts = Texts::find(self.text, task, &mut subjects)?;
        let sentences = sentences::choose(texts.shown(), self.lines)?;
        let models = PageModels::open(b, &mut subjects);
        let found = Found::of(b, task, &texts, sentences.as_ref(), &models, &mut subjects)?;
        let runs: Value = subjects.iter().map(|subject| subject.json(&subjects)).collect();
        let losses = kd::names()
            .map(|Named { name, title, note }| json!({"name": name, "title": title, "note": note}));
        let losses: Value = losses.collect();
        let data = json!({
            "program": format!("{} {}", program::name(), env!("CARGO_PKG_VERSION")),
            "task": task.to_string(),
            "losses": losses,
            "runs": runs,
            "seeds": subject::seeds(&subjects),
            "text": sentences.map(|sentences| sentences.name),
            "beam": models.options().map(|options| options.search.beam),
            "confusion": found.confusion,
            "samples": found.samples,
            "attention": found.attention,
        });
        Ok(html::page(&title(&subjects), &data))
    }
}

/// The texts of a page.
struct Texts {
    /// The requested one.
    given: Option<Text>,
    /// That of the runs, if it is needed.
    own: Option<Text>,
}

impl Texts {
    fn find(path: Option<&Path>, task: Task, subjects: &mut [Subject]) -> Result<Self> {
        let given = path.map(Text::open).transpose()?;
        let is_needed = given.is_none() || task.is_of_texts();
        let own = is_needed.then(|| Text::of_runs(subjects)).flatten();
        Ok(Self { given, own })
    }

    /// The one whose lines are shown.
    fn shown(&self) -> Option<&Text> {
        self.given.as_ref().or(self.own.as_ref())
    }

    /// The one that neighbours are looked for in.
    fn searched(&self) -> Option<&Text> {
        self.own.as_ref().or(self.given.as_ref())
    }
}

/// What the models make of the texts.
#[derive(Default)]
struct Found {
    samples: Value,
    attention: Value,
    confusion: Value,
}

impl Found {
    fn of(
        b: &mut Cpu,
        task: Task,
        texts: &Texts,
        sentences: Option<&Sentences>,
        models: &PageModels<<Cpu as Device>::Tensor>,
        subjects: &mut [Subject],
    ) -> Result<Self> {
        let mut found = Self::default();
        if let (Task::Classify, Some(text)) = (task, &texts.own) {
            found.confusion = labels::matrices(b, models, subjects, text)?;
        }
        let Some(sentences) = sentences else { return Ok(found) };
        let mut translations = Vec::new();
        found.samples = match (task, texts.searched()) {
            (Task::Translate, _) => {
                translations = translations::translate(b, models, sentences)?;
                let config = subjects.iter().find_map(|subject| subject.config.as_ref());
                let tokenizer = config.map(|run| run.data.tokenizer()).unwrap_or_default();
                translations::samples(sentences, &translations, tokenizer)
            }
            (Task::Classify, _) => labels::samples(b, models, sentences)?,
            (Task::Embed, Some(text)) => neighbours::samples(b, models, sentences, text)?,
            (Task::Embed, None) => Value::Null,
        };
        found.attention = models.look(b, subjects, sentences, &translations)?;
        Ok(found)
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
