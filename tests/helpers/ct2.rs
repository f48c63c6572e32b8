//! Reads a `model.bin` of CTranslate2, as its own reader does.

use std::collections::BTreeMap;

/// A variable of a file: sizes, type, bytes.
pub type Variable = (Vec<usize>, u8, Vec<u8>);

/// A file's variables and aliases.
#[derive(Debug, PartialEq)]
pub struct File {
    /// By name.
    pub variables: BTreeMap<String, Variable>,
    /// Names of the same bytes, and the names that keep them.
    pub aliases: BTreeMap<String, String>,
}

/// Reads `model.bin`.
///
/// # Panics
///
/// The bytes are not such a file.
pub fn parse(bytes: &[u8]) -> File {
    let mut rest = bytes;
    assert_eq!(
        (int(&mut rest), text(&mut rest).as_str(), int(&mut rest)),
        (6, "TransformerSpec", 7)
    );
    let mut variables = BTreeMap::new();
    for _ in 0..int(&mut rest) {
        let name = text(&mut rest);
        let rank = take(&mut rest, 1)[0];
        let shape = (0..rank).map(|_| int(&mut rest)).collect();
        let kind = take(&mut rest, 1)[0];
        let len = int(&mut rest);
        assert!(variables.last_key_value().is_none_or(|(last, _)| *last < name), "{name}");
        variables.insert(name, (shape, kind, take(&mut rest, len).to_vec()));
    }
    let aliases = (0..int(&mut rest)).map(|_| (text(&mut rest), text(&mut rest))).collect();
    assert!(rest.is_empty());
    File { variables, aliases }
}

fn take<'b>(rest: &mut &'b [u8], len: usize) -> &'b [u8] {
    let (taken, left) = rest.split_at(len);
    *rest = left;
    taken
}

fn int(rest: &mut &[u8]) -> usize {
    u32::from_le_bytes(take(rest, 4).try_into().unwrap()) as usize
}

fn text(rest: &mut &[u8]) -> String {
    let len = u16::from_le_bytes(take(rest, 2).try_into().unwrap());
    String::from_utf8(take(rest, len.into()).strip_suffix(&[0]).unwrap().to_vec()).unwrap()
}
