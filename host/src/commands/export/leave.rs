//! A run as a model of another toolkit.

use super::written::Written;
use crate::cli::{ExportArgs, Quantise, SearchArgs, Target};
use crate::config::BeamSearch;
use crate::data::vocab::Vocab;
use crate::interop::run::Leaving;
use crate::interop::{argos, ct2, hf};
use crate::run::run_dir::RunDir;
use crate::system::error::{Error, Result};
use crate::system::files::has_place;
use std::io::Write;
use std::path::Path;

/// The version of an Argos package.
const VERSION: &str = "1.0";

/// Writes the model.
///
/// # Errors
///
/// Misuse: an unusable run, an option that the format does not have, or a model that it cannot say. The output cannot be
/// written.
pub(super) fn run(args: &ExportArgs, out: &mut dyn Write) -> Result<()> {
    let path = args.out.as_deref().ok_or_else(|| Error::misuse("--out is missing"))?;
    check(args)?;
    if args.format == Target::Argos {
        has_place(path)?;
    }
    let model = Leaving::open(&args.run)?;
    let portable = model.portable();
    let mut notes = Vec::new();
    match args.format {
        Target::Huggingface => hf::write(&portable, path, &hf::Options::default())?,
        Target::Argos => argos::write(&portable, path, &package(args)?)?,
        _ => {
            let options = ct2::Options { quantization: numbers(args)?, ..ct2::Options::default() };
            ct2::write(&portable, path, &options)?;
        }
    }
    if args.format != Target::Huggingface {
        notes.push("CTranslate2 forbids no token, and an empty source has an empty translation");
    }
    if args.format == Target::Ctranslate2 && !model.has_sentencepiece() {
        let vocab = Vocab::load(&RunDir::open(&args.run)?.tokenizer())?;
        vocab.save(&path.join("tokenizer.json"))?;
        notes.push("the source is tokens of tokenizer.json, then </s>; see README.md there");
    }
    let written = Written::new(path, &portable, notes)?;
    let told = if args.json { written.json(out) } else { written.text(out) };
    told.map_err(|e| Error::output("write", Path::new("the result"), &e))
}

/// Refuses options that only an image has, and numbers that a Hugging Face folder does not have.
fn check(args: &ExportArgs) -> Result<()> {
    let given = [
        ("--emit-rust", args.emit_rust.is_some()),
        ("--max-bleu-drop", args.max_bleu_drop.is_some()),
        ("--source", args.source.is_some()),
        ("--sentences", args.sentences.is_some()),
        ("--max-source", args.max_source.is_some()),
        ("--max-target", args.max_target.is_some()),
        ("--shortlist", args.shortlist.is_some()),
        ("--int8-cache", args.int8_cache),
    ];
    if let Some((name, _)) = given.into_iter().chain(search(&args.search)).find(|(_, is)| *is) {
        return Err(Error::misuse(format!("{name} is for images, --format a2d")));
    }
    let other = args.quantize.is_some_and(|numbers| numbers != Quantise::F32);
    match args.format == Target::Huggingface && other {
        true => Err(Error::misuse("--quantize: a Hugging Face folder has f32")),
        false => Ok(()),
    }
}

/// Which options of the search are not the defaults.
fn search(args: &SearchArgs) -> [(&'static str, bool); 4] {
    let default = BeamSearch::DEFAULT;
    [
        ("--beam", args.beam != default.beam),
        ("--length-penalty", args.length_penalty != default.length_penalty),
        ("--max-length-a", args.max_length_a != default.max_length_a),
        ("--max-length-b", args.max_length_b != default.max_length_b),
    ]
}

fn numbers(args: &ExportArgs) -> Result<ct2::Quantization> {
    let numbers = args.quantize.unwrap_or(Quantise::Int8).of_ctranslate2();
    numbers.ok_or_else(|| Error::misuse("--quantize: CTranslate2 has f32, f16, int16 or int8"))
}

fn package(args: &ExportArgs) -> Result<argos::Options> {
    let data = RunDir::open(&args.run)?.load_config()?.data;
    if data.source_lang.is_empty() || data.target_lang.is_empty() {
        let text = "names no languages, which an Argos package needs: set `data.source_lang` and `data.target_lang`";
        return Err(Error::misuse(format!("{} {text}", RunDir::at(&args.run).config().display())));
    }
    let language = |code: String| argos::Language { name: code.clone(), code };
    Ok(argos::Options {
        quantization: numbers(args)?,
        source: language(data.source_lang),
        target: language(data.target_lang),
        version: VERSION.to_owned(),
    })
}
