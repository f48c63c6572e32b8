//! Folders of CTranslate2.

use crate::made::{self, misuse};
use a2d_core::config::Positions;
use a2d_core::rows;
use a2d_interop::ct2::{self, Options, Quantization};
use a2d_interop::model::{Imported, Portable};
use a2d_run::config::{DecoderStart, ModelConfig, Positions as Places};
use a2d_tests::helpers::ct2::{File, parse};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Writes a folder and reads it back: the model, `config.json`, the vocabularies.
fn written(model: &Portable<'_>, options: &Options) -> (File, Value, Vec<(String, Value)>) {
    let folder = TempDir::new().unwrap();
    ct2::write(model, folder.path(), options).unwrap();
    let json = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let mut vocabularies: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with("vocabulary.json"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), json(&path)))
        .collect();
    vocabularies.sort_by(|a, b| a.0.cmp(&b.0));
    let file = parse(&fs::read(folder.path().join("model.bin")).unwrap());
    (file, json(&folder.path().join("config.json")), vocabularies)
}

fn floats(file: &File, name: &str) -> Vec<f32> {
    let name = file.aliases.get(name).map_or(name, String::as_str);
    let (_, kind, bytes) = &file.variables[name];
    assert_eq!(*kind, 0, "{name}");
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn number(file: &File, name: &str) -> i64 {
    match &file.variables[name] {
        (shape, 1, bytes) if shape.is_empty() => i64::from(bytes[0] as i8),
        (shape, 2, bytes) if shape.is_empty() => {
            i64::from(i16::from_le_bytes(bytes[..].try_into().unwrap()))
        }
        other => panic!("{name}: {other:?}"),
    }
}

fn parameter<'m>(model: &'m Imported, name: &str) -> &'m [f32] {
    &model.parameters[name].1
}

#[test]
fn a_student_of_marians_architecture_leaves() {
    let model = made::marian(|model| model.decoder_attention_heads = 4);
    let (file, config, vocabularies) =
        written(&model.portable(), &Options { positions: 9, ..Options::default() });
    // The heads of each stack are its own.
    assert_eq!((number(&file, "encoder/num_heads"), number(&file, "decoder/num_heads")), (2, 4));
    assert_eq!(
        (number(&file, "encoder/activation"), number(&file, "decoder/start_from_zero_embedding")),
        (2, 1)
    );
    assert_eq!(vocabularies.len(), 1);
    assert_eq!(
        (vocabularies[0].0.as_str(), &vocabularies[0].1),
        ("shared_vocabulary.json", &json!(made::pieces(20)[2..]))
    );
    assert_eq!(
        (&config["decoder_start_token"], &config["add_source_eos"]),
        (&json!("</s>"), &json!(false))
    );
    for table in
        ["encoder/embeddings_0/weight", "decoder/embeddings/weight", "decoder/projection/weight"]
    {
        assert_eq!(
            floats(&file, table),
            parameter(&model, "encoder.embed_tokens.weight")[2 * 8..],
            "{table}"
        );
    }
    assert_eq!(
        floats(&file, "decoder/projection/bias"),
        parameter(&model, "decoder.output_projection.bias")[2..]
    );
    let stacked = ["q", "k", "v"]
        .map(|x| parameter(&model, &format!("encoder.layers.1.self_attn.{x}_proj.weight")));
    assert_eq!(floats(&file, "encoder/layer_1/self_attention/linear_0/weight"), stacked.concat());
    let stacked = ["k", "v"]
        .map(|x| parameter(&model, &format!("decoder.layers.0.encoder_attn.{x}_proj.bias")));
    assert_eq!(floats(&file, "decoder/layer_0/attention/linear_1/bias"), stacked.concat());
    assert_eq!(file.variables["decoder/position_encodings/encodings"].0, [9, 8]);
    assert_eq!(
        file.aliases["encoder/position_encodings/encodings"],
        "decoder/position_encodings/encodings"
    );
}

#[test]
fn a_student_of_fairseqs_architecture_leaves() {
    let mut model = made::marian(|model| {
        *model = ModelConfig {
            positions: Places::Fairseq,
            decoder_start: DecoderStart::Eos,
            logits_bias: false,
            normalize_before: true,
            share_embeddings: false,
            activation: a2d_run::config::Activation::Gelu,
            ..model.clone()
        };
    });
    for name in ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"] {
        model.parameters.get_mut(name).unwrap().1[..8].fill(0.25);
    }
    let options = Options { positions: 5, add_source_eos: true, ..Options::default() };
    let (file, config, vocabularies) =
        written(&Portable { sentencepiece: None, ..model.portable() }, &options);
    assert_eq!(
        (&config["decoder_start_token"], &config["add_source_eos"]),
        (&json!("</s>"), &json!(true))
    );
    // Padding stays, which is never written; `<s>` may be.
    let pieces = |count| {
        let mut pieces = made::pieces(count);
        pieces.remove(1);
        json!(pieces)
    };
    let expected = [
        ("source_vocabulary.json".into(), pieces(20)),
        ("target_vocabulary.json".into(), pieces(17)),
    ];
    assert_eq!(vocabularies, expected);
    assert_eq!(file.variables["decoder/embeddings/weight"].0, [16, 8]);
    let table = parameter(&model, "decoder.embed_tokens.weight");
    assert_eq!(floats(&file, "decoder/projection/weight"), [&table[..8], &table[16..]].concat());
    assert!(!file.variables.contains_key("decoder/projection/bias"));
    for (name, value) in [("activation", 3), ("pre_norm", 1)] {
        assert_eq!(number(&file, &format!("encoder/{name}")), value, "{name}");
    }
    assert_eq!(number(&file, "decoder/start_from_zero_embedding"), 0);
    assert_eq!(
        floats(&file, "encoder/layer_norm/gamma"),
        parameter(&model, "encoder.layer_norm.weight")
    );
    // fairseq's positions begin at 2: the table says so.
    let mut row = [0.0; 8];
    let positions = floats(&file, "encoder/position_encodings/encodings");
    for at in 0..5 {
        rows::position(Positions::Fairseq, at, &mut row);
        assert_eq!(positions[at as usize * 8..][..8], row, "{at}");
    }
}

#[test]
fn a_start_that_is_not_zero_is_an_ordinary_token() {
    let mut model = made::marian(|_| ());
    model.parameters.get_mut("encoder.embed_tokens.weight").unwrap().1[0] = 0.5;
    let (file, config, vocabularies) = written(&model.portable(), &Options::default());
    assert_eq!(config["decoder_start_token"], "<s>");
    assert_eq!(number(&file, "decoder/start_from_zero_embedding"), 0);
    assert_eq!(vocabularies[0].1[0], "<s>");
    assert_eq!(vocabularies[0].1[1], "</s>");
    // Its bias takes it out of the softmax.
    assert_eq!(floats(&file, "decoder/projection/bias")[0], -30.0);
}

#[test]
fn integers_are_within_half_a_step() {
    let model = made::marian(|_| ());
    let plain = written(&model.portable(), &Options::default()).0;
    for (quantization, kind) in [(Quantization::Int8, 1), (Quantization::Int16, 2)] {
        let file = written(&model.portable(), &Options { quantization, ..Options::default() }).0;
        let mut weights = 0;
        for (name, (shape, found, bytes)) in
            file.variables.iter().filter(|(_, (shape, _, _))| shape.len() == 2)
        {
            if name.ends_with("encodings") {
                continue;
            }
            weights += 1;
            assert_eq!((*found, shape), (kind, &plain.variables[name].0), "{name}");
            let scales = floats(&file, &format!("{name}_scale"));
            let integers: Vec<f32> = match kind {
                1 => bytes.iter().map(|x| f32::from(*x as i8)).collect(),
                _ => {
                    bytes.as_chunks().0.iter().map(|x| f32::from(i16::from_le_bytes(*x))).collect()
                }
            };
            for (at, (integer, value)) in integers.iter().zip(floats(&plain, name)).enumerate() {
                let scale = scales[if kind == 1 { at / shape[1] } else { 0 }];
                assert!((integer - value * scale).abs() <= 0.5, "{name} {at}");
            }
        }
        assert_eq!(weights, 1 + 2 * 4 + 7);
    }
}

#[test]
fn a_row_of_zeros_has_a_scale() {
    let mut model = made::marian(|_| ());
    model.parameters.get_mut("decoder.layers.0.fc1.weight").unwrap().1[..8].fill(0.0);
    let file = written(
        &model.portable(),
        &Options { quantization: Quantization::Int8, ..Options::default() },
    )
    .0;
    assert_eq!(floats(&file, "decoder/layer_0/ffn/linear_0/weight_scale")[0], 1.0);
    assert_eq!(file.variables["decoder/layer_0/ffn/linear_0/weight"].2[..8], [0; 8]);
}

#[test]
fn what_the_format_cannot_say_is_refused() {
    let plain = made::marian(|_| ());
    let with = |change: fn(&mut Imported)| {
        let mut model = plain.clone();
        change(&mut model);
        model
    };
    for (model, expected) in [
        (
            with(|model| model.pieces.source[7] = "\u{2581}w1".into()),
            "the source vocabulary has \"\u{2581}w1\" twice",
        ),
        (
            with(|model| model.pieces.target.swap(2, 3)),
            "the target vocabulary has another token than </s> at 2",
        ),
        (
            with(|model| drop(model.parameters.remove("decoder.layers.0.fc1.bias"))),
            "no parameter `decoder.layers.0.fc1.bias`",
        ),
        (
            with(|model| {
                drop(
                    model
                        .parameters
                        .insert("decoder.layers.0.fc1.weight".into(), (vec![10, 7], vec![0.0; 70])),
                )
            }),
            "`decoder.layers.0.fc1.weight` as [10, 7], expected [10, 8]",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("out");
        let text = misuse(ct2::write(&model.portable(), &path, &Options::default()).unwrap_err());
        assert!(text.contains(expected) && !path.exists(), "{expected}: {text}");
    }
    let mut portable = plain.portable();
    (portable.config.source_vocabulary, portable.config.target_vocabulary) = (21, 21);
    let folder = TempDir::new().unwrap();
    let text = misuse(ct2::write(&portable, folder.path(), &Options::default()).unwrap_err());
    assert!(text.starts_with("the model has `encoder.embed_tokens.weight` as [20, 8]"), "{text}");
    let mut pieces = plain.pieces.clone();
    pieces.target.pop();
    let portable = Portable { pieces: &pieces, ..plain.portable() };
    let text = misuse(ct2::write(&portable, folder.path(), &Options::default()).unwrap_err());
    assert_eq!(text, "the target vocabulary has 19 tokens, but the model 20");
}
