//! A model that was imported, on the CPU backend.

use crate::folders::label;
use crate::on::on;
use crate::values::json;
use a2d_core::backend::Device;
use a2d_host::backend::cpu::Cpu;
use a2d_host::data::vocab::Vocab;
use a2d_host::run::model::Model;
use a2d_interop::Foreign;
use a2d_interop::hf;
use a2d_interop::model::Imported;
use a2d_interop::tensors::Tensors;
use a2d_tests::helpers::skip::skipped;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Padding, here and of the file.
const PAD: (u32, &str) = (1, "<pad>");

/// A folder of transformers.
pub struct Marian {
    /// The end of its path.
    pub name: String,
    pub folder: PathBuf,
    pub config: Value,
    pub imported: Imported,
    pub vocab: Vocab,
    /// The token of each id of the source.
    pub source: Vec<u32>,
    /// The token of each id of the target.
    pub target: Vec<u32>,
}

impl Marian {
    pub fn read(folder: &Path) -> Self {
        let name = label(folder);
        let imported = hf::import(folder).unwrap_or_else(|e| panic!("{name}: {e}"));
        let config = json(&folder.join("config.json"));
        let apart = folder.join("target_vocab.json");
        let apart = apart.is_file() && config["share_encoder_decoder_embeddings"] == false;
        let target = if apart { "target_vocab.json" } else { "vocab.json" };
        Self {
            vocab: imported.vocab().unwrap_or_else(|e| panic!("{name}: {e}")),
            source: tokens(&texts(&folder.join("vocab.json")), &imported.pieces.source),
            target: tokens(&texts(&folder.join(target)), &imported.pieces.target),
            folder: folder.to_owned(),
            name,
            config,
            imported,
        }
    }

    /// How much more the values of transformers may differ than its arithmetic would make them: it uses the positions of a
    /// file, which may be rounded to 16 bits.
    pub fn slack(&self) -> f64 {
        if self.imported.notes.iter().any(|note| note.contains("rounded")) { 40.0 } else { 1.0 }
    }

    /// The logit of `<pad>` in a file: its embedding is zero.
    pub fn padding(&self) -> f64 {
        let weights = ["model.safetensors", "pytorch_model.bin"].map(|name| self.folder.join(name));
        let path = weights.iter().find(|path| path.is_file()).unwrap();
        let (name, size) = ("final_logits_bias", self.target.len());
        let mut file = Tensors::open(path).unwrap();
        let bias = file.entry(name).is_some().then(|| file.values(name, &[1, size]).unwrap());
        bias.map_or(0.0, |bias| f64::from(bias[self.start()]))
    }

    /// Whether transformers takes `<pad>` out of its softmax.
    pub fn renormalizes(&self) -> bool {
        let path = self.folder.join("generation_config.json");
        path.is_file() && json(&path)["renormalize_logits"] == true
    }

    /// The most tokens of a translation, the start included; transformers' own limit is 20.
    pub fn max_length(&self) -> usize {
        self.imported.generation.max_length.unwrap_or(20)
    }

    /// The number of the start token of a file.
    pub fn start(&self) -> usize {
        self.config["decoder_start_token_id"].as_u64().unwrap() as usize
    }

    /// Whether transformers' special tokens of the target are those of the model. Where each side has a vocabulary, the
    /// number of the source's padding is used for both: texts lack an ordinary word then, and begin with the start.
    pub fn has_own_padding(&self) -> bool {
        let own = self.config["pad_token_id"].as_u64() == Some(self.start() as u64);
        if !own {
            skipped(&format!("{}: texts, whose padding is that of the source", self.name));
        }
        own
    }

    /// The tokens of a source text, with the final EOS.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = self.vocab.source().encode(text).unwrap();
        tokens.push(a2d_core::config::token::EOS);
        tokens
    }

    /// The model with its parameters.
    pub fn on(&self, b: &mut Cpu) -> Model<<Cpu as Device>::Tensor> {
        on(b, &self.imported.config(), &self.imported.parameters)
    }
}

/// The texts of a `vocab.json`, by id.
pub fn texts(path: &Path) -> Vec<String> {
    let Value::Object(map) = json(path) else { panic!("{}: no map", path.display()) };
    let mut texts = vec![String::new(); map.len()];
    map.iter().for_each(|(text, id)| texts[id.as_u64().unwrap() as usize] = text.clone());
    texts
}

/// The token of each text. `<pad>` may be a token of its own, or the start.
pub fn tokens(texts: &[String], pieces: &[String]) -> Vec<u32> {
    let known: HashMap<&str, u32> = pieces.iter().map(String::as_str).zip(0..).collect();
    let token = |(id, text): (usize, &String)| match known.get(format!("{text}:{id}").as_str()) {
        // An ordinary token of the name of a special one.
        Some(token) => *token,
        None if text == PAD.1 => PAD.0,
        None => known[text.as_str()],
    };
    texts.iter().enumerate().map(token).collect()
}
