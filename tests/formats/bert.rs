//! Folders of BERT models and of sentence-transformers: copies of the small model of the fixtures, changed.

use crate::folders::{reweigh, set, tensors, unset};
use crate::made::misuse;
use a2d_host::data::vocab::Subwords;
use a2d_interop::bert::{Text, import};
use a2d_interop::{Foreign, is_model};
use a2d_run::config::{Pooling, Task};
use a2d_tests::helpers::interop;
use a2d_tests::helpers::tensor_files as files;
use serde_json::json;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A copy of a folder of the fixtures.
pub fn copied(name: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    copy_to(name, folder.path());
    folder
}

fn copy_to(name: &str, to: &Path) {
    for file in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(interop::fixtures().join("bert").join(name).join(file), to.join(file)).unwrap();
    }
}

/// A folder of sentence-transformers, whose encoder lies in a folder of its own.
pub fn of_modules() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["0_Transformer", "1_Pooling"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    copy_to("model", &folder.path().join("0_Transformer"));
    let module = |class: &str, path: &str| {
        let class = format!("sentence_transformers.models.{class}");
        json!({"idx": 0, "name": "0", "path": path, "type": class})
    };
    let write = |name: &str, value: serde_json::Value| {
        fs::write(folder.path().join(name), value.to_string()).unwrap();
    };
    write(
        "modules.json",
        json!([module("Transformer", "0_Transformer"), module("Pooling", "1_Pooling")]),
    );
    let pooling = json!({"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true});
    write("1_Pooling/config.json", pooling);
    write("0_Transformer/sentence_bert_config.json", json!({"max_seq_length": 16}));
    folder
}

/// Renames tensors.
fn rename(folder: &Path, name: impl Fn(&str) -> String) {
    reweigh(folder, |tensors| tensors.iter_mut().for_each(|tensor| tensor.0 = name(&tensor.0)));
}

fn values<'t>(model: &'t Text, name: &str) -> &'t [f32] {
    &model.parameters[name].1
}

#[test]
fn a_model_is_the_same_in_every_layout() {
    let expected = import(copied("model").path()).unwrap();
    let changes: [fn(&Path); 5] = [
        |f| rename(f, |name| format!("bert.{name}")),
        |f| {
            rename(f, |name| {
                let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
                name.replace("LayerNorm.bias", "LayerNorm.beta")
            });
        },
        |f| {
            let positions = (0..64).map(|at| at as f32).collect();
            let numbers = ("embeddings.position_ids".to_owned(), vec![1, 64], positions);
            reweigh(f, |tensors| tensors.push(numbers));
        },
        |f| {
            let (storages, views) = files::whole(&tensors(f));
            fs::write(f.join("pytorch_model.bin"), files::torch(&storages, &views)).unwrap();
            fs::remove_file(f.join("model.safetensors")).unwrap();
        },
        |f| {
            let list = interop::fixtures().join("bert/model/vocab.txt");
            fs::copy(list, f.join("vocab.txt")).unwrap();
            fs::remove_file(f.join("tokenizer.json")).unwrap();
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let folder = copied("model");
        change(folder.path());
        assert!(import(folder.path()).unwrap() == expected, "layout {number}");
    }
}

#[test]
fn the_heads_of_pretraining_are_left_out_and_said() {
    let (expected, folder) = (import(copied("model").path()).unwrap(), copied("model"));
    set(folder.path(), "config.json", "architectures", json!(["BertForPreTraining"]));
    rename(folder.path(), |name| format!("bert.{name}"));
    let head = ("cls.seq_relationship.bias".to_owned(), vec![2], vec![0.0; 2]);
    reweigh(folder.path(), |tensors| tensors.push(head));
    let mut found = import(folder.path()).unwrap();
    assert!(found.notes.remove(0).contains("heads of pretraining"));
    assert!(found == expected);
}

#[test]
fn an_encoder_without_a_pooler_gives_means() {
    let folder = copied("model");
    reweigh(folder.path(), |tensors| tensors.retain(|(name, ..)| !name.starts_with("pooler.")));
    let [with, without] = [copied("model"), folder].map(|f| import(f.path()).unwrap());
    let head = |model: &Text| (model.task, model.model.pooling, model.model.pooler);
    assert_eq!(head(&with), (Task::Embed, Pooling::First, true));
    assert_eq!(head(&without), (Task::Embed, Pooling::Mean, false));
}

#[test]
fn labels_are_sorted_with_their_rows() {
    let folder = copied("classifier");
    let tensors = tensors(folder.path());
    let model = import(folder.path()).unwrap();
    let (_, _, rows) = tensors.iter().find(|(name, ..)| name == "classifier.weight").unwrap();
    let (_, _, bias) = tensors.iter().find(|(name, ..)| name == "classifier.bias").unwrap();
    assert_eq!(
        (model.task, &model.labels[..]),
        (Task::Classify, &["maybe", "no", "yes"].map(String::from)[..])
    );
    // In the file: no, maybe, yes.
    let order = [1, 0, 2];
    assert_eq!(values(&model, "head.output.bias"), order.map(|row| bias[row]));
    let expected = order.map(|row| &rows[row * 32..][..32]).concat();
    assert_eq!(values(&model, "head.output.weight"), expected);
    assert_eq!(model.run_config().data.max_length, 62);
}

#[test]
fn sentence_transformers_choose_the_pooling_and_the_longest_text() {
    let folder = of_modules();
    assert!(is_model(folder.path()));
    let model = import(folder.path()).unwrap();
    let alone = import(&folder.path().join("0_Transformer")).unwrap();
    assert_eq!((model.model.pooling, model.model.pooler), (Pooling::Mean, false));
    assert_eq!((model.model.max_positions, model.run_config().data.max_length), (16, 14));
    let name = "encoder.embed_positions.weight";
    assert_eq!(values(&model, name), &values(&alone, name)[..16 * 32]);
    assert!(model.notes.iter().any(|note| note.contains("16 tokens at most, of 64")));
    assert!(model.notes.iter().any(|note| note.contains("the length 1")), "{:?}", model.notes);
    let pooling = json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false});
    fs::write(folder.path().join("1_Pooling/config.json"), pooling.to_string()).unwrap();
    assert_eq!(import(folder.path()).unwrap().model.pooling, Pooling::First);
}

#[test]
fn one_type_of_tokens_is_a_part_of_the_positions() {
    let folder = copied("model");
    reweigh(folder.path(), |tensors| {
        let name = "embeddings.token_type_embeddings.weight";
        let types = tensors.iter_mut().find(|(other, ..)| other == name).unwrap();
        (types.1[0], _) = (1, types.2.truncate(32));
    });
    set(folder.path(), "config.json", "type_vocab_size", json!(1));
    let [one, two] = [folder, copied("model")].map(|f| import(f.path()).unwrap());
    let name = "encoder.embed_positions.weight";
    assert_eq!(values(&one, name), values(&two, name));
    assert!(!one.parameters.contains_key("encoder.embed_types.weight"));
}

#[test]
fn rows_without_a_token_are_left_out_and_said() {
    let folder = copied("model");
    reweigh(folder.path(), |tensors| {
        let name = "embeddings.word_embeddings.weight";
        let table = tensors.iter_mut().find(|(other, ..)| other == name).unwrap();
        table.1[0] += 4;
        table.2.extend([1.0; 4 * 32]);
    });
    set(folder.path(), "config.json", "vocab_size", json!(104));
    let mut found = import(folder.path()).unwrap();
    assert!(found.notes.remove(0).starts_with("4 rows of the table"));
    assert!(found == import(copied("model").path()).unwrap());
}

#[test]
fn a_trimmed_vocabulary_keeps_tokens_and_rows() {
    let whole = import(copied("classifier").path()).unwrap();
    let (folder, mut small) = (TempDir::new().unwrap(), whole.clone());
    let text = folder.path().join("text");
    fs::write(&text, "The dog runs.\nIs she at home?\n").unwrap();
    small.trim(std::slice::from_ref(&text)).unwrap();
    let [before, after] = [&whole, &small].map(|model| model.vocab().unwrap());
    assert!(after.sizes().source < before.sizes().source, "{}", after.sizes());
    assert_eq!(after.sizes().target, 3);
    let names = |vocab: &dyn Subwords, line: &str| -> Vec<String> {
        let ids = vocab.encode(line).unwrap();
        ids.iter().map(|id| vocab.piece(*id).unwrap().to_owned()).collect()
    };
    for line in ["The dog runs.", "Is she at home?"] {
        assert_eq!(names(before.source(), line), names(after.source(), line));
    }
    let table = |model: &Text, piece: &str| {
        let row = model.words.pieces.iter().position(|other| other == piece).unwrap();
        values(model, "encoder.embed_tokens.weight")[row * 32..][..32].to_vec()
    };
    for piece in &small.words.pieces {
        assert_eq!(table(&small, piece), table(&whole, piece), "{piece}");
    }
    assert_eq!(small.untrimmed, Some(before.to_bytes()));
    let once = small.clone();
    small.trim(std::slice::from_ref(&text)).unwrap();
    assert!(small == once);
    let refused = misuse(small.trim(&[text.clone(), text]).unwrap_err());
    assert!(refused.contains("by one text, but 2 texts are named"), "{refused}");
}

/// A way to break a folder, and what the error must say.
type Fault = (fn(&Path), &'static str);

const FAULTS: [Fault; 21] = [
    (
        |f| set(f, "config.json", "model_type", json!("distilbert")),
        "config.json has `model_type` = \"distilbert\": only \"bert\" and \"marian\"",
    ),
    (
        |f| {
            unset(f, "config.json", "model_type");
            unset(f, "config.json", "architectures");
        },
        "has `model_type` = \"none\"",
    ),
    (
        |f| set(f, "config.json", "architectures", json!(["BertForTokenClassification"])),
        "has `architectures` = [\"BertForTokenClassification\"]: only BertForSequenceClassification, BertModel",
    ),
    (|f| set(f, "config.json", "is_decoder", json!(true)), "is of a decoder: only encoders"),
    (
        |f| set(f, "config.json", "position_embedding_type", json!("relative_key")),
        "has `position_embedding_type` = \"relative_key\": only \"absolute\"",
    ),
    (|f| set(f, "config.json", "hidden_act", json!("gelu_new")), "only relu, gelu, swish"),
    (|f| unset(f, "config.json", "hidden_size"), "missing field `hidden_size`"),
    (|f| set(f, "config.json", "num_attention_heads", json!(5)), "5 attention heads do not divide"),
    (|f| set(f, "config.json", "num_hidden_layers", json!(33)), "33 layers, at most 32"),
    (
        |f| set(f, "config.json", "num_hidden_layers", json!(3)),
        "has no tensor `bert.encoder.layer.2.attention.self.key.weight`",
    ),
    (
        |f| set(f, "config.json", "num_hidden_layers", json!(1)),
        "has a tensor `bert.encoder.layer.1.attention.output.LayerNorm.bias` that config.json does",
    ),
    (
        |f| set(f, "config.json", "max_position_embeddings", json!(32)),
        "`bert.embeddings.position_embeddings.weight` as [64, 32], expected [32, 32]",
    ),
    (
        |f| set(f, "config.json", "vocab_size", json!(99)),
        "has `vocab_size` = 99, but there are 100 tokens",
    ),
    (
        |f| set(f, "config.json", "id2label", json!({"0": "a", "1": "b", "2": "c", "3": "d"})),
        "has `classifier.weight` of 3 rows, but config.json names 4 labels",
    ),
    (
        |f| unset(f, "config.json", "id2label"),
        "has `classifier.weight` of 3 rows, but config.json names 2 labels",
    ),
    (
        |f| set(f, "config.json", "id2label", json!({"0": "a", "1": "b", "3": "c"})),
        "has no label 2 of 3",
    ),
    (
        |f| set(f, "config.json", "id2label", json!({"0": "a", "1": "b", "2": "a"})),
        "has an odd `id2label`: \"a\"",
    ),
    (
        |f| set(f, "config.json", "id2label", json!({"0": "score"})),
        "has fewer than 2 labels in `id2label`",
    ),
    (
        |f| set(f, "config.json", "problem_type", json!("multi_label_classification")),
        "only \"single_label_classification\"",
    ),
    (
        |f| fs::remove_file(f.join("tokenizer.json")).unwrap(),
        "has neither tokenizer.json nor vocab.txt",
    ),
    (
        |f| fs::remove_file(f.join("model.safetensors")).unwrap(),
        "has neither model.safetensors nor pytorch_model.bin",
    ),
];

#[test]
fn a_folder_that_contradicts_itself_is_refused() {
    for (number, (fault, expected)) in FAULTS.into_iter().enumerate() {
        let folder = copied("classifier");
        fault(folder.path());
        let text = misuse(import(folder.path()).unwrap_err());
        assert!(text.contains(expected), "fault {number}: {expected}: {text}");
        assert!(text.contains(&*folder.path().to_string_lossy()), "{text}");
    }
}

#[test]
fn modules_that_compute_something_else_are_refused() {
    let write = |f: &Path, name: &str, text: &str| fs::write(f.join(name), text).unwrap();
    let faults: [(&str, &str, &str); 4] = [
        (
            "modules.json",
            r#"[{"path": "", "type": "a.Transformer"}]"#,
            "has the modules [\"Transformer\"]: only",
        ),
        (
            "1_Pooling/config.json",
            r#"{"pooling_mode_max_tokens": true}"#,
            "pooling [\"max_tokens\"]: only",
        ),
        (
            "1_Pooling/config.json",
            r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}"#,
            "[\"cls_token\", \"mean_tokens\"]",
        ),
        ("0_Transformer/config.json", r#"{"model_type": "mpnet"}"#, "`model_type` = \"mpnet\""),
    ];
    for (name, with, expected) in faults {
        let folder = of_modules();
        write(folder.path(), name, with);
        let text = misuse(import(folder.path()).unwrap_err());
        assert!(text.contains(expected) && text.contains(name), "{text}");
    }
}

#[test]
fn text_in_lower_case_needs_a_tokenizer_of_lower_case() {
    let folder = of_modules();
    let encoder = folder.path().join("0_Transformer");
    set(&encoder, "sentence_bert_config.json", "do_lower_case", json!(true));
    import(folder.path()).unwrap();
    let rules = json!({
        "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
        "strip_accents": null, "lowercase": false,
    });
    set(&encoder, "tokenizer.json", "normalizer", rules);
    let text = misuse(import(folder.path()).unwrap_err());
    assert!(text.contains("has `do_lower_case` = true, but the tokenizer"), "{text}");
}
