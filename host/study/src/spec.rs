//! A study: what its file asks for.

use crate::document::{Document, StudyTable, Tables, TeacherTable, TuningTable};
use crate::goal::Goal;
use crate::tuning::{Axis, Tuning};
use a2d_run::config::Setting;
use a2d_system::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Resamples of the significance test, by default: enough for a correction over some hundred comparisons.
const RESAMPLES: usize = 10_000;

/// A study.
#[derive(Debug)]
pub struct Study {
    /// The file.
    pub document: Document,
    /// What the models are for.
    pub goal: Goal,
    /// The seeds of every student.
    pub seeds: Vec<u32>,
    /// The method that others are compared with, as an index.
    pub baseline: Option<usize>,
    /// The names of the metrics.
    pub metrics: Vec<String>,
    /// Resamples of the significance test.
    pub resamples: usize,
    /// Processes at the same time.
    pub jobs: usize,
    /// The data sets.
    pub data: Vec<Data>,
    /// The teachers.
    pub teachers: Vec<Teacher>,
    /// The students.
    pub students: Vec<Student>,
    /// The methods.
    pub methods: Vec<Method>,
    /// The search for the settings of each method.
    pub tuning: Option<Tuning>,
    /// Settings of all students: `[model]` and `[train]`.
    pub model: Vec<Setting>,
    /// Settings of all trainings.
    pub train: Vec<Setting>,
    /// Settings of all methods.
    pub distill: Vec<Setting>,
}

/// How long each student trains: the same for every method.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// Updates.
    Updates(u64),
    /// Minutes of training, validations excluded.
    Minutes(f64),
}

/// A data set.
#[derive(Debug)]
pub struct Data {
    pub name: String,
    /// The keys of `[data]`, without the test sets.
    pub settings: Vec<Setting>,
    /// A folder of prepared data.
    pub dir: Option<PathBuf>,
    /// A run whose vocabulary the data are prepared with.
    pub like: Option<PathBuf>,
    pub tests: Vec<Test>,
    pub budget: Budget,
}

/// A test set.
#[derive(Debug)]
pub struct Test {
    pub name: String,
    pub source: PathBuf,
    /// Of labels, the source: both are in each of its lines.
    pub reference: PathBuf,
}

/// A teacher.
#[derive(Debug)]
pub struct Teacher {
    pub name: String,
    /// A finished run.
    pub run: Option<PathBuf>,
    /// The keys of `[model]` and `[train]`.
    pub settings: Vec<Setting>,
    /// Its data sets, as indices.
    pub data: Vec<usize>,
}

/// A student.
#[derive(Debug)]
pub struct Student {
    pub name: String,
    pub settings: Vec<Setting>,
    /// Its data sets, as indices.
    pub data: Vec<usize>,
}

/// A method: a name and its settings.
#[derive(Debug)]
pub struct Method {
    pub name: String,
    pub settings: Vec<Setting>,
    /// The values to choose among.
    pub search: Vec<Axis>,
    /// Whether it is training without a teacher and without any further loss.
    pub is_none: bool,
}

impl Study {
    /// Reads the file of a study.
    ///
    /// # Errors
    ///
    /// Misuse, naming file, line and key.
    pub fn read(path: &Path) -> Result<Self> {
        let (document, tables) = Document::read(path)?;
        let goal = Goal::of(tables.task).ok_or_else(|| {
            let how = "train embedders one by one, and compare them by `evaluate --teacher`";
            let text =
                format!("is \"{}\", but a study compares translations or labels", tables.task);
            document.wrong(&["task"], format!("{text}: {how}"))
        })?;
        Reader { document, goal }.study(tables)
    }
}

/// Keys that the study itself sets.
const OWN: [(&str, &str); 5] = [
    ("train.max_update", "is set by the study's budget: use `study.updates`"),
    ("train.max_epoch", "is set by the study's budget: use `study.updates`"),
    ("train.time_limit_seconds", "is set by the study's budget: use `study.minutes`"),
    ("train.patience", "would give methods different budgets: leave it out"),
    ("train.seed", "is set by `study.seeds`"),
];

struct Reader {
    document: Document,
    goal: Goal,
}

impl Reader {
    fn study(self, tables: Tables) -> Result<Study> {
        let Tables { study, tuning, model, train, distill, data, teacher, student, method, .. } =
            tables;
        let budget = self.budget("study", study.updates, study.minutes)?;
        let budget = budget.ok_or_else(|| {
            self.document.wrong(&["study"], "has no budget: give `updates` or `minutes`")
        })?;
        self.check_own(&["train"], "train", &train)?;
        let data = self.each("data", data, |name, table| self.data(name, table, budget))?;
        let names: Vec<_> = data.iter().map(|data| data.name.clone()).collect();
        let teachers =
            self.each("teacher", teacher, |name, table| self.teacher(name, table, &names))?;
        let students = self.each("student", student, |name, table| {
            let path = ["student", name];
            let data = self.among(&[&path[..], &["data"]].concat(), table.data, &names)?;
            self.check_own(&["student", name, "train"], "train", &table.train)?;
            let mut settings =
                self.document.settings(&[&path[..], &["model"]].concat(), "model", &table.model);
            let own = [&path[..], &["train"]].concat();
            settings.extend(self.document.settings(&own, "train", &table.train));
            Ok(Student { name: name.to_owned(), settings, data })
        })?;
        let methods = self.each("method", method, |name, table| self.method(name, table))?;
        for (kind, empty) in [
            ("data", data.is_empty()),
            ("student", students.is_empty()),
            ("method", methods.is_empty()),
        ] {
            if empty {
                let file = self.document.path().display();
                let text = format!("the study has no {kind}: add a table [{kind}.NAME]");
                return Err(Error::misuse(format!("{file}: {text}")));
            }
        }
        let tuning = tuning.map(|table| self.tuning(table, &students)).transpose()?;
        if tuning.is_none()
            && let Some(method) = methods.iter().find(|method| !method.search.is_empty())
        {
            let path = ["method", &method.name, "search"];
            return Err(self.document.wrong(&path, "needs a table [tuning] with `trials`"));
        }
        Ok(Study {
            baseline: self.baseline(&study, &methods)?,
            metrics: self.metrics(&study)?,
            resamples: self.positive("resamples", study.resamples.unwrap_or(RESAMPLES))?,
            jobs: self.positive("jobs", study.jobs.unwrap_or(1))?,
            seeds: self.seeds(study.seeds)?,
            data,
            teachers,
            students,
            methods,
            tuning,
            model: self.document.settings(&["model"], "model", &model),
            train: self.document.settings(&["train"], "train", &train),
            distill: self.document.settings(&["distill"], "distill", &distill),
            goal: self.goal,
            document: self.document,
        })
    }

    /// Reads each table of a kind, in the order of the file.
    fn each<T, U>(
        &self,
        kind: &str,
        tables: BTreeMap<String, T>,
        read: impl Fn(&str, T) -> Result<U>,
    ) -> Result<Vec<U>> {
        let one = |(name, table): (String, T)| {
            self.check_name(&[kind, &name])?;
            read(&name, table)
        };
        self.document.ordered(&[kind], tables).into_iter().map(one).collect()
    }

    /// Checks that a name can be the name of a folder.
    fn check_name(&self, path: &[&str]) -> Result<()> {
        let name = path[path.len() - 1];
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
        let fits = !name.is_empty() && name.len() <= 80 && name.chars().all(plain);
        if !fits || name.starts_with('.') || name == crate::layout::ALONE {
            let how = "expected letters, digits and any of - _ + . after the first";
            return Err(self.document.wrong(path, format!("is no usable name: {how}")));
        }
        Ok(())
    }

    fn budget(
        &self,
        table: &str,
        updates: Option<u64>,
        minutes: Option<f64>,
    ) -> Result<Option<Budget>> {
        match (updates, minutes) {
            (Some(_), Some(_)) => {
                let text = "has `updates` and `minutes`: leave one of them out";
                Err(self.document.wrong(&[table], text))
            }
            (Some(0), _) => {
                Err(self.document.wrong(&[table, "updates"], "is 0, expected 1 or more"))
            }
            (Some(updates), _) => Ok(Some(Budget::Updates(updates))),
            (_, Some(minutes)) if minutes > 0.0 && minutes.is_finite() => {
                Ok(Some(Budget::Minutes(minutes)))
            }
            (_, Some(_)) => {
                Err(self.document.wrong(&[table, "minutes"], "expects a number above 0"))
            }
            (None, None) => Ok(None),
        }
    }

    fn positive(&self, key: &str, number: usize) -> Result<usize> {
        if number > 0 {
            return Ok(number);
        }
        Err(self.document.wrong(&["study", key], "is 0, expected 1 or more"))
    }

    fn seeds(&self, seeds: Vec<u32>) -> Result<Vec<u32>> {
        let twice = (1..seeds.len()).find(|i| seeds[..*i].contains(&seeds[*i]));
        match twice {
            Some(i) => {
                let text = format!("has {} twice", seeds[i]);
                Err(self.document.wrong(&["study", "seeds"], text))
            }
            None if seeds.is_empty() => {
                Err(self.document.wrong(&["study", "seeds"], "is empty, expected [1, 2, 3]"))
            }
            None => Ok(seeds),
        }
    }

    fn baseline(&self, study: &StudyTable, methods: &[Method]) -> Result<Option<usize>> {
        let Some(name) = &study.baseline else { return Ok(None) };
        let found = methods.iter().position(|method| method.name == *name);
        let known = methods.iter().map(|method| method.name.as_str()).collect::<Vec<_>>();
        let text = format!("is \"{name}\", which is no method of the study: {}", known.join(", "));
        found.map(Some).ok_or_else(|| self.document.wrong(&["study", "baseline"], text))
    }

    fn metrics(&self, study: &StudyTable) -> Result<Vec<String>> {
        let known = self.goal.metric_names();
        let usual = || known[..2].iter().map(|name| (*name).to_owned()).collect();
        let names: Vec<String> = study.metrics.clone().unwrap_or_else(usual);
        let twice = (1..names.len()).any(|i| names[..i].contains(&names[i]));
        let unknown = names.iter().any(|name| !known.contains(&&**name));
        if names.is_empty() || unknown || twice {
            let text = format!("expects some of {}, each once", known.join(", "));
            return Err(self.document.wrong(&["study", "metrics"], text));
        }
        Ok(names)
    }

    fn data(&self, name: &str, mut table: Table, budget: Budget) -> Result<Data> {
        let of = |key: &'static str| ["data", name, key];
        let own = |table: &mut Table, key: &'static str| {
            let value = table.remove(key);
            let number = value.map(|value| {
                let number = value.as_float().or(value.as_integer().map(|n| n as f64));
                let number = number.filter(|x| *x > 0.0 && x.is_finite());
                number.ok_or_else(|| self.document.wrong(&of(key), "expects a number above 0"))
            });
            number.transpose()
        };
        let updates = own(&mut table, "updates")?.map(|updates| Budget::Updates(updates as u64));
        let minutes = own(&mut table, "minutes")?.map(Budget::Minutes);
        if updates.is_some() && minutes.is_some() {
            let text = "has `updates` and `minutes`: leave one of them out";
            return Err(self.document.wrong(&["data", name], text));
        }
        let like = self.path_of(&of("like"), table.remove("like"))?;
        let tests = match table.remove("test") {
            Some(Value::Table(tests)) => tests,
            _ => {
                let how = "expects a table of test sets: { test2016 = \"data/test2016\" }";
                return Err(self.document.wrong(&of("test"), how));
            }
        };
        let dir = self.path_of(&of("dir"), table.get("dir").cloned())?;
        if dir.is_none() && !(table.contains_key("train") && table.contains_key("valid")) {
            let how = "needs `train` and `valid`, or `dir`, a folder of prepared data";
            return Err(self.document.wrong(&["data", name], how));
        }
        let tests = self.tests(name, tests, &table)?;
        Ok(Data {
            name: name.to_owned(),
            settings: self.document.settings(&["data", name], "data", &table),
            dir,
            like,
            tests,
            budget: updates.or(minutes).unwrap_or(budget),
        })
    }

    /// The test sets of the data `data`, whose keys are in `table`.
    fn tests(&self, data: &str, tests: Table, table: &Table) -> Result<Vec<Test>> {
        let mut found = Vec::new();
        for (name, prefix) in self.document.ordered(&["data", data, "test"], tests) {
            let path = ["data", data, "test", &name];
            self.check_name(&path)?;
            let prefix = self.path_of(&path, Some(prefix))?.unwrap_or_default();
            let prefix = prefix.to_string_lossy();
            let [source, reference] = self.goal.files(&prefix, table).ok_or_else(|| {
                let how = "needs `source_lang` and `target_lang`, the endings of its files";
                self.document.wrong(&["data", data], how)
            })?;
            for file in [&source, &reference] {
                if !file.is_file() {
                    let text = format!("names {}, which is no file", file.display());
                    return Err(self.document.wrong(&path, text));
                }
            }
            found.push(Test { name, source, reference });
        }
        if found.is_empty() {
            return Err(self.document.wrong(&["data", data, "test"], "names no test set"));
        }
        Ok(found)
    }

    /// An absolute path; those in the file are relative to its folder.
    fn path_of(&self, path: &[&str], value: Option<Value>) -> Result<Option<PathBuf>> {
        let Some(value) = value else { return Ok(None) };
        let text = value.as_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| self.document.wrong(path, "expects a path"))?;
        let folder = self.document.path().parent().unwrap_or(Path::new(""));
        let whole = std::path::absolute(folder.join(text));
        whole.map(Some).map_err(|e| Error::input("use", folder, &e))
    }

    fn among(
        &self,
        path: &[&str],
        chosen: Option<Vec<String>>,
        names: &[String],
    ) -> Result<Vec<usize>> {
        let Some(chosen) = chosen else { return Ok((0..names.len()).collect()) };
        let place = |name: &String| {
            let found = names.iter().position(|known| known == name);
            let text = format!("has \"{name}\", which is no data of the study");
            found.ok_or_else(|| self.document.wrong(path, text))
        };
        chosen.iter().map(place).collect()
    }

    fn teacher(&self, name: &str, table: TeacherTable, names: &[String]) -> Result<Teacher> {
        let path = ["teacher", name];
        let below = |key| ["teacher", name, key];
        let data = self.among(&below("data"), table.data, names)?;
        let run = self.path_of(&below("run"), table.run.map(Value::String))?;
        if run.is_some() && !(table.model.is_empty() && table.train.is_empty()) {
            let text = "has a finished `run`: leave out its model and train";
            return Err(self.document.wrong(&path, text));
        }
        let mut settings = self.document.settings(&below("model"), "model", &table.model);
        settings.extend(self.document.settings(&below("train"), "train", &table.train));
        Ok(Teacher { name: name.to_owned(), run, settings, data })
    }

    fn method(&self, name: &str, mut table: Table) -> Result<Method> {
        let search = match table.remove("search") {
            None => Table::new(),
            Some(Value::Table(search)) => search,
            Some(_) => {
                let how = "expects a table of lists: beta = [0.5, 1.0]";
                return Err(self.document.wrong(&["method", name, "search"], how));
            }
        };
        table.entry("method").or_insert_with(|| Value::String(name.to_owned()));
        let train = match table.remove("train") {
            Some(Value::Table(train)) => train,
            None => Table::new(),
            Some(_) => {
                let how = "expects a table of keys";
                return Err(self.document.wrong(&["method", name, "train"], how));
            }
        };
        self.check_own(&["method", name, "train"], "train", &train)?;
        let mut settings = self.document.settings(&["method", name], "distill", &table);
        settings.extend(self.document.settings(&["method", name, "train"], "train", &train));
        let rest = table.iter().filter(|(key, _)| *key != "method").count();
        Ok(Method {
            name: name.to_owned(),
            is_none: table["method"].as_str() == Some("none") && rest == 0,
            settings,
            search: self.axes(&["method", name, "search"], &search)?,
        })
    }

    fn tuning(&self, table: TuningTable, students: &[Student]) -> Result<Tuning> {
        if table.trials == 0 {
            return Err(self.document.wrong(&["tuning", "trials"], "is 0, expected 1 or more"));
        }
        let place = |name: String| {
            let found = students.iter().position(|student| student.name == name);
            let text = format!("is \"{name}\", which is no student of the study");
            found.ok_or_else(|| self.document.wrong(&["tuning", "student"], text))
        };
        Ok(Tuning {
            trials: table.trials,
            seed: table.seed.unwrap_or(1),
            student: table.student.map(place).transpose()?,
            budget: self.budget("tuning", table.updates, table.minutes)?,
            search: self.axes(&["tuning", "search"], &table.search)?,
        })
    }

    /// The keys and values of a search space.
    fn axes(&self, from: &[&str], table: &Table) -> Result<Vec<Axis>> {
        let axis = |leaf: crate::document::Leaf| {
            let key = match leaf.path.starts_with("train.") {
                true => leaf.path.clone(),
                false => format!("distill.{}", leaf.path),
            };
            let file = self.document.path().display();
            let at =
                |text: &str| Error::misuse(format!("{file}:{}: `{}` {text}", leaf.line, leaf.path));
            if let Some((_, how)) = OWN.iter().find(|(own, _)| *own == key) {
                return Err(at(how));
            }
            let values = leaf.value.as_array().filter(|values| !values.is_empty());
            let values = values.ok_or_else(|| at("expects a list of values to choose among"))?;
            let setting =
                |value: &Value| Setting::line(self.document.path(), leaf.line, &key, value.clone());
            let settings = values.iter().map(setting).collect();
            Ok(Axis { key, values: values.clone(), settings })
        };
        self.document.leaves(from, table).into_iter().map(axis).collect()
    }

    /// Checks that a table of training keys has none that the study sets.
    fn check_own(&self, from: &[&str], to: &str, table: &Table) -> Result<()> {
        for key in table.keys() {
            let whole = format!("{to}.{key}");
            if let Some((_, how)) = OWN.iter().find(|(own, _)| *own == whole) {
                return Err(self.document.wrong(&[from, &[key.as_str()]].concat(), how));
            }
        }
        Ok(())
    }
}
