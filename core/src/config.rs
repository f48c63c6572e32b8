//! The configuration of a model.

use crate::math::sqrt;
use core::fmt;

/// Added to the variance of a row in layer norms, unless a model has another number.
pub const NORM_EPSILON: f32 = 1e-5;

/// Whether text models are compiled in. A board that only translates saves their flash.
pub(crate) const TEXT: bool = cfg!(feature = "text");

/// Special tokens of a vocabulary made by `a2d prepare`, in fairseq's order.
pub mod token {
    /// Begin of sentence: the first input of a decoder that does not start from [`EOS`], else unused.
    pub const BOS: u32 = 0;
    /// Padding.
    pub const PAD: u32 = 1;
    /// End of sentence; also the first input of the decoder.
    pub const EOS: u32 = 2;
    /// Unknown.
    pub const UNK: u32 = 3;
}

/// The special tokens of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Special {
    /// Padding: never written; its embedding is initialised to 0.
    pub pad: u32,
    /// End of sentence.
    pub eos: u32,
    /// Unknown.
    pub unk: u32,
    /// The first input of the decoder.
    pub start: u32,
}

impl Special {
    /// fairseq's special tokens: the decoder starts from the end of sentence.
    pub const FAIRSEQ: Self =
        Self { pad: token::PAD, eos: token::EOS, unk: token::UNK, start: token::EOS };

    /// Marian's, in fairseq's order: the decoder starts from a token of its own, whose embedding is 0.
    pub const MARIAN: Self = Self { start: token::BOS, ..Self::FAIRSEQ };

    /// The tokens that are never written: padding, and a start token of its own. Beside a start token of its own, their
    /// embeddings are 0 before, during and after training; fairseq's padding is part of the softmax, which moves it.
    pub const fn never(&self) -> [u32; 2] {
        [self.pad, if self.start == self.eos { self.pad } else { self.start }]
    }

    /// The smallest vocabulary that contains all special tokens.
    const fn least_vocabulary(&self) -> usize {
        let (mut most, rest) = (self.pad, [self.eos, self.unk, self.start]);
        let mut i = 0;
        while i < rest.len() {
            most = if rest[i] > most { rest[i] } else { most };
            i += 1;
        }
        most as usize + 1
    }
}

/// How the position of a token enters its embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Positions {
    /// fairseq's sinusoids, see [`crate::rows::position`]; its numbers begin behind the padding index, at 2.
    Fairseq,
    /// Marian's sinusoids, those of Vaswani et al. (2017) with all sines first; its numbers begin at 0.
    Marian,
    /// A table of its own, as in BERT. Embeddings are then not scaled.
    Learned,
}

impl Positions {
    /// The factor of an embedding of `width` elements, before the position is added.
    pub fn scale(self, width: usize) -> f32 {
        match self {
            Self::Learned if TEXT => 1.0,
            _ => sqrt(width as f32),
        }
    }
}

/// The nonlinearity of the feed-forward block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `x Phi(x)`, the exact form (erf).
    Gelu,
    /// `x / (1 + e^-x)`, also called swish.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Whether the gradient is computed from the input `x`; otherwise from the output `f(x)`.
    pub const fn gradient_takes_input(self) -> bool {
        match self {
            Self::Relu | Self::Tanh => false,
            Self::Gelu | Self::Silu => true,
        }
    }
}

/// The sizes of the encoder or of the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// D
    pub d_model: usize,
    /// F
    pub ffn_dim: usize,
    /// H
    pub attention_heads: usize,
    /// L
    pub layers: usize,
}

impl Stack {
    /// The decoder of a model without one.
    pub const NONE: Self = Self { d_model: 0, ffn_dim: 0, attention_heads: 0, layers: 0 };

    /// L H, the number of maps of one kind of attention.
    pub const fn maps(&self) -> usize {
        self.layers * self.attention_heads
    }
}

/// The structure of a layer, and its dropout probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Pre-norm: `x + f(norm(x))`, and a norm after the last layer. Otherwise post-norm: `norm(x + f(x))`.
    pub normalize_before: bool,
    /// The activation of the feed-forward block.
    pub activation: Activation,
    /// Dropout after the embeddings and after each block, before the residual sum.
    pub dropout: f32,
    /// Dropout of attention probabilities.
    pub attention_dropout: f32,
    /// Dropout after the activation.
    pub activation_dropout: f32,
    /// Added to the variance of a row in layer norms.
    pub norm_epsilon: f32,
}

/// The configuration of an encoder, alone or as part of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderConfig {
    /// V
    pub vocabulary: usize,
    /// The sizes of the layers.
    pub stack: Stack,
    /// The structure of the layers.
    pub block: Block,
    /// The position embedding.
    pub positions: Positions,
    /// The tables beside that of tokens.
    pub embedding: Embedding,
    /// The special tokens of the vocabulary.
    pub special: Special,
}

/// The parts of an encoder's embedding beside the table of tokens, as in BERT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// Rows of the table of [`Positions::Learned`], the most tokens of a text; else 0.
    pub positions: usize,
    /// Rows of the table of token types, of which type 0 adds nothing; 0 without types.
    pub types: usize,
    /// Whether a layer norm follows the sum.
    pub norm: bool,
}

impl Embedding {
    /// Nothing beside the table of tokens.
    pub const NONE: Self = Self { positions: 0, types: 0, norm: false };
}

/// What follows the encoder of a model without a decoder, a *text model*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How the rows of a text become one.
    pub pooling: Pooling,
    /// Whether `tanh(W x + b)`, `W` `[D, D]`, follows the pooling, as BERT's pooler.
    pub dense: bool,
    /// What is made of it.
    pub output: Output,
}

/// How the rows of a text become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The row of the first token.
    First,
    /// The mean over all tokens.
    Mean,
}

/// The result of a text model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A logit for each of so many labels, by a linear map.
    Labels(usize),
    /// A vector of this width, by a linear map if the width is not D. Its length has no meaning.
    Vector(usize),
}

impl Output {
    /// Whether a linear map from rows of `d_model` elements makes it.
    pub const fn is_mapped(self, d_model: usize) -> bool {
        match self {
            Self::Labels(_) => true,
            Self::Vector(width) => width != d_model,
        }
    }

    /// The width of the result.
    pub const fn width(self) -> usize {
        match self {
            Self::Labels(width) | Self::Vector(width) => width,
        }
    }

    /// The size of the vocabulary of targets: the labels; of a vector 1.
    pub const fn targets(self) -> usize {
        match self {
            Self::Labels(count) => count,
            Self::Vector(_) => 1,
        }
    }
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Task {
    /// Text to text, by a decoder.
    Translate,
    /// Text to one of several labels.
    Classify,
    /// Text to a vector.
    Embed,
}

impl Task {
    /// The name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Translate => "translate",
            Self::Classify => "classify",
            Self::Embed => "embed",
        }
    }
}

/// The configuration of an encoder-decoder Transformer, or of an encoder with a head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// V of the source.
    pub source_vocabulary: usize,
    /// V of the target; with a head, [`Output::targets`].
    pub target_vocabulary: usize,
    /// Whether source, target and output share one table. Otherwise only target and output share one.
    pub share_embeddings: bool,
    /// The sizes of the encoder.
    pub encoder: Stack,
    /// The sizes of the decoder; with a head, [`Stack::NONE`].
    pub decoder: Stack,
    /// What follows the encoder in place of a decoder, if anything.
    pub head: Option<Head>,
    /// Pre-norm: `x + f(norm(x))`, and a norm after the last layer. Otherwise post-norm: `norm(x + f(x))`.
    pub normalize_before: bool,
    /// The activation of the feed-forward block.
    pub activation: Activation,
    /// Dropout after the embeddings and after each block, before the residual sum.
    pub dropout: f32,
    /// Dropout of attention probabilities.
    pub attention_dropout: f32,
    /// Dropout after the activation.
    pub activation_dropout: f32,
    /// Added to the variance of a row in layer norms; [`NORM_EPSILON`] in most models, 1e-12 in BERT.
    pub norm_epsilon: f32,
    /// The special tokens of both vocabularies.
    pub special: Special,
    /// The position embedding of encoder and decoder.
    pub positions: Positions,
    /// The tables of the encoder's embedding beside that of tokens; only with a head.
    pub embedding: Embedding,
    /// Whether a bias `[V]` is added to the logits.
    pub logits_bias: bool,
}

/// Why a configuration is invalid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Impossible {
    /// A size is too small; its name.
    Zero(&'static str),
    /// The number of heads does not divide the width.
    Heads {
        /// `encoder` or `decoder`.
        stack: &'static str,
        /// D
        d_model: usize,
        /// H
        heads: usize,
    },
    /// More layers than the capacity of the model's type.
    Layers {
        /// `encoder` or `decoder`.
        stack: &'static str,
        /// L
        layers: usize,
        /// The capacity.
        most: usize,
    },
    /// A shared table needs equal vocabularies and equal widths.
    Shared,
    /// A model with a head has what only a decoder can use, or a model with a decoder what only a head can; the key.
    Head(&'static str),
    /// A distillation method cannot compare a student with its teacher.
    Pair {
        /// The method.
        method: &'static str,
        /// The reason.
        why: &'static str,
        /// What was found in student and teacher.
        found: [usize; 2],
    },
    /// A probability is outside `[0, 1)`; its name.
    Probability(&'static str),
}

impl Config {
    /// What the model is for.
    pub const fn task(&self) -> Task {
        match self.head {
            None => Task::Translate,
            Some(Head { output: Output::Labels(_), .. }) => Task::Classify,
            Some(Head { output: Output::Vector(_), .. }) => Task::Embed,
        }
    }

    /// The most tokens of a text, BOS and EOS included, of at most `wanted`: a table of positions may have fewer.
    pub const fn most_tokens(&self, wanted: usize) -> usize {
        let rows = self.embedding.positions;
        if rows > 0 && rows < wanted { rows } else { wanted }
    }

    /// The structure of the layers of encoder and decoder.
    pub const fn block(&self) -> Block {
        Block {
            normalize_before: self.normalize_before,
            activation: self.activation,
            dropout: self.dropout,
            attention_dropout: self.attention_dropout,
            activation_dropout: self.activation_dropout,
            norm_epsilon: self.norm_epsilon,
        }
    }

    /// The configuration of the encoder.
    pub const fn encoder_config(&self) -> EncoderConfig {
        EncoderConfig {
            vocabulary: self.source_vocabulary,
            stack: self.encoder,
            block: self.block(),
            positions: self.positions,
            embedding: self.embedding,
            special: self.special,
        }
    }

    /// Checks everything that [`crate::nn::Transformer::new`] relies on.
    ///
    /// # Errors
    ///
    /// The first invalid value, for a model with room for `most_layers` layers on each side.
    pub fn check(&self, most_layers: usize) -> Result<(), Impossible> {
        if let Some(head) = &self.head {
            self.check_head(head)?;
            return self.encoder_config().check(most_layers);
        }
        if self.positions == Positions::Learned || self.embedding != Embedding::NONE {
            return Err(Impossible::Head("a table of positions or types"));
        }
        let least = self.special.least_vocabulary();
        check_vocabulary("source vocabulary", self.source_vocabulary, least)?;
        check_vocabulary("target vocabulary", self.target_vocabulary, least)?;
        check_stack("encoder", &self.encoder, most_layers)?;
        check_stack("decoder", &self.decoder, most_layers)?;
        if self.share_embeddings
            && (self.source_vocabulary, self.encoder.d_model)
                != (self.target_vocabulary, self.decoder.d_model)
        {
            return Err(Impossible::Shared);
        }
        self.block().check()
    }

    /// Checks that nothing of a decoder is left, and the sizes of the head.
    fn check_head(&self, head: &Head) -> Result<(), Impossible> {
        if !TEXT {
            return Err(Impossible::Head("this program, without the feature `text`,"));
        }
        if head.output.width() == 0 {
            return Err(Impossible::Zero("output"));
        }
        let fits = [
            ("a decoder", self.decoder == Stack::NONE),
            ("share_embeddings", self.share_embeddings),
            ("logits_bias", !self.logits_bias),
            ("target vocabulary", self.target_vocabulary == head.output.targets()),
        ];
        fits.iter()
            .try_for_each(|(name, fits)| if *fits { Ok(()) } else { Err(Impossible::Head(name)) })
    }
}

impl EncoderConfig {
    /// Checks everything that [`crate::nn::Encoder::new`] relies on.
    ///
    /// # Errors
    ///
    /// The first invalid value, for an encoder with room for `most_layers` layers.
    pub fn check(&self, most_layers: usize) -> Result<(), Impossible> {
        check_vocabulary("vocabulary", self.vocabulary, self.special.least_vocabulary())?;
        check_stack("encoder", &self.stack, most_layers)?;
        if (self.positions == Positions::Learned) != (self.embedding.positions > 0) {
            return Err(Impossible::Zero("the table of positions"));
        }
        self.block.check()
    }
}

impl Block {
    /// [`Block::norm_epsilon`]; a constant where there are no text models.
    pub(crate) const fn norm_epsilon(&self) -> f32 {
        if TEXT { self.norm_epsilon } else { NORM_EPSILON }
    }

    fn check(&self) -> Result<(), Impossible> {
        for (name, p) in [
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
            ("activation_dropout", self.activation_dropout),
        ] {
            if !(0.0..1.0).contains(&p) {
                return Err(Impossible::Probability(name));
            }
        }
        Ok(())
    }
}

fn check_vocabulary(name: &'static str, size: usize, least: usize) -> Result<(), Impossible> {
    if size < least { Err(Impossible::Zero(name)) } else { Ok(()) }
}

fn check_stack(stack: &'static str, of: &Stack, most: usize) -> Result<(), Impossible> {
    for (name, value) in [
        ("d_model", of.d_model),
        ("ffn_dim", of.ffn_dim),
        ("attention_heads", of.attention_heads),
        ("layers", of.layers),
    ] {
        if value == 0 {
            return Err(Impossible::Zero(name));
        }
    }
    if of.layers > most {
        return Err(Impossible::Layers { stack, layers: of.layers, most });
    }
    if !of.d_model.is_multiple_of(of.attention_heads) {
        return Err(Impossible::Heads { stack, d_model: of.d_model, heads: of.attention_heads });
    }
    Ok(())
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero(name) => write!(f, "{name} is too small"),
            Self::Heads { stack, d_model, heads } => {
                write!(f, "{stack}: {heads} attention heads do not divide d_model {d_model}")
            }
            Self::Layers { stack, layers, most } => {
                write!(f, "{stack}: {layers} layers, at most {most} are possible")
            }
            Self::Shared => f.write_str(
                "shared embeddings need equal vocabularies and equal d_model on both sides",
            ),
            Self::Head(name) => write!(f, "{name} does not fit a model with this output"),
            Self::Pair { method, why, found: [student, teacher] } => {
                write!(f, "{method}: {why}: found {student} (student), {teacher} (teacher)")
            }
            Self::Probability(name) => write!(f, "{name} must be in [0, 1)"),
        }
    }
}

impl core::error::Error for Impossible {}
