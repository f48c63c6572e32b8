//! The state of an instance: one image, one translator or classifier, one sentence at a time.

use crate::engine::{Classifier, LAYERS, Loaded};
use crate::failure::Failure;
use crate::memory::{Region, Work, place};
use a2d_core::micro::{self, Limits, Model, TextLimits};
use a2d_core::token::TextStream;
use core::task::Poll;

/// The state between calls.
pub struct Desk {
    /// The image, while the page writes it.
    image: Option<Region>,
    loaded: Option<Loaded>,
    open: Option<Open>,
    classifier: Option<&'static mut Classifier>,
    /// The token of the last poll.
    pub token: Option<u32>,
    /// The failure of the last call.
    pub failed: Option<Failure>,
}

/// A translator, and the decoder of its tokens.
struct Open {
    work: Work,
    stream: TextStream<'static>,
    /// Whether all text was written.
    told: bool,
}

impl Desk {
    pub const fn new() -> Self {
        Self { image: None, loaded: None, open: None, classifier: None, token: None, failed: None }
    }

    /// Allocates memory for an image of `len` bytes.
    pub fn image(&mut self, len: usize) -> Option<*mut u8> {
        self.image = Region::grow(len);
        self.image.as_ref().map(Region::pointer)
    }

    /// Checks the image; returns the number of tokens of its vocabulary, or of its labels.
    ///
    /// # Errors
    ///
    /// No image was written, the image is rejected, or memory cannot grow.
    pub fn load(&mut self) -> Result<usize, Failure> {
        let image = self.image.take().ok_or(Failure::Early)?;
        let model = Model::new(image.into_bytes())?;
        let model: &Model<'_, LAYERS> = place(model).ok_or(Failure::Memory)?;
        (self.open, self.classifier) = (None, None);
        self.loaded = Some(Loaded::new(model)?);
        Ok(model.config().target_vocabulary)
    }

    /// Makes a translator; returns the bytes of the arena that a board needs for these limits.
    ///
    /// # Errors
    ///
    /// No image is loaded, it has no vocabulary, a limit is 0, or memory cannot grow.
    pub fn open(&mut self, limits: Limits) -> Result<usize, Failure> {
        let loaded = self.loaded.as_ref().ok_or(Failure::Early)?;
        let stream = loaded.model().target().map(|tokenizer| tokenizer.stream());
        let stream = stream.ok_or(micro::Error::Tokenizer)?;
        let translator = place(loaded.open(limits)?).ok_or(Failure::Memory)?;
        self.open = Some(Open { work: Work::new(translator), stream, told: true });
        Ok(loaded.model().arena_bytes(&limits))
    }

    /// Makes a classifier; returns the bytes of the arena that a board needs for these limits.
    ///
    /// # Errors
    ///
    /// No image is loaded, it has no labels, the limit is below 2, or memory cannot grow.
    pub fn open_classifier(&mut self, limits: TextLimits) -> Result<usize, Failure> {
        let loaded = self.loaded.as_ref().ok_or(Failure::Early)?;
        let classifier = place(loaded.classifier(limits)?).ok_or(Failure::Memory)?;
        self.classifier = Some(classifier);
        Ok(loaded.model().text_arena_bytes(&limits))
    }

    /// Classifies a text; `None` is one that is too long for the input. Writes the probability of each label to the front of
    /// `out`; returns the number of the label.
    ///
    /// # Errors
    ///
    /// No classifier is open, the text is not UTF-8, there is no room for all labels, or the weights contain NaN.
    pub fn classify(&mut self, text: Option<&[u8]>, out: &mut [f32]) -> Result<usize, Failure> {
        let classifier = self.classifier.as_mut().ok_or(Failure::Early)?;
        let text = text.and_then(|text| core::str::from_utf8(text).ok()).ok_or(Failure::Input)?;
        Ok(classifier.classify(text, out)?.number)
    }

    /// The name of a label; empty if the image has none for it.
    pub fn name(&self, label: usize) -> &'static str {
        let labels = self.loaded.as_ref().and_then(|loaded| loaded.model().image().labels());
        labels.and_then(|labels| labels.get(label)).unwrap_or_default()
    }

    /// Starts a sentence; `None` is a sentence that is too long for the input.
    ///
    /// # Errors
    ///
    /// No translator is open, or the line is not UTF-8 or too long.
    pub fn start(&mut self, line: Option<&[u8]>) -> Result<(), Failure> {
        self.token = None;
        let open = self.open.as_mut().ok_or(Failure::Early)?;
        let line = line.and_then(|line| core::str::from_utf8(line).ok()).ok_or(Failure::Input)?;
        open.told = false;
        // Discards the rest of an earlier sentence.
        open.stream.finish(&mut [0; 32])?;
        Ok(open.work.start(line)?)
    }

    /// Runs all remaining steps; returns the bytes of the text.
    ///
    /// # Errors
    ///
    /// No sentence was started, its text does not fit in `out`, or the weights contain NaN.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, Failure> {
        let open = self.open.as_mut().ok_or(Failure::Early)?;
        open.told = true;
        let done = open.work.with(|job| {
            job.finish()?;
            job.text(out).map(str::len)
        });
        Ok(done.ok_or(Failure::Early)??)
    }

    /// Runs one step; returns the bytes of the text that it completed, `None` after the last.
    ///
    /// # Errors
    ///
    /// No sentence was started, its text does not fit in `out`, or the weights contain NaN.
    pub fn poll(&mut self, out: &mut [u8]) -> Result<Option<usize>, Failure> {
        self.token = None;
        let open = self.open.as_mut().ok_or(Failure::Early)?;
        if open.told {
            return Ok(None);
        }
        let polled = open.work.with(|job| job.poll()).ok_or(Failure::Early)?;
        match polled? {
            Poll::Pending => Ok(Some(0)),
            Poll::Ready(Some(token)) => {
                self.token = Some(token);
                Ok(Some(open.stream.push(token, out)?))
            }
            Poll::Ready(None) => {
                open.told = true;
                Ok(Some(open.stream.finish(out)?))
            }
        }
    }
}
