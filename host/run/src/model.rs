//! From a configuration to parameters: the model's shapes bound to tensors, in one canonical order.

use crate::checkpoint::{Saved, Tensor as Stored};
use crate::config::{self, Activation};
use crate::run_dir::RunDir;
use a2d_core::backend::Train;
use a2d_core::config::{Config, Stack};
use a2d_core::kd::{Align, Student};
use a2d_core::nn::Transformer;
use a2d_core::params::Spec;
use a2d_core::rng;
use a2d_system::error::{Error, Result};
use std::convert::Infallible;

/// Layers that a model has room for on each side.
pub const MOST_LAYERS: usize = 32;

/// A model with room for [`MOST_LAYERS`] layers.
pub type Model<P> = Transformer<P, MOST_LAYERS>;

/// Everything that learns.
pub type Learner<P> = Student<P, MOST_LAYERS>;

/// The core's configuration of `model` over a joint vocabulary.
pub fn core_config(model: &config::Model, vocabulary: usize) -> Config {
    let stack = |d_model, ffn_dim, attention_heads, layers| Stack {
        d_model,
        ffn_dim,
        attention_heads,
        layers,
    };
    Config {
        source_vocabulary: vocabulary,
        target_vocabulary: vocabulary,
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
        },
        dropout: model.dropout as f32,
        attention_dropout: model.attention_dropout as f32,
        activation_dropout: model.activation_dropout as f32,
    }
}

/// The parameters of a learner: names and shapes in canonical order, and the tree they make.
#[derive(Debug)]
pub struct Plan {
    tree: Learner<Spec>,
    params: Vec<(String, Spec)>,
}

impl Plan {
    /// The plan of `model`, aligned to the maps of `teacher` where one is given.
    ///
    /// Errors (misuse): the configuration describes no model.
    pub fn new(model: &Config, teacher: Option<&Config>) -> Result<Self> {
        let model = Transformer::new(model).map_err(|e| Error::misuse(e.to_string()))?;
        let align = teacher.map(|teacher| Align::new(&model.config, teacher));
        let tree = Student { model, align };
        let mut params = Vec::new();
        let listed: Result<_, Infallible> = tree.try_map::<(), _>(&mut |path, spec| {
            params.push((path.to_string(), *spec));
            Ok(())
        });
        let Ok(_) = listed;
        Ok(Self { tree, params })
    }

    /// The model's configuration.
    pub fn config(&self) -> &Config {
        &self.tree.model.config
    }

    /// Name and shape of each parameter.
    pub fn params(&self) -> &[(String, Spec)] {
        &self.params
    }

    /// The number of values in the model, the alignment left out.
    pub fn model_size(&self) -> usize {
        let kept = self.params.iter().filter(|(name, _)| !is_alignment(name));
        kept.map(|(_, spec)| spec.shape.len()).sum()
    }

    /// The tree over `items`, one for each parameter, in order.
    pub fn bind<Q>(&self, items: impl IntoIterator<Item = Q>) -> Learner<Q> {
        let mut items = items.into_iter();
        let bound = self.tree.try_map(&mut |_, _| items.next().ok_or(()));
        bound.expect("as many items as parameters")
    }

    /// First values, drawn from `seed`.
    pub fn init<B: Train>(&self, b: &mut B, seed: u64) -> Vec<B::Tensor> {
        let tensor = |(number, (_, spec)): (usize, &(String, Spec))| {
            let key = rng::derive(seed, number as u64);
            let cols = spec.shape.cols();
            let data: Vec<f32> =
                (0..spec.shape.len()).map(|i| spec.init.value(key, i, cols)).collect();
            b.tensor(&data, spec.shape)
        };
        let params = self.params.iter().enumerate().map(tensor).collect();
        b.together(params)
    }

    /// Zeros in the shape of each parameter.
    pub fn zeros<B: Train>(&self, b: &mut B) -> Vec<B::Tensor> {
        let zeros = self.params.iter().map(|(_, spec)| b.zeros(spec.shape)).collect();
        b.together(zeros)
    }

    /// Takes every parameter out of a checkpoint, under its name after `prefix`.
    ///
    /// Errors (misuse): one is missing or of another shape; one holds NaN or infinity.
    pub fn take<B: Train>(
        &self,
        b: &mut B,
        saved: &mut Saved,
        prefix: &str,
    ) -> Result<Vec<B::Tensor>> {
        let tensor = |(name, spec): &(String, Spec)| {
            let data = saved.take(&format!("{prefix}{name}"), spec.shape.dims())?;
            if prefix.is_empty() && data.iter().any(|x| !x.is_finite()) {
                let path = saved.path().display();
                let how = "it cannot be used, take another checkpoint or train it again";
                return Err(Error::misuse(format!(
                    "{path}: `{name}` holds NaN or infinity: {how}"
                )));
            }
            Ok(b.tensor(&data, spec.shape))
        };
        let params: Result<Vec<_>> = self.params.iter().map(tensor).collect();
        Ok(b.together(params?))
    }

    /// Reads tensors back, each under its name after `prefix`.
    ///
    /// Errors: the device was lost.
    pub fn stored<B: Train>(
        &self,
        b: &mut B,
        tensors: &[B::Tensor],
        prefix: &str,
    ) -> Result<Vec<(String, Stored)>> {
        let read = |((name, spec), tensor): (&(String, Spec), &B::Tensor)| {
            let mut data = vec![0.0; spec.shape.len()];
            b.read(tensor, &mut data)?;
            Ok((format!("{prefix}{name}"), (spec.shape.dims().to_vec(), data)))
        };
        self.params.iter().zip(tensors).map(read).collect()
    }
}

/// Whether a checkpoint was trained with the `[model]` of the configuration beside it.
///
/// Errors (misuse): it was not, or does not say.
pub fn check_model(saved: &Saved, dir: &RunDir, run: &config::Run) -> Result<()> {
    let trained = config::parse(&saved.get::<String>("config")?, saved.path())?;
    let Some(change) = run.change_since(&trained, &["model"], &[]) else { return Ok(()) };
    let config::Change { key, was, is } = change;
    let (path, config) = (saved.path().display(), dir.config());
    let config = config.display();
    Err(Error::misuse(format!("{config} has `{key}` = {is}, but {path} was trained with {was}")))
}

/// How the names of what only the optimiser needs begin in a checkpoint: both moments, and the average of parameters.
pub const STATE: [&str; 3] = ["adam.m.", "adam.v.", "ema."];

/// Whether a tensor of a checkpoint is no parameter, but the optimiser's.
pub fn is_state(name: &str) -> bool {
    STATE.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a parameter belongs to the alignment, which only training needs.
pub fn is_alignment(name: &str) -> bool {
    name.contains("alignment_module")
}
