//! The golden suite of distillation methods: the terms on given hidden states and projections, and on whole models.

mod attention;
mod controls;
mod file;
mod leaf;
mod models;
mod rdrop;
mod selective;
mod terms;
mod variants;

use std::path::Path;

use a2d_core::backend::Train;
use a2d_core::kd::Counted;

use super::golden::folders;
use super::model::read;
pub use controls::controls;
use file::{Case, File, GRADIENT, LOSS, close};
pub use models::models;
pub use rdrop::agreement;
pub use selective::selection;
pub use terms::terms;

/// The cases of the repository.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/golden/kd");

/// The environment variable that names a folder of further cases.
const VARIABLE: &str = "A2D_GOLDEN_KD";

/// The files of `method` in the repository, which must have one, and in the folder that `A2D_GOLDEN_KD` names.
fn files(method: &str) -> impl Iterator<Item = File> {
    folders(FIXTURES, VARIABLE).into_iter().filter_map(move |folder| {
        let file = File::read(&folder, method);
        let missing = file.is_none() && folder == Path::new(FIXTURES);
        assert!(!missing, "{}: no kd_{method}", folder.display());
        file
    })
}

/// The padding of targets in the files.
const PAD: f64 = 1.0;

/// The table under which hidden rows are logits.
fn identity(v: usize) -> Vec<f32> {
    (0..v * v).map(|i| if i / v == i % v { 1.0 } else { 0.0 }).collect()
}

/// What a term adds to the loss.
fn value<B: Train>(b: &mut B, term: &Counted<B::Tensor>) -> f64 {
    f64::from(read(b, &term.sum)[0]) * term.weight
}
