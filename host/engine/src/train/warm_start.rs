//! Initialisation of a student from layers of its teacher, or from an earlier training of the same student.

use super::{Job, open_teacher};
use a2d_core::backend::Train;
use a2d_run::checkpoint::Saved;
use a2d_run::config::{InitFromTeacher, RunConfig};
use a2d_run::model::{Plan, is_auxiliary};
use a2d_run::run_dir::RunDir;
use a2d_system::error::{Error, Result};
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
    copy(b, plan, params, &mut saved, |name| layers.source(name))
}

/// Replaces the initial weights by those of the best checkpoint of an earlier training of the same model. Parameters of
/// the distillation keep their random initialisation: they belong to another teacher.
///
/// # Errors
///
/// Misuse: the run cannot be read, or has another model.
pub(super) fn carry_on<B: Train>(
    b: &mut B,
    plan: &Plan,
    params: &mut [B::Tensor],
    job: &Job<'_>,
    earlier: &Path,
) -> Result<()> {
    let (_, mut saved) = open_teacher(earlier, &job.data.vocab)?;
    copy(b, plan, params, &mut saved, str::to_owned)
}

/// Replaces each of the model's weights by the saved one that `source` names for it.
fn copy<B: Train>(
    b: &mut B,
    plan: &Plan,
    params: &mut [B::Tensor],
    saved: &mut Saved,
    source: impl Fn(&str) -> String,
) -> Result<()> {
    for ((name, spec), param) in plan.params().iter().zip(params) {
        if !is_auxiliary(name) {
            *param = b.tensor(&saved.take(&source(name), spec.shape.dims())?, spec.shape);
        }
    }
    Ok(())
}

/// A hash of the weights that a training begins with, if they are of an earlier one.
///
/// # Errors
///
/// Misuse: the run cannot be read.
pub(super) fn fingerprint(earlier: Option<&Path>) -> Result<Option<String>> {
    let saved = earlier.map(|folder| Saved::load(&RunDir::open(folder)?.checkpoint()?));
    Ok(saved.transpose()?.map(|saved| saved.fingerprint()))
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
