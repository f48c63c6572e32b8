//! To be filled: corpus.
