//! Scores and comparisons equal those of sacreBLEU, scikit-learn and scipy (`fixtures/score`); output and errors of `host
//! score` and `host compare`.

#[path = "score/answers.rs"]
mod answers;
#[path = "score/cases.rs"]
mod cases;
#[path = "score/characters.rs"]
mod characters;
#[path = "score/command.rs"]
mod command;
#[path = "score/compare.rs"]
mod compare;
#[path = "score/comparisons.rs"]
mod comparisons;
#[path = "score/files.rs"]
mod files;
#[path = "score/labels.rs"]
mod labels;
