//! What a teacher says of the training sentences, computed once: its last hidden states, and the results that the method
//! needs.
//!
//! Values are kept sentence by sentence, since epochs have other batches. A result of the CPU backend does not depend on
//! the batch of a sentence, so training with a cache in f32 has the same bits as without.

mod pieces;
mod store;

use a2d_core::backend::Train;
use a2d_core::batch::{Batch, Layout};
use a2d_core::config::Config;
use a2d_core::device::Lost;
use a2d_core::kd::{Taught, TeachParts, Teacher};
use a2d_core::needs::Needs;
use a2d_run::config::{CacheKind, CachePrecision, DistillConfig};
use a2d_run::model::MOST_LAYERS;
use a2d_system::error::Result;
use a2d_system::hash;
use pieces::{Lengths, Pieces, Said};
use std::cell::RefCell;
use std::path::Path;
use store::{Slots, Store, Values, bytes_of};

/// Where a cache is, and how much it may keep.
pub struct Choice<'a> {
    /// The place.
    pub kind: CacheKind,
    /// The precision of what is kept.
    pub precision: CachePrecision,
    /// Bytes, at most.
    pub most: u64,
    /// The file of a cache on disk.
    pub path: &'a Path,
}

impl Choice<'static> {
    /// All in memory.
    pub fn memory() -> Self {
        let (kind, precision) = (CacheKind::Memory, CachePrecision::F32);
        Self { kind, precision, most: u64::MAX, path: Path::new("") }
    }
}

impl<'a> Choice<'a> {
    /// The choice of a configuration.
    pub fn of(distill: &DistillConfig, path: &'a Path) -> Self {
        let most = (distill.cache_gib * f64::from(1 << 30)) as u64;
        Self { kind: distill.cache, precision: distill.cache_precision, most, path }
    }
}

/// All that determines what a teacher says.
pub struct Source<'a> {
    /// The lengths of the sentences of the corpus, in tokens.
    pub lengths: &'a [(u32, u32)],
    /// The results that the method needs.
    pub needs: Needs,
    /// The layout of the batches.
    pub layout: Layout,
    /// Names teacher, data, method, device and program.
    pub key: String,
}

/// What a teacher says of sentences.
pub struct Cache {
    pieces: Pieces,
    /// The configuration of the teacher.
    model: Config,
    /// The layout in which the teacher reads sentences.
    layout: Layout,
    needs: Needs,
    precision: CachePrecision,
    store: RefCell<Store>,
    kept: Kept,
    /// Why the file could not be written.
    trouble: RefCell<Option<String>>,
}

/// The sentences that are kept, which are the first ones.
struct Kept {
    kind: CacheKind,
    sentences: usize,
    bytes: u64,
    /// Bytes of all sentences.
    whole: u64,
}

/// A sentence of a part of a batch.
#[derive(Clone, Copy)]
pub struct Sentence<'a> {
    /// Its number in the corpus.
    pub number: usize,
    /// The ids of the source.
    pub source: &'a [u32],
    /// The ids of the target.
    pub target: &'a [u32],
}

impl Cache {
    /// Opens a cache for the sentences of `source`; `None` if none is wanted.
    ///
    /// # Errors
    ///
    /// Misuse: the disk is too small. The file cannot be written.
    pub fn open<T: Clone, B: Train<Tensor = T, Param = T>>(
        b: &mut B,
        teacher: &Teacher<T, MOST_LAYERS>,
        choice: &Choice<'_>,
        source: &Source<'_>,
    ) -> Result<Option<Self>> {
        let Choice { kind, precision, path, .. } = *choice;
        if kind == CacheKind::Off {
            return Ok(None);
        }
        let (model, needs) = (teacher.model.config, source.needs);
        // All padding of a sentence has the values of its first.
        let layout = if source.layout == Layout::Padded { Layout::OnePad } else { Layout::Packed };
        let shortest: &[&[u32]] = &[&[model.special.eos]];
        let batch = Batch::of_model(b, &model, (shortest, shortest), 0..1, layout);
        let taught = teacher.teach(b, &batch, needs);
        let pieces = Pieces::of(b, &taught);
        let sizes = source.lengths.iter().map(|&(source, target)| {
            let lengths = [source, target].map(|length| length as usize);
            pieces.len(own_rows(&model, layout, lengths))
        });
        let kept = Kept::of(choice, sizes.clone());
        let store = match kind {
            CacheKind::Disk => {
                let key =
                    hash::bytes(format!("{} {layout:?} {precision:?}", source.key).as_bytes());
                Store::File(Slots::open(path, key, precision, sizes.take(kept.sentences))?)
            }
            _ => Store::Memory((0..kept.sentences).map(|_| None).collect()),
        };
        let (store, trouble) = (store.into(), None.into());
        Ok(Some(Self { pieces, model, layout, needs, precision, store, kept, trouble }))
    }

    /// Where the values are kept, how many, and their size.
    pub fn outline(&self, sentences: usize) -> String {
        let Kept { kind, sentences: kept, bytes, whole } = self.kept;
        let place = if kind == CacheKind::Disk { "on disk" } else { "in memory" };
        let text = format!("the teacher's results are kept {place}: {}", mebibytes(bytes));
        if kept == sentences {
            return text;
        }
        let whole = mebibytes(whole);
        format!(
            "{text}, for {kept} of {sentences} pairs; all take {whole}, see `distill.cache_gib`"
        )
    }

    /// Why the file could not be written, once.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.take()
    }

    /// What `teacher` says of a part of a batch.
    fn teach<'t, T: Clone, B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        teacher: &'t Teacher<T, MOST_LAYERS>,
        part: &Part<'_>,
    ) -> Result<Taught<'t, T, MOST_LAYERS>, Lost> {
        let store = self.store.borrow();
        let mut values: Vec<_> = part.sentences.iter().map(|of| store.get(of.number)).collect();
        let missing: Vec<_> = (0..values.len()).filter(|&i| values[i].is_none()).collect();
        let sentences: Vec<_> = missing.iter().map(|&i| part.sentences[i]).collect();
        let fresh = self.ask(b, teacher, &sentences)?;
        for (&i, fresh) in missing.iter().zip(&fresh) {
            values[i] = Some(fresh.get());
        }
        let said = part.sentences.iter().zip(values.iter().flatten()).map(|(of, values)| {
            let own = own_rows(&self.model, self.layout, of.lengths());
            Said { values, own, rows: part.width.unwrap_or(own) }
        });
        let (hidden, seen) = self.pieces.join(b, self.needs, &said.collect::<Vec<_>>());
        drop(values);
        drop(store);
        self.keep(&sentences, fresh);
        Ok(Taught { model: &teacher.model, hidden, seen, fixed: teacher.fixed.as_ref() })
    }

    /// What `teacher` says of `sentences`, in the cache's precision.
    fn ask<T: Clone, B: Train<Tensor = T, Param = T>>(
        &self,
        b: &mut B,
        teacher: &Teacher<T, MOST_LAYERS>,
        sentences: &[Sentence<'_>],
    ) -> Result<Vec<Values>, Lost> {
        if sentences.is_empty() {
            return Ok(Vec::new());
        }
        let source: Vec<_> = sentences.iter().map(|of| of.source).collect();
        let target: Vec<_> = sentences.iter().map(|of| of.target).collect();
        let pairs = (&source[..], &target[..]);
        let batch = Batch::of_model(b, &self.model, pairs, 0..source.len(), self.layout);
        let taught = teacher.teach(b, &batch, self.needs);
        let lengths = sentences.iter().map(|of| own_rows(&self.model, self.layout, of.lengths()));
        let values = self.pieces.cut(b, &taught, &lengths.collect::<Vec<_>>())?;
        Ok(values.into_iter().map(|values| Values::of(values, self.precision)).collect())
    }

    fn keep(&self, sentences: &[Sentence<'_>], values: Vec<Values>) {
        let mut store = self.store.borrow_mut();
        let kept = sentences.iter().zip(values);
        let outcome = kept.into_iter().try_for_each(|(of, values)| store.put(of.number, values));
        if let Err(error) = outcome {
            // Nothing more is kept, but all is computed.
            *store = Store::Memory(Vec::new());
            *self.trouble.borrow_mut() =
                Some(format!("the teacher's results are no longer kept: {error}"));
        }
    }
}

impl Kept {
    /// The first sentences, of these numbers of elements, that take no more bytes than the choice has.
    fn of(choice: &Choice<'_>, sizes: impl Iterator<Item = usize>) -> Self {
        let mut kept = Self { kind: choice.kind, sentences: 0, bytes: 0, whole: 0 };
        for size in sizes {
            kept.whole += (size * bytes_of(choice.precision)) as u64;
            if kept.whole <= choice.most {
                kept.sentences += 1;
                kept.bytes = kept.whole;
            }
        }
        kept
    }
}

impl Sentence<'_> {
    fn lengths(&self) -> Lengths {
        [self.source.len(), self.target.len()]
    }
}

/// A part of a batch.
pub struct Part<'a> {
    /// Its sentences.
    pub sentences: Vec<Sentence<'a>>,
    /// The rows of each sentence, where all have as many.
    pub width: Option<Lengths>,
}

/// A teacher with its cache, for the parts of a lesson.
pub struct Recalling<'a, T> {
    /// The teacher.
    pub teacher: &'a Teacher<T, MOST_LAYERS>,
    /// What it said.
    pub cache: &'a Cache,
    /// The parts of the lesson.
    pub parts: Vec<Part<'a>>,
}

impl<T: Clone, B: Train<Tensor = T, Param = T>> TeachParts<B, MOST_LAYERS> for Recalling<'_, T> {
    fn teach_part(
        &self,
        b: &mut B,
        part: &Batch<B::Index>,
        number: usize,
        needs: Needs,
    ) -> Taught<'_, T, MOST_LAYERS> {
        let taught = self.cache.teach(b, self.teacher, &self.parts[number]);
        // The next use of a lost device says so.
        taught.unwrap_or_else(|_| self.teacher.teach(b, part, needs))
    }
}

/// The rows that are kept of a sentence of these lengths. A text has one row beside its source.
fn own_rows(model: &Config, layout: Layout, [source, target]: Lengths) -> Lengths {
    let padding = usize::from(layout == Layout::OnePad);
    [source + padding, if model.head.is_some() { 1 } else { target + padding }]
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
