//! The command line's library: corpora and vocabularies, the CPU backend, training, translation, scores.

#![deny(unsafe_code)]

pub mod config;
pub mod corpus;
pub mod cpu;
pub mod data;
pub mod error;
pub mod files;
pub mod prepare;
pub mod score;
pub mod vocab;
