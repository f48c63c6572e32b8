//! The labels of texts.

use super::{Encoder, LineForm, Subwords, Symbols};
use a2d_core::allow::Forbidden;
use a2d_system::error::{Error, Result};
use std::collections::HashMap;

/// The labels of texts: what a text model has in place of target subwords. A label is one token, numbered from 0; there are
/// no special tokens.
#[derive(Default)]
pub struct Labels {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    symbols: Symbols,
}

impl Labels {
    /// How names are normalised.
    pub const FORM: LineForm = LineForm::Nfc;

    /// The labels with these names, numbered in their order. Without names the texts have no labels; all their targets are
    /// 0.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a name that is repeated, empty or not normalised.
    pub fn new(names: Vec<String>) -> Result<Self> {
        let mut numbers = HashMap::with_capacity(names.len());
        for (name, number) in names.iter().zip(0..) {
            let sound = !name.is_empty() && Self::FORM.apply(name, &mut String::new()) == name;
            if !sound || numbers.insert(name.clone(), number).is_some() {
                return Err(Error::misuse(format!(
                    "{name:?} cannot be a label, or is one already"
                )));
            }
        }
        Ok(Self { names, numbers, symbols: Symbols::default() })
    }

    /// The names, by number; empty if the texts have no labels.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of a label, whose name need not be normalised.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(Self::FORM.apply(name, &mut String::new())).copied()
    }
}

impl Subwords for Labels {
    /// The number of labels; 1 if the texts have none.
    fn len(&self) -> usize {
        self.names.len().max(1)
    }

    fn piece(&self, id: u32) -> Option<&str> {
        self.names.get(usize::try_from(id).ok()?).map(String::as_str)
    }

    fn normalization(&self) -> LineForm {
        Self::FORM
    }

    fn has_byte_fallback(&self) -> bool {
        false
    }

    fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    fn forbidden(&self) -> Forbidden {
        Forbidden::NONE
    }

    /// The number of the label named `line`.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for an unknown label.
    fn encode(&self, line: &str) -> Result<Vec<u32>> {
        match self.number(line) {
            Some(number) => Ok(vec![number]),
            None if self.names.is_empty() => Ok(vec![0]),
            None => Err(Error::misuse(format!("the label {line:?} is unknown"))),
        }
    }

    fn encoder(&self) -> Box<dyn Encoder + '_> {
        Box::new(Numbers(self))
    }

    /// The names of labels, with a space between two.
    fn decode(&self, ids: &[u32]) -> Result<String> {
        let unknown = |id| Error::misuse(format!("there is no label {id}: {} labels", self.len()));
        let names = ids.iter().map(|&id| self.piece(id).ok_or_else(|| unknown(id)));
        Ok(names.collect::<Result<Vec<_>>>()?.join(" "))
    }

    fn tables(&self) -> Result<Vec<u8>> {
        Err(Error::misuse("labels have no table of subwords"))
    }
}

struct Numbers<'a>(&'a Labels);

impl Encoder for Numbers<'_> {
    fn normalization(&self) -> LineForm {
        Labels::FORM
    }

    fn encode_normal(&mut self, line: &str, ids: &mut Vec<u32>) -> Result<()> {
        ids.extend(self.0.encode(line)?);
        Ok(())
    }
}
