//! Training: epochs of updates, validation, checkpoints.
//!
//! A trainer alternates epochs and validations until a limit is reached. What it computes depends on the
//! run, the data and the checkpoint it goes on from, never on the clock: a run that was killed and resumed ends, on the
//! CPU, with the bytes that it would have ended with.

mod due;
mod in_step;
mod keep;
mod learner;
mod look;
pub mod memory;
mod objective;
mod progress;
pub mod ranks;
mod rescue;
mod resume;
mod selection;
pub mod seq_kd;
pub mod stage;
pub mod summary;
mod trainer;
mod unread;
mod validate;
mod warm_start;
mod window;

pub use learner::{At, Pairs, TeacherModel, open_teacher, update};
pub use objective::objective;
pub use progress::Progress;
pub use resume::{check, finished};
pub use trainer::train;
pub use unread::{Unread, Update};
pub use warm_start::teacher_layers;

use crate::backend::device::Device;
use crate::train::ranks::Ranks;
use a2d_run::config::Run;
use a2d_run::prepared::Prepared;
use a2d_run::run_dir::RunDir;
use std::path::PathBuf;

/// What is to be trained, and where it goes.
pub struct Job<'a> {
    /// What the display calls it.
    pub label: &'a str,
    /// The run's folder.
    pub dir: &'a RunDir,
    /// The run, complete.
    pub run: &'a Run,
    /// The data.
    pub data: &'a Prepared,
    /// The teacher's finished run, for the methods that need one.
    pub teacher: Option<PathBuf>,
    /// Whether to go on from the last checkpoint.
    pub resume: bool,
    /// Where it is computed, for the records.
    pub device: Device,
    /// Padded tokens that the device has room for at once; batches of more are computed in parts.
    pub room: usize,
    /// The processes that train together.
    pub ranks: &'a Ranks,
}
