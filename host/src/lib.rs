//! The command line, and under one name what it is made of: corpora and vocabularies, the CPU backend, training,
//! translation, scores.

#![deny(unsafe_code)]

pub mod cli;
pub mod commands;
pub mod panics;
pub mod process;
pub mod version;

pub use a2d_data as data;
pub use a2d_engine::{backend, bench, export, page, texts, train, translate};
pub use a2d_interop as interop;
pub use a2d_report as report;
pub use a2d_run as run;
pub use a2d_run::config;
pub use a2d_score as score;
pub use a2d_study as study;
pub use a2d_system as system;
