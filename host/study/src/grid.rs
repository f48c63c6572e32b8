//! The cells of a study, and the configuration of each training.

use crate::goal::{Goal, labels_of};
use crate::layout::Layout;
use crate::spec::{Budget, Study};
use crate::tuning::{Axis, Point, points};
use a2d_core::rng;
use a2d_data::prepare::or_packed;
use a2d_data::vocab::{Labels, Vocab};
use a2d_run::config::{self, DataConfig, RunConfig, Setting};
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use a2d_system::hash;
use std::path::PathBuf;

/// A student trained by a method, over all seeds. Fields are indices of the study's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    pub data: usize,
    pub student: usize,
    pub method: usize,
    /// `None`: the method needs no teacher.
    pub teacher: Option<usize>,
}

/// A model of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Model {
    /// A teacher on a data set.
    Teacher { data: usize, teacher: usize },
    /// A student by this seed.
    Cell { group: Group, seed: u32 },
    /// A trial of the group's settings: the number of its point.
    Trial { group: Group, number: usize },
}

/// All that is trained.
#[derive(Debug)]
pub struct Grid<'a> {
    pub study: &'a Study,
    pub layout: &'a Layout,
    pub groups: Vec<Group>,
}

impl<'a> Grid<'a> {
    /// The grid of a study, with the configuration of every training checked.
    ///
    /// # Errors
    ///
    /// Misuse: a setting is wrong, or a method has no teacher.
    pub fn new(study: &'a Study, layout: &'a Layout) -> Result<Self> {
        let mut grid = Self { study, layout, groups: Vec::new() };
        for data in 0..study.data.len() {
            for (student, _) in
                study.students.iter().enumerate().filter(|(_, one)| one.data.contains(&data))
            {
                for method in 0..study.methods.len() {
                    grid.groups.extend(grid.groups_of(data, student, method)?);
                }
            }
        }
        for (data, of) in study.data.iter().enumerate() {
            if grid.groups.iter().all(|group| group.data != data) {
                let how = "is no student's: leave it out, or add it to a student's `data`";
                return Err(study.document.wrong(&["data", &of.name], how));
            }
        }
        for &(data, teacher) in &grid.teachers() {
            if study.teachers[teacher].run.is_none() {
                grid.config(Model::Teacher { data, teacher }, None)?;
            }
        }
        for &group in &grid.groups {
            grid.config(Model::Cell { group, seed: study.seeds[0] }, None)?;
            grid.check_space(group)?;
        }
        Ok(grid)
    }

    /// Checks every value of a search space, also those that no trial draws.
    fn check_space(&self, group: Group) -> Result<()> {
        let budget = self.study.data[group.data].budget;
        for axis in &self.axes(group) {
            for value in &axis.settings {
                let mut all = self.of_group(group, None, budget);
                all.push(value.clone());
                config::of_settings(self.study.document.path(), all)?;
            }
        }
        Ok(())
    }

    fn groups_of(&self, data: usize, student: usize, method: usize) -> Result<Vec<Group>> {
        let study = self.study;
        let alone = Group { data, student, method, teacher: None };
        let run = self.config(Model::Cell { group: alone, seed: study.seeds[0] }, None)?;
        if !run.distill.method.needs().teacher() {
            return Ok(vec![alone]);
        }
        let teachers =
            (0..study.teachers.len()).filter(|i| study.teachers[*i].data.contains(&data));
        let groups: Vec<_> =
            teachers.map(|teacher| Group { teacher: Some(teacher), ..alone }).collect();
        if groups.is_empty() {
            let (name, data) = (&study.methods[method].name, &study.data[data].name);
            let text = format!("needs a teacher, and data \"{data}\" has none: add [teacher.NAME]");
            return Err(study.document.wrong(&["method", name], text));
        }
        Ok(groups)
    }

    /// The teachers that are needed: data set and teacher.
    pub fn teachers(&self) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for group in &self.groups {
            let Some(teacher) = group.teacher else { continue };
            if !found.contains(&(group.data, teacher)) {
                found.push((group.data, teacher));
            }
        }
        found
    }

    /// The keys that are searched for a group.
    pub fn axes(&self, group: Group) -> Vec<Axis> {
        let method = &self.study.methods[group.method].search;
        let common = self.study.tuning.iter().flat_map(|tuning| &tuning.search);
        // A method's own values of a key come first.
        let common = common.filter(|axis| method.iter().all(|own| own.key != axis.key));
        method.iter().chain(common).cloned().collect()
    }

    /// The group whose trials choose the settings of `group`; `None`: nothing is chosen.
    pub fn tuned(&self, group: Group) -> Option<Group> {
        let tuning = self.study.tuning.as_ref()?;
        if self.axes(group).is_empty() {
            return None;
        }
        let student = tuning.student.unwrap_or(group.student);
        let tuned = Group { student, ..group };
        // A student that is not trained on these data cannot be tuned on them.
        Some(if self.groups.contains(&tuned) { tuned } else { group })
    }

    /// The points that the trials of a group try; none if its settings are chosen elsewhere.
    pub fn trials(&self, group: Group) -> Vec<Point> {
        let (Some(tuning), Some(tuned)) = (&self.study.tuning, self.tuned(group)) else {
            return Vec::new();
        };
        if tuned != group {
            return Vec::new();
        }
        // By the names, so that a method that is added later changes no draw.
        let name = self.layout.group(self.study, group);
        let key = rng::derive(u64::from(tuning.seed), hash::bytes(name.as_bytes()));
        points(&self.axes(group), tuning.trials, key)
    }

    /// The run of a model.
    pub fn run(&self, model: Model) -> RunDir {
        RunDir::at(&self.layout.run(self.study, model))
    }

    /// The configuration of a training; of a cell with the settings of `point`, if any. That of a given teacher is in
    /// its run.
    ///
    /// # Errors
    ///
    /// Misuse, naming file, line and key; the given run cannot be read.
    pub fn config(&self, model: Model, point: Option<&Point>) -> Result<RunConfig> {
        let study = self.study;
        let own = match model {
            Model::Teacher { data, teacher } => match &study.teachers[teacher].run {
                Some(run) => return RunDir::open(run)?.load_config(),
                None => self.of_teacher(data, teacher),
            },
            Model::Cell { group, seed } => {
                let budget = study.data[group.data].budget;
                let mut all = self.of_group(group, point, budget);
                all.push(self.setting("train.seed", i64::from(seed)));
                all
            }
            Model::Trial { group, number } => {
                let point = self.trials(group).get(number).cloned();
                let budget = study.data[group.data].budget;
                let tuning = study.tuning.as_ref();
                let budget = tuning.and_then(|tuning| tuning.budget).unwrap_or(budget);
                let mut all = self.of_group(group, point.as_ref(), budget);
                let seed = tuning.map_or(1, |tuning| tuning.seed);
                all.push(self.setting("train.seed", i64::from(seed)));
                all
            }
        };
        config::of_settings(study.document.path(), own).map(|run| run.complete())
    }

    /// The configuration of a data set.
    ///
    /// # Errors
    ///
    /// As [`Grid::config`].
    pub fn data_config(&self, data: usize) -> Result<DataConfig> {
        let group = self.groups.iter().copied().find(|group| group.data == data);
        let group = group.ok_or_else(|| Error::failed("no student has the data set"))?;
        let seed = self.study.seeds[0];
        self.config(Model::Cell { group, seed }, None).map(|run| run.data)
    }

    /// The vocabulary of a data set, as far as it is known before the data are prepared.
    ///
    /// # Errors
    ///
    /// Misuse: it is that of a run, which cannot be read.
    pub fn vocabulary(&self, data: usize) -> Result<Option<PathBuf>> {
        let prepared = self.layout.data(self.study, data).join("tokenizer.json");
        match &self.study.data[data].like {
            Some(run) => Ok(Some(RunDir::open(run)?.tokenizer())),
            None => Ok(prepared.is_file().then_some(prepared)),
        }
    }

    /// The labels of a data set: those of its vocabulary, or else of the training text. None of translations.
    ///
    /// # Errors
    ///
    /// Misuse: a file cannot be read, or a line has no label.
    pub fn labels(&self, data: usize) -> Result<Vec<String>> {
        if self.study.goal != Goal::Labels {
            return Ok(Vec::new());
        }
        let vocabulary = self.vocabulary(data)?.map(|path| Vocab::load(&path)).transpose()?;
        let known = vocabulary.as_ref().and_then(Vocab::labels).map(Labels::names);
        match (known, self.data_config(data)?.train) {
            (Some(names @ [_, ..]), _) => Ok(names.to_vec()),
            (_, Some(train)) => labels_of(&or_packed(train)),
            (_, None) => Ok(Vec::new()),
        }
    }

    fn of_data(&self, data: usize) -> Vec<Setting> {
        let folder = self.layout.data(self.study, data);
        let mut all = self.study.data[data].settings.clone();
        all.push(self.setting("task", self.study.goal.task().to_string()));
        all.push(self.setting("data.dir", folder.to_string_lossy().into_owned()));
        all
    }

    fn of_teacher(&self, data: usize, teacher: usize) -> Vec<Setting> {
        let own = self.study.teachers[teacher].settings.clone();
        [self.of_data(data), self.study.train.clone(), own].concat()
    }

    fn of_group(&self, group: Group, point: Option<&Point>, budget: Budget) -> Vec<Setting> {
        let study = self.study;
        let parts = [
            self.of_data(group.data),
            study.model.clone(),
            study.train.clone(),
            study.distill.clone(),
            study.students[group.student].settings.clone(),
            study.methods[group.method].settings.clone(),
            point.map(|point| point.settings(&self.axes(group))).unwrap_or_default(),
        ];
        let mut all = parts.concat();
        let (updates, seconds) = match budget {
            Budget::Updates(updates) => (updates as i64, 0.0),
            Budget::Minutes(minutes) => (0, minutes * 60.0),
        };
        all.push(self.setting("train.max_update", updates));
        all.push(self.setting("train.time_limit_seconds", seconds));
        all.push(self.setting("train.max_epoch", 0));
        all.push(self.setting("train.patience", 0));
        if let Some(teacher) = group.teacher {
            let run = self.layout.teacher(study, group.data, teacher);
            all.push(self.setting("teacher.run", run.to_string_lossy().into_owned()));
        }
        all
    }

    /// A key that the study itself sets.
    fn setting(&self, key: &str, value: impl Into<toml::Value>) -> Setting {
        Setting::line(self.study.document.path(), 1, key, value.into())
    }

    /// The models that are scored: teachers, then the cells of all groups.
    pub fn scored(&self) -> Vec<Model> {
        let teachers = self.teachers().into_iter();
        let teachers = teachers.map(|(data, teacher)| Model::Teacher { data, teacher });
        let cells = self.groups.iter().flat_map(|&group| {
            self.study.seeds.iter().map(move |&seed| Model::Cell { group, seed })
        });
        teachers.chain(cells).collect()
    }
}

impl Model {
    /// The index of its data set.
    pub fn data(self) -> usize {
        match self {
            Self::Teacher { data, .. } => data,
            Self::Cell { group, .. } | Self::Trial { group, .. } => group.data,
        }
    }
}
