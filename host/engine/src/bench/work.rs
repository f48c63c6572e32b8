//! Operation counts: the matrix products of linear maps, attention and output projection on real tokens. Causal
//! attention counts only the unmasked half. Norms, softmax, map losses, head alignment and Adam are not counted.

use super::shape::Models;
use crate::train::Pairs;
use a2d_core::config::{Config, Stack};

/// A trained matrix product costs one forward and two backward products.
const TRAINED: f64 = 3.0;

/// Floating-point operations of a forward pass on pairs of sentences; a multiply-add counts as two.
fn forward(config: &Config, pairs: &Pairs) -> f64 {
    let pair = |(source, target): (&Vec<u32>, &Vec<u32>)| {
        let (s, t) = (source.len() as f64, target.len() as f64);
        encoder(config, s) + memory(config, s) + decoder(config, s, t)
    };
    2.0 * pairs.0.iter().zip(&pairs.1).map(pair).sum::<f64>()
}

/// Operations of one training step of `config` without a teacher.
pub fn training(config: &Config, pairs: &Pairs) -> f64 {
    TRAINED * forward(config, pairs)
}

/// Operations of one distillation step.
pub fn distillation(models: &Models, pairs: &Pairs) -> f64 {
    forward(&models.teacher, pairs) + training(&models.student, pairs)
}

/// Operations of translating sentences into `length` tokens each with beam size `beam`.
pub fn translation(config: &Config, sources: &[Vec<u32>], beam: usize, length: usize) -> f64 {
    let (beam, t) = (beam as f64, length as f64);
    let sentence = |source: &Vec<u32>| {
        let s = source.len() as f64;
        // The first decoder step runs once, not once for each hypothesis.
        let rest = beam * (decoder(config, s, t) - decoder(config, s, 1.0));
        encoder(config, s) + memory(config, s) + decoder(config, s, 1.0) + rest
    };
    2.0 * sources.iter().map(sentence).sum::<f64>()
}

fn width(stack: &Stack) -> f64 {
    stack.d_model as f64
}

fn feed_forward(stack: &Stack) -> f64 {
    2.0 * width(stack) * stack.ffn_dim as f64
}

/// Multiplications for `s` source tokens.
fn encoder(config: &Config, s: f64) -> f64 {
    let (of, d) = (&config.encoder, width(&config.encoder));
    let token = 4.0 * d * d + feed_forward(of);
    of.layers as f64 * (s * token + 2.0 * s * s * d)
}

/// Multiplications for the keys and values of `s` source tokens.
fn memory(config: &Config, s: f64) -> f64 {
    config.decoder.layers as f64 * 2.0 * s * width(&config.encoder) * width(&config.decoder)
}

/// Multiplications for `t` target tokens over `s` source tokens, output projection included.
fn decoder(config: &Config, s: f64, t: f64) -> f64 {
    let (of, d) = (&config.decoder, width(&config.decoder));
    let token = 6.0 * d * d + feed_forward(of);
    let attention = t * (t + 1.0) / 2.0 + t * s;
    let layers = of.layers as f64 * (t * token + 2.0 * attention * d);
    layers + t * d * config.target_vocabulary as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::BenchShape;

    #[test]
    fn a_token_of_the_base_shape_takes_what_its_parameters_say() {
        let Models { student, .. } = BenchShape::Base.models();
        // A pair of one token each uses every weight once; each of the two attentions of a layer sees one key.
        let attention = 3.0 * 2.0 * 256.0 * (1.0 + 2.0);
        let encoder = 3.0 * (4.0 * 65536.0 + 2.0 * 262_144.0);
        let decoder = 3.0 * (8.0 * 65536.0 + 2.0 * 262_144.0) + 2_048_000.0;
        let pairs = (vec![vec![2]], vec![vec![2]]);
        let expected = 2.0 * (encoder + decoder + attention);
        assert_eq!(forward(&student, &pairs), expected);
        assert_eq!(training(&student, &pairs), 3.0 * expected);
        assert_eq!(translation(&student, &[vec![2]], 5, 1), expected);
    }
}
