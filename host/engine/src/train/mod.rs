//! Training: epochs of updates, validation, checkpoints.
//!
//! A trainer alternates epochs and validations until a limit is reached. The result depends on the run, the data and
//! the checkpoint, never on the clock. On the CPU, a resumed run ends with the same bytes as an uninterrupted one.

mod against;
pub mod cache;
mod due;
mod entry;
mod features;
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
mod text_summary;
mod trainer;
mod unread;
mod validate;
mod warm_start;
mod warnings;
mod window;

pub use learner::{At, Pairs, TeacherModel, open_any_teacher, open_teacher, update};
pub use objective::objective;
pub use progress::Progress;
pub use resume::{check, finished};
pub use trainer::train;
pub use unread::{Unread, Update};
pub use warm_start::teacher_layers;

use crate::backend::device::Device;
use crate::train::ranks::Ranks;
use a2d_run::config::RunConfig;
use a2d_run::prepared::Prepared;
use a2d_run::run_dir::RunDir;
use std::path::PathBuf;

/// A training and its output folder.
pub struct Job<'a> {
    /// Name in the display.
    pub label: &'a str,
    /// The run's folder.
    pub dir: &'a RunDir,
    /// The complete configuration.
    pub run: &'a RunConfig,
    /// The data.
    pub data: &'a Prepared,
    /// Folder of the teacher's finished run, for methods that need a teacher.
    pub teacher: Option<PathBuf>,
    /// Folder of a finished run with whose weights the training begins.
    pub start: Option<PathBuf>,
    /// Whether to resume from the last checkpoint.
    pub resume: bool,
    /// The device, for the provenance record.
    pub device: Device,
    /// Padded tokens that fit the device's memory; larger batches are computed in parts.
    pub room: usize,
    /// The ranks that train together.
    pub ranks: &'a Ranks,
}
