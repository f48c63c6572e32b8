//! The results of a study as JSON. Times and memory are in objects called `usage`: all else is the same for a study that
//! was stopped and resumed.

use crate::grid::{Grid, Group, Model};
use crate::notes;
use crate::schedule::Failure;
use crate::scores::{Outcome, Scores};
use crate::sizes::Sizes;
use crate::spec::Budget;
use crate::tasks::Task;
use crate::usage::Usage;
use a2d_report::History;
use a2d_run::config::Stage;
use a2d_run::provenance::program;
use a2d_run::run_dir::RunDir;
use a2d_system::error::Result;
use serde_json::{Map, Value, json};

/// What is known of a finished study.
pub struct Results<'a> {
    pub grid: &'a Grid<'a>,
    pub scores: &'a Scores,
    pub sizes: &'a Sizes,
    pub failures: &'a [Failure],
}

impl Results<'_> {
    /// The whole as JSON, and the learning curves of all models.
    ///
    /// # Errors
    ///
    /// Misuse: a log cannot be read.
    pub fn json(&self) -> Result<(Value, Vec<Value>)> {
        let Self { grid, scores, .. } = self;
        let study = grid.study;
        let [teachers, cells, curves] = self.models()?;
        let name = |i: usize| study.methods[i].name.as_str();
        let failure = |f: &Failure| json!({"task": f.label, "why": f.cause(), "log": f.log});
        let json = json!({
            "program": program(),
            "study": study.document.path().file_stem().map(|name| name.to_string_lossy()),
            "task": study.goal.task(),
            "seeds": study.seeds,
            "baseline": study.baseline.map(name),
            "alone": study.methods.iter().find(|method| method.is_none).map(|method| &method.name),
            "methods": study.methods.iter().map(|method| &method.name).collect::<Vec<_>>(),
            "students": study.students.iter().map(|student| &student.name).collect::<Vec<_>>(),
            "significance": {
                "test": "paired bootstrap over lines, all seeds of a line together",
                "resamples": study.resamples,
                "correction": "Holm",
                "comparisons": scores.comparisons(),
            },
            "data": (0..study.data.len()).map(|data| self.data(data)).collect::<Vec<_>>(),
            "teachers": teachers,
            "tuning": self.tuning(),
            "cells": cells,
            "results": scores.results.iter().map(|outcome| self.outcome(outcome)).collect::<Vec<_>>(),
            "notes": notes::all(grid, self.sizes),
            "failures": self.failures.iter().map(failure).collect::<Vec<_>>(),
        });
        Ok((json, curves))
    }

    /// The teachers, the cells, and the learning curves of all of them. One log at a time is in memory.
    fn models(&self) -> Result<[Vec<Value>; 3]> {
        let grid = self.grid;
        let (mut teachers, mut cells, mut curves) = (Vec::new(), Vec::new(), Vec::new());
        for model in grid.scored() {
            let history = History::read(&grid.run(model).log())?.unwrap_or_default();
            let like = if matches!(model, Model::Cell { .. }) { &mut cells } else { &mut teachers };
            like.push(self.model(model, &history));
            let run = grid.layout.name(grid.study, model);
            curves.push(json!({"run": run, "log": history.json()["validations"]}));
        }
        Ok([teachers, cells, curves])
    }

    fn data(&self, data: usize) -> Value {
        let of = &self.grid.study.data[data];
        let tests = of.tests.iter().zip(&self.scores.lines[data]);
        let tests = tests.map(|(test, lines)| json!({"name": test.name, "lines": lines}));
        json!({
            "name": of.name,
            "budget": budget(of.budget),
            "tests": tests.collect::<Vec<_>>(),
            "metrics": self.scores.metrics[data],
        })
    }

    /// The names of a group.
    fn names(&self, group: Group) -> Map<String, Value> {
        let study = self.grid.study;
        let teacher = group.teacher.map(|teacher| &study.teachers[teacher].name);
        let entries = [
            ("data", json!(study.data[group.data].name)),
            ("student", json!(study.students[group.student].name)),
            ("method", json!(study.methods[group.method].name)),
            ("teacher", json!(teacher)),
        ];
        entries.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
    }

    fn model(&self, model: Model, history: &History) -> Value {
        let Self { grid, scores, sizes, .. } = self;
        let study = grid.study;
        let mut object = match model {
            Model::Cell { group, .. } | Model::Trial { group, .. } => self.names(group),
            Model::Teacher { data, teacher } => Map::from_iter([
                ("data".to_owned(), json!(study.data[data].name)),
                ("teacher".to_owned(), json!(study.teachers[teacher].name)),
            ]),
        };
        let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
        if let Model::Cell { seed, .. } = model {
            put("seed", json!(seed));
        }
        put("run", json!(grid.layout.name(study, model)));
        put("parameters", json!(sizes.of(grid, model)));
        let finished = grid.is_finished(model);
        put("finished", json!(finished));
        put("updates", json!(finished.then(|| history.update())));
        let done = grid.is_done(Task::Train(model));
        put("validation", self.validation(grid.best_validation(history).filter(|_| done)));
        let score = |(test, set): (usize, &crate::spec::Test)| {
            let by = |metric: usize| {
                let name = scores.metrics[model.data()][metric].name.clone();
                (name, json!(scores.score(model, test, metric)))
            };
            let all: Map<_, _> = (0..study.metrics.len()).map(by).collect();
            (set.name.clone(), Value::Object(all))
        };
        let tests = study.data[model.data()].tests.iter().enumerate();
        put("scores", Value::Object(tests.map(score).collect()));
        put("usage", usage(grid, model, history));
        let stages = self.stages(model);
        if !stages.is_empty() {
            put("stages", json!(stages));
        }
        Value::Object(object)
    }

    /// The models of a cell's stages, which are trained beside its budget.
    fn stages(&self, model: Model) -> Vec<Value> {
        let Self { grid, sizes, .. } = self;
        let run = grid.chosen_config(model).and_then(|run| run.stages()).unwrap_or_default();
        let stage = |stage: Stage| {
            let dir = RunDir::at(&grid.run(model).folder().join(&stage.name));
            let history = History::read(&dir.log()).ok().flatten().unwrap_or_default();
            json!({
                "name": stage.name,
                "parameters": sizes.of_model(model.data(), &stage.run.model),
                "updates": history.update(),
                "validation": self.validation(grid.best_validation(&history)),
            })
        };
        run.into_iter().map(stage).collect()
    }

    fn tuning(&self) -> Value {
        let Self { grid, .. } = self;
        let groups = grid.groups.iter().filter(|group| grid.tuned(**group).is_some());
        let one = |&group: &Group| {
            let axes = grid.axes(group);
            let tuned = grid.tuned(group).unwrap_or(group);
            let best = grid.best_trial(tuned);
            let mut object = self.names(group);
            let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
            if tuned != group {
                put("as", json!(grid.study.students[tuned.student].name));
            }
            let axis = |axis: &crate::tuning::Axis| (axis.key.clone(), json!(axis.values));
            put("space", Value::Object(axes.iter().map(axis).collect()));
            let trial = |(number, point): (usize, crate::tuning::Point)| {
                let model = Model::Trial { group, number };
                json!({
                    "number": number + 1,
                    "settings": point.json(&axes),
                    "validation": self.validation(grid.validation(model)),
                })
            };
            let trials = grid.trials(group).into_iter().enumerate();
            put("trials", trials.map(trial).collect());
            put("chosen", json!(best.map(|number| number + 1)));
            let point = best.map(|number| grid.trials(tuned)[number].json(&grid.axes(tuned)));
            put("settings", json!(point));
            Value::Object(object)
        };
        groups.map(one).collect()
    }

    /// Score and loss of a validation.
    fn validation(&self, found: Option<(f64, f64)>) -> Value {
        let title = self.grid.study.goal.quality().title;
        found.map_or(Value::Null, |(score, loss)| json!({title: score, "loss": loss}))
    }

    fn outcome(&self, outcome: &Outcome) -> Value {
        let mut object = self.names(outcome.group);
        let data = outcome.group.data;
        let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
        put("test", json!(self.grid.study.data[data].tests[outcome.test].name));
        put("metric", json!(self.scores.metrics[data][outcome.metric].name));
        put("scores", json!(outcome.seeds));
        put("mean", json!(outcome.mean));
        put("deviation", json!(outcome.deviation));
        put("difference", json!(outcome.difference));
        put("p_value", json!(outcome.p_value));
        put("p_holm", json!(outcome.corrected));
        put("gap_closed", json!(outcome.gap));
        Value::Object(object)
    }
}

fn budget(budget: Budget) -> Value {
    match budget {
        Budget::Updates(updates) => json!({"updates": updates}),
        Budget::Minutes(minutes) => json!({"minutes": minutes}),
    }
}

/// The times and the memory of a model's training.
fn usage(grid: &Grid<'_>, model: Model, history: &History) -> Value {
    let path = grid.layout.beside(grid.study, model, "usage.json");
    let Usage { seconds, peak_memory_bytes } = Usage::read(&path);
    let step = (history.update() > 0).then(|| history.seconds() / history.update() as f64);
    json!({
        "seconds": seconds,
        "training_seconds": history.seconds(),
        "step_seconds": step,
        "tokens_per_second": history.tokens_per_second(),
        "peak_memory_bytes": peak_memory_bytes,
    })
}
