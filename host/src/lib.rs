//! The command line's library: corpora and vocabularies, the CPU backend, training, translation, scores.

#![deny(unsafe_code)]

pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod config;
pub mod corpus;
pub mod cpu;
pub mod data;
pub mod device;
pub mod display;
pub mod error;
pub mod export;
pub mod files;
#[cfg_attr(not(feature = "gpu"), path = "no_gpu.rs")]
pub mod gpu;
pub mod hash;
pub mod lock;
pub mod log;
pub mod model;
pub mod output;
pub mod panics;
pub mod partial;
pub mod prepare;
pub mod prepared;
pub mod provenance;
pub mod ranks;
pub mod report;
pub mod run_dir;
pub mod score;
pub mod sentences;
pub mod seq_kd;
pub mod signals;
pub mod tensorboard;
pub mod text;
pub mod train;
pub mod translate;
pub mod vocab;
