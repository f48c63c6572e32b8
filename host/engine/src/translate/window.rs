//! How many lines are translated at a time. They are sorted by length, so that few tokens of a batch are padding, and
//! come out together.

use super::SearchOptions;

/// Batches of the largest window. More would leave fewer batches half empty, but the lines of a slow model would come
/// out later.
const BATCHES: usize = 16;

/// Bytes of text per token: few, so that a window has about [`BATCHES`] batches or more.
const BYTES: usize = 4;

/// Most bytes of a window, whatever the size of a batch.
const MOST: usize = 16 << 20;

/// The first window is this part of a batch.
const FIRST: usize = 8;

/// The sizes of the windows, as room for [`Source::next`](super::source::Source::next). The first is small, so that lines
/// come out early; each other one has twice the room of the one before, up to [`BATCHES`] batches.
pub struct Window {
    room: usize,
    most: usize,
}

impl Window {
    /// The windows for batches of these options.
    pub fn new(options: &SearchOptions) -> Self {
        Self::of(options.max_tokens / options.search.beam.max(1))
    }

    /// The windows for batches of so many tokens.
    pub fn of(tokens: usize) -> Self {
        let batch = tokens.saturating_mul(BYTES).clamp(1, MOST / BATCHES);
        Self { room: batch.div_ceil(FIRST), most: batch * BATCHES }
    }

    /// The room of the next window.
    pub fn next(&mut self) -> usize {
        let room = self.room;
        self.room = self.most.min(2 * room);
        room
    }
}
