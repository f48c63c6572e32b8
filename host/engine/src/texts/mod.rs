//! Text models: texts to labels or to vectors.

pub mod flow;
pub mod image;
pub mod labels;
pub mod reader;

pub use image::TextImage;
pub use labels::{Labelled, confusion};
pub use reader::{Read, Reader, read_lines};
