//! SentencePiece models.

mod model;
mod tables;

pub use model::{Kind, Model, Piece};
pub use tables::{Convention, Parts, tables};
