//! Byte-pair encodings: neighbours merge, the piece with the largest score first.

use super::super::utf8;
use super::normal::Normal;
use super::tables::{NO_PIECE, SentencePiece};
use super::tokens::Tokens;
use super::trie::{SYMBOLS, Walk};

/// The symbols of a window, four words for each character: the character; the lengths of the symbols that begin and
/// that end there; the piece of the symbol and its right neighbour; the place of the best pair of an inner node of the
/// tournament.
struct Window<'w> {
    words: &'w mut [[u32; 4]],
}

impl SentencePiece<'_> {
    /// Appends the tokens of a text; the error is the number of characters that did not fit.
    pub(super) fn merge(
        &self,
        mut text: Normal<'_>,
        tokens: &mut Tokens<'_, '_>,
    ) -> Result<(), usize> {
        let (mut count, mut reach) = (0_usize, 0_usize);
        loop {
            if let Some((piece, more)) = self.defined(text.clone()) {
                self.finish(count, tokens);
                (count, reach) = (0, 0);
                if tokens.free(0).is_none() {
                    return Err(text.count());
                }
                tokens.push_piece(piece);
                text.by_ref().take(more).for_each(drop);
                continue;
            }
            let longest = self.longest(text.clone());
            let Some(c) = text.next() else { break };
            let next = count.saturating_add(1);
            match tokens.free(next).and_then(|words| words.as_chunks_mut().0.get_mut(count)) {
                Some(slot) => *slot = [u32::from(c), pack(1, 1), 0, 0],
                None => return Err(count.saturating_add(1).saturating_add(text.count())),
            }
            reach = reach.max(count.saturating_add(longest));
            count = next;
            if count >= reach {
                self.finish(count, tokens);
                (count, reach) = (0, 0);
            }
        }
        self.finish(count, tokens);
        Ok(())
    }

    /// The characters of the longest piece at the front of `text`, at least one.
    fn longest(&self, text: Normal<'_>) -> usize {
        let found = self.along(self.trie.root(), text);
        found.map_or(1, |(_, count)| count)
    }

    /// The longest user-defined symbol at the front of `text`, and its characters.
    fn defined(&self, text: Normal<'_>) -> Option<(u16, usize)> {
        self.along(self.trie.step(self.trie.root(), SYMBOLS)?, text)
    }

    /// The last piece along a path, and its characters.
    fn along(&self, mut walk: Walk, text: Normal<'_>) -> Option<(u16, usize)> {
        let mut found = None;
        for (count, c) in (1..).zip(text) {
            let mut buffer = [0; 4];
            let Some(next) = self.trie.steps(walk, utf8(c, &mut buffer)) else { break };
            walk = next;
            found = self.trie.piece(walk).map(|piece| (piece, count)).or(found);
        }
        found
    }

    /// Merges the symbols of a window, and appends their tokens.
    fn finish(&self, count: usize, tokens: &mut Tokens<'_, '_>) {
        let Some(words) = tokens.free(count) else { return };
        let mut window =
            Window { words: words.as_chunks_mut().0.get_mut(..count).unwrap_or_default() };
        window.merge(self);
        let start = tokens.len;
        let mut at = 0_usize;
        while at < count {
            let words = tokens.out.get(start.saturating_add(at.saturating_mul(4))..);
            let Some([c, lengths, piece, _]) = words.and_then(|words| words.first_chunk()).copied()
            else {
                return;
            };
            match piece as u16 {
                NO_PIECE => tokens.push_unknown(char::from_u32(c).unwrap_or_default()),
                piece => tokens.push_piece(piece),
            }
            at = at.saturating_add(unpack(lengths)[0].max(1));
        }
    }
}

impl Window<'_> {
    /// Merges as long as two neighbours form a piece. Then the third word of a symbol is its own piece.
    fn merge(&mut self, tables: &SentencePiece<'_>) {
        let count = self.words.len();
        (0..count).for_each(|at| self.pair(tables, at));
        (1..count).rev().for_each(|node| self.play(tables, node));
        while let Some(left) = self.best(1).filter(|left| self.piece(*left) != NO_PIECE) {
            let len = self.lengths(left)[0];
            let right = left.saturating_add(len);
            let both = len.saturating_add(self.lengths(right)[0]);
            self.set_length(left, both);
            // The right half begins no symbol any more.
            self.set_piece(right, NO_PIECE);
            self.renew(tables, right, false);
            self.renew(tables, left, true);
            if let Some(before) = left.checked_sub(1) {
                let before = left.saturating_sub(self.lengths(before)[1]);
                self.renew(tables, before, true);
            }
        }
        let mut at = 0_usize;
        while at < count {
            let len = self.lengths(at)[0].max(1);
            let piece = self.read(tables, at, len);
            self.set_piece(at, piece);
            at = at.saturating_add(len);
        }
    }

    /// Finds the piece of the symbol at `at` and the next one.
    fn pair(&mut self, tables: &SentencePiece<'_>, at: usize) {
        let len = self.lengths(at)[0];
        let right = at.saturating_add(len);
        let piece = match right < self.words.len() {
            true => self.read(tables, at, len.saturating_add(self.lengths(right)[0])),
            false => NO_PIECE,
        };
        self.set_piece(at, piece);
    }

    /// The piece of `len` characters from `at` on.
    fn read(&self, tables: &SentencePiece<'_>, at: usize, len: usize) -> u16 {
        let characters = self.words.iter().skip(at).take(len);
        let walk = characters.into_iter().try_fold(tables.trie.root(), |walk, [c, ..]| {
            let mut buffer = [0; 4];
            tables.trie.steps(walk, utf8(char::from_u32(*c).unwrap_or_default(), &mut buffer))
        });
        walk.and_then(|walk| tables.trie.piece(walk)).unwrap_or(NO_PIECE)
    }

    /// Replays the matches of the symbol at `at`.
    fn renew(&mut self, tables: &SentencePiece<'_>, at: usize, pair: bool) {
        if pair {
            self.pair(tables, at);
        }
        let mut node = at.saturating_add(self.words.len()) / 2;
        while node > 0 {
            self.play(tables, node);
            node /= 2;
        }
    }

    /// The winner of an inner node: the pair with the larger score, or the left one.
    fn play(&mut self, tables: &SentencePiece<'_>, node: usize) {
        let first = node.saturating_mul(2);
        let players = [self.best(first), self.best(first.saturating_add(1))];
        let score = |at: usize| tables.scored(self.piece(at)).map(|piece| piece.score);
        let winner = match players {
            [Some(a), Some(b)] => match (score(a), score(b)) {
                (Some(x), Some(y)) if x == y => a.min(b),
                (Some(x), Some(y)) => {
                    if x > y {
                        a
                    } else {
                        b
                    }
                }
                (None, _) => b,
                (_, None) => a,
            },
            [Some(a), None] | [None, Some(a)] => a,
            [None, None] => return,
        };
        if let Some(words) = self.words.get_mut(node) {
            words[3] = winner as u32;
        }
    }

    /// The winner of a node: of an inner node, or a leaf itself.
    fn best(&self, node: usize) -> Option<usize> {
        match node.checked_sub(self.words.len()) {
            Some(leaf) => Some(leaf).filter(|leaf| *leaf < self.words.len()),
            None => self.words.get(node).map(|words| words[3] as usize),
        }
    }

    fn piece(&self, at: usize) -> u16 {
        self.words.get(at).map_or(NO_PIECE, |words| words[2] as u16)
    }

    fn set_piece(&mut self, at: usize, piece: u16) {
        if let Some(words) = self.words.get_mut(at) {
            words[2] = u32::from(piece);
        }
    }

    /// The lengths of the symbols that begin and that end at `at`.
    fn lengths(&self, at: usize) -> [usize; 2] {
        self.words.get(at).map_or([1; 2], |words| unpack(words[1]))
    }

    /// Sets the length of the symbol at `at`, at both its ends.
    fn set_length(&mut self, at: usize, len: usize) {
        let last = at.saturating_add(len).saturating_sub(1);
        if let Some(words) = self.words.get_mut(at) {
            words[1] = pack(len, unpack(words[1])[1]);
        }
        if let Some(words) = self.words.get_mut(last) {
            words[1] = pack(unpack(words[1])[0], len);
        }
    }
}

fn pack(begins: usize, ends: usize) -> u32 {
    begins as u32 & 0xffff | (ends as u32) << 16
}

fn unpack(lengths: u32) -> [usize; 2] {
    [(lengths & 0xffff) as usize, (lengths >> 16) as usize]
}
