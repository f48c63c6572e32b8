//! What transformers and CTranslate2 themselves wrote. The models were trained on text that may not be redistributed:
//! they are read where A2D_INTEROP says.

use crate::ct2::parse;
use a2d_core::batch::Layout;
use a2d_core::config::Special;
use a2d_core::kd::Student;
use a2d_core::nn::Transformer;
use a2d_core::search::Search;
use a2d_host::backend::cpu::Cpu;
use a2d_interop::ct2::{self, Options, Quantization};
use a2d_interop::hf;
use a2d_interop::model::Imported;
use a2d_tests::helpers::model::{learner, search};
use a2d_tests::helpers::skip::skipped;
use half::f16;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder of golden values.
fn golden() -> Option<PathBuf> {
    let folder = std::env::var_os("A2D_INTEROP");
    if folder.is_none() {
        skipped("A2D_INTEROP names no folder of golden values");
    }
    // Relative to the root, as for cargo's caller.
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder?))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

const QUANTIZATIONS: [(&str, Quantization); 4] = [
    ("float32", Quantization::F32),
    ("float16", Quantization::F16),
    ("int8", Quantization::Int8),
    ("int16", Quantization::Int16),
];

#[test]
fn ctranslate2_files_are_bit_equal() {
    let Some(golden) = golden() else { return };
    for (model, name, positions) in [("model-legacy-bin", "tiny", 64), ("model", "trained", 512)] {
        let imported = hf::import(&golden.join("hf-marian").join(model)).unwrap();
        for (suffix, quantization) in QUANTIZATIONS {
            let name = format!("{name}-{suffix}");
            let listed = golden.join("ctranslate2").join(format!("{name}.variables.json"));
            if listed.exists() {
                let options = Options { quantization, positions, ..Options::default() };
                check_ctranslate2(
                    &imported,
                    &options,
                    &golden.join("ctranslate2").join(&name),
                    &json(&listed),
                );
            }
        }
    }
}

fn check_ctranslate2(model: &Imported, options: &Options, expected: &Path, listed: &Value) {
    let folder = TempDir::new().unwrap();
    ct2::write(&model.portable(), folder.path(), options).unwrap();
    let bytes = fs::read(folder.path().join("model.bin")).unwrap();
    let file = parse(&bytes);
    for row in listed["variables"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        if let Some(of) = row["alias_of"].as_str() {
            assert_eq!(file.aliases.get(name).map(String::as_str), Some(of), "{name}");
            continue;
        }
        let (shape, kind, data) = &file.variables[name];
        let kinds = ["float32", "int8", "int16", "int32", "float16"];
        assert_eq!(serde_json::json!(shape), row["shape"], "{name}");
        assert_eq!(kinds[usize::from(*kind)], row["dtype"], "{name}");
        assert_eq!(hex(data), row["sha256"], "{name}");
    }
    assert_eq!(hex(&bytes), listed["model.bin"]["sha256"], "{}", expected.display());
    for name in ["config.json", "shared_vocabulary.json", "model.bin"] {
        // The largest model's folder is not kept.
        if expected.exists() {
            let (found, expected) = (
                fs::read(folder.path().join(name)).unwrap(),
                fs::read(expected.join(name)).unwrap(),
            );
            assert!(
                found == expected,
                "{name}: {}",
                String::from_utf8_lossy(&found[..found.len().min(300)])
            );
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_torch_file_holds_the_rounded_weights_of_the_other() {
    let Some(golden) = golden() else { return };
    let whole = hf::import(&golden.join("hf-marian/model")).unwrap();
    let rounded = hf::import(&golden.join("hf-marian/model-bin")).unwrap();
    for (name, (shape, values)) in &whole.parameters {
        let expected: Vec<f32> = values.iter().map(|x| f16::from_f32(*x).to_f32()).collect();
        assert!(rounded.parameters[name] == (shape.clone(), expected), "{name}");
    }
    assert_eq!(whole.pieces, rounded.pieces);
    assert_eq!(whole.pieces.source.len(), 3847);
    assert_eq!(whole.generation.beam, Some(6));
    assert_eq!(whole.languages.source.as_deref(), Some("de"));
}

#[test]
fn a_folder_of_transformers_is_written_as_by_it() {
    let Some(golden) = golden() else { return };
    let model = hf::import(&golden.join("hf-marian/model")).unwrap();
    let folder = TempDir::new().unwrap();
    hf::write(&model.portable(), folder.path(), &hf::Options::default()).unwrap();
    assert_eq!(hf::import(folder.path()).unwrap(), model);
    let written = golden.join("ctranslate2/transformers-written");
    assert_eq!(
        json(&folder.path().join("vocab.json")),
        json(&golden.join("hf-marian/model/vocab.json"))
    );
    for (file, ignored) in [
        // Keys that the model does not read.
        (
            "config.json",
            &[
                "_num_labels",
                "add_bias_logits",
                "add_final_layer_norm",
                "bos_token_id",
                "classif_dropout",
                "classifier_dropout",
                "id2label",
                "is_decoder",
                "label2id",
                "transformers_version",
            ][..],
        ),
        ("generation_config.json", &["_from_model_config", "bos_token_id", "transformers_version"]),
        (
            "tokenizer_config.json",
            &["added_tokens_decoder", "backend", "is_local", "local_files_only", "sp_model_kwargs"],
        ),
    ] {
        let (found, expected) = (json(&folder.path().join(file)), json(&written.join(file)));
        for (key, value) in
            expected.as_object().unwrap().iter().filter(|(key, _)| !ignored.contains(&key.as_str()))
        {
            assert_eq!(&found[key], value, "{file} {key}");
        }
    }
    let listed = json(&written.join("model.safetensors.variables.json"));
    let bytes = fs::read(folder.path().join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.len(), listed["variables"].as_array().unwrap().len());
    for row in listed["variables"].as_array().unwrap() {
        let tensor = tensors.tensor(row["name"].as_str().unwrap()).unwrap();
        assert_eq!(serde_json::json!(tensor.shape()), row["shape"], "{row}");
    }
}

#[test]
fn a_model_of_another_maker_of_the_files_is_read() {
    let Some(golden) = golden() else { return };
    let path = golden.join("hf-marian/model-legacy-bin");
    let model = hf::import(&path).unwrap();
    assert_eq!((model.model.encoder_attention_heads, model.model.decoder_attention_heads), (2, 4));
    assert_eq!((model.model.encoder_inner(), model.model.decoder_inner()), (24, 40));
    // Its heads differ, which a reader of the written folder would not notice.
    let text =
        hf::write(&model.portable(), Path::new("/nowhere"), &hf::Options::default()).unwrap_err();
    assert!(text.to_string().contains("[2, 4] heads"), "{text}");
}

/// The most tokens that are compared: an endless translation has 512.
const COMPARED: usize = 60;

/// A token of a file as a token here: `<pad>`, the last one, starts the decoder; the others keep their order.
fn ours(id: &Value, model: &Imported) -> u32 {
    let id = id.as_u64().unwrap() as u32;
    if id as usize == model.pieces.target.len() - 2 { Special::MARIAN.start } else { id + 2 }
}

#[test]
fn translations_are_those_of_transformers() {
    let Some(golden) = golden() else { return };
    let expected = json(&golden.join("hf-marian/expected.json"));
    let ids: HashMap<&str, &Value> =
        rows(&expected["source"]).map(|row| (row["text"].as_str().unwrap(), &row["ids"])).collect();
    for (folder, key) in [
        ("model", "greedy"),
        ("model-bin", "greedy_bin"),
        ("model-legacy-bin", "greedy_legacy_bin"),
    ] {
        let model = hf::import(&golden.join("hf-marian").join(folder)).unwrap();
        let known = |row: &&Value| ids.contains_key(row["src"].as_str().unwrap());
        let cases: Vec<&Value> = rows(&expected[key]).filter(known).collect();
        let list = |ids: &Value| rows(ids).map(|id| ours(id, &model)).collect::<Vec<u32>>();
        let sources: Vec<_> =
            cases.iter().map(|row| list(ids[row["src"].as_str().unwrap()])).collect();
        for (case, found) in cases.iter().zip(greedy(&model, &sources)) {
            let wanted = list(&case["ids"]);
            assert_eq!(wanted[0], Special::MARIAN.start);
            let wanted: Vec<u32> = wanted[1..].iter().copied().take(COMPARED).collect();
            assert_eq!(found[..wanted.len()], wanted, "{key}: {}", case["src"]);
        }
        assert!(cases.len() >= 9, "{key}: {} sentences", cases.len());
    }
}

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().unwrap().iter()
}

/// Greedy translations by the CPU backend.
fn greedy(model: &Imported, sources: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut b = Cpu::new(2);
    let tree = Student { model: Transformer::new(&model.config()).unwrap(), align: None };
    let student = learner(&mut b, tree, |name, _| model.parameters[name].1.clone());
    let model = student.student().model;
    let how = Search { min_length: 0, ..Search::GREEDY };
    let found = search(&mut b, &model, how, sources, Layout::Packed, |_| COMPARED);
    found.into_iter().map(|mut hypotheses| hypotheses.swap_remove(0).0).collect()
}
