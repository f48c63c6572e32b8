//! The working memory: one slice, used as a stack.

use super::error::Error;
use super::slices;
use crate::shape::Shape;
use zerocopy::{FromBytes, IntoBytes};

/// An activation in the arena.
#[derive(Debug)]
pub struct Slot {
    at: usize,
    shape: Shape,
    /// Whether a row is bytes and a scale (otherwise floats).
    packed: bool,
}

/// Words of a row of `cols` numbers as bytes, with their scale.
pub(super) const fn packed_words(cols: usize) -> usize {
    cols.div_ceil(size_of::<f32>()).saturating_add(1)
}

impl Slot {
    /// The extent.
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether a row is bytes and a scale (otherwise floats).
    pub(super) fn packed(&self) -> bool {
        self.packed
    }

    /// Words of a row.
    pub(super) fn stride(&self) -> usize {
        if self.packed { packed_words(self.shape.cols()) } else { self.shape.cols() }
    }

    pub(super) fn words(&self) -> usize {
        self.shape.rows().saturating_mul(self.stride())
    }

    fn end(&self) -> usize {
        self.at.saturating_add(self.words())
    }

    /// A slot outside the arena: every access fails.
    pub(super) fn nowhere(shape: Shape) -> Self {
        Self { at: usize::MAX, shape, packed: false }
    }
}

/// Integers in the arena.
#[derive(Clone, Debug)]
pub struct Words {
    at: usize,
    len: usize,
}

impl Words {
    /// Integers outside the arena: every access fails.
    pub(super) fn nowhere() -> Self {
        Self { at: usize::MAX, len: 0 }
    }
}

/// The memory of a backend. Everything below `top` is in use.
pub(super) struct Memory<'m> {
    words: &'m mut [f32],
    top: usize,
    peak: usize,
}

impl<'m> Memory<'m> {
    pub fn new(words: &'m mut [f32]) -> Self {
        Self { words, top: 0, peak: 0 }
    }

    /// The peak number of words in use.
    pub fn peak(&self) -> usize {
        self.peak
    }

    pub fn top(&self) -> usize {
        self.top
    }

    /// Frees everything above `top`.
    pub fn reset(&mut self, top: usize) {
        self.top = top;
    }

    fn take(&mut self, len: usize) -> Option<usize> {
        let (at, end) = (self.top, self.top.checked_add(len)?);
        if end > self.words.len() {
            return None;
        }
        self.top = end;
        self.peak = self.peak.max(end);
        Some(at)
    }

    /// Allocates an activation of floats, uninitialised.
    pub fn tensor(&mut self, shape: Shape) -> Option<Slot> {
        self.slot(shape, false)
    }

    /// Allocates an activation, uninitialised; with `packed`, a row is bytes and a scale.
    pub fn slot(&mut self, shape: Shape, packed: bool) -> Option<Slot> {
        let slot = Slot { at: self.top, shape, packed };
        let len = shape.rows().checked_mul(slot.stride())?;
        self.take(len).map(|_| slot)
    }

    /// Allocates integers that are already in place.
    pub fn adopt(&mut self, len: usize) -> Option<Words> {
        Some(Words { at: self.take(len)?, len })
    }

    /// Allocates and writes a list of integers.
    pub fn list(&mut self, len: usize, value: impl Fn(usize) -> u32) -> Option<Words> {
        let at = self.take(len)?;
        let words = self.words.get_mut(at..at.checked_add(len)?)?;
        let words = <[u32]>::mut_from_bytes(words.as_mut_bytes()).ok()?;
        words.iter_mut().enumerate().for_each(|(i, word)| *word = value(i));
        Some(Words { at, len })
    }

    pub fn integers(&self, of: &Words) -> Option<&[u32]> {
        Below(self.words).integers(of)
    }

    /// Integers to read, and integers above them to write.
    pub fn integers_mut(&mut self, x: &Words, y: &Words) -> Option<(&[u32], &mut [u32])> {
        let (low, high) = self.words.split_at_mut_checked(y.at)?;
        let words = high.get_mut(..y.len)?;
        let words = <[u32]>::mut_from_bytes(words.as_mut_bytes()).ok()?;
        Some((Below(low).integers(x)?, words))
    }

    pub fn get(&self, x: &Slot) -> Option<&[f32]> {
        self.words.get(x.at..x.end())
    }

    pub fn get_mut(&mut self, x: &Slot) -> Option<&mut [f32]> {
        self.words.get_mut(x.at..x.end())
    }

    /// The memory below `y`, to read; and the memory from `y` on, to write.
    pub fn split(&mut self, y: &Slot) -> Option<(Below<'_>, &mut [f32])> {
        let (low, high) = self.words.split_at_mut_checked(y.at)?;
        Some((Below(low), high))
    }

    /// Two slots to write, `y` above `x`; the memory below both, to read.
    pub fn pair_mut(&mut self, x: &Slot, y: &Slot) -> Option<(Between<'_>, &mut [f32])> {
        let (low, high) = self.words.split_at_mut_checked(y.at)?;
        let (below, data) = low.split_at_mut_checked(x.at)?;
        let data = data.get_mut(..x.words())?;
        Some((Between { below: Below(below), data }, high.get_mut(..y.words())?))
    }

    /// The memory below `y`, to read; `y`, to write; `x`, above `y`, to read.
    pub fn around(&mut self, y: &Slot, x: &Slot) -> Option<(Below<'_>, &mut [f32], &[f32])> {
        let (low, high) = self.words.split_at_mut_checked(y.at)?;
        let (data, above) = high.split_at_mut_checked(y.words())?;
        let [start, end] = [x.at, x.end()].map(|at| at.checked_sub(y.end()));
        Some((Below(low), data, above.get(start?..end?)?))
    }

    /// Two slots that do not overlap: one to read, one to write.
    pub fn pair(&mut self, x: &Slot, y: &Slot) -> Option<(&[f32], &mut [f32])> {
        if x.at < y.at {
            let (low, high) = self.words.split_at_mut_checked(y.at)?;
            Some((low.get(x.at..x.end())?, high.get_mut(..y.words())?))
        } else {
            let (low, high) = self.words.split_at_mut_checked(x.at)?;
            Some((high.get(..x.words())?, low.get_mut(y.at..y.end())?))
        }
    }

    /// Moves `x` down to `to` and frees everything above.
    pub fn settle(&mut self, x: Slot, to: usize) -> Option<Slot> {
        if x.at < to {
            return Some(x); // `x` is below `to` already
        }
        let end = to.checked_add(x.words())?;
        let by = x.at.checked_sub(to)?;
        slices::move_down(self.words.get_mut(to..x.end())?, by);
        self.top = end;
        Some(Slot { at: to, ..x })
    }

    /// The start of `x`, if it is the topmost slot; otherwise the top.
    pub fn floor(&self, x: &Slot) -> usize {
        if x.end() == self.top { x.at } else { self.top }
    }
}

/// A slot to write, and the memory below it.
pub(super) struct Between<'s> {
    pub data: &'s mut [f32],
    below: Below<'s>,
}

impl<'s> Between<'s> {
    /// The integers of `of`, which are below the slot.
    pub fn integers(&self, of: &Words) -> Option<&'s [u32]> {
        self.below.integers(of)
    }
}

/// Words as integers.
pub(super) fn integers(words: &mut [f32]) -> Result<&mut [u32], Error> {
    <[u32]>::mut_from_bytes(words.as_mut_bytes()).map_err(|_| Error::Fault)
}

/// The arena below a slot.
#[derive(Clone, Copy)]
pub(super) struct Below<'s>(&'s [f32]);

impl<'s> Below<'s> {
    pub fn get(self, x: &Slot) -> Option<&'s [f32]> {
        self.0.get(x.at..x.end())
    }

    pub fn integers(self, of: &Words) -> Option<&'s [u32]> {
        let words = self.0.get(of.at..of.at.checked_add(of.len)?)?;
        <[u32]>::ref_from_bytes(words.as_bytes()).ok()
    }
}
