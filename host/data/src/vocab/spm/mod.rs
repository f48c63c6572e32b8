//! SentencePiece models.

mod document;
mod joint;
mod model;
mod side;
mod tables;
mod trim;

pub(super) use document::Sides;
pub use joint::joint;
pub use model::{Kind, Model, Normalizer, Piece, Trainer, Type};
pub use side::Side;
pub(super) use side::Spm;
pub use tables::{Convention, Parts, tables};
pub use trim::{needed, trimmed};
