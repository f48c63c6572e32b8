//! Models of Marian: an `.npz` file with SentencePiece models and perhaps a vocabulary beside it.

mod files;
mod import;
mod options;
mod vocabulary;
mod yaml;

pub use import::import;
