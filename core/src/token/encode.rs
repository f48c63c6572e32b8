//! Text to tokens.

use super::error::Error;
use super::normal::Marked;
use super::tables::{SPECIAL, Tokenizer};
use super::{MARK, utf8};
use crate::config::token::UNK;

impl Tokenizer<'_> {
    /// Encodes a line to tokens, without a final `EOS`, at the beginning of `out`; returns the number of tokens, 0 if
    /// the normalised line is empty.
    ///
    /// A word is merged within `out`, which must hold the tokens before each word, and then one token for each
    /// character of the word (one for each byte of a character spelt as bytes). [`Tokenizer::room`] is sufficient for
    /// every vocabulary and text. For a text in NFC and a vocabulary with `▁`, the number of bytes of the text plus one
    /// is sufficient.
    ///
    /// Time is proportional to the text, and within one word to its length times the number of different merges in it:
    /// a few for a usual word, up to all M for a very long text without spaces. With symbols, each character is compared
    /// with up to S of them, and each that begins one with the characters after it, up to the length of the longest.
    ///
    /// # Errors
    ///
    /// [`Error::Room`].
    pub fn encode(&self, text: &str, out: &mut [u32]) -> Result<usize, Error> {
        match self.encode_front(text, out) {
            (tokens, None) => Ok(tokens),
            (_, Some(needed)) => Err(Error::Room { needed }),
        }
    }

    /// [`Tokenizer::encode`] of as many whole words of a line as fit in `out`. Returns the number of their tokens and,
    /// if the line did not fit, a sufficient size.
    pub fn encode_front(&self, text: &str, out: &mut [u32]) -> (usize, Option<usize>) {
        let mut word = Word { out, start: 0, end: 0 };
        let mut chars = self.normalization().marked(text);
        let mut cut = false;
        loop {
            let symbol = self.symbol(&chars);
            let Some(c) = chars.next() else { break };
            if cut || symbol.is_some() || opens(c) {
                self.close(&mut word);
            }
            cut = symbol.is_some() || c.is_ascii_punctuation();
            let fits = match symbol {
                Some((id, more)) => {
                    chars.by_ref().take(more).for_each(drop);
                    self.push(&mut word, id)
                }
                None => self.spell(c, |id| self.push(&mut word, id)),
            };
            if !fits {
                return (word.start, Some(self.enough(&word, c, chars)));
            }
        }
        self.close(&mut word);
        (word.end, None)
    }

    /// [`Tokenizer::encode`] of bytes that may not be UTF-8.
    ///
    /// # Errors
    ///
    /// [`Error::Utf8`] and [`Error::Room`].
    pub fn encode_bytes(&self, text: &[u8], out: &mut [u32]) -> Result<usize, Error> {
        let text =
            core::str::from_utf8(text).map_err(|error| Error::Utf8 { at: error.valid_up_to() })?;
        self.encode(text, out)
    }

    /// A number of tokens that is sufficient for any text of `bytes` bytes.
    pub const fn room(&self, bytes: usize) -> usize {
        // A space may become the three bytes of `▁`; NFC at most triples a text, as with U+1D160.
        bytes.saturating_add(1).saturating_mul(MARK.len_utf8())
    }

    /// A size of `out` that is sufficient for the rest of the text: the character `c` and those of `rest`.
    #[cold]
    fn enough(&self, word: &Word<'_>, c: char, rest: Marked<'_>) -> usize {
        let mut needed = word.end;
        // Bytes of the character `c` that are in `out` already are counted twice.
        for c in core::iter::once(c).chain(rest) {
            self.spell(c, |_| {
                needed = needed.saturating_add(1);
                true
            });
        }
        needed
    }

    /// The longest symbol at the front of `chars`, and how many characters it has after the first.
    fn symbol(&self, chars: &Marked<'_>) -> Option<(u16, usize)> {
        // The symbols `low..high` begin with the `len` bytes compared so far.
        let (mut low, mut high) = (self.symbols, self.tokens_with_text());
        let (mut len, mut more, mut found) = (0_usize, 0_usize, None);
        if low == high {
            return None;
        }
        for c in chars.clone() {
            let mut bytes = [0; 4];
            let bytes = utf8(if c == MARK { ' ' } else { c }, &mut bytes);
            while low < high && self.tail(low, len) < bytes {
                low = low.saturating_add(1);
            }
            while low < high && !self.tail(high.saturating_sub(1), len).starts_with(bytes) {
                high = high.saturating_sub(1);
            }
            if low == high {
                break;
            }
            len = len.saturating_add(bytes.len());
            // The shortest comes first.
            if self.tail(low, len).is_empty() {
                found = Some((low.saturating_add(self.reserved), more));
            }
            more = more.saturating_add(1);
        }
        found
    }

    /// The text of token `at`, counted among the tokens with text, after its first `len` bytes.
    fn tail(&self, at: u16, len: usize) -> &[u8] {
        self.bytes(at).and_then(|text| text.get(len..)).unwrap_or_default()
    }

    /// Calls `push` with the tokens of one character, until it returns false.
    fn spell(&self, c: char, mut push: impl FnMut(u16) -> bool) -> bool {
        if let Some(id) = self.character(c) {
            return push(id);
        }
        if !self.has_byte_fallback() {
            return push(UNK as u16);
        }
        let mut bytes = [0; 4];
        let mut bytes = utf8(c, &mut bytes).iter();
        bytes.all(|byte| push(SPECIAL.saturating_add(u16::from(*byte))))
    }

    /// Appends a token to the word, if it fits.
    fn push(&self, word: &mut Word<'_>, id: u16) -> bool {
        let Some(slot) = word.out.get_mut(word.end) else { return false };
        *slot = Symbol { id, rank: NONE }.pack();
        if word.end > word.start {
            self.join(word.out, word.end.wrapping_sub(1));
        }
        word.end = word.end.saturating_add(1);
        true
    }

    /// Computes the rank of the symbol at index `at` and the next symbol.
    fn join(&self, symbols: &mut [u32], at: usize) -> u16 {
        let Some([left, right]) = symbols.get_mut(at..).and_then(|rest| rest.first_chunk_mut())
        else {
            return NONE;
        };
        let id = Symbol::unpack(*left).id;
        let merge = self.merge(id, Symbol::unpack(*right).id);
        let rank = merge.map_or(NONE, |merge| merge.rank);
        *left = Symbol { id, rank }.pack();
        rank
    }

    /// Merges the word as far as possible, writes its tokens, and begins the next word.
    fn close(&self, word: &mut Word<'_>) {
        let symbols = word.out.get_mut(word.start..word.end).unwrap_or_default();
        let mut lowest = symbols.iter().map(|symbol| Symbol::unpack(*symbol).rank).min();
        let mut len = symbols.len();
        while let Some(rank) = lowest.filter(|rank| *rank != NONE) {
            let symbols = symbols.get_mut(..len).unwrap_or_default();
            let pass = self.pass(symbols, rank);
            // In checked tables every rank merges at least one pair.
            lowest = Some(pass.lowest).filter(|_| pass.len < len);
            len = pass.len;
        }
        for symbol in symbols.iter_mut().take(len) {
            *symbol = u32::from(Symbol::unpack(*symbol).id);
        }
        word.end = word.start.saturating_add(len);
        word.start = word.end;
    }

    /// Merges the pairs of rank `rank`, the lowest of the word, from left to right.
    ///
    /// Stops when a merge makes a pair of the same or a lower rank, which may come before the remaining pairs.
    fn pass(&self, symbols: &mut [u32], rank: u16) -> Pass {
        let (mut read, mut pass) = (0_usize, Pass { len: 0, lowest: NONE });
        let mut merging = true;
        while let Some(symbol) = symbols.get(read).copied().map(Symbol::unpack) {
            let next = read.saturating_add(1);
            let right = symbols.get(next).copied().map(Symbol::unpack);
            let merge = right
                .filter(|_| merging && symbol.rank == rank)
                .and_then(|right| self.merge(symbol.id, right.id));
            let Some(merge) = merge else {
                pass.keep(symbols, symbol);
                read = next;
                continue;
            };
            // The result takes the place of the right half, so that it is next to the following symbol.
            if let Some(slot) = symbols.get_mut(next) {
                *slot = Symbol { id: merge.result, rank: NONE }.pack();
            }
            let after = self.join(symbols, next);
            let before = pass.rejoin(symbols, |left| {
                self.merge(left, merge.result).map_or(NONE, |merge| merge.rank)
            });
            let result = Symbol { id: merge.result, rank: after };
            pass.keep(symbols, result);
            merging = after.min(before) > rank;
            read = next.saturating_add(1);
        }
        pass.lowest = pass.lowest.min(pass.last_rank(symbols));
        pass
    }
}

/// The symbols of the current word, `start..end` of `out`; the tokens before it are final.
struct Word<'o> {
    out: &'o mut [u32],
    start: usize,
    end: usize,
}

/// One pass over a word: the number of symbols kept, and the lowest rank of all of them but the last, whose rank may
/// still change.
struct Pass {
    len: usize,
    lowest: u16,
}

impl Pass {
    /// Appends a symbol to the kept symbols.
    fn keep(&mut self, symbols: &mut [u32], symbol: Symbol) {
        self.lowest = self.lowest.min(self.last_rank(symbols));
        if let Some(slot) = symbols.get_mut(self.len) {
            *slot = symbol.pack();
        }
        self.len = self.len.saturating_add(1);
    }

    /// Updates the rank of the last kept symbol for its new neighbour.
    fn rejoin(&self, symbols: &mut [u32], rank: impl Fn(u16) -> u16) -> u16 {
        let last = self.len.checked_sub(1).and_then(|last| symbols.get_mut(last));
        last.map_or(NONE, |last| {
            let id = Symbol::unpack(*last).id;
            let rank = rank(id);
            *last = Symbol { id, rank }.pack();
            rank
        })
    }

    fn last_rank(&self, symbols: &[u32]) -> u16 {
        let last = self.len.checked_sub(1).and_then(|last| symbols.get(last));
        last.map_or(NONE, |last| Symbol::unpack(*last).rank)
    }
}

/// The rank of a pair without a merge: ranks are below M, which is at most this number.
const NONE: u16 = u16::MAX;

/// A token of a word, and the rank of its merge with the next token, packed into one `u32`.
#[derive(Clone, Copy)]
struct Symbol {
    id: u16,
    rank: u16,
}

impl Symbol {
    fn pack(self) -> u32 {
        u32::from(self.rank) << 16 | u32::from(self.id)
    }

    fn unpack(packed: u32) -> Self {
        Self { id: packed as u16, rank: (packed >> 16) as u16 }
    }
}

/// Whether a piece begins at this character, regardless of the character before it.
fn opens(c: char) -> bool {
    c == MARK || c.is_ascii_punctuation()
}
