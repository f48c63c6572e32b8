//! A model of the full size of OPUS-MT's.

use crate::made;
use a2d_host::data::vocab::spm::{Kind, Model, Piece};
use a2d_interop::model::{Imported, Pieces, SentencePiece};
use a2d_tests::helpers::interop;
use a2d_tests::helpers::program::binary;
use prost::Message;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Tokens of OPUS-MT's German to English model.
const TOKENS: usize = 58_101;

/// Random weights in OPUS-MT's shapes.
fn opus_mt() -> Imported {
    let small = made::marian(|model| {
        (model.d_model, model.ffn_dim, model.decoder_ffn_dim) = (512, 2048, None);
        (model.encoder_layers, model.decoder_layers) = (6, 6);
        (model.encoder_attention_heads, model.decoder_attention_heads) = (8, 8);
        model.share_embeddings = true;
    });
    let names = made::pieces(TOKENS);
    let spm = sentencepiece(&names[4..]);
    let pieces = Pieces { source: names.clone(), target: names };
    Imported {
        parameters: made::parameters(&small.model, &pieces),
        sentencepiece: SentencePiece { source: spm.clone(), target: spm },
        pieces,
        ..small
    }
}

/// A unigram model with these pieces.
fn sentencepiece(texts: &[String]) -> Vec<u8> {
    let kinds = [("<unk>", Kind::Unknown), ("<s>", Kind::Control), ("</s>", Kind::Control)];
    let special = kinds.map(|(text, kind)| (text.to_owned(), 0.0, kind));
    let texts = texts.iter().zip(1..);
    let texts = texts.map(|(text, rank)| (text.clone(), -(rank as f32).ln(), Kind::Normal));
    let piece =
        |(text, score, kind): (String, f32, Kind)| Piece { text, score, kind: Some(kind as i32) };
    let fixture = interop::fixtures().join("sentencepiece/uni_nmt.model");
    let like = Model::new(&fs::read(fixture).unwrap()).unwrap();
    let pieces = special.into_iter().chain(texts).map(piece).collect();
    Model { pieces, ..like }.encode_to_vec()
}

/// Under 10 seconds and in twice the size of its file. The folder stays for measurements.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "some 300 MB: cargo test --release -p a2d-tests --test formats full_size -- --ignored --nocapture"]
fn a_model_of_full_size_takes_little_time_and_memory() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("opus-mt");
    let model = folder.join("model");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    made::hf_folder(&opus_mt().portable(), &model);
    let bytes = fs::metadata(model.join("model.safetensors")).unwrap().len();
    let (start, kib) = (Instant::now(), 2 * bytes / 1024);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -d {kib} && exec \"$0\" \"$@\"")]).arg(binary());
    limited.args(["import", "model", "--out", "run"]).current_dir(&folder);
    let done = limited.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{}: {bytes} bytes, imported in {seconds:.1} s", model.display());
    assert!(seconds < 10.0, "{seconds:.1} s");
}
