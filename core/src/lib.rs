//! Transformer inference and knowledge distillation for small models that translate, classify or embed.
//!
//! The crate needs neither `std` nor an allocator. The modules in reading order:
//!
//! * [`shape`], [`batch`]: the extent of a tensor; the tokens of a batch; [`batch::Grid`]: which rows attend to which.
//! * [`device`], [`backend`]: the interface of a backend. [`device::Device`] holds tensors, [`backend::Backend`] runs a
//!   model forward, [`backend::Decode`] decodes one token at a time, `Train` (feature `train`) has a gradient for each
//!   operation, the losses and Adam.
//! * [`params`]: a model is a functor over its parameters: shapes, tensors and gradients have the same tree.
//! * [`nn`]: the Transformer, written once for all backends. Taps read attention maps, hidden states and projections.
//! * [`search`]: greedy and beam search with a key-value cache; [`allow`]: the tokens that a search may write.
//! * [`rows`], [`rng`]: the formulas on slices, and counter-based random numbers. A CPU backend is a loop around them.
//! * [`image`], [`token`], [`micro`]: a model and its vocabulary as one file that is read in place, and the backend
//!   that runs it in one slice of memory. To translate on a device, or to classify or embed texts, begin with [`micro`]
//!   and the firmware in `core/examples`.
//! * `compare` (feature `train`): the differences of hidden states and of relations, sentence by sentence.
//! * `tape` (feature `train`): a backend that records the operations of another backend for the gradients.
//! * `kd` (feature `train`): Align-to-Distill and other methods: their parameters, losses and weights.
//! * `optim` (feature `train`): the learning rate schedule and Adam's settings.
//!
//! # Features
//!
//! No feature is on by default. Features only add items.
//!
//! | feature | what |
//! |---|---|
//! | (none) | inference: no `std`, no allocator, no `unsafe`; no input can make it panic |
//! | `alloc` | a translation as an owned string |
//! | `text` | text models: an encoder that classifies or embeds; without the feature, an image of one is refused |
//! | `train` | the tape, the losses and the optimiser; implies `alloc` and `text` |
//! | `std` | a faster square root, nothing else |
//! | `nfc` | normalisation of text to NFC, if the vocabulary needs it; without the feature, the caller must pass NFC |
//! | `sentencepiece` | SentencePiece vocabularies; without the feature, an image with one is refused |
//! | `wordpiece` | WordPiece vocabularies; without the feature, an image with one is refused |
//! | `defmt` | `defmt::Format` for the types of [`image`], [`token`] and [`micro`] that a device logs |
//!
//! The minimum Rust version is 1.89.
//!
//! # Not supported
//!
//! * Decoder-only models, relative positions, recurrent decoders, mixtures of experts. An encoder alone has a head: it
//!   classifies or embeds a text, but labels no single tokens.
//! * Vocabularies other than the byte-pair encodings of `a2d prepare`, SentencePiece models and BERT's WordPiece
//!   vocabularies, of at most 65,535 tokens.
//! * Sampling and constrained decoding: the search is greedy or a beam search.
//! * Weights that are not mapped into memory: an image is a slice.
//! * Vector and DSP instructions: the loops are portable. Another crate, such as `a2d-dsp`, supplies them through
//!   [`micro::Compute`].
//! * Several sentences at a time in [`micro`], pairs of texts; training on a device.
//!
//! # Dimensions
//!
//! Every comment uses one alphabet:
//!
//! | letter | extent |
//! |---|---|
//! | B | sentences in a batch |
//! | N | rows of an activation: the tokens of a batch, one sentence after the other |
//! | T, S | tokens of one sentence: of the queries (target side), of the keys (source side) |
//! | D, F | model width, inner width of the feed-forward block |
//! | H | attention heads |
//! | V | vocabulary |
//! | L | layers |
//! | C, M | attention maps of the student (L x H), attention maps of the teacher |
//! | A | area of a map: the sum of T x S over the batch |
//!
//! An activation is `[N, D]`, without a dimension for the batch. A [`batch::Grid`] lists the rows of each sentence, so
//! a batch may be padded (T rows for every sentence) or packed (no padding). Only attention reads the grid.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod allow;
pub mod backend;
pub mod batch;
pub mod bits;
#[cfg(feature = "train")]
pub mod compare;
pub mod config;
pub mod device;
pub mod image;
#[cfg(feature = "train")]
pub mod kd;
pub mod math;
pub mod micro;
pub mod needs;
pub mod nn;
#[cfg(feature = "train")]
pub mod optim;
pub mod params;
pub mod rng;
pub mod rows;
pub mod search;
pub mod shape;
mod sine;
mod soft;
#[cfg(feature = "train")]
pub mod tape;
pub mod token;
