//! A text in steps, for classifier and embedder.

use super::backend::{Micro, Parameter};
use super::encoding::{Encoding, Read, grid};
use super::error::Error;
use super::memory::Slot;
use super::reader::{Reader, Source};
use super::slices;
use crate::batch::{NO_POSITION, Run, Tokens};
use crate::config::Task;
use crate::image::Labels;
use crate::nn::Transformer;
use crate::rows;
use core::marker::PhantomData;
use core::mem;
use core::task::Poll;

/// What a text becomes: [`ToLabel`] or [`ToVector`].
pub trait Becomes: sealed::Sealed {
    /// The task of the model.
    const TASK: Task;
}

/// A text becomes one of the labels of a model.
#[derive(Clone, Copy, Debug)]
pub enum ToLabel {}

/// A text becomes a vector.
#[derive(Clone, Copy, Debug)]
pub enum ToVector {}

impl Becomes for ToLabel {
    const TASK: Task = Task::Classify;
}

impl Becomes for ToVector {
    const TASK: Task = Task::Embed;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ToLabel {}
    impl Sealed for super::ToVector {}
}

/// A text in progress: each step is a layer of the encoder.
pub struct TextJob<'t, 'a, T, const N: usize> {
    micro: Micro<'t, 'a>,
    transformer: &'t Transformer<Parameter, N>,
    labels: Option<&'t Labels<'a>>,
    run: Run,
    state: State,
    cut: bool,
    becomes: PhantomData<T>,
}

/// The state of a text.
enum State {
    /// Next: embed the text.
    Read,
    /// Next: a layer of the encoder; after the last layer, the head.
    Encode(Encoding),
    /// The logits of the labels, or the vector.
    Done(Slot),
    /// An error ended the job.
    Failed,
}

/// The label of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label<'a> {
    /// The number of the most probable label; of equally probable ones, the lowest.
    pub number: usize,
    /// Its name; empty if the image has no names.
    pub name: &'a str,
    /// Its probability.
    pub probability: f32,
    /// Whether the text was cut.
    pub cut: bool,
}

impl<'t, 'a, T: Becomes, const N: usize> TextJob<'t, 'a, T, N> {
    /// A job in an arena of sufficient size; with `packs`, keys and values are bytes.
    pub(super) fn new(
        reader: &'t mut Reader<'_, 'a, N>,
        packs: bool,
        Source { len, cut }: Source,
    ) -> Result<Self, Error> {
        let image = reader.model.image();
        let micro = Micro::over(reader.words, reader.place.fixed, image.weights())?;
        Ok(Self {
            micro: micro.packing(packs).computing(reader.compute),
            transformer: reader.model.transformer(),
            labels: image.labels(),
            run: Run { start: 0, len, valid: len },
            state: State::Read,
            cut,
            becomes: PhantomData,
        })
    }

    /// Runs one step: a layer of the encoder, or the head. `Ready` after the last.
    ///
    /// # Errors
    ///
    /// None but a bug in this crate.
    pub fn poll(&mut self) -> Result<Poll<()>, Error> {
        let (micro, model) = (&mut self.micro, self.transformer);
        self.state = match mem::replace(&mut self.state, State::Failed) {
            State::Read => {
                let read = Read::new(micro, self.run)?;
                State::Encode(Encoding::new(micro, &model.encoder, read))
            }
            State::Encode(mut encoding) => match encoding.step(micro, &model.encoder) {
                true => State::Encode(encoding),
                false => State::Done(self.read_off(&mut encoding)?),
            },
            ended => ended,
        };
        match (self.micro.fault(), &self.state) {
            (Some(fault), _) => Err(fault),
            (None, State::Failed) => Err(Error::Fault),
            (None, State::Done(_)) => Ok(Poll::Ready(())),
            (None, _) => Ok(Poll::Pending),
        }
    }

    /// The output of the model, from that of the encoder's layers.
    fn read_off(&mut self, encoding: &mut Encoding) -> Result<Slot, Error> {
        let (micro, model) = (&mut self.micro, self.transformer);
        let memory = encoding.end(micro, &model.encoder)?;
        let head = model.config.head.ok_or(Error::Fault)?;
        let query = Run { start: 0, len: 1, valid: 1 };
        let ids = micro.list(1, |_| model.config.special.pad);
        let positions = micro.list(1, |_| NO_POSITION);
        let queries = Tokens { ids, positions, rows: 1, types: None, zero_padding: true, first: 0 };
        let cross = grid(micro, query, self.run.pooled(head.pooling));
        let pooled = model.pool(micro, &queries, &memory, &cross).ok_or(Error::Fault)?;
        Ok(model.vectors(micro, pooled))
    }

    /// Runs all remaining steps, and copies the output of the model to the front of `out`.
    fn output<'o>(&mut self, out: &'o mut [f32]) -> Result<&'o mut [f32], Error> {
        while self.poll()?.is_pending() {}
        let State::Done(slot) = &self.state else { return Err(Error::Fault) };
        let found = self.micro.arena.get(slot).ok_or(Error::Fault)?;
        let out = out.get_mut(..found.len()).ok_or(Error::Output { needed: found.len() })?;
        slices::copy(found, out).ok_or(Error::Fault)?;
        Ok(out)
    }

    /// Whether the text was cut.
    pub fn cut(&self) -> bool {
        self.cut
    }

    /// The peak number of bytes of the arena in use.
    pub fn peak(&self) -> usize {
        self.micro.peak()
    }
}

impl<'a, const N: usize> TextJob<'_, 'a, ToLabel, N> {
    /// Runs all remaining steps, and writes the probability of each label, in the order of their numbers, to the front of
    /// `probabilities`.
    ///
    /// # Errors
    ///
    /// `probabilities` has fewer elements than there are labels, or the weights contain NaN.
    pub fn label(&mut self, probabilities: &mut [f32]) -> Result<Label<'a>, Error> {
        let probabilities = self.output(probabilities)?;
        rows::softmax(probabilities);
        let (number, probability) = rows::most(probabilities).ok_or(Error::Nothing)?;
        let name = self.labels.and_then(|labels| labels.get(number)).unwrap_or_default();
        Ok(Label { number, name, probability, cut: self.cut })
    }
}

impl<const N: usize> TextJob<'_, '_, ToVector, N> {
    /// Runs all remaining steps, and writes the vector of the text, of length 1, to the front of `vector`.
    ///
    /// # Errors
    ///
    /// `vector` is shorter than that of the model, or the weights contain NaN.
    pub fn vector(&mut self, vector: &mut [f32]) -> Result<(), Error> {
        rows::unit(self.output(vector)?).ok_or(Error::Nothing)
    }
}
