//! Reading a model.

use super::files::Beside;
use super::options::Options;
use super::yaml;
use crate::model::{Generation, Imported, Languages, Parameters, Pieces};
use crate::start::{self, NEVER, Order};
use crate::tensors::Tensors;
use a2d_run::config::Task;
use a2d_run::model::{Plan, core_config};
use a2d_system::error::{Error, Result};
use std::path::Path;

/// The options.
const OPTIONS: &str = "special:model.yml";
/// The table of both sides and of the output.
const TABLE: &str = "Wemb";
/// The bias of the logits.
const BIAS: &str = "decoder_ff_logit_out_b";

/// Parts of layers: ours and Marian's.
const PARTS: [(&str, &str); 26] = [
    ("self_attn.q_proj.weight", "self_Wq"),
    ("self_attn.q_proj.bias", "self_bq"),
    ("self_attn.k_proj.weight", "self_Wk"),
    ("self_attn.k_proj.bias", "self_bk"),
    ("self_attn.v_proj.weight", "self_Wv"),
    ("self_attn.v_proj.bias", "self_bv"),
    ("self_attn.out_proj.weight", "self_Wo"),
    ("self_attn.out_proj.bias", "self_bo"),
    ("self_attn_layer_norm.weight", "self_Wo_ln_scale"),
    ("self_attn_layer_norm.bias", "self_Wo_ln_bias"),
    ("encoder_attn.q_proj.weight", "context_Wq"),
    ("encoder_attn.q_proj.bias", "context_bq"),
    ("encoder_attn.k_proj.weight", "context_Wk"),
    ("encoder_attn.k_proj.bias", "context_bk"),
    ("encoder_attn.v_proj.weight", "context_Wv"),
    ("encoder_attn.v_proj.bias", "context_bv"),
    ("encoder_attn.out_proj.weight", "context_Wo"),
    ("encoder_attn.out_proj.bias", "context_bo"),
    ("encoder_attn_layer_norm.weight", "context_Wo_ln_scale"),
    ("encoder_attn_layer_norm.bias", "context_Wo_ln_bias"),
    ("fc1.weight", "ffn_W1"),
    ("fc1.bias", "ffn_b1"),
    ("fc2.weight", "ffn_W2"),
    ("fc2.bias", "ffn_b2"),
    ("final_layer_norm.weight", "ffn_ffn_ln_scale"),
    ("final_layer_norm.bias", "ffn_ffn_ln_bias"),
];

/// Reads the model at `path`: an `.npz` file, or a folder with one.
///
/// # Errors
///
/// Misuse: a file is missing or damaged, the model is of another kind, or its files contradict each other.
pub fn import(path: &Path) -> Result<Imported> {
    let beside = Beside::read(path)?;
    let mut file = Tensors::open(&beside.weights(path)?)?;
    let options = Options::read(&file.text(OPTIONS)?);
    let model = options.and_then(|options| options.model()).map_err(|why| file.error(&why))?;
    let sentencepiece = beside.sentencepiece()?;
    let tokens = beside.tokens(&sentencepiece)?;
    let order =
        Order::new(&tokens, None).map_err(|why| Error::misuse(format!("the vocabulary {why}")))?;
    let pieces = Pieces { source: order.pieces.clone(), target: order.pieces.clone() };
    let plan = Plan::new(&core_config(&model, Task::Translate, pieces.sizes()), None);
    let plan = plan.map_err(|e| file.error(&format!("has impossible options: {e}")))?;
    let mut weights = Weights { file, tokens: tokens.len(), order };
    Ok(Imported {
        parameters: weights.parameters(&plan)?,
        model,
        pieces,
        sentencepiece,
        generation: generation(beside.decoder().as_deref().unwrap_or_default()),
        languages: Languages::default(),
        untrimmed: None,
        notes: vec![],
    })
}

fn generation(decoder: &str) -> Generation {
    let keys = yaml::read(decoder);
    let text = |key: &str| keys.get(key).and_then(|values| values.first());
    Generation {
        beam: text("beam-size").and_then(|text| text.parse().ok()),
        max_length: text("max-length").and_then(|text| text.parse().ok()),
        length_penalty: text("normalize").and_then(|text| text.parse().ok()),
    }
}

struct Weights {
    file: Tensors,
    /// Tokens of the file.
    tokens: usize,
    order: Order,
}

impl Weights {
    fn parameters(&mut self, plan: &Plan) -> Result<Parameters> {
        let mut parameters = Parameters::new();
        for (name, spec) in plan.params() {
            let shape = spec.shape.dims();
            let values = match name.as_str() {
                start::SOURCE => {
                    let width = spec.shape.cols();
                    let rows = self.file.values(TABLE, &[self.tokens, width])?;
                    self.order.arrange(&rows, width, 0.0)
                }
                start::BIAS => {
                    let bias = self.file.values(BIAS, &[1, self.tokens])?;
                    self.order.arrange(&bias, 1, NEVER)
                }
                name => self.layer(name, shape)?,
            };
            parameters.insert(name.clone(), (shape.to_vec(), values));
        }
        self.file.finish(OPTIONS)?;
        Ok(parameters)
    }

    /// A part of a layer: matrices are stored `[in, out]`, vectors `[1, out]`.
    fn layer(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let name = marian_name(name).ok_or_else(|| self.file.error(&format!("has no `{name}`")))?;
        match shape {
            [out, input] => {
                let values = self.file.values(&name, &[*input, *out])?;
                Ok(transposed(&values, *out))
            }
            _ => self.file.values(&name, &[1, shape.first().copied().unwrap_or(0)]),
        }
    }
}

/// `encoder_l1_self_Wq` of `encoder.layers.0.self_attn.q_proj.weight`.
fn marian_name(name: &str) -> Option<String> {
    let (side, rest) = name.split_once(".layers.")?;
    let (layer, part) = rest.split_once('.')?;
    let layer: usize = layer.parse().ok()?;
    let (_, theirs) = PARTS.iter().find(|(ours, _)| *ours == part)?;
    Some(format!("{side}_l{}_{theirs}", layer + 1))
}

/// Rows of `width` values as columns.
fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    (0..width)
        .flat_map(|column| values.iter().skip(column).step_by(width.max(1)).copied())
        .collect()
}
