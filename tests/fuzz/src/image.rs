//! Fuzz target: images, from bytes to a translation, or to a text's label or vector.

use super::placed::Placed;
use a2d_core::config::Task;
use a2d_core::image::{ALIGN, ENTRY_WORDS, Format, HEADER_WORDS, Image, Section, Weight, checksum};
use a2d_core::micro::{
    Becomes, Error, Limits, Model, Options, TextJob, TextLimits, TextReader, ToLabel, ToVector,
    Translator,
};
use a2d_core::nn::Transformer;
use a2d_core::params::Spec;
use a2d_core::token::Tokenizer;
use std::convert::Infallible;
use std::task::Poll;

/// The largest number of layers of each stack.
const LAYERS: usize = 2;

/// The largest arena: a larger one finds nothing more and takes longer.
const MOST_ARENA: usize = 1 << 20;

/// Options from the first bytes of the input.
struct Head {
    /// What is repaired before the image is read, since random bytes would never be valid. 0: nothing, 1: length and
    /// checksum, 2 and 3: also the directory of the weights.
    repair: u8,
    /// Bytes from an address that 16 divides to the image.
    offset: usize,
    /// Formats of the matrices in a repaired directory; if they differ, matrices alternate.
    formats: [Format; 2],
    limits: Limits,
    /// Tokens to translate.
    source: [u8; 3],
    /// The number of tokens to translate.
    length: usize,
}

impl Head {
    fn new([how, limits, first, second]: [u8; 4]) -> Self {
        let part = |byte: u8, shift: u8| usize::from(byte >> shift & 3);
        Self {
            repair: how & 3,
            offset: [0, 4, 8, 1][part(how, 2)],
            formats: [
                [Format::F32; 2],
                [Format::Int8; 2],
                [Format::Int4; 2],
                [Format::Int8, Format::Int4],
            ][part(how, 4)],
            limits: Limits {
                source: part(limits, 0) + 1,
                target: part(limits, 2) + 1,
                beam: part(limits, 4) + 1,
                int8_cache: how >> 6 & 1 > 0,
            },
            source: [first, second, 4],
            length: part(limits, 6),
        }
    }
}

impl Head {
    /// The tokens. One id is outside the vocabulary.
    fn tokens(&self, model: &Model<'_, LAYERS>) -> Vec<u32> {
        let id = |byte: &u8| u32::from(*byte) % (model.config().source_vocabulary as u32 + 1);
        self.source[..self.length].iter().map(id).collect()
    }

    /// The limits of a text.
    fn text_limits(&self) -> TextLimits {
        TextLimits { tokens: self.limits.source + 2, int8_cache: self.limits.int8_cache }
    }
}

/// Four bytes of [`Head`], then an image. Returns whether a translation or a text was tried.
pub fn image(data: &[u8]) -> bool {
    let Some((head, bytes)) = data.split_first_chunk() else { return false };
    let head = Head::new(*head);
    let mut bytes = bytes.to_vec();
    if head.repair > 0 {
        repair(&mut bytes);
    }
    if head.repair > 1 {
        fit(&mut bytes, head.formats);
    }
    let placed = Placed::new(&bytes, head.offset);
    look(placed.bytes());
    let Ok(model) = Model::<LAYERS>::new(placed.bytes()) else { return false };
    assert_eq!(model.config(), model.image().config());
    match model.config().task() {
        Task::Translate => translated(&model, &head),
        Task::Classify => classified(&model, &head),
        Task::Embed => read::<ToVector>(&model, &head, |job, out| job.vector(out)),
    }
}

/// Asserts that the probabilities of a text's labels are that.
fn classified(model: &Model<'_, LAYERS>, head: &Head) -> bool {
    read::<ToLabel>(model, head, |job, out| {
        let label = job.label(out)?;
        let sum: f32 = out.iter().sum();
        assert!((sum - 1.0).abs() < 1e-3 && out.iter().all(|p| *p <= label.probability), "{out:?}");
        let names = model.image().labels();
        assert_eq!(names.map_or(Some(""), |names| names.get(label.number)), Some(label.name));
        Ok(())
    })
}

/// Asserts that a text gives the same in an arena of zeros, in the arena that this leaves, and step by step in an arena of
/// NaN.
fn read<T: Becomes>(
    model: &Model<'_, LAYERS>,
    head: &Head,
    end: impl Fn(&mut TextJob<'_, '_, T, LAYERS>, &mut [f32]) -> Result<(), Error>,
) -> bool {
    let limits = head.text_limits();
    let needed = model.text_arena_bytes(&limits);
    let width = model.config().head.map_or(0, |head| head.output.width());
    if needed > MOST_ARENA || width > MOST_ARENA {
        return false;
    }
    let text = head.tokens(model);
    let whole = |arena: &mut Placed, steps: bool| {
        let reader = TextReader::<T, LAYERS>::new(model, arena.bytes_mut(), limits);
        let mut reader = match reader {
            Ok(reader) => reader.cutting(),
            Err(Error::Limits) => return Err(Error::Limits), // a table of one position
            Err(error) => panic!("{error}"),
        };
        if model.source().is_some() {
            let text = String::from_utf8_lossy(&head.source);
            let _ = reader.start(&text).expect("a text that is cut");
        }
        let mut job = reader.start_tokens(&text).map_err(harmless)?;
        while steps && job.poll().expect("steps").is_pending() {}
        let mut out = vec![f32::NAN; width];
        end(&mut job, &mut out).map_err(harmless)?;
        assert!(job.peak() <= needed);
        Ok(out.into_iter().map(f32::to_bits).collect::<Vec<_>>())
    };
    let (mut zeros, mut noise) = (Placed::filled(needed, 4, 0), Placed::filled(needed, 0, 0xff));
    let first = whole(&mut zeros, false);
    assert_eq!(first, whole(&mut zeros, false));
    assert_eq!(first, whole(&mut noise, true));
    true
}

/// Repairs length and checksum.
fn repair(bytes: &mut [u8]) {
    let len = bytes.len() as u32;
    if let Some(word) = bytes.get_mut(12..16) {
        word.copy_from_slice(&len.to_le_bytes());
    }
    let sum = checksum(bytes);
    if let Some(word) = bytes.get_mut(16..20) {
        word.copy_from_slice(&sum.to_le_bytes());
    }
}

/// Appends the directory that the configuration of an image needs. The weights overlap: each begins 16 bytes after the
/// one before, or at the start if it would pass the end of the section. So a few bytes make a large model.
fn fit(bytes: &mut Vec<u8>, formats: [Format; 2]) {
    let placed = Placed::new(bytes, 0);
    let Ok(image) = Image::new(placed.bytes()) else { return };
    let Ok(shapes) = Transformer::<Spec, LAYERS>::new(image.config()) else { return };
    let weights = Placed::filled(image.weights().len(), 0, 0);
    let (mut entries, mut start) = (Vec::<u32>::new(), 0);
    let Ok(_) = shapes.try_map::<(), Infallible>(&mut |_, spec| {
        let matrix = spec.shape.dims().len() > 1;
        let format = formats[entries.len() / ENTRY_WORDS % 2];
        let format = if matrix { format } else { Format::F32 };
        let (rows, cols) = (spec.shape.rows() as u32, spec.shape.cols() as u32);
        let lies = weights.bytes().get(start..);
        if lies.and_then(|bytes| Weight::new(format, rows, cols, bytes)).is_none() {
            start = 0;
        }
        entries.extend([format as u32, rows, cols, start as u32]);
        start += ALIGN;
        Ok(())
    });
    let end = bytes.len().next_multiple_of(ALIGN);
    bytes.resize(end, 0);
    bytes.extend(entries.iter().flat_map(|word| word.to_le_bytes()));
    // The entry of the directory in the section table.
    let table = bytes[HEADER_WORDS * 4..].chunks_exact_mut(ENTRY_WORDS * 4);
    for entry in
        table.filter(|entry| entry[..4] == (Section::Directory as u32).to_le_bytes()).take(1)
    {
        entry[4..8].copy_from_slice(&(end as u32).to_le_bytes());
        entry[8..12].copy_from_slice(&(entries.len() as u32 * 4).to_le_bytes());
    }
    repair(bytes);
}

/// Reads everything in an image.
fn look(bytes: &[u8]) {
    let image = match Image::new(bytes) {
        Ok(image) => image,
        Err(error) => return assert!(!error.to_string().contains('\n')),
    };
    let _ = image.config().check(LAYERS);
    let _ = Tokenizer::new(image.tokenizer());
    let weights = image.weights();
    assert!(image.tokenizer().len().max(weights.len()) <= bytes.len());
    for number in 0..weights.count() {
        if let Some(weight) = weights.get(number) {
            look_at(&weight);
        }
    }
    assert!(weights.get(weights.count()).is_none());
    assert!(weights.get(usize::MAX).is_none());
    if let Some(labels) = image.labels() {
        assert!(labels.iter().count() == labels.len());
        assert!(labels.get(labels.len()).is_none());
        assert!(!labels.iter().any(|name| name.contains(char::is_control)));
    }
    if let Some(list) = image.shortlist() {
        let likely = |source| list.of(source).all(|id| id < image.config().target_vocabulary);
        assert!((0..=image.config().source_vocabulary).all(likely));
    }
}

/// Asserts that a weight has the numbers, scales and rows of its shape.
fn look_at(weight: &Weight<'_>) {
    let (rows, cols) = (weight.shape().rows(), weight.shape().cols());
    let groups = rows * cols.div_ceil(a2d_core::image::GROUP);
    let expected = match weight.format() {
        Format::F32 => [rows * cols, 0, 0, 0, 0],
        Format::Int8 => [0, rows * cols, rows, 0, 0],
        Format::Int4 => [0, 0, 0, groups, groups],
    };
    let (numbers, scales) = weight.groups();
    let found = [weight.words().len(), weight.bytes().len(), weight.row_scales().len()];
    assert_eq!([&found[..], &[numbers.len(), scales.len()]].concat(), expected);
    // At most the first and the last 32 rows.
    let mut out = vec![0.0; cols.min(80) + 1];
    for row in (0..rows.min(32)).chain(rows.saturating_sub(32)..rows) {
        assert_eq!(weight.read(row, &mut out), Some(()));
    }
    for row in [rows, rows + 1, usize::MAX / cols, usize::MAX] {
        assert_eq!(weight.read(row, &mut out), None, "row {row} of {rows}");
    }
}

/// Asserts that three translations are equal: in an arena of zeros, in the arena that this leaves, and step by step in
/// an arena of NaN.
fn translated(model: &Model<'_, LAYERS>, head: &Head) -> bool {
    let needed = model.arena_bytes(&head.limits);
    if needed > MOST_ARENA {
        return false;
    }
    let source = head.tokens(model);
    let options = Options { cut: true, ..Options::default() };
    let (mut zeros, mut noise) = (Placed::filled(needed, 4, 0), Placed::filled(needed, 0, 0xff));
    let mut translator =
        Translator::new(model, zeros.bytes_mut(), head.limits, options).expect("an arena");
    let first = whole(&mut translator, &source, head.limits.target);
    assert_eq!(first, whole(&mut translator, &source, head.limits.target));
    if model.source().is_some() {
        as_text(&mut translator, &head.source);
    }
    let mut translator =
        Translator::new(model, noise.bytes_mut(), head.limits, options).expect("an arena");
    assert_eq!(first, by_steps(&mut translator, &source, &head.limits, needed));
    let foreign = |id: &u32| *id as usize >= model.config().target_vocabulary;
    assert!(!first.unwrap_or_default().iter().any(foreign));
    true
}

/// Translates random text; a buffer that is too small gives an error with the size needed.
fn as_text(translator: &mut Translator<'_, '_, LAYERS>, source: &[u8]) {
    let text = String::from_utf8_lossy(source);
    let needed = match translator.translate(&text, &mut []) {
        Err(Error::Output { needed }) => needed,
        Err(error) => {
            harmless(error);
            return;
        }
        Ok(done) => return assert!(done.text.is_empty()),
    };
    let mut out = vec![0; needed];
    let done = translator.translate(&text, &mut out).expect("room");
    assert_eq!(done.text.len(), needed);
}

/// The tokens of a translation.
fn whole(
    translator: &mut Translator<'_, '_, LAYERS>,
    source: &[u32],
    most: usize,
) -> Result<Vec<u32>, Error> {
    let mut out = vec![u32::MAX; most];
    let done = translator.translate_tokens(source, &mut out).map_err(harmless)?;
    out.truncate(done.length);
    Ok(out)
}

/// The same by polling a job.
fn by_steps(
    translator: &mut Translator<'_, '_, LAYERS>,
    source: &[u32],
    limits: &Limits,
    arena: usize,
) -> Result<Vec<u32>, Error> {
    let mut job = translator.start_tokens(source).map_err(harmless)?;
    let mut tokens = Vec::new();
    loop {
        match job.poll().map_err(harmless)? {
            Poll::Pending => {}
            Poll::Ready(Some(token)) => tokens.push(token),
            Poll::Ready(None) => break,
        }
    }
    assert!(job.peak(limits) <= arena);
    Ok(tokens)
}

/// Asserts that an error is one that invalid bytes may cause.
fn harmless(error: Error) -> Error {
    assert!(matches!(error, Error::Token { .. } | Error::Nothing), "{error}");
    error
}
