//! The golden suite of distillation methods: the terms on given hidden states and projections, and on whole models.

mod controls;
mod file;
mod leaf;
mod models;
mod rdrop;
mod terms;
mod variants;

use std::path::PathBuf;

pub use controls::controls;
use file::{Case, File, GRADIENT, LOSS, close};
pub use models::models;
pub use rdrop::agreement;
pub use terms::terms;

/// The cases of the repository.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/golden/kd");

/// The environment variable that names a folder of further cases.
const VARIABLE: &str = "A2D_GOLDEN_KD";

/// The folders of cases: that of the repository, and the one that `A2D_GOLDEN_KD` names.
fn folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(FIXTURES)];
    folders.extend(std::env::var_os(VARIABLE).map(PathBuf::from));
    folders
}
