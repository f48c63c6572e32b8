//! What the program computes of pairs of sentences, for a comparison with other programs: `logits RUN SOURCE TARGET OUT`.
//!
//! RUN is a run, SOURCE and TARGET are texts of as many lines. OUT is a safetensors file: the tokens of all lines one
//! after the other (`source`, `target`, with the end of the sentence), the tokens of each line (`source_lengths`,
//! `target_lengths`), and the `logits` `[tokens of the target, vocabulary]`, each row given the tokens before it.

use a2d_core::backend::Device;
use a2d_core::batch::{Batch, Layout};
use a2d_host::backend::cpu::Cpu;
use a2d_host::data::vocab::{EOS, Subwords};
use a2d_host::system::error::{Error, Result};
use a2d_host::system::text::read_lines;
use a2d_host::translate::Translator;
use safetensors::tensor::{Dtype, TensorView};
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [run, source, target, out] = &args[..] else {
        return Err(Error::misuse("usage: logits RUN SOURCE TARGET OUT"));
    };
    let mut b = Cpu::new(2);
    let Translator { model, vocab, .. } = Translator::open(&mut b, run)?;
    let sources = tokens(vocab.source(), source)?;
    let targets = tokens(vocab.target(), target)?;
    let [source, target] =
        [&sources, &targets].map(|of| of.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let batch = Batch::new(&mut b, &model.config.special, &source, &target, Layout::Packed);
    let memory = model.encode(&mut b, &batch.source, &batch.encoder_grid, &mut ());
    let (own, cross) = (&batch.decoder_grid, &batch.cross_grid);
    let hidden = model.decode(&mut b, &batch.shifted, &memory, own, cross, &mut ());
    let logits = model.logits(&mut b, &hidden);
    let mut values = vec![0.0; b.shape(&logits).len()];
    b.read(&logits, &mut values)?;
    write(out, &sources, &targets, &values)
}

/// The tokens of each line of a text.
fn tokens(vocab: &dyn Subwords, text: &Path) -> Result<Vec<Vec<u32>>> {
    let mut lines = vocab.encode_batch(&read_lines(text)?)?;
    lines.iter_mut().for_each(|line| line.push(EOS));
    Ok(lines)
}

fn write(out: &Path, sources: &[Vec<u32>], targets: &[Vec<u32>], logits: &[f32]) -> Result<()> {
    let lengths = |of: &[Vec<u32>]| of.iter().map(|line| line.len() as u32).collect::<Vec<_>>();
    let whole = [
        ("source", sources.concat()),
        ("source_lengths", lengths(sources)),
        ("target", targets.concat()),
        ("target_lengths", lengths(targets)),
    ];
    let rows = targets.iter().map(Vec::len).sum::<usize>();
    let mut tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = whole
        .iter()
        .map(|(name, of)| {
            (*name, Dtype::U32, vec![of.len()], of.iter().flat_map(|x| x.to_le_bytes()).collect())
        })
        .collect();
    let bytes = logits.iter().flat_map(|x| x.to_le_bytes()).collect();
    tensors.push(("logits", Dtype::F32, vec![rows, logits.len() / rows.max(1)], bytes));
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?))
    });
    let views: Result<Vec<_>, safetensors::SafeTensorError> = views.collect();
    let bytes = views.and_then(|views| safetensors::serialize(views, None));
    let bytes = bytes.map_err(|e| Error::failed(format!("the tensors cannot be written: {e}")))?;
    std::fs::write(out, bytes).map_err(|e| Error::output("write", out, &e))
}
