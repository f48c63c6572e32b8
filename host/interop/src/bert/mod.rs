//! Folders of BERT models as Hugging Face's transformers and sentence-transformers write them.
//!
//! The model becomes a text model: `BertForSequenceClassification` gives labels, every other encoder vectors. Tokens are
//! reordered, so that the special ones have the numbers of this program, and labels are sorted by name; the rows of the
//! tables follow. Type 0 of the tokens becomes a part of the positions, so that a text without types needs none.

mod config;
mod folder;
mod import;
mod modules;
mod names;
mod text;
mod vocabulary;
mod weights;

pub use import::import;
pub use modules::is_of_modules;
pub use text::Text;
