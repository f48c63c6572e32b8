//! A model whose weights lie in an image.

use super::backend::Parameter;
use super::need::{Limits, arena_bytes_with};
use crate::config::Config;
use crate::image::{Error, Format, Image, Weight};
use crate::nn::Transformer;
use crate::params::Spec;
use crate::token::Tokenizer;

/// A model with up to N layers on each side, run in place. It holds the numbers of its parameters, 2 bytes each, and
/// no weight.
pub struct Model<'a, const N: usize = 6> {
    image: Image<'a>,
    transformer: Transformer<Parameter, N>,
    tokenizer: Option<Tokenizer<'a>>,
    quantised: bool,
}

impl<'a, const N: usize> Model<'a, N> {
    /// Checks an image, once and whole; afterwards nothing about it can fail.
    ///
    /// # Errors
    ///
    /// It is no image, damaged, of another version, or has more than N layers.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let image = Image::new(bytes)?;
        let mut checked = Checked { count: 0, floats: false, quantised: false };
        let transformer = Transformer::try_new(image.config(), &mut |_, spec| {
            let weight = image.weights().get(usize::from(checked.count));
            checked.next(spec, weight.ok_or(Error::Directory)?)
        })?;
        // The arena of the one is not that of the other.
        let mixed = checked.floats && checked.quantised;
        if mixed || usize::from(checked.count) != image.weights().count() {
            return Err(Error::Directory);
        }
        let tokenizer = tokenizer(&image)?;
        Ok(Self { image, transformer, tokenizer, quantised: checked.quantised })
    }

    /// What it is made of; the dropouts are 0.
    pub fn config(&self) -> &Config {
        self.image.config()
    }

    /// Whether its matrices are int8 or int4.
    pub fn quantised(&self) -> bool {
        self.quantised
    }

    /// Bytes of the arena that a [`Translator`](super::Translator) needs, see [`super::arena_bytes_with`].
    pub fn arena_bytes(&self, limits: &Limits) -> usize {
        let shortlist = self.image.shortlist().map(|list| list.sizes());
        arena_bytes_with(self.config(), self.quantised, shortlist, limits)
    }

    /// The vocabulary, if the image has one.
    pub fn tokenizer(&self) -> Option<&Tokenizer<'a>> {
        self.tokenizer.as_ref()
    }

    /// The file.
    pub fn image(&self) -> &Image<'a> {
        &self.image
    }

    /// Which parameter is where.
    pub fn transformer(&self) -> &Transformer<Parameter, N> {
        &self.transformer
    }
}

/// What the weights seen so far are.
struct Checked {
    count: u16,
    /// Whether a matrix is f32.
    floats: bool,
    /// Whether a matrix is int8 or int4.
    quantised: bool,
}

impl Checked {
    /// The number of the next parameter, if `weight` is as its shape wants it.
    fn next(&mut self, spec: &Spec, weight: Weight<'_>) -> Result<Parameter, Error> {
        let (found, wanted) = (weight.shape(), spec.shape);
        let vector = wanted.dims().len() == 1;
        let floats = weight.format() == Format::F32;
        if (found.rows(), found.cols()) != (wanted.rows(), wanted.cols()) || vector && !floats {
            return Err(Error::Directory);
        }
        self.floats |= floats && !vector;
        self.quantised |= !floats;
        let number = Parameter::new(self.count);
        self.count = self.count.checked_add(1).ok_or(Error::Directory)?;
        Ok(number)
    }
}

/// The vocabulary of both sides, if there is one.
fn tokenizer<'a>(image: &Image<'a>) -> Result<Option<Tokenizer<'a>>, Error> {
    if image.tokenizer().is_empty() {
        return Ok(None);
    }
    let tokenizer = Tokenizer::new(image.tokenizer())?;
    let Config { source_vocabulary, target_vocabulary, .. } = *image.config();
    match [source_vocabulary, target_vocabulary].into_iter().find(|v| *v != tokenizer.len()) {
        Some(model) => Err(Error::Vocabulary { tokens: tokenizer.len(), model }),
        None => Ok(Some(tokenizer)),
    }
}
