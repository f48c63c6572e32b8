//! SentencePiece models, on the host and on a device: `NAME.model`, and `NAME.json` with `cases`, `decode` and `bad_utf8`.

use crate::folders::{self, label};
use crate::values::{ids, json, line, rows, text};
use a2d_core::token::Error;
use a2d_core::token::sentencepiece::SentencePiece;
use a2d_host::data::vocab::spm::{Kind, Model, Piece, Type};
use a2d_host::data::vocab::{SPECIAL, Vocab};
use a2d_tests::helpers::skip::skipped;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

/// A model, and what SentencePiece gives for it.
pub struct Golden {
    /// The end of the path of the model.
    pub name: String,
    /// The path of the model.
    pub path: PathBuf,
    pub model: Model,
    /// The document with its cases.
    pub values: Value,
}

/// Every model that is supported. Others are reported as skipped; they must be refused.
pub fn all() -> &'static [Golden] {
    static ALL: OnceLock<Vec<Golden>> = OnceLock::new();
    ALL.get_or_init(found)
}

fn found() -> Vec<Golden> {
    let golden: Vec<_> = folders::files(".model")
        .filter(|(folder, name)| folder.join(format!("{name}.json")).is_file())
        .map(|(folder, name)| Golden {
            path: folder.join(format!("{name}.model")),
            model: Model::new(&fs::read(folder.join(format!("{name}.model"))).unwrap()).unwrap(),
            values: json(&folder.join(format!("{name}.json"))),
            name: label(&folder.join(&name)),
        })
        .filter(|golden| golden.values["cases"].is_array() && golden.is_supported())
        .collect();
    assert!(golden.len() >= 4, "{} SentencePiece models", golden.len());
    golden
}

impl Golden {
    fn is_supported(&self) -> bool {
        let Some(reason) = unsupported(&self.model) else { return true };
        let refused = Vocab::from_sentencepiece_files(&self.path, &self.path).err();
        let refused = refused.unwrap_or_else(|| panic!("{}: {reason}", self.name)).to_string();
        assert!(refused.contains(reason), "{}: {refused}", self.name);
        skipped(&format!("{}: {reason}", self.name));
        false
    }

    /// The vocabulary of the model for both sides, and the token of each of the model's own ids.
    fn vocabulary(&self) -> (Vocab, Vec<u32>) {
        let vocab = Vocab::from_sentencepiece_files(&self.path, &self.path).unwrap();
        let size = vocab.source().len() as u32;
        let known: HashMap<&str, u32> =
            (0..size).map(|id| (vocab.source().piece(id).unwrap(), id)).collect();
        let token = |piece: &Piece| match piece.kind() {
            Kind::Unknown => 3,
            _ => known[piece.text.as_str()],
        };
        let tokens = self.model.pieces.iter().map(token).collect();
        (vocab, tokens)
    }
}

/// Why a model is refused, as the message says it.
fn unsupported(model: &Model) -> Option<&'static str> {
    let kind = model.trainer.as_ref().map_or(Type::Unigram, |trainer| trainer.kind());
    let any = |of: &dyn Fn(&Piece) -> bool| model.pieces.iter().any(of);
    let is_text = |piece: &Piece| matches!(piece.kind(), Kind::Normal | Kind::UserDefined);
    match kind {
        Type::Word | Type::Char => Some("neither a unigram model nor a byte-pair encoding"),
        Type::Bpe if any(&|piece| piece.kind() == Kind::Unused) => Some("unused pieces"),
        _ if any(&|piece| is_text(piece) && SPECIAL.contains(&piece.text.as_str())) => {
            Some("the name of a special token")
        }
        _ if model.denormalizer.as_ref().is_some_and(|rules| !rules.charsmap.is_empty()) => {
            Some("it changes decoded text")
        }
        _ => None,
    }
}

/// The tokens of the ids of a case.
fn tokens(of: &[u32], case: &Value) -> Vec<u32> {
    ids(&case["ids"]).into_iter().map(|id| of[id]).collect()
}

/// The tokens of a line on a device.
pub fn encode(device: &SentencePiece<'_>, text: &[u8]) -> Vec<u32> {
    let mut out = vec![0xdead_beef; device.room(text.len())];
    let len = device.encode_bytes(text, &mut out).unwrap();
    out.truncate(len);
    out
}

/// The decoded text on a device, which a stream must give too.
fn decode(device: &SentencePiece<'_>, ids: &[u32]) -> String {
    let needed = match device.decode(ids, &mut []) {
        Ok(len) => len,
        Err(Error::Room { needed }) => needed,
        Err(e) => panic!("{ids:?}: {e}"),
    };
    let mut out = vec![0; needed];
    assert_eq!(device.decode(ids, &mut out), Ok(needed));
    let (mut stream, mut text) = (device.stream(), Vec::<u8>::new());
    let mut piece = vec![0; device.stream_bytes()];
    for id in ids {
        let len = stream.push(*id, &mut piece).unwrap();
        text.extend(&piece[..len]);
    }
    let len = stream.finish(&mut piece).unwrap();
    text.extend(&piece[..len]);
    assert_eq!(out, text, "{ids:?}");
    String::from_utf8(out).unwrap()
}

/// All differences of one test: each is reported.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, place: &str, found: &T, expected: &T) {
        if found != expected {
            self.0.push(format!("{place}: {found:?}, expected {expected:?}"));
        }
    }

    fn finish(self) {
        let shown = self.0.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(self.0.is_empty(), "{} differences\n{shown}", self.0.len());
    }
}

#[test]
fn every_line_has_the_tokens_of_sentencepiece() {
    let mut differences = Differences::default();
    for golden in all() {
        let (vocab, of) = golden.vocabulary();
        let tables = vocab.source().tables().unwrap();
        let device = SentencePiece::new(&tables).unwrap();
        let cases = rows(&golden.values, "cases");
        let lines: Vec<&str> = cases.iter().map(|case| text(case, "text")).collect();
        let encoded = vocab.source().encode_batch(&lines).unwrap();
        for ((case, line), encoded) in cases.iter().zip(&lines).zip(&encoded) {
            let (place, expected) = (format!("{} {line:?}", golden.name), tokens(&of, case));
            differences.compare(&place, encoded, &expected);
            differences.compare(&place, &vocab.source().encode(line).unwrap(), &expected);
            differences.compare(&place, &encode(&device, line.as_bytes()), &expected);
        }
        for case in rows(&golden.values, "bad_utf8") {
            let hex = text(case, "hex");
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
            let place = format!("{} bytes {hex}", golden.name);
            differences.compare(&place, &encode(&device, &bytes), &tokens(&of, case));
        }
    }
    differences.finish();
}

#[test]
fn every_list_of_tokens_has_the_text_of_sentencepiece() {
    let mut differences = Differences::default();
    for golden in all() {
        let (vocab, of) = golden.vocabulary();
        let tables = vocab.target().tables().unwrap();
        let device = SentencePiece::new(&tables).unwrap();
        for case in ["cases", "decode"].into_iter().flat_map(|list| rows(&golden.values, list)) {
            let (ids, expected) = (tokens(&of, case), line(text(case, "decoded")));
            let place = format!("{} {}", golden.name, case["ids"]);
            differences.compare(&place, &vocab.target().decode(&ids).unwrap(), &expected);
            differences.compare(&place, &decode(&device, &ids), &expected);
        }
    }
    differences.finish();
}
