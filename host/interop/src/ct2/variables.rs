//! The variables of a model, by CTranslate2's names.

use super::leaving::Leaving;
use crate::model::Portable;
use crate::positions;
use crate::start;
use a2d_core::config::{Activation, Stack};
use a2d_system::error::Result;
use std::collections::BTreeMap;

/// What a variable holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// A flag or a small number.
    Byte(i8),
    /// A count.
    Short(i16),
    /// A factor.
    Float(f32),
    /// Values that stay floats.
    Plain(Vec<f32>),
    /// A matrix that may become integers.
    Weight(Vec<f32>),
}

/// A variable; the shape of a single number is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// The sizes.
    pub shape: Vec<usize>,
    /// The values.
    pub data: Data,
}

/// All variables, in the order of their names.
pub type Variables = BTreeMap<String, Variable>;

/// The linear layers of a layer: ours, which lie one below the other in theirs.
const LINEAR: [(&[&str], &str); 4] = [
    (&["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], "self_attention/linear_0"),
    (&["self_attn.out_proj"], "self_attention/linear_1"),
    (&["fc1"], "ffn/linear_0"),
    (&["fc2"], "ffn/linear_1"),
];

/// The further ones of the decoder.
const CROSS: [(&[&str], &str); 3] = [
    (&["encoder_attn.q_proj"], "attention/linear_0"),
    (&["encoder_attn.k_proj", "encoder_attn.v_proj"], "attention/linear_1"),
    (&["encoder_attn.out_proj"], "attention/linear_2"),
];

/// The norms of a layer.
const NORMS: [(&str, &str); 2] =
    [("self_attn_layer_norm", "self_attention/layer_norm"), ("final_layer_norm", "ffn/layer_norm")];

/// The further one of the decoder.
const CROSS_NORM: (&str, &str) = ("encoder_attn_layer_norm", "attention/layer_norm");

/// The variables of `model`, which was checked, with tables of `positions` rows.
///
/// # Errors
///
/// Misuse: a parameter is missing.
pub fn all(model: &Portable<'_>, leaving: &Leaving, positions: usize) -> Result<Variables> {
    let mut making = Making { model, leaving, made: Variables::new() };
    let config = &model.config;
    making.stack("encoder", config.encoder, positions)?;
    making.stack("decoder", config.decoder, positions)?;
    for layer in 0..config.encoder.layers {
        making.layer("encoder", layer, &LINEAR, &NORMS)?;
    }
    let linear = [&LINEAR[..], &CROSS].concat();
    let norms = [&NORMS[..], &[CROSS_NORM]].concat();
    for layer in 0..config.decoder.layers {
        making.layer("decoder", layer, &linear, &norms)?;
    }
    making.embeddings()?;
    Ok(making.made)
}

struct Making<'a> {
    model: &'a Portable<'a>,
    leaving: &'a Leaving,
    made: Variables,
}

impl Making<'_> {
    fn put(&mut self, name: String, shape: Vec<usize>, data: Data) {
        self.made.insert(name, Variable { shape, data });
    }

    fn number(&mut self, name: String, data: Data) {
        self.put(name, vec![], data);
    }

    /// What both stacks have beside their layers and tables.
    fn stack(&mut self, side: &str, stack: Stack, count: usize) -> Result<()> {
        let (config, width) = (&self.model.config, stack.d_model);
        let at = |name: &str| format!("{side}/{name}");
        self.number(at("num_heads"), Data::Short(stack.attention_heads as i16));
        self.number(at("pre_norm"), Data::Byte(config.normalize_before.into()));
        self.number(at("activation"), Data::Byte(activation(config.activation)));
        self.number(at("scale_embeddings"), Data::Float((width as f64).sqrt() as f32));
        if side == "encoder" {
            // Several embeddings for a token would be joined: there is one.
            self.number(at("embeddings_merge"), Data::Byte(0));
            self.number(at("multi_query_attention"), Data::Byte(0));
        } else {
            let flags = ["alibi", "alibi_use_positive_positions", "scale_alibi"];
            flags.into_iter().for_each(|flag| self.number(at(flag), Data::Byte(0)));
            self.number(at("start_from_zero_embedding"), Data::Byte(self.leaving.from_zero.into()));
            // Alignments are taken from the first head of the last layer.
            self.number(at("alignment_layer"), Data::Short(-1));
            self.number(at("alignment_heads"), Data::Short(1));
        }
        let table = positions::table(config.positions, count, width);
        self.put(at("position_encodings/encodings"), vec![count, width], Data::Plain(table));
        if config.normalize_before {
            self.norm(&format!("{side}.layer_norm"), &at("layer_norm"))?;
        }
        Ok(())
    }

    fn layer(
        &mut self,
        side: &str,
        layer: usize,
        linear: &[(&[&str], &str)],
        norms: &[(&str, &str)],
    ) -> Result<()> {
        let (from, to) = (format!("{side}.layers.{layer}"), format!("{side}/layer_{layer}"));
        for (ours, theirs) in linear {
            self.linear(&from, ours, &format!("{to}/{theirs}"))?;
        }
        norms.iter().try_for_each(|(ours, theirs)| {
            self.norm(&format!("{from}.{ours}"), &format!("{to}/{theirs}"))
        })
    }

    fn linear(&mut self, from: &str, parts: &[&str], to: &str) -> Result<()> {
        let (mut weight, mut bias, mut width) = (vec![], vec![], 0);
        for part in parts {
            let (shape, values) = self.model.parameter(&format!("{from}.{part}.weight"))?;
            width = shape.last().copied().unwrap_or(0);
            weight.extend_from_slice(values);
            bias.extend_from_slice(&self.model.parameter(&format!("{from}.{part}.bias"))?.1);
        }
        self.put(format!("{to}/weight"), vec![bias.len(), width], Data::Weight(weight));
        self.put(format!("{to}/bias"), vec![bias.len()], Data::Plain(bias));
        Ok(())
    }

    fn norm(&mut self, from: &str, to: &str) -> Result<()> {
        for (ours, theirs) in [("weight", "gamma"), ("bias", "beta")] {
            let (shape, values) = self.model.parameter(&format!("{from}.{ours}"))?;
            self.put(format!("{to}/{theirs}"), shape.clone(), Data::Plain(values.clone()));
        }
        Ok(())
    }

    fn embeddings(&mut self) -> Result<()> {
        let config = &self.model.config;
        let target = if config.share_embeddings { start::SOURCE } else { start::TARGET };
        self.table(start::SOURCE, "encoder/embeddings_0/weight")?;
        self.table(target, "decoder/embeddings/weight")?;
        self.table(target, "decoder/projection/weight")?;
        if config.logits_bias {
            let bias = self.leaving.rows(&self.model.parameter(start::BIAS)?.1, 1);
            if bias.iter().any(|x| *x != 0.0) {
                let shape = vec![bias.len()];
                self.put("decoder/projection/bias".to_owned(), shape, Data::Plain(bias));
            }
        }
        Ok(())
    }

    fn table(&mut self, from: &str, to: &str) -> Result<()> {
        let (shape, values) = self.model.parameter(from)?;
        let width = shape.last().copied().unwrap_or(0);
        let rows = self.leaving.rows(values, width);
        self.put(to.to_owned(), vec![rows.len() / width.max(1), width], Data::Weight(rows));
        Ok(())
    }
}

fn activation(activation: Activation) -> i8 {
    match activation {
        Activation::Relu => 0,
        Activation::Silu => 2,
        Activation::Gelu => 3,
        Activation::Tanh => 5,
    }
}
