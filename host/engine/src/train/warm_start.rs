//! Initialisation of a student from layers of its teacher, or of a model from another run.

use super::{Job, open_any_teacher, open_teacher};
use a2d_core::backend::Train;
use a2d_core::params::Spec;
use a2d_data::vocab::Vocab;
use a2d_run::checkpoint::Saved;
use a2d_run::config::{InitFromTeacher, RunConfig};
use a2d_run::model::{Plan, is_auxiliary};
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
use a2d_system::program;
use std::collections::BTreeSet;
use std::path::Path;

/// Indices, from 0, of the teacher's layers that initialise the student's layers: the `first`, or evenly spread ones
/// from first to last (`skip`; six to three: 0, 2, 5). Halves round to even, as in Hugging Face's distilled BART and
/// Marian models.
pub fn teacher_layers(student: usize, teacher: usize, how: InitFromTeacher) -> Vec<usize> {
    let spread = |i: usize| {
        let place = i as f64 * (teacher - 1) as f64 / (student - 1).max(1) as f64;
        place.round_ties_even() as usize
    };
    match how {
        InitFromTeacher::First => (0..student).collect(),
        InitFromTeacher::Skip => (0..student).map(spread).collect(),
    }
}

/// Replaces the student's initial embeddings, norms and selected layers by the teacher's. The alignment keeps its
/// random initialisation.
///
/// # Errors
///
/// Misuse: the teacher cannot be read, has another width, or has fewer layers than the student.
pub(super) fn take<B: Train>(
    b: &mut B,
    plan: &Plan,
    params: &mut [B::Tensor],
    job: &Job<'_>,
    teacher: &Path,
    how: InitFromTeacher,
) -> Result<()> {
    let (theirs, mut saved) = open_teacher(teacher, &job.data.vocab)?;
    let layers = Layers::new(job.run, &theirs, how)?;
    copy(b, plan, params, &mut saved, |name| Some(layers.source(name)))
}

/// Replaces the initial weights by those of the best checkpoint of an earlier training: all of them, but for a head that is
/// absent there or is one for other labels or sizes. Parameters of the distillation keep their random initialisation: they
/// belong to another teacher. Returns the names of the model's parameters that keep it too.
///
/// # Errors
///
/// Misuse: the run cannot be read, has another vocabulary, or lacks a parameter of this shape.
pub(super) fn carry_on<B: Train>(
    b: &mut B,
    plan: &Plan,
    params: &mut [B::Tensor],
    job: &Job<'_>,
    earlier: &Path,
) -> Result<Vec<String>> {
    let (run, mut saved) = open_any_teacher(earlier)?;
    let alike = check_vocabulary(&saved, job, earlier)? && run.task == job.run.task;
    let is_there = |name: &str, spec: &Spec| {
        let found = saved.tensors.get(name).is_some_and(|(shape, _)| shape == spec.shape.dims());
        found && (alike || !name.starts_with(OUTPUT))
    };
    let heads = plan.params().iter().filter(|(name, _)| name.starts_with(HEAD));
    let new = heads.filter(|(name, spec)| !is_there(name, spec));
    let new: BTreeSet<String> = new.map(|(name, _)| name.clone()).collect();
    copy(b, plan, params, &mut saved, |name| (!new.contains(name)).then(|| name.to_owned()))?;
    Ok(new.into_iter().collect())
}

/// The prefix of the parameters of a text model that are not the encoder's.
const HEAD: &str = "head.";
/// The prefix of those that belong to certain labels, or to vectors.
const OUTPUT: &str = "head.output.";

/// Whether the earlier run has the labels of the data, too: it must have their subwords.
fn check_vocabulary(saved: &Saved, job: &Job<'_>, earlier: &Path) -> Result<bool> {
    let (ours, theirs) = (&job.data.vocab, saved.get::<String>("vocabulary")?);
    if theirs == ours.fingerprint() {
        return Ok(true);
    }
    let found = Vocab::load(&RunDir::at(earlier).tokenizer())?;
    if found.fingerprint() == theirs && ours.is_made_of(&found.without_labels()?) {
        return Ok(false);
    }
    let (run, data) = (earlier.display(), job.data.folder.display());
    let (ours, like) = (ours.fingerprint(), program::command("prepare --like RUN"));
    Err(Error::misuse(format!(
        "{run}, with whose weights the training begins, has another vocabulary ({theirs}) than {data} ({ours}): \
         prepare the data by {like}"
    )))
}

/// Replaces each of the model's weights by the saved one that `source` names for it, if any.
fn copy<B: Train>(
    b: &mut B,
    plan: &Plan,
    params: &mut [B::Tensor],
    saved: &mut Saved,
    source: impl Fn(&str) -> Option<String>,
) -> Result<()> {
    for ((name, spec), param) in plan.params().iter().zip(params) {
        if let Some(source) = source(name).filter(|_| !is_auxiliary(name)) {
            *param = b.tensor(&saved.take(&source, spec.shape.dims())?, spec.shape);
        }
    }
    Ok(())
}

/// A hash of the weights of the run in `earlier`, with which a training begins.
///
/// # Errors
///
/// Misuse: the run cannot be read.
pub(super) fn fingerprint(earlier: &Path) -> Result<String> {
    Ok(Saved::load(&RunDir::open(earlier)?.checkpoint()?)?.fingerprint())
}

/// The teacher's layer for each of the student's layers.
struct Layers {
    encoder: Vec<usize>,
    decoder: Vec<usize>,
}

impl Layers {
    fn new(student: &RunConfig, teacher: &RunConfig, how: InitFromTeacher) -> Result<Self> {
        let except = ["model.encoder_layers", "model.decoder_layers"];
        let differ = |key: &str, was: &str, is: &str| {
            Error::misuse(format!(
                "`distill.init_from_teacher` needs a student like its teacher, but `{key}` is {is} and the teacher's {was}"
            ))
        };
        let within = ALIKE.map(|name| format!("model.{name}"));
        let within: Vec<_> = within.iter().map(String::as_str).collect();
        if let Some(change) = student.change_since(teacher, &within, &except) {
            return Err(differ(&change.key, &change.was, &change.is));
        }
        let stack = |name: &str, student: usize, teacher: usize| {
            if student > teacher {
                return Err(differ(name, &teacher.to_string(), &student.to_string()));
            }
            Ok(teacher_layers(student, teacher, how))
        };
        let (ours, theirs) = (&student.model, &teacher.model);
        Ok(Self {
            encoder: stack("model.encoder_layers", ours.encoder_layers, theirs.encoder_layers)?,
            decoder: stack("model.decoder_layers", ours.decoder_layers, theirs.decoder_layers)?,
        })
    }

    /// The teacher's parameter that initialises the student's parameter `name`.
    fn source(&self, name: &str) -> String {
        for (stack, layers) in [("encoder", &self.encoder), ("decoder", &self.decoder)] {
            let prefix = format!("{stack}.layers.");
            let Some((number, rest)) = name.strip_prefix(&prefix).and_then(|n| n.split_once('.'))
            else {
                continue;
            };
            if let Some(layer) = number.parse().ok().and_then(|i: usize| layers.get(i)) {
                return format!("{prefix}{layer}.{rest}");
            }
        }
        name.to_owned()
    }
}

/// Keys of `[model]` that must be equal to copy layers.
const ALIKE: [&str; 12] = [
    "encoder_d_model",
    "decoder_d_model",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "activation",
    "positions",
    "share_embeddings",
    "normalize_before",
    "logits_bias",
    "decoder_start",
];
