//! Align-to-Distill: what the student learns from, and how the terms are weighed.
//!
//! `loss = (1 - alpha) ce + alpha kd + w KL_encoder + w / 2 (KL_decoder + KL_cross)`, `w = beta decay^(epoch - 1)`
//! (arXiv 2403.01479, section 3; constants and reductions as in the authors' code, see [`Objective`]).

mod align;
mod losses;
mod maps;
mod objective;
mod roles;

pub use align::{Align, HeadMix};
pub use losses::{Losses, Report, elements};
pub use maps::{MapTerms, Reduction};
pub use objective::{Counts, KdLoss, Norm, Objective};
pub use roles::{Student, Taught, Teacher, forward};
