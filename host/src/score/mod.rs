//! Corpus scores.
