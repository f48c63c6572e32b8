//! The student with its optimiser state, the teacher, and one update over all ranks.

use super::cache::{Cache, Choice, Part, Recalling, Sentence, Source};
use crate::train::Unread;
use crate::train::ranks::Ranks;
use a2d_core::backend::Train;
use a2d_core::batch::{Batch, Extent, Layout};
use a2d_core::config::Config;
use a2d_core::kd::{
    Counts, Lesson, MapTerms, Mapping, Objective, Step, TeachParts, Teacher, Term, Updated,
    elements,
};
use a2d_data::corpus::Corpus;
use a2d_data::vocab::Vocab;
use a2d_run::checkpoint::{Saved, Tensor as Stored, save};
use a2d_run::config::RunConfig;
use a2d_run::model::{
    Learner, MOST_LAYERS, Plan, QUEUE, STATE, check_model, core_config, plan, stored, take,
    take_all,
};
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use a2d_system::program;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// Token ids of sentence pairs, each side ended by EOS.
pub type Pairs = (Vec<Vec<u32>>, Vec<Vec<u32>>);

/// Reads the pairs of a batch.
///
/// # Errors
///
/// The corpus file changed since it was opened.
pub fn pairs(corpus: &Corpus, rows: &[u32]) -> Result<Pairs> {
    rows.iter().map(|&i| corpus.pair(i as usize)).collect()
}

/// A batch of `pairs` for `model`, in the layout of the objective.
pub fn batch<B: Train>(
    b: &mut B,
    model: &Config,
    pairs: &Pairs,
    objective: &Objective,
) -> Batch<B::Index> {
    let source: Vec<&[u32]> = pairs.0.iter().map(Vec::as_slice).collect();
    let target: Vec<&[u32]> = pairs.1.iter().map(Vec::as_slice).collect();
    Batch::of_model(b, model, (&source, &target), 0..source.len(), objective.layout())
}

/// The sentences of a batch, as slices.
struct Whole<'a> {
    source: Vec<&'a [u32]>,
    target: Vec<&'a [u32]>,
    layout: Layout,
    extent: Extent,
}

impl<'a> Whole<'a> {
    fn new(pairs: &'a Pairs, layout: Layout) -> Self {
        let source: Vec<&[u32]> = pairs.0.iter().map(Vec::as_slice).collect();
        let target: Vec<&[u32]> = pairs.1.iter().map(Vec::as_slice).collect();
        let extent = Extent::of(&source, &target);
        Self { source, target, layout, extent }
    }

    /// This rank's share, in parts of at most `at.room` padded tokens but at least one pair. The losses of all parts of
    /// all ranks sum to those of the batch.
    fn parts(&self, at: &At<'_>) -> Vec<Range<usize>> {
        let share = self.share(at.ranks);
        let rows = (at.room / self.extent.source.max(self.extent.target).max(1)).max(1);
        let part = |begin: usize| begin..share.end.min(begin.saturating_add(rows));
        share.clone().step_by(rows).map(part).collect()
    }

    fn batch<B: Train>(&self, b: &mut B, model: &Config, part: Range<usize>) -> Batch<B::Index> {
        Batch::of_model(b, model, (&self.source, &self.target), part, self.layout)
    }

    /// A part as the teacher's cache knows it; `numbers` are those of the pairs.
    fn recalled(&self, part: Range<usize>, numbers: &[u32]) -> Part<'a> {
        let Extent { source, target, .. } = self.extent;
        let width = (self.layout == Layout::Padded).then_some([source, target]);
        let sentence = |i: usize| Sentence {
            number: numbers[i] as usize,
            source: self.source[i],
            target: self.target[i],
        };
        Part { sentences: part.map(sentence).collect(), width }
    }

    /// The pairs that this rank computes.
    fn share(&self, ranks: &Ranks) -> Range<usize> {
        let weight = |(source, target): (&&[u32], &&[u32])| match self.layout {
            Layout::Packed => source.len() + target.len(),
            Layout::Padded | Layout::OnePad => 1,
        };
        ranks.share(&self.source.iter().zip(&self.target).map(weight).collect::<Vec<_>>())
    }
}

/// A value of each target token of each batch, from those of this rank's share.
fn gather(own: Vec<Vec<f32>>, batches: &[Whole<'_>], ranks: &Ranks) -> Vec<Vec<f32>> {
    if ranks.size() == 1 {
        return own;
    }
    let placed = batches.iter().zip(&own).map(|(whole, own)| {
        let tokens = |targets: &[&[u32]]| targets.iter().map(|target| target.len()).sum::<usize>();
        let before = tokens(&whole.target[..whole.share(ranks).start]);
        let mut all = vec![0.0; tokens(&whole.target)];
        all[before..][..own.len()].copy_from_slice(own);
        all
    });
    let placed: Vec<_> = placed.collect();
    let mut rest = ranks.sum(placed.concat()).into_iter();
    placed.iter().map(|batch| rest.by_ref().take(batch.len()).collect()).collect()
}

/// Sentence and token counts of an update on `batches`, over all ranks.
fn counts(batches: &[Pairs]) -> Counts {
    let pairs = batches.iter().flat_map(|(source, target)| source.iter().zip(target));
    let of = |(source, target): (&Vec<u32>, &Vec<u32>)| Counts::pair(source.len(), target.len());
    pairs.map(of).fold(Counts::default(), Counts::and)
}

/// The position of an update in training.
pub struct At<'a> {
    /// Number of the update, learning rate and Adam's settings.
    pub step: Step,
    /// Epoch, from 1.
    pub epoch: u64,
    /// Key of the dropout masks.
    pub key: u64,
    /// The numbers of the pairs of each batch in the corpus, for the teacher's cache.
    pub numbers: &'a [Vec<u32>],
    /// Padded tokens that fit the device's memory; larger batches are computed in parts.
    pub room: usize,
    /// The ranks that share the update.
    pub ranks: &'a Ranks,
}

/// Computes one update on `batches`. Reads nothing from the device, unless a term selects targets, or several ranks sum their
/// gradients in the host's memory.
///
/// # Errors
///
/// The device was lost.
pub fn update<B: Train>(
    b: &mut B,
    learner: &mut Learner<B::Tensor>,
    batches: &[Pairs],
    teacher: Option<&TeacherModel<B::Tensor>>,
    objective: &Objective,
    at: &At<'_>,
) -> Result<Unread<B::Tensor>> {
    let counts = counts(batches);
    let model = *learner.plan.config();
    let whole: Vec<_> = batches.iter().map(|of| Whole::new(of, objective.layout())).collect();
    let parts: Vec<_> = whole.iter().map(|of| of.parts(at)).collect();
    let batch = |(of, parts): (&Whole<'_>, &Vec<Range<usize>>)| {
        parts.iter().map(|part| of.batch(b, &model, part.clone())).collect()
    };
    let batches: Vec<Vec<_>> = whole.iter().zip(&parts).map(batch).collect();
    let gather = |own| gather(own, &whole, at.ranks);
    let recalling = teacher.and_then(|teacher| {
        let numbered = whole.iter().zip(&parts).zip(at.numbers);
        let part = numbered.flat_map(|((of, parts), numbers)| {
            parts.iter().map(|part| of.recalled(part.clone(), numbers))
        });
        let cache = teacher.cache.as_ref()?;
        Some(Recalling { teacher: &teacher.teacher, cache, parts: part.collect() })
    });
    let lesson = Lesson {
        objective,
        teacher: match &recalling {
            Some(recalling) => Some(recalling),
            None => teacher.map(|teacher| &teacher.teacher as &dyn TeachParts<_, _>),
        },
        batches: &batches,
        counts,
        epoch: at.epoch,
        key: at.key,
        gather: &gather,
    };
    let reduce = |b: &mut B, grads| over_ranks(b, grads, at.ranks);
    let Updated { reports, gradient_norm } = learner.update(b, &lesson, &at.step, reduce)?;
    Ok(Unread { counts, reports, gradient_norm })
}

/// The weights used for validation and translation: the average, if there is one, packed for repeated use.
pub fn model_weights<B: Train>(b: &mut B, learner: &Learner<B::Tensor>) -> Vec<B::Tensor> {
    match &learner.average {
        Some(average) => b.together(average.clone()),
        None => learner.params.clone(),
    }
}

/// Loads a state written by [`save_state`], with the weight average if there is one.
///
/// # Errors
///
/// Misuse: a tensor is missing or has another shape.
pub fn load<B: Train>(
    b: &mut B,
    plan: &Plan,
    saved: &mut Saved,
    averaged: bool,
) -> Result<Learner<B::Tensor>> {
    let [m, v, ema] = STATE;
    Ok(Learner {
        params: take(b, plan, saved, "")?,
        m: take(b, plan, saved, m)?,
        v: take(b, plan, saved, v)?,
        average: averaged.then(|| take(b, plan, saved, ema)).transpose()?,
        queue: saved.tensors.remove(QUEUE).map_or_else(Vec::new, |(_, values)| values),
        plan: plan.clone(),
    })
}

/// Writes the parameters used for translation: the average, if there is one.
///
/// # Errors
///
/// The file cannot be written, the device was lost.
pub fn save_weights<B: Train>(
    b: &mut B,
    learner: &Learner<B::Tensor>,
    path: &Path,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    write(path, &stored(b, &learner.plan, learner.weights(), "")?, metadata)
}

/// Writes the parameters, Adam's moments, the weight average and the queue of a selection.
///
/// # Errors
///
/// The file cannot be written, the device was lost.
pub fn save_state<B: Train>(
    b: &mut B,
    learner: &Learner<B::Tensor>,
    path: &Path,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let mut tensors = stored(b, &learner.plan, &learner.params, "")?;
    let state = [Some(&learner.m), Some(&learner.v), learner.average.as_ref()];
    for (prefix, state) in STATE.iter().zip(state) {
        let Some(state) = state else { continue };
        tensors.extend(stored(b, &learner.plan, state, prefix)?);
    }
    let queue = &learner.queue;
    if !queue.is_empty() {
        tensors.push((QUEUE.to_owned(), (vec![queue.len()], queue.clone())));
    }
    write(path, &tensors, metadata)
}

/// Sums the tensors of all ranks element by element.
///
/// # Errors
///
/// The device was lost.
fn over_ranks<B: Train>(
    b: &mut B,
    mut own: Vec<B::Tensor>,
    ranks: &Ranks,
) -> Result<Vec<B::Tensor>> {
    if ranks.size() == 1 || b.sum_over_processes(&mut own) {
        return Ok(own);
    }
    let flat = ranks.sum(elements(b, &own.iter().collect::<Vec<_>>())?);
    let mut rest = &flat[..];
    let sum = |tensor: &B::Tensor| {
        let shape = b.shape(tensor);
        let (data, after) = rest.split_at(shape.len());
        rest = after;
        b.tensor(data, shape)
    };
    Ok(own.iter().map(sum).collect())
}

fn write(
    path: &Path,
    tensors: &[(String, Stored)],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let views =
        tensors.iter().map(|(name, (shape, data))| (name.clone(), shape.clone(), &data[..]));
    save(path, views, metadata)
}

/// A trained model used as teacher.
pub struct TeacherModel<T> {
    /// The model and, if requested, its frozen alignment.
    pub teacher: Teacher<T, MOST_LAYERS>,
    /// What the teacher said of sentences, if it is kept.
    pub(super) cache: Option<Cache>,
    /// The configuration that defines the teacher's attention maps: with an alignment, that of the model it was aligned
    /// to.
    maps: Config,
    /// Fingerprint of the weights; empty for untrained weights.
    fingerprint: String,
}

/// Opens the configuration and the best checkpoint of a teacher's run for data with `vocab`.
///
/// # Errors
///
/// Misuse: the run is missing, damaged or has another vocabulary.
pub fn open_teacher(folder: &Path, vocab: &Vocab) -> Result<(RunConfig, Saved)> {
    let (run, saved) = open_any_teacher(folder)?;
    let (name, ours) = (saved.path().display(), vocab.fingerprint());
    let theirs: String = saved.get("vocabulary")?;
    if theirs != ours {
        return Err(Error::misuse(format!(
            "the teacher {name} has another vocabulary ({theirs}) than the data ({ours}): \
             teacher and student must be trained on data of one {}",
            program::command("prepare")
        )));
    }
    Ok((run, saved))
}

/// Opens the configuration and the best checkpoint of a teacher's run, of any vocabulary.
///
/// # Errors
///
/// Misuse: the run is missing or damaged.
pub fn open_any_teacher(folder: &Path) -> Result<(RunConfig, Saved)> {
    let dir = RunDir::open(folder)?;
    let run = dir.load_config()?;
    let saved = Saved::load(&dir.checkpoint()?)?;
    check_model(&saved, &dir, &run)?;
    Ok((run, saved))
}

impl<T: Clone> TeacherModel<T> {
    fn new(teacher: Teacher<T, MOST_LAYERS>, maps: Config, fingerprint: String) -> Self {
        Self { teacher, cache: None, maps, fingerprint }
    }

    /// An untrained teacher with parameters drawn from `seed`.
    ///
    /// # Errors
    ///
    /// Misuse: an invalid configuration.
    pub fn untrained<B: Train<Tensor = T, Param = T>>(
        b: &mut B,
        config: &Config,
        seed: u64,
    ) -> Result<Self> {
        let plan = plan(config, None)?;
        let model = plan.bind(plan.init(b, seed)).model;
        Ok(Self::new(model.into(), *config, String::new()))
    }

    /// Opens the best checkpoint of a run. With `aam`, the teacher's maps pass through the alignment stored in it.
    ///
    /// # Errors
    ///
    /// Misuse: the run is missing, damaged, has another vocabulary, or has no alignment although `aam` is set.
    pub fn open<B: Train<Tensor = T, Param = T>>(
        b: &mut B,
        folder: &Path,
        vocab: &Vocab,
        aam: bool,
    ) -> Result<Self> {
        let (run, saved) = open_teacher(folder, vocab)?;
        let config = core_config(&run.model, run.task, vocab.sizes());
        if aam {
            return Self::with_alignment(b, &config, saved);
        }
        let fingerprint = saved.fingerprint();
        let plan = plan(&config, None)?;
        let params = take_all(b, &plan, saved)?;
        let model = plan.bind(params).model;
        Ok(Self::new(model.into(), config, fingerprint))
    }

    fn with_alignment<B: Train<Tensor = T, Param = T>>(
        b: &mut B,
        config: &Config,
        saved: Saved,
    ) -> Result<Self> {
        let fingerprint = saved.fingerprint();
        let rows = |name: &str| {
            let (shape, _) = saved.tensors.get(&format!("{name}.weight")).ok_or_else(|| {
                let text = "`distill.teacher_aam` is on, but the teacher has no alignment in";
                Error::misuse(format!("{text} {}", saved.path().display()))
            })?;
            Ok::<usize, Error>(shape.first().copied().unwrap_or(0))
        };
        // The alignment's target has as many maps as the weight has rows.
        let mut maps = *config;
        maps.encoder.attention_heads = 1;
        maps.encoder.layers = rows("encoder.alignment_module")?;
        maps.decoder.attention_heads = 1;
        maps.decoder.layers = rows("decoder.self_alignment_module")?;
        let terms = Some(MapTerms::OFFICIAL).into();
        let plan = plan(config, Some((&terms, &maps)))?;
        let params = take_all(b, &plan, saved)?;
        let learner = plan.bind(params);
        let align = learner.auxiliary.align;
        let teacher = Teacher { align, ..learner.model.into() };
        Ok(Self::new(teacher, maps, fingerprint))
    }

    /// Makes the fixed mixtures of a student's maps that `objective` compares with the teacher's, if any. Draws come
    /// from `key`.
    pub fn fix<B: Train<Tensor = T, Param = T>>(
        &mut self,
        b: &mut B,
        objective: &Objective,
        student: &Config,
        key: u64,
    ) {
        let mapping = objective.terms.iter().find_map(Term::mapping).unwrap_or(Mapping::Learned);
        if let Some(maps) = mapping.fixed(b, student, &self.maps, key) {
            (self.teacher.align, self.teacher.fixed) = (Some(maps.teacher), Some(maps.student));
        }
    }

    /// Keeps what the teacher says of the sentences of `source`, if `choice` has a place for it.
    ///
    /// # Errors
    ///
    /// Misuse: the disk is too small. The file cannot be written.
    pub fn remember<B: Train<Tensor = T, Param = T>>(
        &mut self,
        b: &mut B,
        choice: &Choice<'_>,
        source: &Source<'_>,
    ) -> Result<()> {
        self.cache = Cache::open(b, &self.teacher, choice, source)?;
        Ok(())
    }

    /// Fingerprint of the weights.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The configuration that sets the number of maps a student aligns to.
    pub fn maps_config(&self) -> Config {
        self.maps
    }
}
