//! Models of Marian.

use crate::made::{self, misuse};
use a2d_interop::marian;
use a2d_interop::model::{Generation, Imported, Languages};
use a2d_run::config::Activation;
use a2d_tests::helpers::tensor_files as files;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use zip::CompressionMethod::{Deflated, Stored};

/// Options as Marian writes them, without those that the architecture does not depend on.
const OPTIONS: &str = "\
dec-depth: 1
dim-emb: 8
dim-vocabs:
  - 18
  - 18
enc-depth: 2
input-types:
  []
lemma-dim-emb: 0
right-left: false
tied-embeddings-all: true
tied-embeddings: false
transformer-decoder-autoreg: self-attention
transformer-dim-ffn: 12
transformer-decoder-dim-ffn: 10
transformer-ffn-activation: swish
transformer-ffn-depth: 2
transformer-heads: 2
transformer-no-projection: false
transformer-postprocess-emb: d
transformer-postprocess: dan
transformer-preprocess: \"\"
transformer-tied-layers:
  []
transformer-train-position-embeddings: false
type: transformer
version: v1.7.6 02f4af4 2018-12-12
";

/// Marian's name of a parameter of a layer.
fn name(ours: &str) -> String {
    let (side, rest) = ours.split_once(".layers.").unwrap();
    let (layer, part) = rest.split_once('.').unwrap();
    let layer = 1 + layer.parse::<usize>().unwrap();
    let theirs = match part.split('.').collect::<Vec<_>>()[..] {
        ["fc1", "weight"] => "ffn_W1".into(),
        ["fc1", _] => "ffn_b1".into(),
        ["fc2", "weight"] => "ffn_W2".into(),
        ["fc2", _] => "ffn_b2".into(),
        [norm, kind] => {
            let block = match norm {
                "self_attn_layer_norm" => "self_Wo",
                "encoder_attn_layer_norm" => "context_Wo",
                _ => "ffn_ffn",
            };
            format!("{block}_ln_{}", if kind == "weight" { "scale" } else { "bias" })
        }
        [block, projection, kind] => {
            let block = if block == "self_attn" { "self" } else { "context" };
            format!("{block}_{}{}", if kind == "weight" { "W" } else { "b" }, &projection[..1])
        }
        _ => unreachable!("{ours}"),
    };
    format!("{side}_l{layer}_{theirs}")
}

/// The arrays of a model.
fn arrays(model: &Imported, options: &str) -> Vec<(String, Vec<u8>)> {
    let mut arrays =
        vec![("special:model.yml".to_owned(), files::npy_bytes(format!("{options}\0").as_bytes()))];
    for (ours, (shape, values)) in &model.parameters {
        arrays.push(match ours.as_str() {
            "encoder.embed_tokens.weight" => {
                ("Wemb".into(), files::npy(&[18, 8], &values[16..], false))
            }
            "decoder.output_projection.bias" => {
                ("decoder_ff_logit_out_b".into(), files::npy(&[1, 18], &values[2..], false))
            }
            // The transpose of rows is columns.
            ours if shape.len() == 2 => {
                (name(ours), files::npy(&[shape[1], shape[0]], values, true))
            }
            ours => (name(ours), files::npy(&[1, shape[0]], values, false)),
        });
    }
    arrays
}

/// A folder as those of OPUS-MT.
fn folder(arrays: &[(String, Vec<u8>)], model: &Imported) -> TempDir {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    put("opus.model1.npz.best-perplexity.npz", &files::npz(arrays, Stored));
    put("source.spm", &model.sentencepiece.source);
    put("target.spm", &model.sentencepiece.target);
    let line = |(id, piece): (usize, &String)| match piece.as_str() {
        "'" => format!("\"'\": {id}\n"),
        "\"" => format!("'\"': {id}\n"),
        ":" | "#" => format!("\"{piece}\": {id}\n"),
        "\\" => format!("\"\\\\\": {id}\n"),
        "\u{2028}" => format!("\"\\u2028\": {id}\n"),
        piece => format!("{piece}: {id}\n"),
    };
    let lines: String = model.pieces.source[2..].iter().enumerate().map(line).collect();
    put("opus.spm32k-spm32k.vocab.yml", lines.as_bytes());
    put("decoder.yml", b"models:\n  - opus.npz\nbeam-size: 6\nnormalize: 1\n");
    folder
}

fn expected() -> Imported {
    let mut model = made::marian(|_| ());
    model.generation = Generation { beam: Some(6), max_length: None, length_penalty: Some(1.0) };
    model.languages = Languages::default();
    model
}

#[test]
fn a_teacher_of_opus_mt_is_read() {
    let model = expected();
    let folder = folder(&arrays(&model, OPTIONS), &model);
    assert_eq!(marian::import(folder.path()).unwrap(), model);
    // Its file may be named, and be compressed.
    let path = folder.path().join("other.npz");
    fs::write(&path, files::npz(&arrays(&model, OPTIONS), Deflated)).unwrap();
    assert_eq!(marian::import(&path).unwrap(), model);
    let text = misuse(marian::import(folder.path()).unwrap_err());
    assert!(text.contains("several models: name one of opus.model1"), "{text}");
}

/// A SentencePiece model with these pieces.
fn spm(pieces: &[String]) -> Vec<u8> {
    let piece = |piece: &String| {
        let text = [&[0x0a, piece.len() as u8], piece.as_bytes(), &[0x15, 0, 0, 0, 0]].concat();
        [&[0x0a, text.len() as u8], &text[..]].concat()
    };
    pieces.iter().flat_map(piece).collect()
}

/// A folder as those of OPUS-MT.
pub fn made_folder() -> TempDir {
    let model = expected();
    folder(&arrays(&model, OPTIONS), &model)
}

/// A folder as those of Mozilla: its vocabulary is its SentencePiece model.
pub fn made_folder_of_one() -> TempDir {
    let model = expected();
    let folder = folder(&arrays(&model, &OPTIONS.replace("swish", "relu")), &model);
    for name in ["source.spm", "target.spm", "opus.spm32k-spm32k.vocab.yml", "decoder.yml"] {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("vocab.deen.spm"), spm(&model.pieces.source[2..])).unwrap();
    folder
}

#[test]
fn a_teacher_of_mozilla_is_read() {
    let mut model = expected();
    model.model.activation = Activation::Relu;
    let bytes = spm(&model.pieces.source[2..]);
    (model.sentencepiece.source, model.sentencepiece.target) = (bytes.clone(), bytes);
    model.generation = Generation::default();
    assert_eq!(marian::import(made_folder_of_one().path()).unwrap(), model);
}

#[test]
fn another_architecture_is_refused_by_the_name_of_its_option() {
    let model = expected();
    for (from, to, expected) in [
        ("type: transformer", "type: amun", "`type` = \"amun\": only \"transformer\""),
        (
            "tied-embeddings-all: true",
            "tied-embeddings-all: false",
            "`tied-embeddings-all` = \"false\"",
        ),
        ("tied-embeddings-all: true\n", "", "has no option `tied-embeddings-all`"),
        ("autoreg: self-attention", "autoreg: rnn", "`transformer-decoder-autoreg` = \"rnn\""),
        ("postprocess: dan", "postprocess: da", "`transformer-postprocess` = \"da\""),
        ("preprocess: \"\"", "preprocess: n", "`transformer-preprocess` = \"n\""),
        ("activation: swish", "activation: gelu", "only \"relu\" or \"swish\""),
        ("emb: d", "emb: nd", "`transformer-postprocess-emb` = \"nd\""),
        (
            "position-embeddings: false",
            "position-embeddings: true",
            "`transformer-train-position-embeddings`",
        ),
        ("tied-layers:\n  []", "tied-layers:\n  - 1\n  - 1", "`transformer-tied-layers` = \"1\""),
        (
            "input-types:\n  []",
            "input-types:\n  - sequence\n  - class",
            "`input-types` = \"class\"",
        ),
        ("right-left: false", "right-left: true", "`right-left`"),
        ("dim-emb: 8", "dim-emb: x", "no number as option `dim-emb`"),
        ("enc-depth: 2", "enc-depth: 1", "a tensor `encoder_l2_"),
        ("enc-depth: 2", "enc-depth: 3", "no tensor `encoder_l3_"),
        ("dim-emb: 8", "dim-emb: 16", "`Wemb` as [18, 8], expected [18, 16]"),
    ] {
        assert!(OPTIONS.contains(from), "{from}");
        let folder = folder(&arrays(&model, &OPTIONS.replacen(from, to, 1)), &model);
        let text = misuse(marian::import(folder.path()).unwrap_err());
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

/// A way to break a folder, and what the error must say.
type Fault = (fn(&Path), &'static str);

const FAULTS: [Fault; 6] = [
    (
        |f| fs::remove_file(f.join("opus.model1.npz.best-perplexity.npz")).unwrap(),
        "has no `.npz` file",
    ),
    (|f| fs::remove_file(f.join("opus.spm32k-spm32k.vocab.yml")).unwrap(), "but no `vocab.yml`"),
    (
        |f| fs::remove_file(f.join("source.spm")).unwrap(),
        "has target.spm: expected source.spm and target.spm",
    ),
    (|f| fs::write(f.join("x.vocab.yml"), "").unwrap(), "only one vocabulary"),
    (
        |f| fs::write(f.join("opus.spm32k-spm32k.vocab.yml"), "</s>: 0\n<unk>: 2\n").unwrap(),
        "the number 2, expected 1",
    ),
    (
        |f| fs::write(f.join("opus.spm32k-spm32k.vocab.yml"), "</s>: 0\n<unk>\n").unwrap(),
        "a line 2 that is not",
    ),
];

#[test]
fn a_folder_that_contradicts_itself_is_refused() {
    let model = expected();
    for (fault, expected) in FAULTS {
        let folder = folder(&arrays(&model, OPTIONS), &model);
        fault(folder.path());
        let text = misuse(marian::import(folder.path()).unwrap_err());
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
