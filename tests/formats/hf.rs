//! Folders of Hugging Face's Marian models.

use crate::folders::{copy, named, reweigh, set, tensors, unset};
use crate::made::{self, hf_folder, misuse};
use a2d_interop::hf;
use a2d_interop::import;
use a2d_interop::model::Imported;
use a2d_run::config::{Activation, DecoderStart, ModelConfig, Positions};
use a2d_tests::helpers::tensor_files as files;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn there_and_back(model: &Imported) -> Imported {
    let folder = TempDir::new().unwrap();
    hf_folder(&model.portable(), folder.path());
    hf::import(folder.path()).unwrap()
}

#[test]
fn what_was_written_is_read_back_bit_for_bit() {
    for share_embeddings in [true, false] {
        for activation in [Activation::Relu, Activation::Gelu, Activation::Silu] {
            let model = made::marian(|model| {
                *model =
                    ModelConfig { share_embeddings, activation, dropout: 0.25, ..model.clone() };
            });
            assert_eq!(there_and_back(&model), model);
        }
    }
}

#[test]
fn files_are_those_that_transformers_writes() {
    let (model, folder) = (made::marian(|_| ()), TempDir::new().unwrap());
    hf_folder(&model.portable(), folder.path());
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let json = |name: &str| serde_json::from_slice::<Value>(&read(name)).unwrap();
    let config = json("config.json");
    for (key, value) in [
        ("vocab_size", json!(19)),
        ("pad_token_id", json!(18)),
        ("decoder_start_token_id", json!(18)),
        ("forced_eos_token_id", json!(0)),
        ("scale_embedding", json!(true)),
        ("activation_function", json!("swish")),
        ("max_position_embeddings", json!(64)),
        ("dropout", json!(0.1)),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    let generation = json("generation_config.json");
    assert_eq!(generation["bad_words_ids"], json!([[18]]));
    assert_eq!(generation["num_beams"], 6);
    let vocabulary = json("vocab.json");
    assert_eq!(
        (&vocabulary["</s>"], &vocabulary["<unk>"], &vocabulary["<pad>"]),
        (&json!(0), &json!(1), &json!(18))
    );
    assert!(read("vocab.json").is_ascii());
    let bytes = read("model.safetensors");
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    // No copy of the shared table, and no positions.
    assert_eq!(tensors.len(), model.parameters.len());
    assert_eq!(tensors.tensor("model.shared.weight").unwrap().shape(), [19, 8]);
    assert_eq!(tensors.tensor("final_logits_bias").unwrap().shape(), [1, 19]);
    assert_eq!((read("source.spm"), read("target.spm")), (b"source".to_vec(), b"target".to_vec()));
}

#[test]
fn what_would_be_misread_is_refused() {
    let plain = made::marian(|_| ());
    let with = |change: fn(&mut Imported)| {
        let mut model = plain.clone();
        change(&mut model);
        model
    };
    let zero_start = |model: &mut Imported| {
        model.parameters.get_mut("encoder.embed_tokens.weight").unwrap().1[3] = 1.0
    };
    for (model, expected) in [
        (made::marian(|m| m.positions = Positions::Fairseq), "positions"),
        (made::marian(|m| m.decoder_start = DecoderStart::Eos), "`model.decoder_start`"),
        (made::marian(|m| m.normalize_before = true), "pre-norm"),
        (made::marian(|m| m.decoder_attention_heads = 4), "[2, 4] heads"),
        (
            made::marian(|m| (m.share_embeddings, m.decoder_d_model) = (false, Some(16))),
            "widths of [8, 16]",
        ),
        (with(zero_start), "start token is not zero"),
        (
            with(|model| model.pieces.source[7] = "\u{2581}w9".into()),
            "shares an embedding between two vocabularies",
        ),
        (
            with(|model| {
                (model.pieces.source[7], model.pieces.target[7]) =
                    ("\u{2581}w1".into(), "\u{2581}w1".into())
            }),
            "twice",
        ),
        (with(|model| model.pieces.source.swap(2, 3)), "another token than </s> at 2"),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("out");
        let text =
            misuse(hf::write(&model.portable(), &path, &hf::Options::default()).unwrap_err());
        assert!(text.contains(expected) && !path.exists(), "{expected}: {text}");
    }
    let mut model = plain.portable();
    model.sentencepiece = None;
    let folder = TempDir::new().unwrap();
    let text = misuse(hf::write(&model, folder.path(), &hf::Options::default()).unwrap_err());
    assert!(text.contains("no SentencePiece model"), "{text}");
    fs::write(folder.path().join("x"), "").unwrap();
    let text =
        misuse(hf::write(&plain.portable(), folder.path(), &hf::Options::default()).unwrap_err());
    assert!(text.contains("is not empty"), "{text}");
}

/// A way to break a folder, and what the error must say.
type Fault = (fn(&Path), &'static str);

const FAULTS: [Fault; 29] = [
    (
        |f| set(f, "config.json", "model_type", json!("t5")),
        "`model_type` = \"t5\": only \"marian\"",
    ),
    (|f| unset(f, "config.json", "model_type"), "`model_type` = \"none\""),
    (|f| set(f, "config.json", "activation_function", json!("gelu_new")), "only relu, gelu, swish"),
    (|f| set(f, "config.json", "normalize_embedding", json!(true)), "`normalize_embedding` = true"),
    (|f| set(f, "config.json", "scale_embedding", json!(false)), "`scale_embedding` = false"),
    (
        |f| set(f, "config.json", "static_position_embeddings", json!(false)),
        "`static_position_embeddings`",
    ),
    (|f| set(f, "config.json", "d_model", json!("8")), "is not usable"),
    (|f| unset(f, "config.json", "decoder_layers"), "decoder_layers"),
    (|f| set(f, "config.json", "encoder_layers", json!(3)), "no tensor `model.encoder.layers.2"),
    (|f| set(f, "config.json", "encoder_layers", json!(1)), "a tensor `model.encoder.layers.1"),
    (|f| set(f, "config.json", "encoder_layers", json!(999)), "is not usable: "),
    (|f| set(f, "config.json", "d_model", json!(1u64 << 60)), "expected [19, 1152921504606846976]"),
    (|f| set(f, "config.json", "d_model", json!(16)), "expected [19, 16]"),
    (|f| set(f, "config.json", "encoder_attention_heads", json!(3)), "heads"),
    (|f| set(f, "config.json", "decoder_start_token_id", json!(0)), "`decoder_start_token_id` = 0"),
    (|f| set(f, "config.json", "pad_token_id", json!(4)), "`pad_token_id` = 4"),
    (|f| set(f, "config.json", "eos_token_id", json!(2)), "`eos_token_id`"),
    (|f| set(f, "config.json", "vocab_size", json!(20)), "vocabularies of [20, 19] tokens"),
    (
        |f| {
            ["vocab_size", "decoder_vocab_size"]
                .iter()
                .for_each(|key| set(f, "config.json", key, json!(20)))
        },
        "vocab.json has 19 tokens, but config.json says 20",
    ),
    (|f| unset(f, "vocab.json", "\u{2581}w3"), "has 18 tokens"),
    (|f| set(f, "vocab.json", "\u{2581}w3", json!(12)), "the number 12"),
    (|f| set(f, "vocab.json", "\u{2581}w3", json!(99)), "the number 99 of 19 tokens"),
    (|f| fs::remove_file(f.join("source.spm")).unwrap(), "source.spm: "),
    (|f| fs::remove_file(f.join("vocab.json")).unwrap(), "vocab.json: "),
    (
        |f| fs::remove_file(f.join("model.safetensors")).unwrap(),
        "neither model.safetensors nor pytorch_model.bin",
    ),
    (
        |f| reweigh(f, |t| named(t, "model.shared.weight").2[18 * 8] = 1.0),
        "row 18 (`<pad>`) that is not zero",
    ),
    (
        |f| {
            reweigh(f, |t| {
                copy(t, "model.shared.weight", "lm_head.weight");
                named(t, "lm_head.weight").2[0] += 1.0;
            })
        },
        "has `lm_head.weight` that differs from `model.shared.weight`",
    ),
    (
        |f| {
            reweigh(f, |t| {
                t.push(("model.encoder.embed_positions.weight".into(), vec![3, 8], vec![0.5; 24]))
            })
        },
        "a row 0 that is not Marian's sinusoids",
    ),
    (
        |f| reweigh(f, |t| named(t, "model.decoder.layers.0.fc1.bias").2[0] = f32::INFINITY),
        "infinity",
    ),
];

#[test]
fn a_folder_that_contradicts_itself_is_refused() {
    let model = made::marian(|_| ());
    for (number, (fault, expected)) in FAULTS.into_iter().enumerate() {
        let folder = TempDir::new().unwrap();
        hf_folder(&model.portable(), folder.path());
        fault(folder.path());
        let text = misuse(hf::import(folder.path()).unwrap_err());
        assert!(text.contains(expected), "fault {number}: {expected}: {text}");
        assert!(text.contains(&*folder.path().to_string_lossy()), "{text}");
    }
}

#[test]
fn copies_of_the_table_and_positions_may_be_there() {
    let (model, folder) = (made::marian(|_| ()), TempDir::new().unwrap());
    hf_folder(&model.portable(), folder.path());
    reweigh(folder.path(), |tensors| {
        for name in [
            "model.encoder.embed_tokens.weight",
            "model.decoder.embed_tokens.weight",
            "lm_head.weight",
        ] {
            copy(tensors, "model.shared.weight", name);
        }
        let position = |n: usize, i: usize| n as f64 / 10_000f64.powf(i as f64 / 4.0);
        let row = |n| {
            (0..4)
                .map(move |i| position(n, i).sin())
                .chain((0..4).map(move |i| position(n, i).cos()))
        };
        let table = (0..40).flat_map(row).map(|x| half::f16::from_f64(x).to_f32()).collect();
        tensors.push(("model.decoder.embed_positions.weight".into(), vec![40, 8], table));
    });
    let read = || {
        let mut read = hf::import(folder.path()).unwrap();
        let note = read.notes.remove(0);
        assert!(note.ends_with("has positions rounded to 16 bits: exact ones are used"), "{note}");
        read
    };
    assert_eq!(read(), model);
    // One of them suffices.
    reweigh(folder.path(), |tensors| tensors.retain(|(name, _, _)| name != "model.shared.weight"));
    assert_eq!(read(), model);
}

#[test]
fn a_missing_bias_is_zeros_and_said() {
    let (mut model, folder) = (made::marian(|_| ()), TempDir::new().unwrap());
    hf_folder(&model.portable(), folder.path());
    reweigh(folder.path(), |tensors| tensors.retain(|(name, _, _)| name != "final_logits_bias"));
    let mut read = hf::import(folder.path()).unwrap();
    assert!(read.notes.remove(0).ends_with("has no `final_logits_bias`: zeros are used"));
    model.parameters.get_mut("decoder.output_projection.bias").unwrap().1[2..].fill(0.0);
    assert_eq!(read, model);
}

#[test]
fn a_student_without_a_bias_gets_zeros() {
    let model = there_and_back(&made::marian(|model| model.logits_bias = false));
    assert_eq!(model, there_and_back(&model));
    let (_, bias) = &model.parameters["decoder.output_projection.bias"];
    assert_eq!((&bias[..2], &bias[2..]), (&[-30.0; 2][..], &[0.0; 18][..]));
}

#[test]
fn what_is_no_model_is_named() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("model.pt"), "").unwrap();
    for path in [folder.path(), &folder.path().join("model.pt"), Path::new("/no/such/folder")] {
        let text = misuse(import(path).unwrap_err());
        assert!(text.ends_with("(config.json) or a Marian model (.npz)"), "{text}");
    }
}

#[test]
fn weights_in_either_format_of_torch_are_the_same() {
    let (model, folder) = (made::marian(|_| ()), TempDir::new().unwrap());
    hf_folder(&model.portable(), folder.path());
    let (storages, views) = files::whole(&tensors(folder.path()));
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    for bytes in [files::torch(&storages, &views), files::legacy(&storages, &views)] {
        fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
        assert_eq!(hf::import(folder.path()).unwrap(), model);
    }
}

#[test]
fn ordinary_tokens_of_the_names_of_added_ones_are_renamed() {
    let (mut model, folder) = (made::marian(|_| ()), TempDir::new().unwrap());
    hf_folder(&model.portable(), folder.path());
    unset(folder.path(), "vocab.json", "\u{2581}w3");
    set(folder.path(), "vocab.json", "<s>", json!(13));
    for side in [&mut model.pieces.source, &mut model.pieces.target] {
        side[15] = "<s>:13".into();
    }
    assert_eq!(hf::import(folder.path()).unwrap(), model);
}

#[test]
fn settings_come_from_the_configuration_where_there_is_no_other_file() {
    let (model, folder) = (made::marian(|_| ()), TempDir::new().unwrap());
    hf_folder(&model.portable(), folder.path());
    fs::remove_file(folder.path().join("generation_config.json")).unwrap();
    set(folder.path(), "config.json", "num_beams", json!(3));
    let generation = hf::import(folder.path()).unwrap().generation;
    assert_eq!(
        (generation.beam, generation.max_length, generation.length_penalty),
        (Some(3), None, None)
    );
}
