//! `import`.

use clap::Args;
use std::path::PathBuf;

/// `a2d import`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  a2d import opus-mt-de-en --out runs/opus-mt
  echo 'Guten Morgen!' | a2d translate runs/opus-mt
  a2d distill student.toml --teacher runs/opus-mt
  a2d import opus-mt-de-en --out runs/small --trim-vocab train.de train.en
  a2d import all-MiniLM-L6-v2 --out runs/minilm
MODEL is a folder of Hugging Face's format with a Marian model (config.json, model.safetensors or
pytorch_model.bin, source.spm, target.spm, vocab.json) or a BERT (tokenizer.json or vocab.txt in place of
these three), a folder of sentence-transformers with a BERT, a Marian model (.npz with its .spm), or the
folder of one. It is checked as a whole before anything is written; nothing in it is executed.")]
pub struct ImportArgs {
    /// The folder or file of the model
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// The folder of the new run
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Keep only the tokens that these texts need, all single characters and bytes: a student with this vocabulary is
    /// smaller. The texts have the same tokens as before. A translator needs two texts, SOURCE and TARGET, any other
    /// model one
    #[arg(long, value_name = "TEXT", num_args = 1..=2)]
    pub trim_vocab: Option<Vec<PathBuf>>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
