//! What each verb does.

pub mod average;
pub mod bench;
pub mod devices;
pub mod distill;
pub mod evaluate;
pub mod prepare;
mod stage;
pub mod summary;
pub mod train;
pub mod translate;
