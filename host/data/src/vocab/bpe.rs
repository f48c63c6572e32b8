//! Byte-pair encoding, learnt jointly on both languages.
//!
//! Stored as `tokenizer.json` in the format of Hugging Face's `tokenizers`. Encoding a line:
//!
//! 1. normalise it by the vocabulary's [`LineForm`];
//! 2. replace spaces by `▁`, and prepend one `▁` unless the line already begins with one;
//! 3. cut the line around every symbol, at each character the longest that begins there; a symbol is one token;
//! 4. cut the rest before every `▁` and around every ASCII punctuation character;
//! 5. apply the merges within each piece.
//!
//! Symbols are texts that are kept whole, such as the placeholder `%s`. A vocabulary has those that matched the regular
//! expressions of `data.protect` in its training text, and finds them by their text: an unseen placeholder is encoded as
//! other text. They are the last tokens, and stand in `added_tokens` after the special tokens. Other libraries encode such
//! a vocabulary alike, except that they put no `▁` before a symbol at the start of a line.
//!
//! Microcontrollers (`a2d-core`) do the same. With byte fallback `decode(encode(line))` is the normalised line. With
//! [`LineForm::None`] there are two exceptions: a literal `▁` or a control character decodes to a space, and one
//! leading space (or `▁`) is lost. The names of special tokens (`</s>` …) in a text are plain text.

use super::decode::Pieces;
use super::document::{self, Kind};
use super::learn::learn_merges;
use super::tables::tables;
use super::words::{mark, pieces};
use super::{Encoder, LineForm, Subwords, Symbols, Words};
use a2d_core::allow::Forbidden;
use a2d_system::error::{Error, Result};
use serde_json::Value;
use tokenizers::pipeline::{
    EncodeOptions, Model, Override, PipelineModel, PipelineModelScratch, PipelineToken,
    PipelineTokenizer, Span,
};

/// The fewest tokens besides the special tokens and the 256 bytes.
const LEAST_PIECES: usize = 12;
/// The largest vocabulary. More is probably a typing error.
pub const LARGEST: usize = 1 << 22;

/// A byte-pair encoding of both languages.
pub struct Bpe {
    tokenizer: PipelineTokenizer,
    options: EncodeOptions,
    kind: Kind,
    pieces: Pieces,
    merges: Value,
    symbols: Symbols,
}

impl Bpe {
    /// Learns at most `size` subwords from piece counts, and returns the `tokenizer.json`. `go_on` is called ten times
    /// a second.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] if `size` is too small or more than [`LARGEST`]; the errors of `go_on`.
    pub fn learn(
        words: Words,
        size: usize,
        byte_fallback: bool,
        go_on: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<u8>> {
        let reserved = document::reserved(byte_fallback);
        let symbols = words.symbols().texts().to_vec();
        let least = reserved.len() + LEAST_PIECES + symbols.len();
        if size < least {
            let with = if byte_fallback { " with byte fallback" } else { "" };
            return Err(Error::misuse(format!(
                "a vocabulary of {size} is too small: at least {least}{with}"
            )));
        }
        if size > LARGEST {
            let text = format!("a vocabulary of {size} is too large: at most {LARGEST}");
            return Err(Error::misuse(text));
        }
        let kind = Kind { byte_fallback, normalization: words.normalization() };
        let words = words.most_frequent();
        let size = size - symbols.len();
        // Half for characters, so that a text of many rare characters still gets merges.
        let letters = (size - reserved.len()) / 2;
        let (ids, merges) = learn_merges(&words, letters, &reserved, size, go_on)?;
        let document = document::document(ids, merges, kind, &symbols);
        Ok(document.to_string().into_bytes())
    }

    /// From a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] unless [`Bpe::learn`] could have written the document.
    pub fn new(mut document: Value) -> Result<Self> {
        let (ids, kind, symbols) = document::checked(&document)?;
        let pieces = Pieces::new(ids, kind.byte_fallback);
        let tokenizer = tokenizers::from_json(&document::runnable(document.clone()).to_string())
            .map_err(|e| Error::misuse(format!("not a usable tokenizer.json: {e}")))?;
        let options = EncodeOptions {
            add_special_tokens: false,
            encode_special_tokens: true,
            padding: Override::Off,
            truncation: Override::Off,
        };
        let merges = document["model"]["merges"].take();
        Ok(Self { tokenizer, options, kind, pieces, merges, symbols })
    }
}

impl Subwords for Bpe {
    fn len(&self) -> usize {
        self.pieces.texts().len()
    }

    fn piece(&self, id: u32) -> Option<&str> {
        self.pieces.texts().get(usize::try_from(id).ok()?).map(String::as_str)
    }

    fn normalization(&self) -> LineForm {
        self.kind.normalization
    }

    fn has_byte_fallback(&self) -> bool {
        self.kind.byte_fallback
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    fn forbidden(&self) -> Forbidden {
        a2d_core::token::forbidden(self.kind.byte_fallback)
    }

    fn encode(&self, line: &str) -> Result<Vec<u32>> {
        if !self.symbols.is_empty() {
            // The library would prepend `▁` to the text after a symbol too.
            let mut ids = Vec::new();
            return self.encoder().encode(line, &mut ids).map(|()| ids);
        }
        let mut tokens = Vec::with_capacity(line.len() / 3 + 2);
        let mut buffer = String::new();
        let line = self.normalization().apply(line, &mut buffer);
        self.tokenizer
            .encode_into(line, &self.options, &mut tokens)
            .map_err(|e| Error::misuse(format!("cannot encode a line: {e}")))?;
        Ok(tokens.into_iter().map(u32::from).collect())
    }

    fn encoder(&self) -> Box<dyn Encoder + '_> {
        Box::new(Cached::new(self))
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        self.pieces.decode(ids).map_err(|id| {
            Error::misuse(format!("token {id} is outside the vocabulary of {}", self.len()))
        })
    }

    fn tables(&self) -> Result<Vec<u8>> {
        tables(self, self.pieces.texts(), &self.merges)
    }
}

/// An encoder that cuts pieces in one pass instead of 33 and keeps the library's cache of words.
struct Cached<'a> {
    model: &'a PipelineModel,
    symbols: &'a Symbols,
    /// The id of the first symbol.
    first: u32,
    scratch: PipelineModelScratch,
    normalization: LineForm,
    marked: String,
    spans: Vec<Span>,
    tokens: Vec<PipelineToken>,
}

impl<'a> Cached<'a> {
    fn new(bpe: &'a Bpe) -> Self {
        let model = bpe.tokenizer.get_model();
        Self {
            model,
            symbols: &bpe.symbols,
            first: (bpe.len() - bpe.symbols.len()) as u32,
            scratch: model.init_scratch(),
            normalization: bpe.kind.normalization,
            marked: String::new(),
            spans: Vec::new(),
            tokens: Vec::new(),
        }
    }
}

impl Encoder for Cached<'_> {
    fn normalization(&self) -> LineForm {
        self.normalization
    }

    fn encode_normal(&mut self, line: &str, ids: &mut Vec<u32>) -> Result<()> {
        mark(line, &mut self.marked);
        if u32::try_from(self.marked.len()).is_err() {
            return Err(Error::misuse("cannot encode a line of 4 GiB"));
        }
        for (text, symbol) in self.symbols.cut(&self.marked) {
            self.spans.clear();
            self.tokens.clear();
            let mut start = text.start as u32;
            for piece in pieces(&self.marked[text]) {
                let end = start + piece.len() as u32;
                self.spans.push(Span { start, end });
                start = end;
            }
            self.model
                .tokenize_spans(&self.marked, &self.spans, &mut self.scratch, &mut self.tokens)
                .map_err(|e| Error::misuse(format!("cannot encode a line: {e}")))?;
            ids.extend_from_slice(PipelineToken::cast_slice(&self.tokens));
            ids.extend(symbol.map(|symbol| self.first + symbol as u32));
        }
        Ok(())
    }
}
