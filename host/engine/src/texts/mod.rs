//! Text models: texts to labels or to vectors.

pub mod flow;
pub mod image;
pub mod labels;
mod likeness;
pub mod reader;

pub use image::TextImage;
pub use labels::{Best, Judged, Labelled, judge};
pub use likeness::Likeness;
pub use reader::{Read, Reader, read_lines};
