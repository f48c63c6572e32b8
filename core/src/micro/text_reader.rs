//! Classification and embedding of texts.

use super::compute::Compute;
use super::error::Error;
use super::model::Model;
use super::need::TextLimits;
use super::reader::{Place, Reader};
use super::text_job::{Becomes, Label, TextJob, ToLabel, ToVector};
use crate::config::token::BOS;
use core::marker::PhantomData;

/// Reads texts one after the other in one arena, each as BOS, its tokens, EOS. A blank text is BOS and EOS.
///
/// ```no_run
/// use a2d_core::micro::{Arena, Classifier, Error, Model, TextLimits};
///
/// # fn run(image: &'static [u8]) -> Result<(), Error> {
/// let model: Model = Model::new(image)?;
/// let mut arena = Arena::<16_384>::new();
/// let limits = TextLimits { tokens: 32, int8_cache: true };
/// let mut classifier = Classifier::new(&model, &mut arena, limits)?;
/// let mut probabilities = [0.0; 7];
/// let label = classifier.classify("Play some jazz", &mut probabilities)?;
/// let name: &str = label.name;
/// # Ok(()) }
/// ```
///
/// `core/examples/classify` is a whole program; `a2d export --emit-rust` writes its constants.
pub struct TextReader<'m, 'a, T, const N: usize = 6> {
    reader: Reader<'m, 'a, N>,
    packs: bool,
    becomes: PhantomData<T>,
}

/// Finds the labels of texts.
pub type Classifier<'m, 'a, const N: usize = 6> = TextReader<'m, 'a, ToLabel, N>;

/// Finds the vectors of texts.
pub type Embedder<'m, 'a, const N: usize = 6> = TextReader<'m, 'a, ToVector, N>;

impl<'m, 'a, T: Becomes, const N: usize> TextReader<'m, 'a, T, N> {
    /// A reader in `arena`, whose address is a multiple of 4 and whose size is at least [`Model::text_arena_bytes`]. A text
    /// longer than [`TextLimits::tokens`], or than the model has positions, is an error, see [`TextReader::cutting`].
    ///
    /// # Errors
    ///
    /// The image is of a model for another task, the limit is below 2, or the arena is misaligned or too small.
    pub fn new(
        model: &'m Model<'a, N>,
        arena: &'m mut [u8],
        limits: TextLimits,
    ) -> Result<Self, Error> {
        let most = model.config().most_tokens(limits.tokens);
        let place = Place { fixed: limits.tokens, most, cuts: false, begin: Some(BOS) };
        let needed = model.text_arena_bytes(&limits);
        let reader = Reader::new(model, arena, needed, T::TASK, place)?;
        Ok(Self { reader, packs: limits.int8_cache, becomes: PhantomData })
    }

    /// Cuts texts that are too long.
    #[must_use]
    pub fn cutting(mut self) -> Self {
        self.reader.place.cuts = true;
        self
    }

    /// Multiplies with `compute` instead of [`Portable`](super::Portable). The results are the same.
    #[must_use]
    pub fn computing(mut self, compute: &'m dyn Compute) -> Self {
        self.reader.compute = compute;
        self
    }

    /// Starts a text, to be continued by [`TextJob::poll`].
    ///
    /// # Errors
    ///
    /// The image has no vocabulary, or the text is too long.
    pub fn start(&mut self, text: &str) -> Result<TextJob<'_, 'a, T, N>, Error> {
        let source = self.reader.text(text)?;
        TextJob::new(&mut self.reader, self.packs, source)
    }

    /// Starts a text of tokens (without BOS and EOS), to be continued by [`TextJob::poll`].
    ///
    /// # Errors
    ///
    /// The text is too long, or has a token outside the vocabulary.
    pub fn start_tokens(&mut self, text: &[u32]) -> Result<TextJob<'_, 'a, T, N>, Error> {
        let source = self.reader.tokens(text)?;
        TextJob::new(&mut self.reader, self.packs, source)
    }
}

impl<'a, const N: usize> Classifier<'_, 'a, N> {
    /// The label of a text; the probability of each label, in the order of their numbers, at the front of `probabilities`.
    ///
    /// # Errors
    ///
    /// As [`TextReader::start`] and [`TextJob::label`].
    pub fn classify(&mut self, text: &str, probabilities: &mut [f32]) -> Result<Label<'a>, Error> {
        self.start(text)?.label(probabilities)
    }
}

impl<const N: usize> Embedder<'_, '_, N> {
    /// Writes the vector of a text, of length 1, to the front of `vector`.
    ///
    /// # Errors
    ///
    /// As [`TextReader::start`] and [`TextJob::vector`].
    pub fn embed(&mut self, text: &str, vector: &mut [f32]) -> Result<(), Error> {
        self.start(text)?.vector(vector)
    }
}
