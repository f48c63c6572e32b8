//! One image, one translator, one sentence at a time.

use crate::failure::Failure;
use crate::memory::{LAYERS, Region, Work, place};
use a2d_core::micro::{self, Limits, Model, Options, Translator};
use a2d_core::token::Stream;
use core::task::Poll;

/// What lasts from one call to the next.
pub struct Desk {
    /// The image, while the page writes it.
    image: Option<Region>,
    model: Option<&'static Model<'static, LAYERS>>,
    open: Option<Open>,
    /// What the last poll found.
    pub token: Option<u32>,
    /// Of the last call.
    pub failed: Option<Failure>,
}

/// A translator, once there is one.
struct Open {
    work: Work,
    limits: Limits,
    stream: Stream<'static>,
    /// Whether all of the text is out.
    told: bool,
}

impl Desk {
    pub const fn new() -> Self {
        Self { image: None, model: None, open: None, token: None, failed: None }
    }

    /// Where an image of `len` bytes goes.
    pub fn image(&mut self, len: usize) -> Option<*mut u8> {
        self.image = Region::grow(len);
        self.image.as_ref().map(Region::pointer)
    }

    /// Checks the image; the tokens of its vocabulary.
    pub fn load(&mut self) -> Result<usize, Failure> {
        let image = self.image.take().ok_or(Failure::Early)?;
        let model = Model::new(image.into_bytes())?;
        let model: &Model<'_, LAYERS> = place(model).ok_or(Failure::Memory)?;
        self.model = Some(model);
        self.open = None;
        Ok(model.config().target_vocabulary)
    }

    /// Bytes of the arena.
    pub fn need(&self, limits: Limits) -> Result<usize, Failure> {
        let model = self.model.ok_or(Failure::Early)?;
        Ok(model.arena_bytes(&limits))
    }

    /// Makes a translator; the bytes of its arena.
    pub fn open(&mut self, limits: Limits) -> Result<usize, Failure> {
        let model = self.model.ok_or(Failure::Early)?;
        let stream = model.tokenizer().map(|tokenizer| tokenizer.stream());
        let stream = stream.ok_or(micro::Error::Tokenizer)?;
        let needed = self.need(limits)?;
        let arena = Region::grow(needed).ok_or(Failure::Memory)?.into_bytes();
        let translator = Translator::new(model, arena, limits, Options::default())?;
        let work = Work::new(place(translator).ok_or(Failure::Memory)?);
        self.open = Some(Open { work, limits, stream, told: true });
        Ok(needed)
    }

    /// Begins with a sentence; none is one that was too long for the input.
    pub fn start(&mut self, line: Option<&[u8]>) -> Result<(), Failure> {
        self.token = None;
        let open = self.open.as_mut().ok_or(Failure::Early)?;
        let line = line.and_then(|line| core::str::from_utf8(line).ok()).ok_or(Failure::Input)?;
        open.told = false;
        // What an earlier sentence left in it goes nowhere.
        open.stream.finish(&mut [0; 32])?;
        Ok(open.work.start(line)?)
    }

    /// Translates to the end; the bytes of the text.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, Failure> {
        let open = self.open.as_mut().ok_or(Failure::Early)?;
        open.told = true;
        let done = open.work.with(|job| {
            job.finish()?;
            job.text(out).map(str::len)
        });
        Ok(done.ok_or(Failure::Early)??)
    }

    /// One piece of work: the bytes of text that it completed; none after the last.
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

    /// The most bytes of the arena that the last sentence had in use at once.
    pub fn peak(&mut self) -> usize {
        let peak = |open: &mut Open| open.work.with(|job| job.peak(&open.limits));
        self.open.as_mut().and_then(peak).unwrap_or(0)
    }
}
