//! The HTML report about one or more runs: curves, scores, the learned alignment, attention, settings, and what the models
//! make of some lines: translations, labels or neighbours.
//!
//! The page is one self-contained file. Its data are JSON inside it, drawn by a script in four files: `draw.js`,
//! `learned.js`, `texts.js`, `page.js`. The same runs give the same bytes. The page notes missing files; only a folder without a
//! run is an error.

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
mod trimmed;
pub mod watch;

pub use history::{Best, History, Quality};
pub use jsonl::{LogLine, LogLines, number};
pub use numbers::base64;
