//! Text models: texts to labels or to vectors.

pub mod flow;
pub mod labels;
pub mod reader;

pub use labels::{Labelled, confusion};
pub use reader::{Read, Reader, read_lines};
