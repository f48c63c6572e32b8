//! A model with its weights in an image.

use super::backend::Parameter;
use super::need::{Limits, arena_bytes_with};
use crate::config::{Config, TEXT};
use crate::image::{Error, Format, Image, Weight};
use crate::nn::Transformer;
use crate::params::Spec;
use crate::token::Vocabulary;
#[cfg(feature = "sentencepiece")]
use crate::token::{Error as Unusable, Part};

/// A model with up to N layers on each side, read in place. Holds the numbers of its parameters, 2 bytes each, and no
/// weights.
pub struct Model<'a, const N: usize = 6> {
    image: Image<'a>,
    transformer: Transformer<Parameter, N>,
    source: Option<Vocabulary<'a>>,
    #[cfg(feature = "sentencepiece")]
    target: Option<Vocabulary<'a>>,
    quantised: bool,
}

impl<'a, const N: usize> Model<'a, N> {
    /// Checks an image completely. Later accesses to the image cannot fail.
    ///
    /// # Errors
    ///
    /// The bytes are not an image, damaged, of another version, or the model has more than N layers.
    // Out of line: for size, and for the stack of its caller.
    #[inline(never)]
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
        let source = source(&image)?;
        #[cfg(feature = "sentencepiece")]
        let target = target(&image, source)?;
        Ok(Self {
            image,
            transformer,
            source,
            #[cfg(feature = "sentencepiece")]
            target,
            quantised: checked.quantised,
        })
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

    /// The exact size of the arena of a [`TextReader`](super::TextReader), see [`super::text_arena_bytes`].
    #[cfg(feature = "text")]
    pub fn text_arena_bytes(&self, limits: &super::TextLimits) -> usize {
        super::text_arena_bytes(self.config(), self.quantised, limits)
    }

    /// The vocabulary of source text, if the image has one.
    pub fn source(&self) -> Option<&Vocabulary<'a>> {
        self.source.as_ref()
    }

    /// The vocabulary of target text, if the image has one.
    pub fn target(&self) -> Option<&Vocabulary<'a>> {
        #[cfg(feature = "sentencepiece")]
        return self.target.as_ref();
        #[cfg(not(feature = "sentencepiece"))]
        self.source.as_ref().filter(|_| !is_text(&self.image))
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

/// The vocabulary of source text, and of target text unless the image has two, if it has any.
fn source<'a>(image: &Image<'a>) -> Result<Option<Vocabulary<'a>>, Error> {
    if image.tokenizer().is_empty() {
        return Ok(None);
    }
    let source = Vocabulary::new(image.tokenizer())?;
    let Config { source_vocabulary, target_vocabulary, .. } = *image.config();
    // The targets of a text model are not text.
    let target_vocabulary = if is_text(image) { source_vocabulary } else { target_vocabulary };
    #[cfg(feature = "sentencepiece")]
    if !source.encodes() {
        return Err(Error::Tokenizer(Unusable::Damaged(Part::Header, 0)));
    }
    #[cfg(feature = "sentencepiece")] // the target is checked with its own vocabulary
    let target_vocabulary = if two(image) { source_vocabulary } else { target_vocabulary };
    match [source_vocabulary, target_vocabulary].into_iter().find(|v| *v != source.len()) {
        Some(model) => Err(Error::Vocabulary { tokens: source.len(), model }),
        None => Ok(Some(source)),
    }
}

/// Whether the model reads texts alone.
fn is_text(image: &Image<'_>) -> bool {
    TEXT && image.config().head.is_some()
}

/// Whether source and target text have vocabularies of their own.
#[cfg(feature = "sentencepiece")]
fn two(image: &Image<'_>) -> bool {
    !core::ptr::eq(image.target_tokenizer(), image.tokenizer())
}

/// The vocabulary of target text.
#[cfg(feature = "sentencepiece")]
fn target<'a>(
    image: &Image<'a>,
    source: Option<Vocabulary<'a>>,
) -> Result<Option<Vocabulary<'a>>, Error> {
    let Some(source) = source.filter(|_| !is_text(image)) else { return Ok(None) };
    let target = match two(image) {
        true => Vocabulary::new(image.target_tokenizer())?,
        false => source,
    };
    if !target.decodes() {
        return Err(Error::Tokenizer(Unusable::Damaged(Part::Header, 0)));
    }
    match image.config().target_vocabulary {
        model if model != target.len() => Err(Error::Vocabulary { tokens: target.len(), model }),
        _ => Ok(Some(target)),
    }
}
