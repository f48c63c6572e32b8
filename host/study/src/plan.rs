//! The plan of a study: what is done, what is missing, and how long that takes.

use crate::goal::Goal;
use crate::grid::{Grid, Group, Model};
use crate::notes;
use crate::sizes::{Sizes, architecture};
use crate::tasks::Task;
use crate::usage::Usage;
use a2d_data::corpus::Corpus;
use a2d_data::prepare::{PrepareRequest, excerpt};
use a2d_data::vocab;
use a2d_run::checkpoint::reached;
use a2d_run::config::{ModelConfig, RunConfig};
use a2d_system::error::{Error, Result};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// A training whose time is asked for.
pub struct Asked<'a> {
    /// Its configuration.
    pub run: &'a RunConfig,
    /// The teacher that takes part in each update.
    pub teacher: Option<&'a ModelConfig>,
    /// Its data.
    pub shape: &'a Shape,
}

/// The size of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The vocabularies.
    pub sizes: vocab::Sizes,
    /// Mean tokens of a sentence, source and target, with the end of the sentence; of texts, the source alone.
    pub lengths: [usize; 2],
    /// Mean tokens of the longer side of a pair.
    pub longer: f64,
    /// Pairs of the training text.
    pub pairs: usize,
    /// Pairs of the validation text.
    pub valid: usize,
}

/// The estimated time of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Seconds of all updates and validations; `None` if only patience ends the training.
    pub training: Option<f64>,
    /// Seconds of a translated sentence, or of a text that is read.
    pub sentence: f64,
}

/// Measures a few updates and translations.
pub type Estimator<'a> = dyn Fn(&Asked<'_>) -> Result<Estimate> + 'a;

/// Prints the plan.
///
/// # Errors
///
/// Misuse: data that cannot be read. `out` cannot be written.
pub fn tell(
    grid: &Grid<'_>,
    jobs: usize,
    estimator: &Estimator<'_>,
    out: &mut dyn Write,
) -> Result<()> {
    let tasks = grid.tasks();
    let missing: Vec<_> = tasks.iter().copied().filter(|task| !grid.is_done(*task)).collect();
    let is_done = |task: &Task| !missing.contains(task);
    let mut clock = Clock { grid, estimator, shapes: HashMap::new(), known: HashMap::new() };
    let mut hours = Hours::default();
    for task in &missing {
        hours.add(clock.seconds(*task, jobs)?);
    }
    hours.seconds += clock.translations(&missing)?;
    let notes = notes::all(grid, &Sizes::read(grid)?);
    let mut print = || {
        for kind in [Kind::Data, Kind::Teachers, Kind::Trials, Kind::Cells, Kind::Readings] {
            let of: Vec<_> = tasks.iter().filter(|task| Kind::of(**task) == kind).collect();
            let done = of.iter().filter(|task| is_done(task)).count();
            if !of.is_empty() {
                writeln!(out, "{}: {done} of {} done", kind.name(grid.study.goal), of.len())?;
            }
        }
        for task in tasks.iter().filter(|task| !matches!(task, Task::Read(..))) {
            writeln!(out, "{:8} {}", state(grid, *task, is_done(task)), grid.label(*task))?;
        }
        for note in &notes {
            writeln!(out, "note: {note}")?;
        }
        match missing.is_empty() {
            true => writeln!(out, "nothing is missing"),
            false => writeln!(out, "{}", hours.text(jobs)),
        }
    };
    print().map_err(|e| Error::output("write", Path::new("the plan"), &e))
}

/// The kind of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Data,
    Teachers,
    Trials,
    Cells,
    Readings,
}

impl Kind {
    fn of(task: Task) -> Self {
        match task {
            Task::Prepare(_) => Self::Data,
            Task::Train(Model::Teacher { .. }) => Self::Teachers,
            Task::Train(Model::Trial { .. }) => Self::Trials,
            Task::Train(Model::Cell { .. }) => Self::Cells,
            Task::Read(..) => Self::Readings,
        }
    }

    fn name(self, goal: Goal) -> &'static str {
        match self {
            Self::Data => "data sets",
            Self::Teachers => "teachers",
            Self::Trials => "trials",
            Self::Cells => "cells",
            Self::Readings => goal.readings(),
        }
    }
}

/// The state of a task in one word.
fn state(grid: &Grid<'_>, task: Task, is_done: bool) -> &'static str {
    let begun = match task {
        Task::Train(model) => grid.run(model).last().is_file(),
        Task::Prepare(_) | Task::Read(..) => false,
    };
    match (is_done, begun) {
        (true, _) => "done",
        (false, true) => "begun",
        (false, false) => "missing",
    }
}

/// A sum of estimated times.
#[derive(Debug, Default)]
struct Hours {
    seconds: f64,
    /// Tasks whose time is not known.
    unknown: usize,
}

impl Hours {
    fn add(&mut self, seconds: Option<f64>) {
        match seconds {
            Some(seconds) => self.seconds += seconds,
            None => self.unknown += 1,
        }
    }

    fn text(&self, jobs: usize) -> String {
        let unknown = match self.unknown {
            0 => String::new(),
            n => format!(", without {n} trainings that only patience ends"),
        };
        let hours = self.seconds / 3600.0;
        let digits = if hours < 10.0 { 2 } else { 0 };
        format!("estimated time: {hours:.digits$} hours with {jobs} at a time{unknown}")
    }
}

/// Estimates times: those of finished trainings first, then measured ones.
struct Clock<'a> {
    grid: &'a Grid<'a>,
    estimator: &'a Estimator<'a>,
    shapes: HashMap<usize, Shape>,
    known: HashMap<Model, Estimate>,
}

impl Clock<'_> {
    /// Seconds of a task while `jobs` run at a time.
    fn seconds(&mut self, task: Task, jobs: usize) -> Result<Option<f64>> {
        match task {
            Task::Prepare(_) => Ok(Some(0.0)),
            Task::Read(model, test) => {
                let set = &self.grid.study.data[model.data()].tests[test];
                let lines = a2d_system::text::Reader::open(&set.source)?.count()?;
                Ok(Some(self.estimate(model)?.sentence * lines as f64))
            }
            Task::Train(model) => {
                let left = 1.0 - self.share(model)?;
                if let Some(seconds) = self.alike(model)? {
                    return Ok(Some(left * seconds / jobs as f64));
                }
                let of = self.estimate(model)?;
                let valid = self.shape(model.data())?.valid as f64;
                Ok(of.training.map(|seconds| left * seconds + valid * of.sentence))
            }
        }
    }

    /// The share of a training that is done.
    fn share(&self, model: Model) -> Result<f64> {
        let all = self.grid.config(model, None)?.train.max_update;
        let done = reached(&self.grid.run(model).last()).map_or(0, |reached| reached.update);
        Ok(if all == 0 { 0.0 } else { (done as f64 / all as f64).min(1.0) })
    }

    /// The mean seconds of finished trainings that differ from a cell only by the seed.
    fn alike(&self, model: Model) -> Result<Option<f64>> {
        let Model::Cell { group, .. } = model else { return Ok(None) };
        let cells = self.grid.study.seeds.iter().map(|&seed| Model::Cell { group, seed });
        let seconds = cells.filter(|cell| self.grid.is_done(Task::Train(*cell))).map(|cell| {
            let path = self.grid.layout.beside(self.grid.study, cell, "usage.json");
            Usage::read(&path).seconds
        });
        let seconds: Vec<f64> = seconds.filter(|seconds| *seconds > 0.0).collect();
        Ok(crate::stats::mean(&seconds))
    }

    /// The measured time of a training. That of a cell does not depend on its seed, that of a trial not on its point.
    fn estimate(&mut self, model: Model) -> Result<Estimate> {
        let of = match model {
            Model::Cell { group, .. } => Model::Cell { group, seed: self.grid.study.seeds[0] },
            Model::Trial { group, .. } => Model::Trial { group, number: 0 },
            teacher => teacher,
        };
        if let Some(known) = self.known.get(&of) {
            return Ok(*known);
        }
        let estimate = self.measured(of)?;
        self.known.insert(of, estimate);
        Ok(estimate)
    }

    fn measured(&mut self, model: Model) -> Result<Estimate> {
        let grid = self.grid;
        let run = grid.config(model, None)?;
        let teacher = match model {
            Model::Cell { group: Group { data, teacher: Some(teacher), .. }, .. }
            | Model::Trial { group: Group { data, teacher: Some(teacher), .. }, .. }
                if run.distill.method.needs().teacher_beside() =>
            {
                architecture(grid, Model::Teacher { data, teacher })
            }
            _ => None,
        };
        let shape = self.shape(model.data())?.clone();
        let mut whole = Estimate { training: Some(0.0), sentence: 0.0 };
        for (run, teacher) in run.trainings(teacher)? {
            let asked = Asked { run: &run, teacher: teacher.as_ref(), shape: &shape };
            let next = (self.estimator)(&asked).map_err(|error| match error {
                Error::Misuse(text) => {
                    Error::Misuse(format!("{}: {text}", grid.label(Task::Train(model))))
                }
                other => other,
            })?;
            let training = whole.training.zip(next.training).map(|(before, own)| before + own);
            whole = Estimate { training, sentence: next.sentence };
        }
        Ok(whole)
    }

    /// Seconds of the teachers' translations of the training text.
    fn translations(&mut self, missing: &[Task]) -> Result<f64> {
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for task in missing {
            let Task::Train(model @ (Model::Cell { group, .. } | Model::Trial { group, .. })) =
                *task
            else {
                continue;
            };
            let needs = self.grid.config(model, None)?.distill.method.needs();
            let pair = (group.data, group.teacher.unwrap_or(0));
            if needs.translations && !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        let mut seconds = 0.0;
        for (data, teacher) in pairs {
            let sentence = self.estimate(Model::Teacher { data, teacher })?.sentence;
            seconds += sentence * self.shape(data)?.pairs as f64;
        }
        Ok(seconds)
    }

    fn shape(&mut self, data: usize) -> Result<&Shape> {
        if !self.shapes.contains_key(&data) {
            let shape = Shape::of(self.grid, data)?;
            self.shapes.insert(data, shape);
        }
        self.shapes.get(&data).ok_or_else(|| Error::failed("the data set has no shape"))
    }
}

impl Shape {
    /// Reads the prepared data, or else the texts.
    fn of(grid: &Grid<'_>, data: usize) -> Result<Self> {
        let folder = grid.layout.data(grid.study, data);
        match folder.join("data.json").is_file() {
            true => Self::prepared(&folder),
            false => Self::text(grid, data),
        }
    }

    fn prepared(folder: &Path) -> Result<Self> {
        let sizes = vocab::Vocab::load(&folder.join("tokenizer.json"))?.sizes();
        let train = Corpus::open(&folder.join("train.bin"))?;
        let valid = Corpus::open(&folder.join("valid.bin"))?.len();
        let lengths = [train.mean(|pair| pair.0), train.mean(|pair| pair.1)];
        let lengths = lengths.map(|mean| mean.round() as usize);
        let longer = train.mean(|pair| pair.0.max(pair.1));
        Ok(Self { sizes, lengths, longer, pairs: train.len(), valid })
    }

    /// Learns a vocabulary of the requested size from an excerpt.
    fn text(grid: &Grid<'_>, data: usize) -> Result<Self> {
        let run = grid.data_config(data)?;
        let text = |path: Option<std::path::PathBuf>| {
            path.unwrap_or_default().to_string_lossy().into_owned()
        };
        let goal = grid.study.goal;
        let request = PrepareRequest {
            task: goal.task(),
            source_lang: run.source_lang,
            target_lang: run.target_lang,
            train: text(run.train),
            valid: text(run.valid),
            normalization: run.normalization,
            clean: run.clean,
            ..PrepareRequest::default()
        };
        let size = run.vocab_size;
        let outline = excerpt(&request)?.outline(&request, size, true)?;
        Ok(Self {
            sizes: goal.sizes(outline.vocab_size, &grid.labels(data)?),
            lengths: outline.tokens.map(|mean| mean.round() as usize),
            longer: outline.longer,
            pairs: outline.pairs.train,
            valid: outline.pairs.valid,
        })
    }
}
