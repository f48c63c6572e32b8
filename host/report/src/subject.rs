//! The runs on a page: requested runs, their teachers, their baselines and the stages between.

use super::alignment::{self, Frame};
use super::history::History;
use super::jsonl::LogLines;
use super::numbers::rounded;
use super::provenance;
use super::settings;
use super::trimmed;
use a2d_core::config::Config;
use a2d_data::vocab::Sizes;
use a2d_run::checkpoint::{Reached, Saved, reached};
use a2d_run::config::{Method, RunConfig, Task};
use a2d_run::model::{core_config, is_auxiliary};
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use a2d_system::files;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The reason that a run is on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A requested run.
    Asked,
    /// The teacher of a requested run.
    Teacher,
    /// The baseline of a requested run: the same student, trained without a teacher.
    Alone,
    /// A model between the teacher and a requested run.
    Stage,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Asked => "run",
            Self::Teacher => "teacher",
            Self::Alone => "alone",
            Self::Stage => "stage",
        }
    }
}

/// A run and its readable files.
#[derive(Debug)]
pub struct Subject {
    /// The name on the page.
    pub label: String,
    /// The reason that it is on the page.
    pub role: Role,
    /// The run's folder.
    pub dir: RunDir,
    /// The configuration, if readable.
    pub config: Option<RunConfig>,
    /// Notes about missing or damaged files.
    pub notes: Vec<String>,
    /// The index of its teacher among the subjects.
    pub teacher: Option<usize>,
    history: Option<History>,
    /// From the best checkpoint.
    facts: Option<Facts>,
    /// From the last checkpoint.
    reached: Option<Reached>,
}

/// The properties of a checkpoint shown on the page.
#[derive(Debug)]
struct Facts {
    /// The number of parameters.
    parameters: usize,
    sizes: Sizes,
    alignment: Option<Frame>,
}

impl Subject {
    /// Opens the run in `folder`.
    ///
    /// # Errors
    ///
    /// Misuse: the folder contains no run.
    fn open(folder: &Path, label: String, role: Role) -> Result<Self> {
        let dir = RunDir::at(folder);
        if !dir.log().exists() {
            RunDir::open(folder)?;
        }
        let mut subject = Self {
            label,
            role,
            config: None,
            notes: Vec::new(),
            teacher: None,
            history: None,
            facts: None,
            reached: None,
            dir,
        };
        subject.read();
        Ok(subject)
    }

    fn read(&mut self) {
        let config = self.dir.load_config();
        self.config = self.noted(config);
        let history = History::read(&self.dir.log());
        self.history = self.noted(history).flatten();
        match &self.history {
            None => self.notes.push("no log.jsonl: there are no curves".to_owned()),
            Some(history) => self.notes.extend(history.note.clone()),
        }
        let facts = self.dir.checkpoint().and_then(|path| Facts::read(&path));
        self.facts = self.noted(facts);
        self.reached = reached(&self.dir.last());
    }

    /// The value, or `None` after adding a note about the error.
    pub fn noted<T>(&mut self, found: Result<T>) -> Option<T> {
        found.map_err(|error| self.notes.push(error.to_string())).ok()
    }

    /// Whether the method needs a teacher.
    fn has_teacher(&self) -> bool {
        self.config.as_ref().is_some_and(|run| run.distill.method.needs().teacher())
    }

    /// The model's configuration.
    pub fn model(&self) -> Option<Config> {
        let (run, facts) = (self.config.as_ref()?, self.facts.as_ref()?);
        Some(core_config(&run.model, run.task, facts.sizes))
    }

    /// The alignment in the checkpoint.
    pub fn alignment(&self) -> Option<&Frame> {
        self.facts.as_ref()?.alignment.as_ref()
    }
}

impl Facts {
    fn read(path: &Path) -> Result<Self> {
        let saved = Saved::load(path)?;
        let kept = |name: &str| !is_auxiliary(name) && !name.starts_with("adam.");
        let sizes = saved.tensors.iter().filter(|(name, _)| kept(name));
        Ok(Self {
            parameters: sizes.map(|(_, (_, data))| data.len()).sum(),
            sizes: saved.get("vocabulary_size").unwrap_or(Sizes::joint(0)),
            alignment: Frame::saved(&saved),
        })
    }
}

/// The runs in `folders`, followed by the stages, teachers and baselines found, without repetition.
///
/// # Errors
///
/// Misuse: one of `folders` contains no run.
pub fn gather(folders: &[PathBuf]) -> Result<Vec<Subject>> {
    let mut found = Gathered::default();
    for (folder, label) in folders.iter().zip(labels(folders)) {
        found.add(folder, label, Role::Asked)?;
    }
    for i in 0..found.subjects.len() {
        let dir = found.subjects[i].dir.folder().to_owned();
        let stages = found.stages(i, &dir);
        if !stages.is_empty() {
            found.add_teacher(i, &dir);
        }
        found.subjects[i].teacher = found.teacher(i, &dir);
        for stage in stages {
            let dir = found.subjects[stage].dir.folder().to_owned();
            found.subjects[stage].teacher = found.teacher(stage, &dir);
        }
        let label = format!("{}/alone", found.subjects[i].label);
        // A run without `distill.baseline` has no such folder.
        let _ = found.add(&dir.join("alone"), label, Role::Alone);
    }
    Ok(found.subjects)
}

#[derive(Default)]
struct Gathered {
    subjects: Vec<Subject>,
    folders: Vec<PathBuf>,
}

impl Gathered {
    /// Adds the run in `folder` unless present, and returns its index.
    fn add(&mut self, folder: &Path, label: String, role: Role) -> Result<usize> {
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        if let Some(place) = self.folders.iter().position(|known| *known == whole) {
            return Ok(place);
        }
        self.subjects.push(Subject::open(folder, label, role)?);
        self.folders.push(whole);
        Ok(self.subjects.len() - 1)
    }

    /// Adds the stages of a run, and returns their indices.
    fn stages(&mut self, i: usize, folder: &Path) -> Vec<usize> {
        let subject = &self.subjects[i];
        let (label, stages) = (subject.label.clone(), subject.config.as_ref());
        let stages = stages.map_or_else(Vec::new, |run| run.distill.stages.clone());
        let mut found = Vec::new();
        for stage in stages {
            let (folder, label) = (folder.join(&stage.name), format!("{label}/{}", stage.name));
            let note = |_| format!("its stage {} is not there", folder.display());
            let added = self.add(&folder, label, Role::Stage);
            let added = added.map_err(|error: Error| Error::misuse(note(error)));
            found.extend(self.subjects[i].noted(added));
        }
        found
    }

    /// Adds the teacher of a run whose stages learn from it. What is missing is told where it is looked for.
    fn add_teacher(&mut self, i: usize, folder: &Path) {
        let subject = &self.subjects[i];
        let own = subject.config.as_ref().filter(|run| run.teacher.run.is_none());
        let teacher =
            own.map(|run| (run.teacher_folder(folder), format!("{}/teacher", subject.label)));
        let _ = teacher.map(|(teacher, label)| self.add(&teacher, label, Role::Teacher));
    }

    fn teacher(&mut self, i: usize, folder: &Path) -> Option<usize> {
        let subject = &self.subjects[i];
        let run = subject.config.as_ref().filter(|_| subject.has_teacher())?;
        let teacher = run.taught_by(folder);
        let label = match run.teacher.run {
            None => format!("{}/teacher", subject.label),
            Some(_) => self.free_label(&last_name(&teacher)),
        };
        let added = self.add(&teacher, label, Role::Teacher);
        let note = |_| format!("its teacher {} is not there", teacher.display());
        let added = added.map_err(|error: Error| Error::misuse(note(error)));
        self.subjects[i].noted(added)
    }

    /// `label`, with a number appended if it is taken.
    fn free_label(&self, label: &str) -> String {
        let taken = |label: &String| self.subjects.iter().any(|subject| subject.label == *label);
        let numbered = (2..).map(|n| format!("{label} {n}"));
        let mut labels = [label.to_owned()].into_iter().chain(numbered);
        labels.find(|label| !taken(label)).unwrap_or_default()
    }
}

/// The folders' names, or full paths if two names are equal.
fn labels(folders: &[PathBuf]) -> Vec<String> {
    let names: Vec<_> = folders.iter().map(|folder| last_name(folder)).collect();
    let whole: BTreeSet<_> = folders.iter().collect();
    let twins = |name: &String| whole.iter().filter(|folder| last_name(folder) == *name).count();
    let label = |(folder, name): (&PathBuf, &String)| match twins(name) {
        0 | 1 => name.clone(),
        _ => folder.display().to_string(),
    };
    folders.iter().zip(&names).map(label).collect()
}

fn last_name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = whole.file_name().unwrap_or(whole.as_os_str());
    name.to_string_lossy().into_owned()
}

impl Subject {
    /// The run as JSON for the page, without attention maps and translations. `others` are all subjects.
    pub fn json(&self, others: &[Self]) -> Value {
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
        put("label", json!(self.label));
        put("role", json!(self.role.name()));
        put("folder", json!(self.dir.folder().display().to_string()));
        put("teacher", json!(self.teacher));
        put("facts", self.facts());
        put("scores", self.scores());
        put("log", self.history.as_ref().map_or(Value::Null, History::json));
        put("alignment", Value::Null);
        let teacher = self.teacher.and_then(|place| others.get(place)?.model());
        let (frames, note) = self.frames();
        put("alignment", alignment::json(&frames, self.model().as_ref(), teacher.as_ref()));
        let (trimmed, unread) = self.trimmed(others);
        put("trimmed", trimmed);
        let (starts, broken) = self.starts();
        put("starts", starts);
        put("again", json!(provenance::again(self.dir.folder(), self.verb())));
        put("settings", self.config.as_ref().map_or(Value::Null, settings::json));
        let notes: Vec<_> = self.notes.iter().chain(&note).chain(&unread).chain(&broken).collect();
        put("notes", json!(notes));
        Value::Object(object)
    }

    fn verb(&self) -> &'static str {
        if self.has_teacher() { "distill" } else { "train" }
    }

    fn facts(&self) -> Value {
        let run = self.config.as_ref();
        let history = self.history.as_ref();
        let best = history.and_then(History::best);
        let languages = |run: &RunConfig| {
            let both = [&run.data.source_lang, &run.data.target_lang];
            both.into_iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>()
        };
        json!({
            "method": run.map(method),
            "languages": run.map(languages),
            "seed": run.map(|run| run.train.seed),
            "parameters": self.facts.as_ref().map(|facts| facts.parameters),
            "updates": history.map(History::update),
            "epochs": history.map(History::epoch),
            "seconds": history.map(|history| rounded(history.seconds())),
            "per_second": history.and_then(History::tokens_per_second).map(rounded),
            "best": best.map(|best| rounded(best.value)),
            "best_update": best.map(|best| best.update),
            "finished": self.reached.map(|reached| reached.finished),
        })
    }

    /// The content of `scores.json`: the split, and the scores by name.
    fn scores(&self) -> Value {
        let text = files::read(&self.dir.scores()).unwrap_or_default();
        let Ok(file) = serde_json::from_slice::<Value>(&text) else { return Value::Null };
        let Some(list) = file.get("scores").and_then(Value::as_array) else { return Value::Null };
        let score = |entry: &Value| {
            let name = entry.get("name")?.as_str()?.to_owned();
            let score = rounded(entry.get("score")?.as_f64()?);
            Some(json!({"name": name, "score": score, "signature": entry.get("signature")}))
        };
        let speed = ["tokens_per_second", "texts_per_second"].iter().find_map(|key| file.get(*key));
        let speed = speed.and_then(Value::as_f64).map(rounded);
        let list: Vec<_> = list.iter().filter_map(score).collect();
        json!({
            "split": file.get("split"),
            "per_second": speed,
            "list": list,
            "against": file.get("against"),
        })
    }

    fn frames(&self) -> (Vec<Frame>, Option<String>) {
        let path = self.dir.folder().join("alignment.jsonl");
        match LogLines::read(&path) {
            Ok(log) => {
                let (frames, note) = alignment::frames(log.as_ref(), self.alignment().cloned());
                (frames, note.or(log.and_then(|log| log.note("alignment.jsonl"))))
            }
            Err(error) => {
                (self.alignment().cloned().into_iter().collect(), Some(error.to_string()))
            }
        }
    }

    /// What a trimmed vocabulary saves and costs, or why that is not known.
    fn trimmed(&self, others: &[Self]) -> (Value, Option<String>) {
        let teacher = self.teacher.and_then(|place| others.get(place)).map(|other| &other.dir);
        let found = self.config.as_ref().map(|run| trimmed::json(run, &self.dir, teacher));
        match found.unwrap_or(Ok(Value::Null)) {
            Ok(found) => (found, None),
            Err(error) => (Value::Null, Some(error.to_string())),
        }
    }

    fn starts(&self) -> (Value, Option<String>) {
        match LogLines::read(&self.dir.folder().join("provenance.jsonl")) {
            Ok(Some(found)) => (provenance::starts(&found), found.note("provenance.jsonl")),
            Ok(None) => (json!([]), None),
            Err(error) => (json!([]), Some(error.to_string())),
        }
    }
}

/// The distillation method and preset by their configuration names.
fn method(run: &RunConfig) -> String {
    let method = &run.distill.method;
    match method.has(Method::A2d) {
        true => format!("{method} {}", run.distill.preset),
        false => method.to_string(),
    }
}

/// The task of the requested runs.
///
/// # Errors
///
/// Misuse: they have several.
pub fn task(subjects: &[Subject]) -> Result<Task> {
    let asked = subjects.iter().filter(|subject| subject.role == Role::Asked);
    let mut asked =
        asked.filter_map(|subject| Some((&subject.label, subject.config.as_ref()?.task)));
    let Some((first, task)) = asked.next() else { return Ok(Task::default()) };
    match asked.find(|(_, other)| *other != task) {
        None => Ok(task),
        Some((label, other)) => Err(Error::misuse(format!(
            "{first} has `task = \"{task}\"`, {label} \"{other}\": make a page of each"
        ))),
    }
}

/// Groups of two or more requested runs that differ only in their seed, as indices.
pub fn seeds(subjects: &[Subject]) -> Vec<Vec<usize>> {
    let alike = |a: &Subject, b: &Subject| {
        let tables = ["data", "model", "train", "distill", "teacher"];
        let runs = a.config.as_ref().zip(b.config.as_ref());
        let asked = a.role == Role::Asked && b.role == Role::Asked;
        asked && runs.is_some_and(|(a, b)| a.change_since(b, &tables, &["train.seed"]).is_none())
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, subject) in subjects.iter().enumerate() {
        match groups.iter_mut().find(|group| alike(&subjects[group[0]], subject)) {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}
