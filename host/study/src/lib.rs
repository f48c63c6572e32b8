//! A study: a grid of methods, students, teachers, data sets and seeds from one file.
//!
//! Every training and every reading of a test set is a process of this program. What is done is seen by the files in the
//! study's folder, so a study that was stopped at any moment goes on where it was. The results are computed from the
//! translations or labels when all processes have ended. What differs between both is in `goal`.

#![deny(unsafe_code)]

mod check;
mod command;
mod document;
mod goal;
mod grid;
mod layout;
mod markdown;
mod notes;
mod page;
mod plan;
mod results;
mod schedule;
mod scores;
mod share;
mod sizes;
mod spec;
pub mod stats;
mod tasks;
mod triples;
pub mod tuning;
mod usage;

pub use command::{StudyRequest, run};
pub use plan::{Asked, Estimate, Estimator, Shape};
