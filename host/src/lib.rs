//! The command line's library: corpora and vocabularies, the CPU backend, training, translation, scores.

#![deny(unsafe_code)]

pub mod backend;
pub mod bench;
pub mod cli;
pub mod commands;
pub mod config;
pub mod data;
pub mod export;
pub mod page;
pub mod panics;
pub mod report;
pub mod run;
pub mod score;
pub mod system;
pub mod train;
pub mod translate;
