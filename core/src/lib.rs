//! Small translation models, learned from large ones: the mathematics.
//!
//! The crate needs neither `std` nor an allocator. In reading order:
//!
//! * [`shape`], [`batch`]: what a tensor's extent is; tokens, and [`batch::Grid`], which rows attend to which.
//! * [`device`], [`backend`]: the narrow waist. [`device::Device`] holds tensors, [`backend::Backend`] runs a model,
//!   [`backend::Decode`] runs it a token at a time, `Train` (feature `train`) has a gradient for each operation, the
//!   losses and Adam.
//! * [`params`]: a model is a functor over its parameters: shapes, tensors, gradients are the same tree.
//! * [`nn`]: the Transformer, written once over any backend, with taps that hand out attention maps.
//! * [`search`]: greedy and beam search with a key-value cache; [`allow`], which tokens it may write.
//! * [`rows`], [`rng`]: the formulas on slices, and counter-based random numbers; every CPU-like backend
//!   is a loop around them.
//! * [`image`], [`token`], [`micro`]: a model and its vocabulary as one file that runs in place, and the backend that
//!   runs it in one slice of memory. To translate on a device, begin with [`micro`].
//! * `tape` (feature `train`): a backend that records another one, and plays the gradients backwards.
//! * `kd` (feature `train`): Align-to-Distill: head alignment, the losses and how they are weighed.
//! * `optim` (feature `train`): the learning rate's schedule and Adam's settings.
//!
//! # Features
//!
//! None is on by default, and each adds to what is there.
//!
//! | feature | what |
//! |---|---|
//! | (none) | everything that runs a model: no `std`, no allocator, no `unsafe`; panics that data could reach are bugs |
//! | `alloc` | a translation as a string of its own |
//! | `train` | the tape, the losses and the optimiser; takes `alloc` with it |
//! | `std` | a faster square root, nothing else |
//! | `nfc` | text in any canonical form, where the vocabulary wants NFC; without it, such text must come in NFC |
//! | `defmt` | `defmt::Format` on what [`image`], [`token`] and [`micro`] give to log |
//!
//! The minimum Rust version is 1.89.
//!
//! # Not supported
//!
//! * Decoder-only and encoder-only models, relative positions, recurrent decoders, mixtures of experts.
//! * Vocabularies that are not byte-pair encodings made by `host prepare`; two different ones for source and target text.
//! * Sampling, and constraints on the output; searches are greedy or by beam.
//! * Weights that are not mapped into memory: an image is a slice.
//! * Vector and DSP instructions by name: loops are written so that compilers find them.
//! * Several sentences at a time in [`micro`]; training on a device.
//!
//! # Dimensions
//!
//! One alphabet, used in every comment:
//!
//! | letter | extent |
//! |---|---|
//! | B | sentences in a batch |
//! | N | rows of an activation: the tokens of a batch, sentence after sentence |
//! | T, S | tokens of one sentence: as queries (target side), as keys (source side) |
//! | D, F | model width, inner width of the feed-forward block |
//! | H | attention heads |
//! | V | vocabulary |
//! | L | layers |
//! | C, M | attention maps of the student (L x H), of the teacher |
//! | A | area of a map: the sum of T x S over the batch |
//!
//! An activation is `[N, D]`: no dimension for the batch. A [`batch::Grid`] says which rows make a sentence,
//! so a batch may be padded (every sentence has T rows) or packed (none has padding) and only attention knows.

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
#[cfg(feature = "train")]
pub mod tape;
pub mod token;
