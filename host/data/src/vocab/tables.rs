//! A byte-pair encoding as the tables that `a2d_core::token` reads in place.

use super::{LineForm, SPECIAL, Subwords};
use a2d_core::token::{BYTES, MAGIC, Normalization, Tokenizer, VERSION};
use a2d_system::error::{Error, Result};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A pair of tokens.
type Pair = (u16, u16);

/// The tables of an encoding with these texts, by id, and merges, in the layout of [`a2d_core::token`].
///
/// # Errors
///
/// Misuse: the vocabulary has more than 65,535 tokens or merges, or a merge of special tokens. Vocabularies learned by
/// this program have no such merge.
pub(super) fn tables(of: &impl Subwords, texts: &[String], merges: &Value) -> Result<Vec<u8>> {
    let reserved = SPECIAL.len() + if of.has_byte_fallback() { usize::from(BYTES) } else { 0 };
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let merges = self::merges(merges, &texts)?;
    let form = match of.normalization() {
        LineForm::None => Normalization::None,
        LineForm::Nfc => Normalization::Nfc,
        LineForm::Nfkc => Normalization::Nfkc,
    };
    let symbols = small("symbol", of.symbols().len())?;
    let bytes = lay_out(&texts, reserved, &merges, form, symbols)?;
    // Rejects here any foreign vocabulary that a device would reject.
    Tokenizer::new(&bytes)
        .map_err(|e| Error::misuse(format!("no device can use this vocabulary: {e}")))?;
    Ok(bytes)
}

/// Rank and result of each merge, ordered by left token, then by right token.
fn merges(listed: &Value, texts: &[&str]) -> Result<BTreeMap<Pair, Pair>> {
    let ids: HashMap<&str, usize> =
        texts.iter().enumerate().map(|(id, text)| (*text, id)).collect();
    let mut merges = BTreeMap::new();
    for (rank, merge) in listed.as_array().into_iter().flatten().enumerate() {
        let unusable = || Error::misuse(format!("the merge {merge} is of unknown tokens"));
        let [left, right] = halves(merge).ok_or_else(unusable)?;
        let joined = format!("{left}{right}");
        let id = |text: &str| ids.get(text).ok_or_else(unusable).and_then(|id| small("token", *id));
        // If a pair is listed twice, `tokenizers` uses the later merge.
        merges.insert((id(left)?, id(right)?), (small("merge", rank)?, id(&joined)?));
    }
    Ok(ranked(merges))
}

/// Renumbers the ranks to 0, 1, 2 … without gaps.
fn ranked(mut merges: BTreeMap<Pair, Pair>) -> BTreeMap<Pair, Pair> {
    let mut order: Vec<u16> = merges.values().map(|(rank, _)| *rank).collect();
    order.sort_unstable();
    for (rank, _) in merges.values_mut() {
        *rank = order.partition_point(|other| other < rank) as u16;
    }
    merges
}

fn halves(merge: &Value) -> Option<[&str; 2]> {
    match merge.as_array()?.as_slice() {
        [left, right] => Some([left.as_str()?, right.as_str()?]),
        _ => None,
    }
}

/// Serialises all tables in the order of the format.
fn lay_out(
    texts: &[&str],
    reserved: usize,
    merges: &BTreeMap<Pair, Pair>,
    form: Normalization,
    symbols: u16,
) -> Result<Vec<u8>> {
    let own = texts.get(reserved..).unwrap_or_default();
    let characters = characters(own, reserved)?;
    let size: usize = own.iter().map(|text| text.len()).sum();
    let size = u32::try_from(size).map_err(|_| Error::misuse("a vocabulary of 4 GiB of text"))?;

    let mut bytes = MAGIC.to_vec();
    // The oldest version that has all this: older programs can read it.
    let version = match (symbols, form) {
        (0, Normalization::None) => 1,
        (0, _) => 2,
        _ => VERSION,
    };
    bytes.extend([version, u8::from(reserved > SPECIAL.len()), form.code()]);
    bytes.extend(small("token", texts.len())?.to_le_bytes());
    bytes.extend(small("token", characters.len())?.to_le_bytes());
    bytes.extend(small("merge", merges.len())?.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    let mut start = 0_u32;
    for text in own {
        bytes.extend(start.to_le_bytes());
        start += text.len() as u32;
    }
    bytes.extend(start.to_le_bytes());
    let lefts: Vec<u16> = merges.keys().map(|(left, _)| *left).collect();
    for id in reserved..=texts.len() {
        let before = lefts.partition_point(|left| usize::from(*left) < id);
        bytes.extend(small("merge", before)?.to_le_bytes());
    }
    for (code, id) in characters {
        bytes.extend(code.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    for ((_, right), (rank, result)) in merges {
        bytes.extend([right, rank, result].iter().flat_map(|number| number.to_le_bytes()));
    }
    if symbols > 0 {
        bytes.extend(symbols.to_le_bytes());
    }
    own.iter().for_each(|text| bytes.extend(text.as_bytes()));
    Ok(bytes)
}

/// Code point and id of each single-character token, ordered by code point.
fn characters(own: &[&str], reserved: usize) -> Result<BTreeMap<u32, u16>> {
    let mut characters = BTreeMap::new();
    for (at, text) in own.iter().enumerate() {
        let mut chars = text.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            characters.insert(u32::from(c), small("token", reserved + at)?);
        }
    }
    Ok(characters)
}

/// Converts a count or an id to 16 bits.
fn small(what: &str, number: usize) -> Result<u16> {
    u16::try_from(number)
        .map_err(|_| Error::misuse(format!("too many {what}s for a device: at most {}", u16::MAX)))
}
