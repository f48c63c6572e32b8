//! Import, export and import again.

use super::models;
use crate::folders::{self, label};
use crate::values::{json, rows, text};
use a2d_host::data::vocab::Vocab;
use a2d_interop::Foreign;
use a2d_interop::hf;
use half::f16;
use serde_json::json;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

#[test]
fn a_model_that_leaves_and_returns_is_the_same() {
    let models = models();
    assert!(!models.is_empty());
    for path in models {
        let name = label(path);
        let mut model = hf::import(path).unwrap_or_else(|e| panic!("{name}: {e}"));
        let folder = TempDir::new().unwrap();
        let written = hf::write(&model.portable(), folder.path(), &hf::Options::default());
        let heads = [model.model.encoder_attention_heads, model.model.decoder_attention_heads];
        if heads[0] != heads[1] {
            // A reader of the written folder would not notice.
            let why = written.unwrap_err().to_string();
            assert!(why.contains(&format!("{heads:?} heads")), "{name}: {why}");
            continue;
        }
        written.unwrap_or_else(|e| panic!("{name}: {e}"));
        let back = hf::import(folder.path()).unwrap();
        model.notes.clone_from(&back.notes);
        assert!(back == model, "{name}");
    }
}

#[test]
fn the_run_of_a_model_has_its_vocabulary_and_its_weights() {
    for path in models() {
        let model = hf::import(path).unwrap();
        let folder = TempDir::new().unwrap();
        model.save(&folder.path().join("run")).unwrap();
        let vocab = Vocab::load(&folder.path().join("run/tokenizer.json")).unwrap();
        assert_eq!(vocab.fingerprint(), model.vocab().unwrap().fingerprint());
        let best = fs::read(folder.path().join("run/best.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&best).unwrap();
        assert_eq!(tensors.len(), model.parameters.len());
        for (name, (shape, values)) in &model.parameters {
            let tensor = tensors.tensor(name).unwrap();
            assert_eq!(tensor.shape(), shape, "{name}");
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            assert!(tensor.data() == bytes, "{}: {name}", label(path));
        }
    }
}

/// `NAME-bin` holds the weights of `NAME`, rounded to 16 bits.
#[test]
fn a_torch_file_holds_the_rounded_weights_of_the_other() {
    for path in models() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let rounded = path.with_file_name(format!("{name}-bin"));
        if !folders::is_marian(&rounded) {
            continue;
        }
        let [whole, rounded] = [path, &rounded].map(|path| hf::import(path).unwrap());
        for (name, (shape, values)) in &whole.parameters {
            let expected: Vec<f32> = values.iter().map(|x| f16::from_f32(*x).to_f32()).collect();
            assert!(rounded.parameters[name] == (shape.clone(), expected), "{name}");
        }
        assert_eq!(whole.pieces, rounded.pieces);
    }
}

/// Keys that the model does not read.
const IGNORED: [&str; 17] = [
    "_from_model_config",
    "_num_labels",
    "add_bias_logits",
    "add_final_layer_norm",
    "added_tokens_decoder",
    "backend",
    "bos_token_id",
    "classif_dropout",
    "classifier_dropout",
    "id2label",
    "is_decoder",
    "is_local",
    "label2id",
    "local_files_only",
    "sp_model_kwargs",
    "transformers_version",
    "_name_or_path",
];

#[test]
fn a_folder_is_written_as_by_transformers() {
    for (written, _) in folders::files("model.safetensors.variables.json") {
        let vocabulary = json(&written.join("vocab.json"));
        let same = |path: &Path| json(&path.join("vocab.json")) == vocabulary;
        let model = models().into_iter().filter(|path| same(path)).find_map(|path| {
            let model = hf::import(path).unwrap();
            (model.model.d_model as u64 == json(&written.join("config.json"))["d_model"])
                .then_some(model)
        });
        let model = model.unwrap_or_else(|| panic!("{}: no such model", label(written)));
        let folder = TempDir::new().unwrap();
        hf::write(&model.portable(), folder.path(), &hf::Options::default()).unwrap();
        assert_eq!(json(&folder.path().join("vocab.json")), vocabulary);
        for file in ["config.json", "generation_config.json", "tokenizer_config.json"] {
            let (found, expected) = (json(&folder.path().join(file)), json(&written.join(file)));
            let keys = expected.as_object().unwrap().iter();
            for (key, value) in keys.filter(|(key, _)| !IGNORED.contains(&key.as_str())) {
                assert_eq!(&found[key], value, "{file} {key}");
            }
        }
        let listed = json(&written.join("model.safetensors.variables.json"));
        let bytes = fs::read(folder.path().join("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.len(), rows(&listed, "variables").len());
        for row in rows(&listed, "variables") {
            let tensor = tensors.tensor(text(row, "name")).unwrap();
            assert_eq!(json!(tensor.shape()), row["shape"], "{row}");
        }
    }
}
