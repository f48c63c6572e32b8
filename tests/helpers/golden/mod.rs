//! The golden suite: computes again every value that the authors' own code computed.

mod case;
mod problem;
mod search;

use std::path::{Path, PathBuf};

use a2d_core::backend::Train;
use a2d_core::batch::Layout;

use super::compare::Findings;
use case::Case;
use problem::Problem;

/// The cases of the repository.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/golden");

/// The environment variable that names a folder of further cases.
const VARIABLE: &str = "A2D_GOLDEN";

/// With fewer cases, the suite was not found.
const FEWEST: usize = 5;

/// Runs every case of `fixtures/golden` and of the folder that `A2D_GOLDEN` names, each on a fresh backend. Panics with
/// all differences.
pub fn run<B: Train>(make: impl Fn() -> B) {
    let mut findings = Findings::default();
    let mut ran = Vec::new();
    for folder in &folders(FIXTURES, VARIABLE) {
        for case in Case::all(folder) {
            check(&mut make(), &case, &mut findings);
            ran.push(label(&case, folder));
        }
    }
    println!("{} golden cases ran: {}", ran.len(), ran.join(", "));
    assert!(ran.len() >= FEWEST, "only {} golden cases", ran.len());
    findings.finish();
}

/// The folders of cases: that of the repository, and the one that the environment variable names.
pub fn folders(fixtures: &str, variable: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(fixtures)];
    folders.extend(std::env::var_os(variable).map(PathBuf::from));
    folders
}

fn label(case: &Case, folder: &Path) -> String {
    if folder == Path::new(FIXTURES) {
        case.name.clone()
    } else {
        format!("{VARIABLE}/{}", case.name)
    }
}

/// A case has values of a whole distillation, hypotheses of a search, or both.
fn check<B: Train>(b: &mut B, case: &Case, findings: &mut Findings) {
    let trains = case.find("out.student_logits").is_some();
    if trains {
        let problem = Problem::new(b, case);
        problem.check_outputs(b, Layout::Padded, findings);
        problem.check_outputs(b, Layout::Packed, findings);
        problem.check_losses(b, findings);
        problem.check_updates(b, findings);
    }
    let searched = search::check(b, case, findings);
    if !trains && searched == 0 {
        findings.fail(format!("{}: nothing to check", case.name));
    }
}
