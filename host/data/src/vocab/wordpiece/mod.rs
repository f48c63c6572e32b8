//! WordPiece vocabularies: the tokens of BERT.

mod characters;
mod cut;
mod document;
mod model;
mod side;
mod tables;

pub(super) use document::is_in;
pub use model::{Model, Rules};
pub(super) use side::Words;
