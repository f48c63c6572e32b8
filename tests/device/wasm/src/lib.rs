//! The translator as a WebAssembly module without imports, for a page or for node.
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
//! or, a step at a time: `a2d.start(line.length)`, then `a2d.poll()` until it is [`END`]. A number below [`END`] is a
//! failure, see [`failure`], and [`error`] has it in words.
//!
//! An instance runs one image within one set of limits; for others, make another instance: memory never shrinks.
//! `image`, `load` and `open` make it grow: views of it from before are void.

#![no_std]
#![deny(clippy::undocumented_unsafe_blocks, missing_docs)]

mod desk;
pub mod failure;
mod memory;

use desk::Desk;
use failure::{END, Failure};
use memory::Single;

/// Bytes of text that there is room for, on the way in and on the way out.
const TEXT: usize = 1 << 14;

static INPUT: Single<[u8; TEXT]> = Single::new([0; TEXT]);
static OUTPUT: Single<[u8; TEXT]> = Single::new([0; TEXT]);
static DESK: Single<Desk> = Single::new(Desk::new());

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Runs `f` at the desk and makes a number of what it gives.
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

/// Where the `len` bytes of an image go; 0 if there is no memory for them.
#[unsafe(no_mangle)]
pub extern "C" fn image(len: usize) -> *mut u8 {
    DESK.with(|desk| desk.image(len)).flatten().unwrap_or_default()
}

/// Checks the image, which is left alone from now on: how many tokens its vocabulary has.
#[unsafe(no_mangle)]
pub extern "C" fn load() -> i32 {
    answer(|desk| desk.load().map(Some))
}

/// Bytes of working memory for sentences of up to `source` tokens, their end included, to up to `target` tokens;
/// `int8_cache` other than 0 keeps keys and values in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn need(source: usize, target: usize, beam: usize, int8_cache: i32) -> i32 {
    answer(|desk| desk.need(a2d_demo::limits(source, target, beam, int8_cache != 0)).map(Some))
}

/// Makes a translator of these limits: bytes of its working memory. A sentence under way is given up.
#[unsafe(no_mangle)]
pub extern "C" fn open(source: usize, target: usize, beam: usize, int8_cache: i32) -> i32 {
    answer(|desk| desk.open(a2d_demo::limits(source, target, beam, int8_cache != 0)).map(Some))
}

/// Where a sentence goes, as UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn input() -> *mut u8 {
    INPUT.pointer().cast()
}

/// Bytes that a sentence may have.
#[unsafe(no_mangle)]
pub extern "C" fn input_capacity() -> usize {
    TEXT
}

/// Where text comes out, as UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.pointer().cast()
}

/// Begins with the `len` bytes of the input.
fn begin(desk: &mut Desk, len: usize) -> Result<(), Failure> {
    INPUT.with(|input| desk.start(input.get(..len))).ok_or(Failure::Early)?
}

/// Translates the `len` bytes of the input: bytes of the output.
#[unsafe(no_mangle)]
pub extern "C" fn translate(len: usize) -> i32 {
    answer(|desk| {
        begin(desk, len)?;
        OUTPUT.with(|output| desk.finish(output)).ok_or(Failure::Early)?.map(Some)
    })
}

/// Begins to translate the `len` bytes of the input: 0.
#[unsafe(no_mangle)]
pub extern "C" fn start(len: usize) -> i32 {
    answer(|desk| begin(desk, len).map(|()| Some(0)))
}

/// Does one piece of work: bytes of the output, which go on from what came before; often none. [`END`] after the last.
#[unsafe(no_mangle)]
pub extern "C" fn poll() -> i32 {
    answer(|desk| OUTPUT.with(|output| desk.poll(output)).ok_or(Failure::Early)?)
}

/// The token that the last [`poll`] found; -1 if it found none.
#[unsafe(no_mangle)]
pub extern "C" fn token() -> i32 {
    DESK.with(|desk| desk.token).flatten().and_then(|token| i32::try_from(token).ok()).unwrap_or(-1)
}

/// The most bytes of working memory that the last sentence had in use at once.
#[unsafe(no_mangle)]
pub extern "C" fn peak() -> usize {
    DESK.with(|desk| desk.peak()).unwrap_or(0)
}

/// The last call's failure in words: bytes of the output; 0 if it did not fail.
#[unsafe(no_mangle)]
pub extern "C" fn error() -> usize {
    let failed = DESK.with(|desk| desk.failed).flatten();
    failed.and_then(|failure| OUTPUT.with(|output| failure.write(output))).unwrap_or(0)
}
