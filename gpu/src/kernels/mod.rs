//! The kernels, one family a file, as in the CPU backend. Each kernel stands above the function that launches it, forward
//! above gradient; the kernels of attention have files of their own. `addends`, `cube`, `copy`, `layers`,
//! `pointwise`, `columns` and `products` are shared.
//!
//! Kernels never accumulate with atomics: the shapes alone decide the order of every sum.

pub(crate) mod adam;
pub(crate) mod addends;
pub(crate) mod align;
pub(crate) mod attend;
pub(crate) mod cast;
pub(crate) mod columns;
pub(crate) mod copy;
pub(crate) mod cube;
pub(crate) mod decode;
pub(crate) mod embed;
pub(crate) mod layers;
pub(crate) mod map_loss;
pub(crate) mod norm;
pub(crate) mod pointwise;
pub(crate) mod products;
pub(crate) mod relation_loss;
pub(crate) mod state_loss;
pub(crate) mod token_loss;
