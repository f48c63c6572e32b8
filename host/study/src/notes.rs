//! What a reader of the results should know.

use crate::grid::{Grid, Model};
use crate::sizes::Sizes;
use crate::spec::Budget;
use a2d_run::config::{Stage, Staging};

/// The notes about a study.
pub fn all(grid: &Grid<'_>, sizes: &Sizes) -> Vec<String> {
    let larger = larger(grid, sizes);
    let notes = larger.into_iter().chain(stages(grid)).chain(wall_clock(grid));
    notes.chain(small_spaces(grid)).collect()
}

/// Students with more parameters than their teacher.
fn larger(grid: &Grid<'_>, sizes: &Sizes) -> Vec<String> {
    let study = grid.study;
    let mut notes: Vec<String> = Vec::new();
    for group in &grid.groups {
        let Some(teacher) = group.teacher else { continue };
        let of = Model::Teacher { data: group.data, teacher };
        let own = Model::Cell { group: *group, seed: study.seeds[0] };
        let Some((own, theirs)) = sizes.of(grid, own).zip(sizes.of(grid, of)) else { continue };
        let (student, teacher) = (&study.students[group.student], &study.teachers[teacher]);
        let text = format!(
            "student \"{}\" has {own} parameters, more than its teacher \"{}\" with {theirs} on data \"{}\"",
            student.name, teacher.name, study.data[group.data].name
        );
        if own > theirs && !notes.contains(&text) {
            notes.push(text);
        }
    }
    notes
}

/// What methods train before the student, beside its budget.
fn stages(grid: &Grid<'_>) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for &group in &grid.groups {
        let cell = Model::Cell { group, seed: grid.study.seeds[0] };
        let Ok(run) = grid.config(cell, None) else { continue };
        let stage = |stage: Stage| {
            let own = match run.distill.staging {
                Staging::Assistants => "",
                Staging::Curriculum => "its teacher and ",
            };
            let minutes = stage.run.train.time_limit_seconds / 60.0;
            match stage.run.train.max_update {
                0 => format!("\"{}\" ({own}{minutes} minutes)", stage.name),
                updates => format!("\"{}\" ({own}{updates} updates)", stage.name),
            }
        };
        let stages: Vec<_> = run.stages().unwrap_or_default().into_iter().map(stage).collect();
        let (name, stages) = (&grid.study.methods[group.method].name, stages.join(", "));
        let text = format!("method \"{name}\" first trains stages, beside its budget: {stages}");
        if !stages.is_empty() && !notes.contains(&text) {
            notes.push(text);
        }
    }
    notes
}

/// What is not part of a budget in minutes.
fn wall_clock(grid: &Grid<'_>) -> Option<String> {
    let timed = grid.study.data.iter().any(|data| matches!(data.budget, Budget::Minutes(_)));
    timed.then(|| {
        "the budget is wall clock: results depend on the machine and its load, and validations and a teacher's \
         translations of the training text are not counted"
            .to_owned()
    })
}

/// Methods with fewer trials than others, because their space is smaller.
fn small_spaces(grid: &Grid<'_>) -> Vec<String> {
    let Some(tuning) = &grid.study.tuning else { return Vec::new() };
    let mut notes: Vec<String> = Vec::new();
    for group in &grid.groups {
        let (name, count) = (&grid.study.methods[group.method].name, grid.trials(*group).len());
        let tuned = grid.tuned(*group);
        let text = match tuned {
            None => format!("method \"{name}\" has nothing to tune: its settings are as given"),
            Some(of) if of == *group && count < tuning.trials => format!(
                "method \"{name}\" has {count} trials in place of {}: its search space has no more points",
                tuning.trials
            ),
            Some(_) => continue,
        };
        if !notes.contains(&text) {
            notes.push(text);
        }
    }
    notes
}
