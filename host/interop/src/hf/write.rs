//! Writing a folder.

use super::names;
use crate::folder::Folder;
use crate::json;
use crate::model::{Pieces, Portable, SentencePiece};
use crate::start::{self, ADDED, EOS, PAD, UNK};
use a2d_core::config::{Activation, Config, Positions, Special};
use a2d_run::model::plan;
use a2d_system::error::{Error, Result};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// How a folder is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most tokens of a sentence: longer ones are an error when they are translated.
    pub positions: usize,
}

impl Default for Options {
    /// 512, as OPUS-MT.
    fn default() -> Self {
        Self { positions: 512 }
    }
}

/// Writes `model` into the new folder `path`.
///
/// # Errors
///
/// Misuse: transformers, or CTranslate2's reader of such folders, would misread the model; nothing is written then. The
/// folder is not empty, or cannot be written.
pub fn write(model: &Portable<'_>, path: &Path, options: &Options) -> Result<()> {
    model.check()?;
    let sentencepiece = check(model).map_err(|why| {
        Error::misuse(format!("this model cannot be a Hugging Face Marian model: {why}"))
    })?;
    let weights = weights(model)?;
    let folder = Folder::create(path)?;
    let Pieces { source, target } = model.pieces;
    for (name, value) in [
        ("config.json", config(model, options)),
        ("generation_config.json", generation(model, options)),
        ("tokenizer_config.json", tokenizer(model, options)),
        ("vocab.json", vocabulary(source)),
    ] {
        folder.put(name, (json::text(&value) + "\n").as_bytes())?;
    }
    if is_apart(model) {
        folder.put("target_vocab.json", (json::text(&vocabulary(target)) + "\n").as_bytes())?;
    }
    folder.put("source.spm", &sentencepiece.source)?;
    folder.put("target.spm", &sentencepiece.target)?;
    folder.put("model.safetensors", &weights)
}

/// What the format, or one that reads it, cannot say.
fn check<'a>(model: &Portable<'a>) -> Result<&'a SentencePiece, String> {
    let Config { special, positions, .. } = model.config;
    if positions != Positions::Marian || special != Special::MARIAN {
        let keys = "`model.positions` or `model.decoder_start`";
        return Err(format!("it has fairseq's {keys}: train it with Marian's, or {ELSEWHERE}"));
    }
    check_stacks(&model.config)?;
    if !start::is_zero_start(model.parameters, special.start) {
        return Err("the embedding of its start token is not zero".to_owned());
    }
    if model.config.share_embeddings && model.pieces.source != model.pieces.target {
        return Err("it shares an embedding between two vocabularies".to_owned());
    }
    let own = "it has no SentencePiece model, but a tokenizer of its own";
    model.sentencepiece.ok_or_else(|| format!("{own}: {ELSEWHERE}"))
}

/// What to do with a model that cannot be written.
const ELSEWHERE: &str = "export it for CTranslate2";

fn check_stacks(config: &Config) -> Result<(), String> {
    let stacks = [config.encoder, config.decoder];
    let [widths, heads] = [stacks.map(|s| s.d_model), stacks.map(|s| s.attention_heads)];
    if config.normalize_before {
        return Err(format!("it is pre-norm (`model.normalize_before`): {ELSEWHERE}"));
    }
    if widths[0] != widths[1] {
        return Err(format!("its stacks have widths of {widths:?}: {ELSEWHERE}"));
    }
    if heads[0] != heads[1] {
        let why = "CTranslate2's converter would take those of the encoder for both";
        return Err(format!("its stacks have {heads:?} heads, and {why}: {ELSEWHERE}"));
    }
    Ok(())
}

/// Whether each side has a vocabulary.
fn is_apart(model: &Portable<'_>) -> bool {
    !model.config.share_embeddings
}

/// Tokens in the file: without the start, and with padding at the end.
fn size(pieces: &[String]) -> usize {
    pieces.len() - 1
}

/// The number of `<pad>` in the file.
fn pad(pieces: &[String]) -> usize {
    pieces.len() - ADDED
}

fn vocabulary(pieces: &[String]) -> Value {
    let kept = pieces.iter().skip(ADDED).map(String::as_str).chain([PAD]);
    Value::Object(
        kept.enumerate().map(|(id, piece)| (piece.to_owned(), json!(id))).collect::<Map<_, _>>(),
    )
}

/// Rows of `width` values as the file has them: those of padding, zeros, last.
fn rows(values: &[f32], width: usize) -> Vec<f32> {
    let kept = values.get(ADDED * width..).unwrap_or_default();
    kept.iter().copied().chain(std::iter::repeat_n(0.0, width)).collect()
}

/// `model.safetensors`.
fn weights(model: &Portable<'_>) -> Result<Vec<u8>> {
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, spec) in plan(&model.config, None)?.params() {
        let (shape, values) = model.parameter(name)?;
        let width = spec.shape.cols();
        let (name, shape, values) = match name.as_str() {
            start::SOURCE if !is_apart(model) => {
                (names::SHARED.to_owned(), vec![shape[0] - 1, width], rows(values, width))
            }
            start::SOURCE | start::TARGET => {
                (names::of(name), vec![shape[0] - 1, width], rows(values, width))
            }
            start::BIAS => (names::BIAS.to_owned(), vec![1, shape[0] - 1], rows(values, 1)),
            name => (names::of(name), shape.clone(), values.clone()),
        };
        tensors.insert(name, (shape, values.iter().flat_map(|x| x.to_le_bytes()).collect()));
    }
    if !model.config.logits_bias {
        let size = size(&model.pieces.target);
        tensors.insert(names::BIAS.to_owned(), (vec![1, size], vec![0; 4 * size]));
    }
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))
    });
    let views: Result<Vec<_>, safetensors::SafeTensorError> = views.collect();
    // Without the format, old versions of transformers fail.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = views.and_then(|views| safetensors::serialize(views, Some(metadata)));
    bytes.map_err(|e| Error::failed(format!("the weights cannot be written: {e}")))
}

fn config(model: &Portable<'_>, options: &Options) -> Value {
    let Config {
        encoder, decoder, activation, dropout, attention_dropout, activation_dropout, ..
    } = model.config;
    let (source, target) = (&model.pieces.source, &model.pieces.target);
    json!({
        "activation_dropout": number(activation_dropout),
        "activation_function": match activation {
            Activation::Relu => "relu",
            Activation::Gelu => "gelu",
            Activation::Silu => "swish",
            Activation::Tanh => "tanh",
        },
        "architectures": ["MarianMTModel"],
        "attention_dropout": number(attention_dropout),
        "d_model": encoder.d_model,
        "decoder_attention_heads": decoder.attention_heads,
        "decoder_ffn_dim": decoder.ffn_dim,
        "decoder_layerdrop": 0.0,
        "decoder_layers": decoder.layers,
        "decoder_start_token_id": pad(target),
        "decoder_vocab_size": size(target),
        "dropout": number(dropout),
        "dtype": "float32",
        "encoder_attention_heads": encoder.attention_heads,
        "encoder_ffn_dim": encoder.ffn_dim,
        "encoder_layerdrop": 0.0,
        "encoder_layers": encoder.layers,
        "eos_token_id": 0,
        "forced_eos_token_id": 0,
        "init_std": 0.02,
        "is_encoder_decoder": true,
        "max_position_embeddings": options.positions,
        "model_type": "marian",
        "normalize_before": false,
        "normalize_embedding": false,
        "num_hidden_layers": encoder.layers,
        // One number for both sides, which both tables must have.
        "pad_token_id": pad(source).min(pad(target)),
        "scale_embedding": true,
        "share_encoder_decoder_embeddings": model.config.share_embeddings,
        "static_position_embeddings": true,
        "tie_word_embeddings": true,
        "use_cache": true,
        "vocab_size": size(source),
    })
}

/// The shortest decimal of a 32-bit float.
fn number(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

fn generation(model: &Portable<'_>, options: &Options) -> Value {
    let start = pad(&model.pieces.target);
    let generation = model.generation;
    let mut keys = json!({
        "bad_words_ids": [[start]],
        "decoder_start_token_id": start,
        "eos_token_id": 0,
        "forced_eos_token_id": 0,
        "max_length": generation.max_length.unwrap_or(options.positions),
        "num_beams": generation.beam.unwrap_or(1),
        "pad_token_id": start,
        "renormalize_logits": true,
    });
    if let (Some(penalty), Some(keys)) = (generation.length_penalty, keys.as_object_mut()) {
        keys.insert("length_penalty".to_owned(), json!(penalty));
    }
    keys
}

fn tokenizer(model: &Portable<'_>, options: &Options) -> Value {
    let mut keys = json!({
        "eos_token": EOS,
        "model_max_length": options.positions,
        "pad_token": PAD,
        "separate_vocabs": is_apart(model),
        "tokenizer_class": "MarianTokenizer",
        "unk_token": UNK,
    });
    let languages =
        [("source_lang", &model.languages.source), ("target_lang", &model.languages.target)];
    if let Some(keys) = keys.as_object_mut() {
        keys.extend(
            languages
                .into_iter()
                .filter_map(|(key, name)| Some((key.to_owned(), json!(name.clone()?)))),
        );
    }
    keys
}
