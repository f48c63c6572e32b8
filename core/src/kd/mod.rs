//! Distillation: the terms of the student's loss and their weights, and one update. A method is a list of terms, each
//! in a file of its own. Align-to-Distill:
//!
//! `loss = (1 - alpha) ce + alpha kd + w KL_encoder + w / 2 (KL_decoder + KL_cross)`, `w = beta decay^(epoch - 1)`
//! (arXiv 2403.01479, section 3; constants and reductions as in the authors' code, see [`Objective`]).

mod align;
mod alp;
mod auxiliary;
mod choice;
mod ckd;
mod counts;
mod inputs;
mod layers;
mod learner;
mod lesson;
mod losses;
mod mapping;
mod maps;
mod minilm;
mod objective;
mod pkd;
mod plan;
mod rail;
mod rdrop;
mod roles;
mod selective;
mod step;
mod term;
mod tinybert;
mod vectors;

pub use align::{Align, HeadMix};
pub use alp::Alp;
pub use auxiliary::{Auxiliary, Projection, Side, Slot, is_alignment, is_auxiliary};
pub use ckd::Ckd;
pub use counts::Counts;
pub use inputs::{Counted, Inputs, Named, Part};
pub use layers::{Grouping, LayerSet};
pub use learner::Learner;
pub use lesson::Lesson;
pub use losses::{Losses, Report, Reports, elements};
pub use mapping::{FixedMaps, FixedMix, Mapping};
pub use maps::{MapTerms, OwnOptimiser, Reduction};
pub use minilm::{MiniLm, Version};
pub use objective::{KdLoss, LossNorm, Objective};
pub use pkd::Pkd;
pub use plan::Plan;
pub use rail::{Draw, Rail, RailForm};
pub use rdrop::RDrop;
pub use roles::{Student, Taught, TeachParts, Teacher, forward};
pub use selective::{Chosen, Selective};
pub use step::{Gradients, Step, Updated};
pub use term::{Term, Terms, WORDS, names};
pub use tinybert::TinyBert;
pub use vectors::Vectors;
