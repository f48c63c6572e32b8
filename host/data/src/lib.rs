//! Training data: vocabularies, token files, batches.

#![deny(unsafe_code)]

pub mod batches;
pub mod corpus;
pub mod prepare;
pub mod sentences;
pub mod task;
pub mod vocab;
