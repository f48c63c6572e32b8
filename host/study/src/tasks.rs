//! The tasks of a study: processes of this program, what each waits for, and whether it is done.

use crate::grid::{Grid, Group, Model};
use crate::usage::Usage;
use a2d_report::{History, LogLine, number};
use a2d_run::checkpoint::reached;
use a2d_run::config::{self, RunConfig};
use a2d_system::error::{Error, Result};
use a2d_system::files::{make_folder_of, write_whole};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A process to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Prepare a data set.
    Prepare(usize),
    /// Train a model.
    Train(Model),
    /// Translate a test set, or label it.
    Read(Model, usize),
}

/// How the processes compute.
#[derive(Debug, Clone, Default)]
pub struct Computing {
    /// Options of the device, such as `--backend cpu`.
    pub device: Vec<OsString>,
    /// Threads of each process.
    pub threads: usize,
}

/// What a training depends on in a configuration.
const DEPENDS: [&str; 6] = ["task", "data", "model", "train", "distill", "teacher.run"];

impl Grid<'_> {
    /// All tasks. A task comes after those that it waits for.
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for data in 0..self.study.data.len() {
            tasks.push(Task::Prepare(data));
            let teachers = self.teachers().into_iter().filter(|(of, _)| *of == data);
            for (_, teacher) in teachers {
                let model = Model::Teacher { data, teacher };
                tasks.push(Task::Train(model));
                tasks.extend(self.readings(model));
            }
        }
        let trials = self.groups.iter().flat_map(|&group| {
            (0..self.trials(group).len()).map(move |number| Model::Trial { group, number })
        });
        tasks.extend(trials.map(Task::Train));
        // One seed of every group before the next.
        for &seed in &self.study.seeds {
            for &group in &self.groups {
                let model = Model::Cell { group, seed };
                tasks.push(Task::Train(model));
                tasks.extend(self.readings(model));
            }
        }
        tasks.retain(|task| self.exists(*task));
        tasks
    }

    fn readings(&self, model: Model) -> impl Iterator<Item = Task> {
        let tests = self.study.data[model.data()].tests.len();
        (0..tests).map(move |test| Task::Read(model, test))
    }

    /// The tasks that must be done before `task`.
    pub fn needs(&self, task: Task) -> Vec<Task> {
        let mut needs = Vec::new();
        match task {
            Task::Prepare(_) => {}
            Task::Read(model, _) => needs.push(Task::Train(model)),
            Task::Train(model) => {
                let data = model.data();
                needs.push(Task::Prepare(data));
                if let Model::Cell { group, .. } | Model::Trial { group, .. } = model
                    && let Some(teacher) = group.teacher
                {
                    needs.push(Task::Train(Model::Teacher { data, teacher }));
                }
                if let Model::Cell { group, .. } = model
                    && let Some(group) = self.tuned(group)
                {
                    let trials = 0..self.trials(group).len();
                    needs.extend(trials.map(|number| Task::Train(Model::Trial { group, number })));
                }
            }
        }
        needs.retain(|need| self.exists(*need));
        needs
    }

    /// Whether the study has the task: prepared data and finished teachers are given.
    fn exists(&self, task: Task) -> bool {
        match task {
            Task::Prepare(data) => self.study.data[data].dir.is_none(),
            Task::Train(Model::Teacher { teacher, .. }) => {
                self.study.teachers[teacher].run.is_none()
            }
            _ => true,
        }
    }

    /// Whether a failure of `need` leaves `task` possible: the settings are chosen among the trials that ended.
    pub fn can_do_without(&self, task: Task, need: Task) -> bool {
        matches!(task, Task::Train(Model::Cell { .. }))
            && matches!(need, Task::Train(Model::Trial { .. }))
    }

    /// The name of a task.
    pub fn label(&self, task: Task) -> String {
        let name = |model| self.layout.name(self.study, model);
        match task {
            Task::Prepare(data) => format!("data/{}", self.study.data[data].name),
            Task::Train(model) => name(model),
            Task::Read(model, test) => {
                format!("{}: {}", name(model), self.study.data[model.data()].tests[test].name)
            }
        }
    }

    /// Whether a task is done.
    pub fn is_done(&self, task: Task) -> bool {
        let (study, layout) = (self.study, self.layout);
        match task {
            Task::Prepare(data) => layout.data(study, data).join("data.json").is_file(),
            Task::Train(model) => {
                reached(&self.run(model).last()).is_some_and(|reached| reached.finished)
            }
            Task::Read(model, test) => layout.output(study, model, test).is_file(),
        }
    }

    /// Whether a model is trained; a given teacher is.
    pub fn is_finished(&self, model: Model) -> bool {
        !self.exists(Task::Train(model)) || self.is_done(Task::Train(model))
    }

    /// What a task prints.
    pub fn log(&self, task: Task) -> PathBuf {
        match task {
            Task::Prepare(data) => self.layout.beside_data(self.study, data, "log"),
            Task::Train(model) => self.layout.beside(self.study, model, "log"),
            Task::Read(model, test) => {
                self.layout.output(self.study, model, test).with_extension("log")
            }
        }
    }

    /// The configuration of a training, with the settings that its trials chose.
    ///
    /// # Errors
    ///
    /// A failure: no trial ended.
    pub fn chosen_config(&self, model: Model) -> Result<RunConfig> {
        let Model::Cell { group, .. } = model else { return self.config(model, None) };
        let Some(tuned) = self.tuned(group) else { return self.config(model, None) };
        let point = self.best_trial(tuned).map(|number| self.trials(tuned)[number].clone());
        let point = point.ok_or_else(|| Error::failed("none of its trials has ended well"))?;
        self.config(model, Some(&point))
    }

    /// The trial with the best validation: the score, then the loss; the first of equals.
    pub fn best_trial(&self, group: Group) -> Option<usize> {
        let scores = (0..self.trials(group).len())
            .filter_map(|number| Some((number, self.validation(Model::Trial { group, number })?)));
        let better = |a: (f64, f64), b: (f64, f64)| a.0 > b.0 || (a.0 == b.0 && a.1 < b.1);
        let best = scores.reduce(|best, next| if better(next.1, best.1) { next } else { best });
        best.map(|(number, _)| number)
    }

    /// Score and loss of the best validation of a finished run.
    pub fn validation(&self, model: Model) -> Option<(f64, f64)> {
        if !self.is_done(Task::Train(model)) {
            return None;
        }
        self.best_validation(&History::read(&self.run(model).log()).ok()??)
    }

    /// Score and loss of the best validation of a log.
    pub fn best_validation(&self, history: &History) -> Option<(f64, f64)> {
        let best = history.best()?;
        let at = |line: &&LogLine| number(line, "update") == Some(best.update as f64);
        let line = history.validations.iter().rfind(at)?;
        let score = number(line, self.study.goal.quality().key)?;
        Some((score, number(line, "valid_loss").unwrap_or(f64::INFINITY)))
    }

    /// Checks that the files of the folder are those of this study.
    ///
    /// # Errors
    ///
    /// Misuse: the folder holds a training with other settings.
    pub fn check_owner(&self) -> Result<()> {
        for task in self.tasks() {
            let Task::Train(model) = task else { continue };
            let path = self.layout.beside(self.study, model, "toml");
            if !path.is_file() {
                continue;
            }
            // The choice of settings is not known before all trials have ended.
            if let Ok(run) = self.chosen_config(model) {
                self.check_same(&run, &path)?;
            }
        }
        Ok(())
    }

    fn check_same(&self, run: &RunConfig, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::input("read", path, &e))?;
        let was = config::parse(&text, path)?;
        // What lies in the study's folder may move with it.
        let moves = |path: &Option<PathBuf>| {
            path.as_ref().is_some_and(|path| path.starts_with(self.layout.folder()))
        };
        let places = [("data.dir", &run.data.dir), ("teacher.run", &run.teacher.run)];
        let places = places.into_iter().filter(|(_, path)| moves(path)).map(|(key, _)| key);
        let change = run.change_since(&was, &DEPENDS, &places.collect::<Vec<_>>());
        let Some(change) = change else { return Ok(()) };
        let folder = self.layout.folder().display();
        let (file, path) = (self.study.document.path().display(), path.display());
        Err(Error::misuse(format!(
            "{folder} belongs to another study: {path} has `{}` = {}, {file} asks for {}: choose another folder with --out",
            change.key, change.was, change.is
        )))
    }

    /// The arguments of a task's process. Writes the configuration that it reads.
    ///
    /// # Errors
    ///
    /// A file cannot be written; a training of other settings is there.
    pub fn arguments(&self, task: Task, computing: &Computing) -> Result<Vec<OsString>> {
        let mut arguments = match task {
            Task::Prepare(data) => self.prepare(data)?,
            Task::Train(model) => self.train(model)?,
            Task::Read(model, test) => self.read(model, test)?,
        };
        if !matches!(task, Task::Prepare(_)) {
            arguments.extend(computing.device.iter().cloned());
        }
        arguments.extend(["--threads".into(), computing.threads.to_string().into()]);
        Ok(arguments)
    }

    fn prepare(&self, data: usize) -> Result<Vec<OsString>> {
        let run = self.data_config(data)?;
        let mut all: Vec<OsString> = vec!["prepare".into()];
        let mut add = |name: &str, value: OsString| all.extend([name.into(), value]);
        add("--task", self.study.goal.task().to_string().into());
        for (name, language) in
            [("--source-lang", run.source_lang), ("--target-lang", run.target_lang)]
        {
            if !language.is_empty() {
                add(name, language.into());
            }
        }
        for (name, path) in [("--train", run.train), ("--valid", run.valid)] {
            add(name, path.unwrap_or_default().into());
        }
        add("--max-length", run.max_length.to_string().into());
        add("--out", self.layout.data(self.study, data).into());
        match &self.study.data[data].like {
            Some(like) => add("--like", like.into()),
            None if !run.tokenizer.is_empty() => {
                let names = run.tokenizer.iter().map(|path| path.as_os_str().to_owned());
                add("--tokenizer", names.collect::<Vec<_>>().join(",".as_ref()));
            }
            None => {
                add("--vocab-size", run.vocab_size.to_string().into());
                add("--normalization", run.normalization.to_string().into());
                for pattern in run.protect {
                    add("--protect", pattern.into());
                }
            }
        }
        all.extend(run.clean.then(|| "--clean".into()));
        Ok(all)
    }

    fn train(&self, model: Model) -> Result<Vec<OsString>> {
        let (run, path) =
            (self.chosen_config(model)?, self.layout.beside(self.study, model, "toml"));
        make_folder_of(&path)?;
        if path.is_file() {
            self.check_same(&run, &path)?;
        }
        let text = run.to_toml()?;
        write_whole(&path, |out| out.write_all(text.as_bytes()))?;
        let folder = self.layout.run(self.study, model);
        self.share_translations(model, &run)?;
        let verb = if matches!(model, Model::Teacher { .. }) { "train" } else { "distill" };
        let arguments = [verb.into(), path.into(), "--out".into(), folder.into()];
        Ok(arguments.into_iter().chain(["--resume".into(), "--json".into()]).collect())
    }

    fn read(&self, model: Model, test: usize) -> Result<Vec<OsString>> {
        let (Self { study, layout, .. }, data) = (self, model.data());
        let set = &study.data[data].tests[test];
        let input = study.goal.input(set, layout.texts(study, data, test))?;
        let output = layout.output(study, model, test);
        make_folder_of(&output)?;
        let run = layout.run(study, model);
        let mut all: Vec<OsString> = vec![study.goal.command().into(), run.into()];
        all.extend(["--input".into(), input.into(), "--output".into(), output.into()]);
        all.extend(study.goal.options(&self.chosen_config(model)?.train.search()));
        Ok(all)
    }

    /// Records what the process of a task took.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn record(&self, task: Task, usage: Usage) -> Result<()> {
        let Task::Train(model) = task else { return Ok(()) };
        let path = self.layout.beside(self.study, model, "usage.json");
        Usage::read(&path).and(usage).write(&path)
    }
}
