//! What a vocabulary without unused tokens saves, and what it costs.

use super::numbers::rounded;
use a2d_core::params::Spec;
use a2d_data::vocab::{Sizes, Subwords, Vocab};
use a2d_run::config::RunConfig;
use a2d_run::model::{core_config, is_auxiliary, plan};
use a2d_run::prepared::{Parallel, text_of};
use a2d_run::run_dir::RunDir;
use a2d_system::error::Result;
use serde_json::{Value, json};

/// The run before and after its vocabulary, or that of its teacher, was trimmed: tokens, parameters, bytes, and how the
/// validation text is cut. Null if neither was trimmed, or if they have different vocabularies.
///
/// # Errors
///
/// Misuse: a vocabulary or the text cannot be read.
pub fn json(run: &RunConfig, dir: &RunDir, teacher: Option<&RunDir>) -> Result<Value> {
    let trimmed = [Some(dir), teacher].into_iter().flatten().find(|dir| dir.untrimmed().is_file());
    let Some(trimmed) = trimmed else { return Ok(Value::Null) };
    let after = Vocab::load(&dir.tokenizer())?;
    if Vocab::load(&trimmed.tokenizer())?.fingerprint() != after.fingerprint() {
        return Ok(Value::Null);
    }
    let before = Vocab::load(&trimmed.untrimmed())?;
    let [was, is] = [&before, &after].map(|vocab| Size::of(run, vocab.sizes()));
    let (was, is) = (was?, is?);
    let text = text_of(run, dir.folder(), "valid")?;
    let translates = !run.task.is_of_texts();
    let is_there =
        |text: &Parallel| !(text.source.is_empty() || translates && text.target.is_empty());
    let text = match text.filter(is_there) {
        Some(text) => {
            let target = translates.then(|| cut(before.target(), after.target(), &text.target));
            json!({
                "source": cut(before.source(), after.source(), &text.source)?,
                "target": target.transpose()?,
            })
        }
        None => Value::Null,
    };
    let tokens = |sizes: Sizes| match translates && sizes.source != sizes.target {
        true => json!([sizes.source, sizes.target]),
        false => json!([sizes.source]),
    };
    Ok(json!({
        "tokens": [tokens(before.sizes()), tokens(after.sizes())],
        "parameters": [was.parameters, is.parameters],
        "f32": [4 * was.parameters, 4 * is.parameters],
        "int8": [was.int8, is.int8],
        "valid": text,
    }))
}

/// The size of a model.
struct Size {
    parameters: usize,
    /// Bytes with matrices in int8: a byte for a value, a scale for a row.
    int8: usize,
}

impl Size {
    /// The size of the model of `run` over vocabularies of these sizes.
    fn of(run: &RunConfig, sizes: Sizes) -> Result<Self> {
        let plan = plan(&core_config(&run.model, run.task, sizes), None)?;
        let kept = plan.params().iter().filter(|(name, _)| !is_auxiliary(name));
        let size = kept.fold((0, 0), |(parameters, int8), (_, spec)| {
            (parameters + spec.shape.len(), int8 + bytes(spec))
        });
        Ok(Self { parameters: size.0, int8: size.1 })
    }
}

/// The bytes of a parameter in int8; vectors stay f32.
fn bytes(spec: &Spec) -> usize {
    let values = spec.shape.len();
    match spec.shape.dims() {
        [rows, _] => values + 4 * rows,
        _ => 4 * values,
    }
}

/// How lines are cut: how many otherwise than before, and tokens per line before and after.
fn cut(before: &dyn Subwords, after: &dyn Subwords, lines: &[String]) -> Result<Value> {
    let (was, is) = (before.encode_batch(lines)?, after.encode_batch(lines)?);
    let texts = |side: &dyn Subwords, ids: &[u32]| -> Vec<String> {
        ids.iter().map(|id| side.piece(*id).unwrap_or_default().to_owned()).collect()
    };
    let pairs = was.iter().zip(&is);
    let otherwise = pairs.filter(|(was, is)| texts(before, was) != texts(after, is)).count();
    let per_line = |all: &[Vec<u32>]| {
        rounded(all.iter().map(Vec::len).sum::<usize>() as f64 / lines.len() as f64)
    };
    Ok(
        json!({"lines": lines.len(), "otherwise": otherwise, "per_line": [per_line(&was), per_line(&is)]}),
    )
}
