//! SentencePiece models.

mod model;
mod tables;

pub use model::{Kind, Model, Normalizer, Piece, Trainer, Type};
pub use tables::{Convention, Parts, tables};
