//! Learns the BPE merges of a vocabulary from piece counts.

use a2d_system::error::{Error, Result};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use tokenizers::trainers::BpeTrainer;
use tokenizers::vocab::bucket_added_vocabulary::AddedToken;

/// The interval between two calls of `go_on`.
const PAUSE: Duration = Duration::from_millis(100);

/// Tokens with their ids, and the merges in order.
pub(super) type Learnt = (Vec<(String, u32)>, Vec<(String, String)>);

/// Learns merges until the vocabulary has `size` tokens, including `reserved` tokens and an alphabet of at most
/// `letters` characters. `go_on` is called regularly.
///
/// # Errors
///
/// The error of `go_on`; the learning thread then runs on until the process ends. Learning failed.
pub(super) fn learn_merges(
    words: &HashMap<Box<str>, u64>,
    letters: usize,
    reserved: &[String],
    size: usize,
    go_on: &mut dyn FnMut() -> Result<()>,
) -> Result<Learnt> {
    let alphabet = alphabet(words, letters);
    let special = |token: &String| AddedToken {
        content: token.clone(),
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
    };
    let trainer = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(reserved.iter().map(special).collect())
        .build();
    // Cut at characters outside the alphabet: the trainer would merge across them.
    let known = words.iter().flat_map(|(word, count)| {
        word.split(|c| !alphabet.contains(&c))
            .filter(|part| !part.is_empty())
            .map(move |part| (part, *count))
    });
    let mut parts: HashMap<&str, u64> = HashMap::new();
    for (part, count) in known {
        *parts.entry(part).or_default() += count;
    }
    let parts = parts.into_iter().map(|(part, count)| (part.into(), count)).collect();
    // The trainer cannot be interrupted.
    let learnt = apart(move || trainer.do_train(&parts).map_err(|e| e.to_string()), go_on)?;
    let (ids, merges, _) =
        learnt.map_err(|e| Error::failed(format!("cannot learn a vocabulary: {e}")))?;
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable_by_key(|(_, id)| *id);
    Ok((ids, merges))
}

/// The `limit` most frequent characters; of equally frequent ones, the first by code point.
fn alphabet(words: &HashMap<Box<str>, u64>, limit: usize) -> HashSet<char> {
    let mut counts: HashMap<char, u64> = HashMap::new();
    for (word, count) in words {
        for c in word.chars() {
            *counts.entry(c).or_default() += count;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|&(c, count)| (Reverse(count), c));
    counts.into_iter().take(limit).map(|(c, _)| c).collect()
}

/// Runs `work` on its own thread and calls `go_on` meanwhile.
///
/// # Errors
///
/// The error of `go_on`; `work` then runs on. The thread cannot be started. A panic of `work` is resumed here.
fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    go_on: &mut dyn FnMut() -> Result<()>,
) -> Result<T> {
    let (send, receive) = channel();
    let worker = thread::Builder::new().name("learn".into()).spawn(move || {
        // The receiver is gone if `go_on` failed.
        let _ = send.send(work());
    });
    let worker = worker.map_err(|e| Error::failed(format!("cannot start a thread: {e}")))?;
    loop {
        match receive.recv_timeout(PAUSE) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Timeout) => go_on()?,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    match worker.join() {
        Err(panic) => resume_unwind(panic),
        Ok(()) => Err(Error::failed("cannot learn a vocabulary: its thread has ended")),
    }
}
