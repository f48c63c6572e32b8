//! A SentencePiece model as the tables that `a2d_core::token` reads in place.

use super::model::{Kind, Model, Normalizer, Type};
use crate::vocab::{SPECIAL, UNK};
use a2d_core::token::sentencepiece::{
    Flag, Kind as Cut, MAGIC, NO_PIECE, RUNS, SYMBOLS, SentencePiece, VERSION,
};
use a2d_system::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Less than the smallest score: the score of an unknown character.
const UNKNOWN_PENALTY: f32 = 10.0;
/// The score of each byte of a user-defined symbol after the first.
const SYMBOL_SCORE: f32 = 0.1;
/// The text of an unknown token.
const UNKNOWN_SURFACE: &str = " \u{2047} ";
/// The longest entry of a character map in bytes.
const LONGEST_ENTRY: usize = 256;

/// How special tokens and unknown text are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// As by SentencePiece itself.
    Plain,
    /// As by Marian models: special tokens and a code in the text, unknown runs looked up in the vocabulary.
    Marian,
}

/// What tables are for. A device encodes source text and decodes target tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Only to encode.
    Source,
    /// Only to decode.
    Target,
    /// Both.
    Both,
}

/// The tables of `model` for the vocabulary `pieces`, special tokens included, in the order of its ids.
///
/// # Errors
///
/// [`Error::Misuse`] for a model or vocabulary that no device can use.
pub fn tables(
    model: &Model,
    pieces: &[String],
    convention: Convention,
    parts: Parts,
) -> Result<Vec<u8>> {
    let bytes = Writer::new(model, pieces, convention, parts)?.write()?;
    // Rejects here what a device would reject.
    SentencePiece::new(&bytes)
        .map_err(|e| Error::misuse(format!("no device can use this SentencePiece model: {e}")))?;
    Ok(bytes)
}

struct Writer<'m> {
    model: &'m Model,
    pieces: &'m [String],
    marian: bool,
    parts: Parts,
    ids: HashMap<&'m str, u16>,
    cut: Cut,
}

impl<'m> Writer<'m> {
    fn new(
        model: &'m Model,
        pieces: &'m [String],
        convention: Convention,
        parts: Parts,
    ) -> Result<Self> {
        let cut = match model.trainer.as_ref().map_or(Type::Unigram, |trainer| trainer.kind()) {
            Type::Unigram => Cut::Unigram,
            Type::Bpe => Cut::Merges,
            Type::Word | Type::Char => {
                return Err(unusable("it is neither a unigram model nor a byte-pair encoding"));
            }
        };
        if !pieces.iter().map(String::as_str).take(SPECIAL.len()).eq(SPECIAL) {
            return Err(unusable("the vocabulary does not begin with the special tokens"));
        }
        if cut == Cut::Merges && model.pieces.iter().any(|piece| piece.kind() == Kind::Unused) {
            return Err(unusable("a byte-pair encoding with unused pieces"));
        }
        if model.denormalizer.as_ref().is_some_and(|rules| !rules.charsmap.is_empty()) {
            return Err(unusable("it changes decoded text (denormalizer_spec)"));
        }
        small("token", pieces.len())?;
        let ids = pieces.iter().zip(0..).map(|(text, id)| (text.as_str(), id)).collect();
        Ok(Self { model, pieces, marian: convention == Convention::Marian, parts, ids, cut })
    }

    fn encodes(&self) -> bool {
        self.parts != Parts::Target
    }

    fn decodes(&self) -> bool {
        self.parts != Parts::Source
    }

    fn has_bytes(&self) -> bool {
        self.encodes() && self.model.trainer.as_ref().is_some_and(|trainer| trainer.byte_fallback)
    }

    fn write(&self) -> Result<Vec<u8>> {
        let scored = self.scored()?;
        let trie = Trie::new(&self.paths(&scored)?);
        let map = Map::new(self.model.normalizer.as_ref().filter(|_| self.encodes()))?;
        let (starts, texts) = self.texts()?;
        let longest_text = starts.windows(2).map(|two| (two[1] << 2 >> 2) - (two[0] << 2 >> 2));
        let longest_text = longest_text.max().unwrap_or(0) as usize;

        let mut out = MAGIC.to_vec();
        out.extend([VERSION, self.cut as u8, self.flags()]);
        out.extend(small("token", self.pieces.len())?.to_le_bytes());
        out.extend(small("piece", scored.len())?.to_le_bytes());
        out.extend(small("byte in one piece", trie.longest)?.to_le_bytes());
        out.extend(small("byte in one normalised text", map.longest_entry)?.to_le_bytes());
        out.extend(small("byte in one normal form", map.longest_form)?.to_le_bytes());
        out.extend(small("character in one normal form", map.growth)?.to_le_bytes());
        out.extend(small("byte in one piece", longest_text)?.to_le_bytes());
        let scores = [self.unknown_score(), SYMBOL_SCORE];
        out.extend(scores.iter().flat_map(|score| score.to_le_bytes()));
        for size in [trie.labels.len(), map.units.len() / 4, map.forms.len(), texts.len()] {
            out.extend(u32::try_from(size).map_err(|_| unusable("more than 4 GiB"))?.to_le_bytes());
        }
        out.extend(trie.firsts.iter().flat_map(|first| first.to_le_bytes()));
        out.extend(trie.pieces.iter().flat_map(|piece| piece.to_le_bytes()));
        out.extend(&trie.labels);
        if self.has_bytes() {
            let token = |byte: u8| self.id(&format!("<0x{byte:02X}>"));
            out.extend((0..=255).flat_map(|byte| token(byte).to_le_bytes()));
        }
        for (score, id, defined) in &scored {
            out.extend(score.to_le_bytes());
            out.extend(id.to_le_bytes());
            out.extend(u16::from(*defined).to_le_bytes());
        }
        out.extend(map.units);
        out.extend(map.forms);
        out.extend(starts.iter().flat_map(|start| start.to_le_bytes()));
        out.extend(texts);
        Ok(out)
    }

    fn id(&self, text: &str) -> u16 {
        self.ids.get(text).copied().unwrap_or(UNK as u16)
    }

    fn flags(&self) -> u8 {
        let trainer = self.model.trainer.as_ref();
        let normalizer = self.model.normalizer.as_ref();
        let setting = |of: fn(&Normalizer) -> Option<bool>| normalizer.and_then(of).unwrap_or(true);
        let flags = [
            (Flag::Dummy, setting(|rules| rules.dummy_prefix)),
            (Flag::Strip, setting(|rules| rules.strip)),
            (Flag::Escape, setting(|rules| rules.escape)),
            (Flag::Suffix, trainer.is_some_and(|trainer| trainer.whitespace_as_suffix)),
            (Flag::Bytes, self.has_bytes()),
            (Flag::Marian, self.marian),
            (Flag::Encodes, self.encodes()),
            (Flag::Decodes, self.decodes()),
        ];
        flags.iter().filter(|(_, set)| *set).map(|(flag, _)| *flag as u8).sum()
    }

    /// The score of an unknown character.
    fn unknown_score(&self) -> f32 {
        let normal = self.model.pieces.iter().filter(|piece| piece.kind() == Kind::Normal);
        normal.map(|piece| piece.score).fold(f32::MAX, f32::min) - UNKNOWN_PENALTY
    }

    /// The pieces of the encoder: score, token, whether it is a user-defined symbol. Behind them the tokens for whole
    /// unknown runs.
    fn scored(&self) -> Result<Vec<(f32, u16, bool)>> {
        if !self.encodes() {
            return Ok(Vec::new());
        }
        let mut scored: Vec<_> = self
            .known()
            .map(|piece| (piece.score, self.id(&piece.text), piece.kind() == Kind::UserDefined))
            .collect();
        scored.extend(self.runs().map(|text| (0.0, self.id(text), false)));
        match scored.len() < usize::from(NO_PIECE) {
            true => Ok(scored),
            false => Err(unusable("more than 65,534 pieces")),
        }
    }

    /// The pieces that text is cut into.
    fn known(&self) -> impl Iterator<Item = &'m super::Piece> {
        let known =
            |piece: &&super::Piece| matches!(piece.kind(), Kind::Normal | Kind::UserDefined);
        self.model.pieces.iter().filter(known)
    }

    /// The texts of unknown runs and of codes that are tokens.
    fn runs(&self) -> impl Iterator<Item = &'m str> {
        let known: HashSet<&str> = self.known().map(|piece| piece.text.as_str()).collect();
        let own = self.pieces.iter().skip(SPECIAL.len()).filter(|_| self.marian);
        let run = move |text: &&str| !known.contains(text) || text.starts_with(">>");
        own.map(String::as_str).filter(run)
    }

    /// The paths of the trie, and the number of the piece at the end of each.
    fn paths(&self, scored: &[(f32, u16, bool)]) -> Result<BTreeMap<Vec<u8>, u16>> {
        let mut paths = BTreeMap::new();
        if !self.encodes() {
            return Ok(paths);
        }
        let under = |label: u8, text: &str| [&[label], text.as_bytes()].concat();
        for (piece, at) in self.known().zip(0..) {
            if piece.text.is_empty() {
                return Err(unusable("an empty piece"));
            }
            if paths.insert(piece.text.clone().into_bytes(), at).is_some() {
                return Err(unusable(format!("the piece {:?} is there twice", piece.text)));
            }
            if piece.kind() == Kind::UserDefined {
                paths.insert(under(SYMBOLS, &piece.text), at);
            }
        }
        let first = scored.len() - self.runs().count();
        paths.extend(self.runs().zip(first as u16..).map(|(text, at)| (under(RUNS, text), at)));
        Ok(paths)
    }

    /// The starts of all texts, with their kinds, and the texts.
    fn texts(&self) -> Result<(Vec<u32>, Vec<u8>)> {
        let (mut starts, mut texts) = (Vec::new(), Vec::new());
        if !self.decodes() {
            return Ok((starts, texts));
        }
        let kinds = self.model.pieces.iter().map(|piece| (piece.text.as_str(), piece.kind()));
        let kinds: HashMap<&str, Kind> = kinds.collect();
        let surface = self.model.trainer.as_ref().and_then(|t| t.unknown_surface.as_deref());
        for (text, id) in self.pieces.iter().zip(0_u32..) {
            let start = u32::try_from(texts.len()).ok().filter(|start| start >> 30 == 0);
            let start = start.ok_or_else(|| unusable("more than 1 GiB of text"))?;
            let kind = match kinds.get(text.as_str()) {
                _ if id == UNK && !self.marian => {
                    texts.extend(surface.unwrap_or(UNKNOWN_SURFACE).as_bytes());
                    0
                }
                _ if (id as usize) < SPECIAL.len() => 1,
                Some(Kind::Control | Kind::Unknown) => 1,
                Some(Kind::Byte) => {
                    texts.push(byte(text)?);
                    2
                }
                _ => {
                    texts.extend(text.as_bytes());
                    0
                }
            };
            starts.push(start | kind << 30);
        }
        starts.push(texts.len() as u32);
        Ok((starts, texts))
    }
}

/// The byte of `<0x41>`.
fn byte(text: &str) -> Result<u8> {
    let digits = text.strip_prefix("<0x").and_then(|text| text.strip_suffix('>'));
    let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
    byte.ok_or_else(|| unusable(format!("the piece {text:?} is not a byte")))
}

/// A trie, breadth first.
#[derive(Default)]
struct Trie {
    firsts: Vec<u32>,
    pieces: Vec<u16>,
    labels: Vec<u8>,
    longest: usize,
}

impl Trie {
    fn new(paths: &BTreeMap<Vec<u8>, u16>) -> Self {
        let paths: Vec<(&[u8], u16)> = paths.iter().map(|(path, at)| (&**path, *at)).collect();
        let longest = paths.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
        let mut trie = Self { longest, ..Self::default() };
        // The paths below each node of a depth.
        let mut level = vec![(0_u8, &paths[..])];
        let mut next = 1;
        for depth in 0..=longest {
            let mut below = Vec::new();
            for (label, paths) in level {
                let ended = paths.first().filter(|(path, _)| path.len() == depth);
                trie.pieces.push(ended.map_or(NO_PIECE, |(_, at)| *at));
                trie.labels.push(label);
                trie.firsts.push(next);
                let longer = &paths[usize::from(ended.is_some())..];
                let groups = longer.chunk_by(|a, b| a.0[depth] == b.0[depth]);
                let before = below.len();
                below.extend(groups.map(|group| (group[0].0[depth], group)));
                next += (below.len() - before) as u32;
            }
            level = below;
        }
        trie.firsts.push(next);
        trie
    }
}

/// A character map.
#[derive(Default)]
struct Map<'m> {
    units: &'m [u8],
    forms: &'m [u8],
    longest_entry: usize,
    longest_form: usize,
    /// The most characters for one byte of text.
    growth: usize,
}

impl<'m> Map<'m> {
    fn new(rules: Option<&'m Normalizer>) -> Result<Self> {
        let charsmap = rules.map(|rules| &*rules.charsmap).unwrap_or_default();
        if charsmap.is_empty() {
            return Ok(Self { growth: 1, ..Self::default() });
        }
        let damaged = || unusable("its character map is damaged");
        let (size, rest) = charsmap.split_first_chunk().ok_or_else(damaged)?;
        let size = u32::from_le_bytes(*size) as usize;
        let (units, forms) = rest.split_at_checked(size).ok_or_else(damaged)?;
        let texts = str::from_utf8(forms).map_err(|_| damaged())?;
        if !size.is_multiple_of(4) || !texts.is_empty() && !texts.ends_with('\0') {
            return Err(damaged());
        }
        let longest_form = texts.split('\0').map(str::len).max().unwrap_or(0);
        let mut map = Self { units, forms, longest_entry: 0, longest_form, growth: 1 };
        map.measure(texts).ok_or_else(damaged)?;
        Ok(map)
    }

    fn unit(&self, at: u32) -> Option<u32> {
        let (units, _) = self.units.as_chunks();
        units.get(at as usize).map(|unit| u32::from_le_bytes(*unit))
    }

    /// Finds the longest entry and the growth; `None` for an endless map.
    fn measure(&mut self, texts: &str) -> Option<()> {
        let offset = |unit: u32| (unit >> 10) << ((unit & 1 << 9) >> 6);
        let mut seen = HashSet::new();
        let mut places = vec![(offset(self.unit(0)?), 0)];
        while let Some((base, len)) = places.pop() {
            // Equal ends of entries are shared.
            if !seen.insert((base, len)) {
                continue;
            }
            if len == LONGEST_ENTRY || seen.len() > self.units.len() {
                return None;
            }
            for label in 0..=255 {
                let Some(unit) = self.unit(base ^ label) else { continue };
                if unit & (1 << 31 | 0xff) != label {
                    continue;
                }
                let below = base ^ label ^ offset(unit);
                if unit & 1 << 8 != 0 {
                    let value = self.unit(below)? & !(1 << 31);
                    let form = texts.get(value as usize..)?.split('\0').next()?;
                    self.longest_entry = self.longest_entry.max(len + 1);
                    self.growth = self.growth.max(form.chars().count().div_ceil(len + 1));
                }
                places.push((below, len + 1));
            }
        }
        Some(())
    }
}

fn unusable(why: impl std::fmt::Display) -> Error {
    Error::misuse(format!("no device can use this SentencePiece model: {why}"))
}

/// Converts a count to 16 bits.
fn small(what: &str, number: usize) -> Result<u16> {
    u16::try_from(number).map_err(|_| unusable(format!("more than {} {what}s", u16::MAX)))
}
