//! The lexical shortlist: the likely translations of each source token, learned from the training data.

use a2d_core::config::token::UNK;
use a2d_data::corpus::Corpus;
use a2d_data::vocab::Sizes;
use a2d_system::error::Result;
use std::collections::HashMap;

/// Sentence pairs used: the first ones.
const MOST_PAIRS: usize = 100_000;

/// Longest sentence used, in tokens. Longer sentences cost most and add little information about single tokens.
const MOST_TOKENS: usize = 100;

/// EM iterations.
const PASSES: usize = 4;

/// The shortlist of a corpus in the layout of [`a2d_core::image::Shortlist`]: `count` target tokens for each source
/// token, and the `count` most frequent target tokens for all.
///
/// The translation table is that of IBM Model 1 (Brown et al. 1993).
///
/// # Errors
///
/// As [`Corpus::pair`]; the errors of `go_on`, which is called every 1000 pairs.
pub fn shortlist(corpus: &Corpus, count: usize, go_on: &dyn Fn() -> Result<()>) -> Result<Vec<u8>> {
    let pairs = pairs(corpus)?;
    let sizes = corpus.sizes();
    let likely = likely(table(&pairs, go_on)?, sizes, count);
    Ok(lay_out(&always(&pairs, sizes.target, count), &likely))
}

/// Source and target ids of a sentence pair.
type Pair = (Vec<u32>, Vec<u32>);

fn pairs(corpus: &Corpus) -> Result<Vec<Pair>> {
    let short = |i: &usize| {
        let (source, target) = corpus.lengths(*i);
        source.max(target) as usize <= MOST_TOKENS
    };
    (0..corpus.len()).filter(short).take(MOST_PAIRS).map(|i| corpus.pair(i)).collect()
}

/// The special tokens and the `count` most frequent target tokens, ascending.
fn always(pairs: &[Pair], vocabulary: usize, count: usize) -> Vec<u32> {
    let mut counts = vec![0u64; vocabulary];
    for id in pairs.iter().flat_map(|(_, target)| target) {
        counts[*id as usize] += 1;
    }
    let special = UNK + 1;
    let mut others: Vec<u32> = (special..vocabulary as u32).collect();
    others.sort_by_key(|id| std::cmp::Reverse(counts[*id as usize]));
    others.truncate(count);
    others.extend(0..special);
    others.sort_unstable();
    others
}

/// For each source token, the most likely target tokens, ascending; in one vocabulary also the token itself, since names
/// are copied.
fn likely(table: Table, sizes: Sizes, count: usize) -> Vec<Vec<u32>> {
    let itself = |id: u32| (id < sizes.target as u32).then_some((f64::INFINITY, id));
    let mut tables: Vec<Vec<_>> =
        (0..sizes.source as u32).map(|id| Vec::from_iter(itself(id))).collect();
    for ((source, target), p) in table {
        tables[source as usize].push((p, target));
    }
    let best = |mut all: Vec<(f64, u32)>| {
        all.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        let mut best: Vec<u32> = all.into_iter().take(count).map(|(_, target)| target).collect();
        best.sort_unstable();
        best.dedup();
        best
    };
    tables.into_iter().map(best).collect()
}

/// `((source, target), p)`: the probability `p` of the target token given the source token.
type Table = Vec<((u32, u32), f64)>;

/// Estimates the translation probability of every pair of tokens that occur together, in order of first occurrence.
fn table(pairs: &[Pair], go_on: &dyn Fn() -> Result<()>) -> Result<Table> {
    let together = pairs.iter().flat_map(|(source, target)| {
        source.iter().flat_map(move |s| target.iter().map(move |t| (*s, *t)))
    });
    let mut keys: Vec<(u32, u32)> = Vec::new();
    let mut places: HashMap<(u32, u32), usize> = HashMap::new();
    for key in together {
        places.entry(key).or_insert_with(|| {
            keys.push(key);
            keys.len() - 1
        });
    }
    let mut p = vec![1.0; keys.len()];
    for _ in 0..PASSES {
        let counts = expected(pairs, &places, &p, go_on)?;
        let mut totals: HashMap<u32, f64> = HashMap::new();
        for ((source, _), count) in keys.iter().zip(&counts) {
            *totals.entry(*source).or_default() += count;
        }
        p = keys.iter().zip(&counts).map(|((source, _), count)| count / totals[source]).collect();
    }
    Ok(keys.into_iter().zip(p).collect())
}

/// E-step: the expected count of each pair of tokens.
fn expected(
    pairs: &[Pair],
    places: &HashMap<(u32, u32), usize>,
    p: &[f64],
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Vec<f64>> {
    let mut counts = vec![0.0; p.len()];
    let mut row = Vec::new();
    for (i, (source, target)) in pairs.iter().enumerate() {
        if i % 1000 == 0 {
            go_on()?;
        }
        for t in target {
            row.clear();
            row.extend(source.iter().map(|s| places[&(*s, *t)]));
            let total: f64 = row.iter().map(|at| p[*at]).sum();
            for at in &row {
                counts[*at] += p[*at] / total;
            }
        }
    }
    Ok(counts)
}

fn lay_out(always: &[u32], likely: &[Vec<u32>]) -> Vec<u8> {
    let mut starts = vec![0];
    for list in likely {
        starts.push(starts[starts.len() - 1] + list.len() as u32);
    }
    let entries = starts[starts.len() - 1];
    let words = [always.len() as u32, entries].into_iter().chain(starts);
    let mut bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    let halves = always.iter().chain(likely.iter().flatten());
    bytes.extend(halves.flat_map(|id| (*id as u16).to_le_bytes()));
    bytes
}
