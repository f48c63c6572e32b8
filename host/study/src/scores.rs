//! The scores of all test sets, and the comparisons with the baseline.

use crate::grid::{Grid, Group, Model};
use crate::stats::{deviation, holm, mean};
use crate::tasks::Task;
use a2d_score::significance::{SEED, paired_bootstrap};
use a2d_score::{Metric, Table, Watch, signature};
use a2d_system::error::{Error, Result};
use a2d_system::text::read_lines;
use serde::Serialize;
use std::collections::HashMap;

/// The score of a model on a test set by a metric. Fields are indices, of the test set among those of the data.
pub type Place = (Model, usize, usize);

/// The scores of a study.
#[derive(Debug, Default)]
pub struct Scores {
    /// The score at each place; those of models that have not ended are absent.
    pub scores: HashMap<Place, f64>,
    /// The comparable results of every group.
    pub results: Vec<Outcome>,
    /// The metrics, for each data set.
    pub metrics: Vec<Vec<Scale>>,
    /// Lines of each test set, for each data set.
    pub lines: Vec<Vec<usize>>,
}

/// What a score is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scale {
    pub name: String,
    pub unit: Option<&'static str>,
    pub signature: String,
}

impl Scale {
    fn of(by: &dyn Metric) -> Self {
        Self { name: by.name(), unit: by.unit(), signature: signature(by, 1, "") }
    }
}

/// The result of a group on a test set by a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub group: Group,
    pub test: usize,
    pub metric: usize,
    /// The score of each seed, in the order of the study.
    pub seeds: Vec<Option<f64>>,
    pub mean: Option<f64>,
    /// Over the seeds.
    pub deviation: Option<f64>,
    /// The mean less that of the baseline, over the seeds of both.
    pub difference: Option<f64>,
    /// Of the paired bootstrap; `None` without a comparison, or if no line differs.
    pub p_value: Option<f64>,
    /// Corrected over all comparisons of the study.
    pub corrected: Option<f64>,
    /// The share of the way from the student without a teacher to the teacher.
    pub gap: Option<f64>,
}

/// The tables of statistics of a test set, by model and metric.
type Tables = HashMap<(Model, usize), Table>;

impl Scores {
    /// Scores the translations or labels that are there.
    ///
    /// # Errors
    ///
    /// Misuse: a text cannot be read, or translations or labels have another number of lines than their source. A signal.
    pub fn of(grid: &Grid<'_>, quiet: bool) -> Result<Self> {
        let mut found = Self::default();
        for (data, of) in grid.study.data.iter().enumerate() {
            let metrics = metrics(grid, data)?;
            found.metrics.push(metrics.iter().map(|by| Scale::of(&**by)).collect());
            found.lines.push(Vec::new());
            for (test, set) in of.tests.iter().enumerate() {
                let reference = read_lines(&set.reference)?;
                found.lines[data].push(reference.len());
                let tables = tables(grid, data, test, &metrics, reference)?;
                for ((model, metric), table) in &tables {
                    let score = metrics[*metric].score(&table.sums());
                    found.scores.insert((*model, test, *metric), score);
                }
                found.compare(grid, data, test, &metrics, &tables, quiet)?;
            }
        }
        found.correct();
        Ok(found)
    }

    /// Adds the results of all groups on a test set.
    fn compare(
        &mut self,
        grid: &Grid<'_>,
        data: usize,
        test: usize,
        metrics: &[Box<dyn Metric>],
        tables: &Tables,
        quiet: bool,
    ) -> Result<()> {
        let watch = Watch::Command { quiet };
        for group in grid.groups.iter().copied().filter(|group| group.data == data) {
            for (metric, by) in metrics.iter().enumerate() {
                let mut outcome = self.outcome(grid, group, test, metric);
                if let Some(baseline) = grid.baseline(group)
                    && let Some(pair) = pooled(grid, [baseline, group], metric, tables)
                {
                    let Pooled { seeds, tables } = pair;
                    let means =
                        [baseline, group].map(|group| self.mean(group, &seeds, test, metric));
                    outcome.difference = means[1].zip(means[0]).map(|(own, other)| own - other);
                    if tables[0] != tables[1] {
                        let draws = grid.study.resamples;
                        let found = paired_bootstrap(&**by, &tables, draws, SEED, watch)?;
                        outcome.p_value = found[1].p_value;
                    }
                }
                self.results.push(outcome);
            }
        }
        Ok(())
    }

    fn outcome(&self, grid: &Grid<'_>, group: Group, test: usize, metric: usize) -> Outcome {
        let seeds = self.of_seeds(group, &grid.study.seeds, test, metric);
        let known: Vec<f64> = seeds.iter().flatten().copied().collect();
        let mean = mean(&known);
        let gap = self.gap(grid, group, test, metric, mean);
        let deviation = deviation(&known);
        let (difference, p_value, corrected) = (None, None, None);
        Outcome { group, test, metric, seeds, mean, deviation, difference, p_value, corrected, gap }
    }

    /// The share of the gap between the student alone and the teacher that `own` closes.
    fn gap(
        &self,
        grid: &Grid<'_>,
        group: Group,
        test: usize,
        metric: usize,
        own: Option<f64>,
    ) -> Option<f64> {
        let teacher = Model::Teacher { data: group.data, teacher: group.teacher? };
        let high = self.score(teacher, test, metric)?;
        let low = self.mean(grid.alone(group)?, &grid.study.seeds, test, metric)?;
        let own = own?;
        (high > low).then(|| (own - low) / (high - low))
    }

    /// Corrects the p-values for the number of comparisons.
    fn correct(&mut self) {
        let tested = self.results.iter_mut().filter(|outcome| outcome.p_value.is_some());
        let mut tested: Vec<_> = tested.collect();
        let p_values: Vec<f64> = tested.iter().filter_map(|outcome| outcome.p_value).collect();
        for (outcome, p) in tested.iter_mut().zip(holm(&p_values)) {
            outcome.corrected = Some(p);
        }
    }

    /// The scores of a group by these seeds.
    fn of_seeds(
        &self,
        group: Group,
        seeds: &[u32],
        test: usize,
        metric: usize,
    ) -> Vec<Option<f64>> {
        let score = |&seed: &u32| self.score(Model::Cell { group, seed }, test, metric);
        seeds.iter().map(score).collect()
    }

    /// The mean score of a group over those of the seeds that have one.
    fn mean(&self, group: Group, seeds: &[u32], test: usize, metric: usize) -> Option<f64> {
        let scores = self.of_seeds(group, seeds, test, metric);
        mean(&scores.into_iter().flatten().collect::<Vec<_>>())
    }

    /// The score of a model.
    pub fn score(&self, model: Model, test: usize, metric: usize) -> Option<f64> {
        self.scores.get(&(model, test, metric)).copied()
    }

    /// The number of comparisons that were tested.
    pub fn comparisons(&self) -> usize {
        self.results.iter().filter(|outcome| outcome.p_value.is_some()).count()
    }
}

/// Two groups over the seeds that both have.
struct Pooled {
    seeds: Vec<u32>,
    /// For each line the sum of its statistics over the seeds.
    tables: [Table; 2],
}

fn pooled(grid: &Grid<'_>, groups: [Group; 2], metric: usize, tables: &Tables) -> Option<Pooled> {
    let table = |group, seed| tables.get(&(Model::Cell { group, seed }, metric));
    let both = |&seed: &u32| groups.iter().all(|group| table(*group, seed).is_some());
    let seeds: Vec<u32> = grid.study.seeds.iter().copied().filter(both).collect();
    let sum = |group: Group| {
        let all = seeds.iter().filter_map(|&seed| table(group, seed)).cloned();
        all.reduce(|sum, next| sum.plus(&next))
    };
    let tables = [sum(groups[0])?, sum(groups[1])?];
    Some(Pooled { seeds, tables })
}

fn metrics(grid: &Grid<'_>, data: usize) -> Result<Vec<Box<dyn Metric>>> {
    let (study, config) = (grid.study, grid.data_config(data)?);
    study.goal.metrics(&study.metrics, &config, &grid.labels(data)?)
}

/// The statistics of what all models make of a test set.
fn tables(
    grid: &Grid<'_>,
    data: usize,
    test: usize,
    metrics: &[Box<dyn Metric>],
    reference: Vec<String>,
) -> Result<Tables> {
    let mut tables = Tables::new();
    let references = [reference];
    for model in grid.scored().into_iter().filter(|model| model.data() == data) {
        if !grid.is_done(Task::Read(model, test)) {
            continue;
        }
        let path = grid.layout.output(grid.study, model, test);
        let lines = read_lines(&path)?;
        if lines.len() != references[0].len() {
            let (path, found, wanted) = (path.display(), lines.len(), references[0].len());
            let text = format!("{path} has {found} lines, the reference has {wanted}");
            return Err(Error::misuse(format!("{text}: remove it, and go on with --resume")));
        }
        for (place, metric) in metrics.iter().enumerate() {
            tables.insert((model, place), Table::of(&**metric, &lines, &references)?);
        }
    }
    Ok(tables)
}

impl Grid<'_> {
    /// The group that `group` is compared with; `None` for the baseline itself.
    pub fn baseline(&self, group: Group) -> Option<Group> {
        let baseline = self.study.baseline.filter(|baseline| *baseline != group.method)?;
        let all = self.beside(group, baseline);
        all.iter().find(|other| other.teacher == group.teacher).or(all.first()).copied()
    }

    /// The same student trained without a teacher.
    pub fn alone(&self, group: Group) -> Option<Group> {
        let method = self.study.methods.iter().position(|method| method.is_none)?;
        self.beside(group, method).first().copied()
    }

    /// The groups of another method with the data and the student of `group`.
    fn beside(&self, group: Group, method: usize) -> Vec<Group> {
        let alike = |other: &&Group| {
            (other.data, other.student, other.method) == (group.data, group.student, method)
        };
        self.groups.iter().filter(alike).copied().collect()
    }
}
