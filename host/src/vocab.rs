//! To be filled: vocab.
