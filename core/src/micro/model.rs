//! A model with its weights in an image.

use super::backend::Parameter;
use super::need::{Limits, arena_bytes_with};
use crate::config::Config;
use crate::image::{Error, Format, Image, Weight};
use crate::nn::Transformer;
use crate::params::Spec;
use crate::token::{Error as Unusable, Part, Vocabulary};

/// A model with up to N layers on each side, read in place. Holds the numbers of its parameters, 2 bytes each, and no
/// weights.
pub struct Model<'a, const N: usize = 6> {
    image: Image<'a>,
    transformer: Transformer<Parameter, N>,
    vocabularies: Option<[Vocabulary<'a>; 2]>,
    quantised: bool,
}

impl<'a, const N: usize> Model<'a, N> {
    /// Checks an image completely. Later accesses to the image cannot fail.
    ///
    /// # Errors
    ///
    /// The bytes are not an image, damaged, of another version, or the model has more than N layers.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let image = Image::new(bytes)?;
        let mut checked = Checked { count: 0, floats: false, quantised: false };
        let transformer = Transformer::try_new(image.config(), &mut |_, spec| {
            let weight = image.weights().get(usize::from(checked.count));
            checked.next(spec, weight.ok_or(Error::Directory)?)
        })?;
        // Floats and quantised weights need different arenas.
        let mixed = checked.floats && checked.quantised;
        if mixed || usize::from(checked.count) != image.weights().count() {
            return Err(Error::Directory);
        }
        let vocabularies = vocabularies(&image)?;
        Ok(Self { image, transformer, vocabularies, quantised: checked.quantised })
    }

    /// The configuration; all dropout probabilities are 0.
    pub fn config(&self) -> &Config {
        self.image.config()
    }

    /// Whether the matrices are int8 or int4.
    pub fn quantised(&self) -> bool {
        self.quantised
    }

    /// The exact size of the arena of a [`Translator`](super::Translator), see [`super::arena_bytes_with`].
    pub fn arena_bytes(&self, limits: &Limits) -> usize {
        let shortlist = self.image.shortlist().map(|list| list.sizes());
        arena_bytes_with(self.config(), self.quantised, shortlist, limits)
    }

    /// The vocabulary of source text, if the image has one.
    pub fn source(&self) -> Option<&Vocabulary<'a>> {
        self.vocabularies.as_ref().map(|[source, _]| source)
    }

    /// The vocabulary of target text, if the image has one.
    pub fn target(&self) -> Option<&Vocabulary<'a>> {
        self.vocabularies.as_ref().map(|[_, target]| target)
    }

    /// The image.
    pub fn image(&self) -> &Image<'a> {
        &self.image
    }

    /// The numbers of the parameters, as a model.
    pub fn transformer(&self) -> &Transformer<Parameter, N> {
        &self.transformer
    }
}

/// The formats of the weights checked so far.
struct Checked {
    count: u16,
    /// Whether a matrix is f32.
    floats: bool,
    /// Whether a matrix is int8 or int4.
    quantised: bool,
}

impl Checked {
    /// The number of the next parameter, if `weight` has the shape and format of `spec`.
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

/// The vocabularies of source and target text, if the image has them.
fn vocabularies<'a>(image: &Image<'a>) -> Result<Option<[Vocabulary<'a>; 2]>, Error> {
    if image.tokenizer().is_empty() {
        return Ok(None);
    }
    let source = Vocabulary::new(image.tokenizer())?;
    let target = match image.target_tokenizer() {
        tables if core::ptr::eq(tables, image.tokenizer()) => source,
        tables => Vocabulary::new(tables)?,
    };
    if !source.encodes() || !target.decodes() {
        return Err(Error::Tokenizer(Unusable::Damaged(Part::Header, 0)));
    }
    let Config { source_vocabulary, target_vocabulary, .. } = *image.config();
    for (tokens, model) in [(source.len(), source_vocabulary), (target.len(), target_vocabulary)] {
        if tokens != model {
            return Err(Error::Vocabulary { tokens, model });
        }
    }
    Ok(Some([source, target]))
}
