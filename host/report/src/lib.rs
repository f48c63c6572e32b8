//! The page about a run or several: curves, scores, the learned alignment, attention, translations, settings.
//!
//! The page is one file that asks for nothing from anywhere. Its numbers are JSON inside it, drawn by a script in three
//! files: `draw.js`, `learned.js`, `page.js`. The same runs give the same bytes. What a run lacks is said on the page;
//! only what is no run at all is an error.

#![deny(unsafe_code)]

pub mod alignment;
mod history;
pub mod html;
mod jsonl;
pub mod numbers;
mod provenance;
pub mod sentences;
mod settings;
pub mod subject;
pub mod watch;

pub use history::History;
pub use jsonl::{Line, Lines, number};
pub use numbers::base64;
pub use provenance::quoted;
