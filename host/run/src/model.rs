//! From a configuration to parameters: binds the model's shapes to tensors in canonical order.

use crate::checkpoint::{Saved, Tensor as Stored};
use crate::config::{self, Activation, DecoderStart, Pooling, Positions, Task};
use crate::run_dir::RunDir;
use a2d_core::backend::Train;
use a2d_core::config::{Config, Embedding, Head, Output, Special, Stack};
use a2d_core::kd::{self, Terms};
use a2d_core::nn::Transformer;
use a2d_core::params::Spec;
use a2d_data::vocab::Sizes;
use a2d_system::error::{Error, Result};

/// The most layers of the encoder and of the decoder.
pub const MOST_LAYERS: usize = 32;

/// A model with up to [`MOST_LAYERS`] layers per side.
pub type Model<P> = Transformer<P, MOST_LAYERS>;

/// The state of training: parameters and Adam's moments.
pub type Learner<T> = kd::Learner<T, MOST_LAYERS>;

/// The core's configuration of `model` for `task`, over vocabularies of these sizes.
pub fn core_config(model: &config::ModelConfig, task: Task, sizes: Sizes) -> Config {
    let all = of_any_task(model, sizes);
    let output = match task {
        Task::Translate => return all,
        Task::Classify => Output::Labels(sizes.target),
        Task::Embed => Output::Vector(model.vectors()),
    };
    Config {
        target_vocabulary: output.targets(),
        share_embeddings: true,
        logits_bias: false,
        decoder: Stack::NONE,
        special: Special::FAIRSEQ,
        head: Some(Head {
            pooling: match model.pooling {
                Pooling::Mean => a2d_core::config::Pooling::Mean,
                Pooling::First => a2d_core::config::Pooling::First,
            },
            dense: model.pooler,
            output,
        }),
        ..all
    }
}

/// The configuration of an encoder and a decoder.
fn of_any_task(model: &config::ModelConfig, sizes: Sizes) -> Config {
    let stack = |d_model, ffn_dim, attention_heads, layers| Stack {
        d_model,
        ffn_dim,
        attention_heads,
        layers,
    };
    Config {
        source_vocabulary: sizes.source,
        target_vocabulary: sizes.target,
        share_embeddings: model.share_embeddings,
        encoder: stack(
            model.encoder_width(),
            model.encoder_inner(),
            model.encoder_attention_heads,
            model.encoder_layers,
        ),
        decoder: stack(
            model.decoder_width(),
            model.decoder_inner(),
            model.decoder_attention_heads,
            model.decoder_layers,
        ),
        normalize_before: model.normalize_before,
        activation: match model.activation {
            Activation::Relu => a2d_core::config::Activation::Relu,
            Activation::Gelu => a2d_core::config::Activation::Gelu,
            Activation::Silu => a2d_core::config::Activation::Silu,
        },
        dropout: model.dropout as f32,
        attention_dropout: model.attention_dropout as f32,
        activation_dropout: model.activation_dropout as f32,
        special: match model.decoder_start {
            DecoderStart::Eos => Special::FAIRSEQ,
            DecoderStart::Bos => Special::MARIAN,
        },
        positions: match model.positions {
            Positions::Fairseq => a2d_core::config::Positions::Fairseq,
            Positions::Marian => a2d_core::config::Positions::Marian,
            Positions::Learned => a2d_core::config::Positions::Learned,
        },
        logits_bias: model.logits_bias,
        head: None,
        embedding: Embedding {
            positions: if model.positions == Positions::Learned { model.max_positions } else { 0 },
            types: model.token_types,
            norm: model.embedding_norm,
        },
        norm_epsilon: model.norm_epsilon as f32,
    }
}

/// Names, shapes and binding of parameters.
pub type Plan = kd::Plan<MOST_LAYERS>;

/// The plan of `model`, with the parameters that the terms of a loss need beside it, for a teacher of a configuration.
///
/// # Errors
///
/// Misuse: the configuration is invalid.
pub fn plan(model: &Config, taught: Option<(&Terms, &Config)>) -> Result<Plan> {
    Plan::new(model, taught).map_err(|e| Error::misuse(e.to_string()))
}

/// The number of parameters of `plan`, without those that only training uses.
pub fn model_size(plan: &Plan) -> usize {
    let kept = plan.params().iter().filter(|(name, _)| !is_auxiliary(name));
    kept.map(|(_, spec)| spec.shape.len()).sum()
}

/// Takes every parameter of `plan` from a checkpoint, named with `prefix`.
///
/// # Errors
///
/// Misuse: a parameter is missing, has another shape, or contains NaN or infinity.
pub fn take<B: Train>(
    b: &mut B,
    plan: &Plan,
    saved: &mut Saved,
    prefix: &str,
) -> Result<Vec<B::Tensor>> {
    let tensor = |(name, spec): &(String, Spec)| {
        let data = saved.take(&format!("{prefix}{name}"), spec.shape.dims())?;
        if prefix.is_empty() && data.iter().any(|x| !x.is_finite()) {
            let path = saved.path().display();
            let how = "it cannot be used, take another checkpoint or train it again";
            return Err(Error::misuse(format!("{path}: `{name}` holds NaN or infinity: {how}")));
        }
        Ok(b.tensor(&data, spec.shape))
    };
    let params: Result<Vec<_>> = plan.params().iter().map(tensor).collect();
    Ok(b.together(params?))
}

/// Takes every parameter of `plan` from a checkpoint, which may hold others that only training needs.
///
/// # Errors
///
/// As [`take`]. Misuse: there is another tensor.
pub fn take_all<B: Train>(b: &mut B, plan: &Plan, mut saved: Saved) -> Result<Vec<B::Tensor>> {
    let params = take(b, plan, &mut saved, "")?;
    saved.tensors.retain(|name, _| !is_auxiliary(name) && !is_state(name));
    saved.finish()?;
    Ok(params)
}

/// Reads back one tensor per parameter of `plan`, named with `prefix`.
///
/// # Errors
///
/// The device was lost.
pub fn stored<B: Train>(
    b: &mut B,
    plan: &Plan,
    tensors: &[B::Tensor],
    prefix: &str,
) -> Result<Vec<(String, Stored)>> {
    let read = |((name, spec), tensor): (&(String, Spec), &B::Tensor)| {
        let mut data = vec![0.0; spec.shape.len()];
        b.read(tensor, &mut data)?;
        Ok((format!("{prefix}{name}"), (spec.shape.dims().to_vec(), data)))
    };
    plan.params().iter().zip(tensors).map(read).collect()
}

/// Checks that a checkpoint was trained with the `[model]` of the configuration beside it.
///
/// # Errors
///
/// Misuse: the `[model]` differs, or the checkpoint has no configuration.
pub fn check_model(saved: &Saved, dir: &RunDir, run: &config::RunConfig) -> Result<()> {
    let trained = config::parse(&saved.get::<String>("config")?, saved.path())?;
    let Some(change) = run.change_since(&trained, &["model"], &[]) else { return Ok(()) };
    let config::Change { key, was, is } = change;
    let (path, config) = (saved.path().display(), dir.config());
    let config = config.display();
    Err(Error::misuse(format!("{config} has `{key}` = {is}, but {path} was trained with {was}")))
}

/// Prefixes of optimiser state in a checkpoint: Adam's two moments, and the exponential moving average.
pub const STATE: [&str; 3] = ["adam.m.", "adam.v.", "ema."];

/// The tensor of a checkpoint that holds [`kd::Learner::queue`].
pub const QUEUE: &str = "selective.queue";

/// Whether a tensor of a checkpoint is the state of training beside parameters.
pub fn is_state(name: &str) -> bool {
    name == QUEUE || STATE.iter().any(|prefix| name.starts_with(prefix))
}

pub use a2d_core::kd::{is_alignment, is_auxiliary};
