//! The state of an instance: one image, one translator, one sentence at a time.

use crate::engine::{LAYERS, Loaded};
use crate::failure::Failure;
use crate::memory::{Region, Work, place};
use a2d_core::micro::{self, Limits, Model};
use a2d_core::token::TextStream;
use core::task::Poll;

/// The state between calls.
pub struct Desk {
    /// The image, while the page writes it.
    image: Option<Region>,
    loaded: Option<Loaded>,
    open: Option<Open>,
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
        Self { image: None, loaded: None, open: None, token: None, failed: None }
    }

    /// Allocates memory for an image of `len` bytes.
    pub fn image(&mut self, len: usize) -> Option<*mut u8> {
        self.image = Region::grow(len);
        self.image.as_ref().map(Region::pointer)
    }

    /// Checks the image; returns the number of tokens of its vocabulary.
    ///
    /// # Errors
    ///
    /// No image was written, the image is rejected, or memory cannot grow.
    pub fn load(&mut self) -> Result<usize, Failure> {
        let image = self.image.take().ok_or(Failure::Early)?;
        let model = Model::new(image.into_bytes())?;
        let model: &Model<'_, LAYERS> = place(model).ok_or(Failure::Memory)?;
        self.open = None;
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
