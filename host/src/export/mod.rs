//! What a device gets of a model.

pub mod tokenizer;
