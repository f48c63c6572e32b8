//! The verbs.

pub mod average;
pub mod bench;
pub mod compare;
pub mod completions;
pub mod config;
pub mod devices;
pub mod distill;
pub mod embed;
pub mod evaluate;
mod evaluate_texts;
pub mod export;
pub mod import;
pub mod init;
mod lineup;
pub mod man;
mod outlook;
pub mod predict;
pub mod prepare;
pub mod report;
pub mod score;
pub mod study;
mod teacher;
mod texts;
pub mod train;
pub mod translate;
pub mod watch;
