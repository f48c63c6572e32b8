//! Folders of Hugging Face's Marian models: OPUS-MT and its like.

mod config;
mod import;
mod names;
mod vocabulary;
mod write;

pub use config::is_marian;
pub use import::import;
pub use write::{Options, write};
