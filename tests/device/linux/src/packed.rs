//! The sentences in batches, with packed weights and the vector instructions of the processor.

use a2d_core::batch::{Layout, Run, Source};
use a2d_core::micro::{Model, Options};
use a2d_core::search::{Search, Sentence};
use a2d_core::token::Vocabulary;
use a2d_demo::{FEW, Summary};
use a2d_device_data::{IMAGE, LAYERS, LIMITS, SENTENCES};
use a2d_packed::{Isa, Packed, Weights};

/// Translates the sentences with an instruction set.
///
/// # Errors
///
/// The processor does not have it, the image is rejected or has no vocabulary, or a sentence cannot be translated.
pub fn run(isa: &str) -> Result<Summary, String> {
    let isa: Isa = isa.parse().map_err(|error| format!("{isa}: {error}"))?;
    let model = Model::<LAYERS>::new(IMAGE).map_err(|error| error.to_string())?;
    let weights = Weights::new(&model, isa).map_err(|error| error.to_string())?;
    let mut b = Packed::new(&weights).packing(LIMITS.int8_cache);
    let vocabulary = model.source().ok_or("the image has no vocabulary")?;
    let encode = |line: &&str| encode(vocabulary, model.config().special.eos, line);
    let sources = SENTENCES.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
    let mut summary = Summary::default();
    for tokens in translate(&mut b, &model, &sources)? {
        tokens.iter().for_each(|token| summary.all.push(*token));
        summary.tokens += tokens.len();
        summary.sentences += 1;
        if summary.sentences <= FEW {
            summary.first = summary.all;
        }
    }
    Ok(summary)
}

fn encode(vocabulary: &Vocabulary<'_>, eos: u32, line: &str) -> Result<Vec<u32>, String> {
    let mut tokens = vec![0; vocabulary.room(line.len())];
    let count = vocabulary.encode(line, &mut tokens).map_err(|error| error.to_string())?;
    tokens.truncate(count);
    tokens.push(eos);
    Ok(tokens)
}

/// The tokens of the best translation of each sentence, without EOS.
fn translate(
    b: &mut Packed<'_>,
    model: &Model<'_, LAYERS>,
    batch: &[Vec<u32>],
) -> Result<Vec<Vec<u32>>, String> {
    let transformer = model.transformer();
    let lines: Vec<&[u32]> = batch.iter().map(Vec::as_slice).collect();
    if let Some(list) = model.image().shortlist() {
        b.choose(transformer, list, &lines).map_err(|error| error.to_string())?;
    }
    let source = Source::new(b, &model.config().special, &lines, Layout::Packed);
    let memory = transformer.encode(b, &source.tokens, &source.grid, &mut ());
    let sentences: Vec<_> = source.runs.iter().map(|memory| sentence(*memory)).collect();
    let forbidden = model.target().ok_or("the image has no vocabulary")?.forbidden();
    let search = Search { beam: LIMITS.beam, forbidden, ..Search::GREEDY };
    let (words, floats) = search.workspace(batch.len(), LIMITS.target);
    let (mut words, mut floats) = (vec![0; words], vec![0.0; floats]);
    let found = search.run(b, transformer, &memory, &sentences, &mut words, &mut floats);
    let found = found.map_err(|error| error.to_string())?;
    let tokens = |sentence| {
        let mut tokens = vec![0; found.length(sentence, 0)];
        found.tokens(sentence, 0, &mut tokens);
        tokens.pop();
        tokens
    };
    Ok((0..batch.len()).map(tokens).collect())
}

/// A sentence within the limits of the device.
fn sentence(memory: Run) -> Sentence {
    let Options { max_length_a, max_length_b, .. } = Options::DEFAULT;
    let longest = max_length_a * memory.valid as f64 + max_length_b;
    Sentence { memory, max_length: (longest as usize).clamp(1, LIMITS.target) }
}
