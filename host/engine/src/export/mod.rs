//! Export of a run to an image: a single file that a device runs in place. See [`a2d_core::image`] for the format.

mod compare;
mod constants;
mod image;
mod quantise;
mod request;
mod shortlist;
mod texts;

pub use compare::{Comparison, compare};
pub use constants::{Constants, Room, relative_path};
pub use image::{Beside, Weights, write, write_with};
pub use quantise::{int4, int8};
pub use request::{ExportRequest, Exported, open};
pub use shortlist::shortlist;
pub use texts::{TextExport, TextExported, TextLoss, open_text};
