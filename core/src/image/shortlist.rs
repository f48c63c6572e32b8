//! The target tokens that a source token may become.

use super::Error;
use crate::bits;
use crate::config::token::UNK;

/// The lexical shortlist: for each source token its likely target tokens, and a list of target tokens that are always
/// possible. The output projection then runs over the union of a sentence's lists, a few hundred rows, instead of the
/// whole vocabulary.
///
/// Section 5 of an image: C, the number of tokens that are always possible, and E, the number of entries (4 bytes
/// each); the first entry of each source token, V + 1 numbers, ascending from 0 to E (4 bytes each); the C tokens,
/// ascending, all special tokens among them (2 bytes each); the E entries (2 bytes each). Without alignment.
#[derive(Clone, Copy, Debug)]
pub struct Shortlist<'a> {
    starts: &'a [[u8; 4]],
    always: &'a [[u8; 2]],
    entries: &'a [[u8; 2]],
    sizes: Sizes,
}

/// The sizes that limit the rows of a sentence's shortlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The number of tokens that are always possible.
    pub always: usize,
    /// The maximum number of entries of a source token.
    pub each: usize,
}

impl Sizes {
    /// The maximum number of target tokens, out of `vocabulary`, for `source` source tokens.
    pub const fn most(&self, source: usize, vocabulary: usize) -> usize {
        let all = self.each.saturating_mul(source).saturating_add(self.always);
        if all < vocabulary { all } else { vocabulary }
    }
}

impl<'a> Shortlist<'a> {
    /// Reads and checks the bytes of a section.
    ///
    /// # Errors
    ///
    /// [`Error::Shortlist`].
    pub(super) fn new(bytes: &'a [u8], source: usize, target: usize) -> Result<Self, Error> {
        Self::laid_out(bytes, source).filter(|list| list.is_sound(target)).ok_or(Error::Shortlist)
    }

    fn laid_out(bytes: &'a [u8], source: usize) -> Option<Self> {
        let mut rest = bytes;
        let counts: &[[u8; 4]; 2] = take(&mut rest, 2)?.first_chunk()?;
        let [always, entries] = counts.map(|x| u32::from_le_bytes(x) as usize);
        let starts = take(&mut rest, source.checked_add(1)?)?;
        let (always, entries) = (take(&mut rest, always)?, take(&mut rest, entries)?);
        let each = lengths(starts).max().unwrap_or(0);
        let sizes = Sizes { always: always.len(), each };
        rest.is_empty().then_some(Self { starts, always, entries, sizes })
    }

    fn is_sound(&self, target: usize) -> bool {
        let bounds = [self.starts.first(), self.starts.last()];
        let bounds = bounds.map(|x| x.map_or(usize::MAX, |x| u32::from_le_bytes(*x) as usize));
        let tokens = || self.always.iter().map(|x| u16::from_le_bytes(*x));
        bounds == [0, self.entries.len()]
            && self.starts.is_sorted_by_key(|x| u32::from_le_bytes(*x))
            && tokens().is_sorted_by(|x, y| x < y)
            && tokens().take(UNK as usize + 1).map(u32::from).eq(0..=UNK)
            && tokens()
                .chain(self.entries.iter().map(|x| u16::from_le_bytes(*x)))
                .all(|id| usize::from(id) < target)
    }

    /// The sizes that limit the rows of a sentence's shortlist.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The tokens that are always possible, ascending.
    pub fn always(&self) -> impl Iterator<Item = usize> + use<'a> {
        self.always.iter().map(|x| usize::from(u16::from_le_bytes(*x)))
    }

    /// The tokens that `source` may become.
    pub fn of(&self, source: usize) -> impl Iterator<Item = usize> + use<'a> {
        let bounds = self.starts.get(source..).and_then(|starts| starts.first_chunk());
        let [start, end] = bounds.copied().unwrap_or_default().map(u32::from_le_bytes);
        let entries = self.entries.get(start as usize..end as usize).unwrap_or_default();
        entries.iter().map(|x| usize::from(u16::from_le_bytes(*x)))
    }

    /// Adds the tokens that a sentence of `source` tokens may become to a set of [`bits`].
    pub fn mark(&self, source: &[u32], set: &mut [u32]) {
        bits::set(set, self.always());
        for token in source {
            bits::set(set, self.of(*token as usize));
        }
    }
}

/// The number of entries of each source token.
fn lengths(starts: &[[u8; 4]]) -> impl Iterator<Item = usize> + '_ {
    let starts = || starts.iter().map(|x| u32::from_le_bytes(*x) as usize);
    starts().zip(starts().skip(1)).map(|(start, end)| end.saturating_sub(start))
}

/// Cuts `count` numbers off the front.
pub(super) fn take<'a, const N: usize>(rest: &mut &'a [u8], count: usize) -> Option<&'a [[u8; N]]> {
    let (numbers, after) = rest.split_at_checked(count.checked_mul(N)?)?;
    *rest = after;
    Some(numbers.as_chunks().0)
}
