//! A little prepared text, and models that train on it quickly.

use a2d_host::config::{Method, RunConfig};
use a2d_host::data::prepare::{self, PrepareRequest};
use a2d_host::run::prepared::Prepared;
use std::path::Path;

/// The quickstart's validation text, prepared in `folder`.
pub fn prepared(folder: &Path) -> Prepared {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/quickstart/valid");
    let request = PrepareRequest {
        source_lang: "de".into(),
        target_lang: "en".into(),
        train: text.into(),
        valid: text.into(),
        vocab_size: 300,
        max_length: 40,
        out: folder.to_owned(),
        ..PrepareRequest::default()
    };
    prepare::run(&request, &mut std::io::sink()).expect("text that can be prepared");
    Prepared::open(folder).expect("what was prepared")
}

/// The configuration of a model of one layer and width `d_model`, trained without a teacher.
pub fn run(d_model: usize) -> RunConfig {
    let mut run = RunConfig::default();
    run.model.d_model = d_model;
    run.model.ffn_dim = d_model;
    run.model.encoder_layers = 1;
    run.model.decoder_layers = 1;
    run.model.encoder_attention_heads = 2;
    run.model.decoder_attention_heads = 2;
    run.distill.method = Method::None.into();
    run.train.valid_bleu_sentences = 2;
    run.train.beam = 1;
    run
}
