//! The kernels, one family a file, as in the CPU backend: each above the function that launches it, forward above
//! gradient; those of attention have files of their own. What several share is in `cube`, `pointwise` and `columns`.
//!
//! Nothing is atomic: every sum runs in an order that the shapes alone decide.

pub(crate) mod adam;
pub(crate) mod align;
pub(crate) mod attend;
pub(crate) mod cast;
pub(crate) mod columns;
pub(crate) mod cube;
pub(crate) mod decode;
pub(crate) mod embed;
pub(crate) mod map_loss;
pub(crate) mod norm;
pub(crate) mod pointwise;
pub(crate) mod token_loss;
