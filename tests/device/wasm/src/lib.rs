//! The translator as a WebAssembly module without imports, for a web page or node.
//!
//! ```js
//! const { exports: a2d } = new WebAssembly.Instance(module, {});
//! new Uint8Array(a2d.memory.buffer, a2d.image(file.length), file.length).set(file);
//! a2d.load();
//! a2d.open(64, 64, 1, 0);                                    // tokens in, tokens out, beam, keys in bytes or not
//! const line = new TextEncoder().encode('Wo ist der Bahnhof?');
//! new Uint8Array(a2d.memory.buffer, a2d.input(), line.length).set(line);
//! const length = a2d.translate(line.length);                 // bytes of text at a2d.output()
//! ```
//!
//! To translate step by step: `a2d.start(line.length)`, then `a2d.poll()` until it returns [`END`]. A number below
//! [`END`] is a failure, see [`failure`]; [`error`] writes its text.
//!
//! An image of a classifier: `a2d.classifier(64, 0)`, then `a2d.classify(line.length)` is the number of the label; its name is
//! text that `a2d.label(number)` writes, and the probabilities of all labels are floats at `a2d.probabilities()`.
//!
//! With the feature `packed` the weights are packed for vector instructions when the image is loaded; the tokens are the
//! same.
//!
//! An instance runs one image with one set of limits. For others, make another instance, as memory never shrinks.
//! `image`, `load` and `open` grow the memory, which invalidates older views of it.

#![no_std]
#![deny(clippy::undocumented_unsafe_blocks, missing_docs)]

mod desk;
mod engine;
pub mod failure;
mod memory;

use a2d_core::micro::TextLimits;
use desk::Desk;
use failure::{END, Failure};
use memory::Single;

/// The maximum bytes of text, for input and output.
const TEXT: usize = 1 << 14;

static INPUT: Single<[u8; TEXT]> = Single::new([0; TEXT]);
/// The maximum number of labels.
const LABELS: usize = 1 << 14;

static PROBABILITIES: Single<[f32; LABELS]> = Single::new([0.0; LABELS]);
static OUTPUT: Single<[u8; TEXT]> = Single::new([0; TEXT]);
static DESK: Single<Desk> = Single::new(Desk::new());

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Runs `f` on the desk and converts its result to a number.
fn answer(f: impl FnOnce(&mut Desk) -> Result<Option<usize>, Failure>) -> i32 {
    DESK.with(|desk| {
        let done = f(desk);
        desk.failed = done.as_ref().err().copied();
        match done {
            Ok(Some(number)) => i32::try_from(number).unwrap_or(i32::MAX),
            Ok(None) => END,
            Err(failure) => failure.code(),
        }
    })
    .unwrap_or(failure::FAULT)
}

/// Allocates `len` bytes for an image and returns their address; 0 if memory cannot grow.
#[unsafe(no_mangle)]
pub extern "C" fn image(len: usize) -> *mut u8 {
    DESK.with(|desk| desk.image(len)).flatten().unwrap_or_default()
}

/// Checks the image, which must not change afterwards; returns the number of tokens of its vocabulary.
#[unsafe(no_mangle)]
pub extern "C" fn load() -> i32 {
    answer(|desk| desk.load().map(Some))
}

/// Makes a translator for sentences of up to `source` tokens, EOS included, and translations of up to `target` tokens.
/// `int8_cache` other than 0 stores keys and values as bytes. Returns the bytes of the arena that a board needs for
/// these limits. Drops the current sentence.
#[unsafe(no_mangle)]
pub extern "C" fn open(source: usize, target: usize, beam: usize, int8_cache: i32) -> i32 {
    answer(|desk| desk.open(a2d_demo::limits(source, target, beam, int8_cache != 0)).map(Some))
}

/// The address of the input, UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn input() -> *mut u8 {
    INPUT.pointer().cast()
}

/// The maximum bytes of the input.
#[unsafe(no_mangle)]
pub extern "C" fn input_capacity() -> usize {
    TEXT
}

/// The address of the output, UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.pointer().cast()
}

/// Starts the sentence in the first `len` bytes of the input.
fn begin(desk: &mut Desk, len: usize) -> Result<(), Failure> {
    INPUT.with(|input| desk.start(input.get(..len))).ok_or(Failure::Early)?
}

/// Translates the first `len` bytes of the input; returns the bytes of the output.
#[unsafe(no_mangle)]
pub extern "C" fn translate(len: usize) -> i32 {
    answer(|desk| {
        begin(desk, len)?;
        OUTPUT.with(|output| desk.finish(output)).ok_or(Failure::Early)?.map(Some)
    })
}

/// Makes a classifier for texts of up to `tokens` tokens, BOS and EOS included; longer texts are cut. Returns the bytes of
/// the arena that a board needs for these limits.
#[unsafe(no_mangle)]
pub extern "C" fn classifier(tokens: usize, int8_cache: i32) -> i32 {
    let limits = TextLimits { tokens, int8_cache: int8_cache != 0 };
    answer(|desk| desk.open_classifier(limits).map(Some))
}

/// Classifies the first `len` bytes of the input; returns the number of the label.
#[unsafe(no_mangle)]
pub extern "C" fn classify(len: usize) -> i32 {
    let read = |desk: &mut Desk, out: &mut [f32; LABELS]| {
        INPUT.with(|input| desk.classify(input.get(..len), out))
    };
    answer(|desk| {
        let label = PROBABILITIES.with(|out| read(desk, out)).flatten();
        label.ok_or(Failure::Early)?.map(Some)
    })
}

/// The address of the probabilities of the last [`classify`], 32-bit floats, one for each label.
#[unsafe(no_mangle)]
pub extern "C" fn probabilities() -> *const f32 {
    PROBABILITIES.pointer().cast()
}

/// Writes the name of a label to the output and returns its bytes; 0 if the image has no names.
#[unsafe(no_mangle)]
pub extern "C" fn label(number: usize) -> usize {
    let write = |name: &str, out: &mut [u8; TEXT]| {
        let to = out.get_mut(..name.len())?;
        to.copy_from_slice(name.as_bytes());
        Some(name.len())
    };
    let name = DESK.with(|desk| desk.name(number)).unwrap_or_default();
    OUTPUT.with(|out| write(name, out)).flatten().unwrap_or(0)
}

/// Starts the translation of the first `len` bytes of the input; returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn start(len: usize) -> i32 {
    answer(|desk| begin(desk, len).map(|()| Some(0)))
}

/// Runs one step and returns the bytes of the output, which continue the text of earlier steps; often 0. [`END`] after
/// the last.
#[unsafe(no_mangle)]
pub extern "C" fn poll() -> i32 {
    answer(|desk| OUTPUT.with(|output| desk.poll(output)).ok_or(Failure::Early)?)
}

/// The token of the last [`poll`]; -1 if it has none.
#[unsafe(no_mangle)]
pub extern "C" fn token() -> i32 {
    DESK.with(|desk| desk.token).flatten().and_then(|token| i32::try_from(token).ok()).unwrap_or(-1)
}

/// Writes the text of the last call's failure and returns the bytes of the output; 0 if the call did not fail.
#[unsafe(no_mangle)]
pub extern "C" fn error() -> usize {
    let failed = DESK.with(|desk| desk.failed).flatten();
    failed.and_then(|failure| OUTPUT.with(|output| failure.write(output))).unwrap_or(0)
}
