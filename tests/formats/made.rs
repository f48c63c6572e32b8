//! Models with random weights.

use a2d_core::rng;
use a2d_interop::model::{Generation, Imported, Languages, Parameters, Pieces, SentencePiece};
use a2d_interop::{hf, model::Portable};
use a2d_run::config::{Activation, DecoderStart, ModelConfig, Positions, Task};
use a2d_run::model::{core_config, plan};
use a2d_system::error::Error;
use std::path::Path;

/// `count` tokens: the special ones of this program, then words.
pub fn pieces(count: usize) -> Vec<String> {
    let special = ["<s>", "<pad>", "</s>", "<unk>"].map(String::from);
    let odd = ["\u{2581}", "\"", "\\", "'", ":", "#", "\u{2028}", "é🙂"].map(String::from);
    let words = (0..).map(|i| format!("\u{2581}w{i}"));
    special.into_iter().chain(odd).chain(words).take(count).collect()
}

/// The smallest model of Marian's that has everything: stacks of different depth and inner width.
pub fn marian(change: impl FnOnce(&mut ModelConfig)) -> Imported {
    let mut model = ModelConfig {
        d_model: 8,
        ffn_dim: 12,
        decoder_ffn_dim: Some(10),
        encoder_layers: 2,
        decoder_layers: 1,
        encoder_attention_heads: 2,
        decoder_attention_heads: 2,
        activation: Activation::Silu,
        positions: Positions::Marian,
        logits_bias: true,
        decoder_start: DecoderStart::Bos,
        ..ModelConfig::default()
    };
    change(&mut model);
    let (source, target) = (pieces(20), pieces(if model.share_embeddings { 20 } else { 17 }));
    let pieces = Pieces { source, target };
    Imported {
        parameters: parameters(&model, &pieces),
        model,
        pieces,
        sentencepiece: SentencePiece { source: b"source".into(), target: b"target".into() },
        generation: Generation { beam: Some(6), max_length: Some(40), length_penalty: Some(0.5) },
        languages: Languages { source: Some("de".into()), target: Some("en".into()) },
        untrimmed: None,
        notes: vec![],
    }
}

/// Random values; the start and padding have zeros and the bias that importers give them.
pub fn parameters(model: &ModelConfig, pieces: &Pieces) -> Parameters {
    let plan = plan(&core_config(model, Task::Translate, pieces.sizes()), None).unwrap();
    let one = |(key, (name, spec)): (u64, &(String, a2d_core::params::Spec))| {
        let mut values: Vec<f32> =
            (0..spec.shape.len() as u32).map(|i| rng::normal(key, i)).collect();
        let first = 2 * spec.shape.cols();
        match name.as_str() {
            "decoder.output_projection.bias" => values[..2].fill(-30.0),
            name if name.ends_with("embed_tokens.weight") => values[..first].fill(0.0),
            _ => {}
        }
        (name.clone(), (spec.shape.dims().to_vec(), values))
    };
    (1..).zip(plan.params()).map(one).collect()
}

/// Writes a Hugging Face folder.
pub fn hf_folder(model: &Portable<'_>, path: &Path) {
    hf::write(model, path, &hf::Options { positions: 64 }).unwrap();
}

/// The text of a misuse, which is one line.
pub fn misuse(error: Error) -> String {
    let text = error.to_string();
    assert!(matches!(error, Error::Misuse(_)) && text.lines().count() == 1, "{error:?}");
    text
}
