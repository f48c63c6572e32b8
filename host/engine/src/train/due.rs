//! What is due after an update, and updates that are still to be shown.

use super::Unread;

/// What is due after an update, the same for all ranks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Due {
    /// The end, asked for by this signal.
    pub(super) stop: Option<i32>,
    /// A look at the updates that nobody has seen.
    pub(super) look: bool,
    /// A checkpoint.
    pub(super) save: bool,
    /// The end, as the time is up.
    pub(super) end: bool,
}

/// An update that nobody has looked at.
pub(super) struct Unseen<T> {
    pub(super) number: u64,
    pub(super) epoch: u64,
    pub(super) lr: f64,
    pub(super) unread: Unread<T>,
}
