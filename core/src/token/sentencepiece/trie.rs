//! The trie of the pieces.

/// The first byte of the paths of user-defined symbols.
pub const SYMBOLS: u8 = 0xfe;
/// The first byte of the paths of tokens for whole unknown runs.
pub const RUNS: u8 = 0xff;

/// The nodes, breadth first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trie<'a> {
    /// The first child of each node, and an end.
    pub firsts: &'a [[u8; 4]],
    /// The piece of each node.
    pub pieces: &'a [[u8; 2]],
    /// The last byte of the path to each node.
    pub labels: &'a [u8],
    /// The longest path, which bounds every walk.
    pub longest: u16,
}

/// A place in the trie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    node: u32,
    /// The bytes that the path may still have.
    left: u16,
}

impl Trie<'_> {
    /// At the root.
    pub fn root(&self) -> Walk {
        Walk { node: 0, left: self.longest }
    }

    /// After `byte`, if a path continues with it.
    pub fn step(&self, walk: Walk, byte: u8) -> Option<Walk> {
        let left = walk.left.checked_sub(1)?;
        let [start, end] = self.children(walk.node)?;
        let siblings = self.labels.get(start as usize..end as usize)?;
        let at = siblings.binary_search(&byte).ok()?;
        Some(Walk { node: start.checked_add(u32::try_from(at).ok()?)?, left })
    }

    /// After all `bytes`.
    pub fn steps(&self, walk: Walk, bytes: &[u8]) -> Option<Walk> {
        bytes.iter().try_fold(walk, |walk, byte| self.step(walk, *byte))
    }

    /// The piece whose text is the path.
    pub fn piece(&self, walk: Walk) -> Option<u16> {
        let piece = u16::from_le_bytes(*self.pieces.get(walk.node as usize)?);
        Some(piece).filter(|piece| *piece != super::NO_PIECE)
    }

    /// The children of a node: the first and the end.
    pub fn children(&self, node: u32) -> Option<[u32; 2]> {
        let [start, end, ..] = self.firsts.get(node as usize..)? else { return None };
        Some([*start, *end].map(u32::from_le_bytes))
    }
}
