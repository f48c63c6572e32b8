//! To be filled: prepare.
