//! The folder of a run: configuration, checkpoints, log, provenance, and the configured model.

#![deny(unsafe_code)]

pub mod average;
pub mod checkpoint;
pub mod config;
pub mod log;
pub mod model;
pub mod opened;
pub mod partial;
pub mod prepared;
pub mod proposal;
pub mod provenance;
pub mod run_dir;
pub mod tensorboard;
