//! What is chosen for a corpus, from a few pairs to millions.

use a2d_host::config::reference::keys;
use a2d_host::config::{self, RunConfig};
use a2d_host::run::proposal::{Corpus, Proposal, Subwords, choose, vocab_size};
use std::collections::BTreeSet;
use std::path::Path;

/// A corpus of lines of `tokens` tokens, with the characters of a European language.
fn corpus(train: usize, tokens: f64) -> Corpus {
    with_alphabet(train, tokens, 100)
}

fn with_alphabet(train: usize, tokens: f64, alphabet: usize) -> Corpus {
    let vocab = Subwords { size: vocab_size(train, alphabet), alphabet, words: 0.7 * tokens };
    Corpus { train, valid: 501, longer: tokens, vocab: Some(vocab) }
}

fn updates(of: &Proposal) -> u64 {
    (of.run.train.max_epoch * of.updates_per_epoch) as u64
}

#[test]
fn every_corpus_gets_a_training_that_can_learn() {
    let numbers = [20, 300, 2_000, 8_259, 20_000, 29_000, 200_000, 1_000_000, 10_000_000];
    let proposals: Vec<_> = numbers.map(|pairs| choose(&corpus(pairs, 15.0))).into();
    for (pairs, proposal) in numbers.iter().zip(&proposals) {
        let RunConfig { train, teacher, .. } = &proposal.run;
        let all = updates(proposal);
        assert!(train.warmup_updates > 0 && 5 * train.warmup_updates <= all, "{pairs}: {train:?}");
        assert!((2..=200).contains(&train.max_epoch), "{pairs}: {train:?}");
        assert!(*pairs < 2_000 || all >= 3_000, "{pairs}: {all} updates");
        assert!(train.max_epoch / train.validate_interval >= 2, "{pairs}: {train:?}");
        assert!(teacher.train.lr < train.lr && teacher.train.max_epoch == train.max_epoch);
        assert_eq!(teacher.train.max_tokens, train.max_tokens);
        assert!(teacher.model.d_model > proposal.run.model.d_model, "{pairs}");
    }
    for pair in proposals.windows(2) {
        let [less, more] = [&pair[0], &pair[1]].map(|proposal| &proposal.run);
        assert!(less.data.vocab_size <= more.data.vocab_size);
        assert!(less.teacher.model.dropout >= more.teacher.model.dropout);
        assert!(less.model.d_model <= more.model.d_model);
        assert!(less.train.warmup_updates <= more.train.warmup_updates);
        assert!(updates(&pair[0]) <= updates(&pair[1]));
    }
}

/// The two corpora that results were measured on; the first as `configs/quickstart-long.toml`.
#[test]
fn the_measured_examples_are_met() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    for (name, pairs, tokens, per_epoch) in [
        ("configs/quickstart-long.toml", 20_000, 7.8, 180),
        ("configs/multi30k.toml", 29_000, 16.0, 543),
    ] {
        let example = config::load_with(&fixtures.join(name), [], &[]).unwrap();
        let proposal = choose(&corpus(pairs, tokens));
        let run = &proposal.run;
        assert_eq!(run.data.vocab_size, example.data.vocab_size, "{name}");
        assert_eq!(run.model, example.model, "{name}");
        assert_eq!(run.teacher.model, example.teacher.model, "{name}");
        assert_eq!(run.train.lr, 2.0 * example.train.lr, "{name}: results/defaults.md");
        assert_eq!(run.teacher.train.lr, example.teacher.train.lr, "{name}");
        assert_eq!(run.train.max_tokens, example.train.max_tokens, "{name}");
        let ratio =
            updates(&proposal) as f64 / (example.teacher.train.max_epoch * per_epoch) as f64;
        assert!((0.7..1.5).contains(&ratio), "{name}: {} updates", updates(&proposal));
    }
}

#[test]
fn long_lines_and_many_characters_are_provided_for() {
    let long = choose(&corpus(20_000, 200.0));
    assert!(long.run.train.max_tokens >= 32 * 200, "{:?}", long.run.train);
    let chinese = choose(&with_alphabet(20_000, 12.0, 3_900));
    assert_eq!(chinese.run.data.vocab_size, 8_000, "half of a vocabulary may be characters");
    assert_eq!(vocab_size(20_000, 1_000_000), 32_000);
}

#[test]
fn a_proposal_is_written_with_its_reasons() {
    for pairs in [300, 20_000, 10_000_000] {
        let mut proposal = choose(&corpus(pairs, 15.0));
        let data = &mut proposal.run.data;
        (data.source_lang, data.target_lang) = ("de".into(), "en".into());
        (data.train, data.valid) = (Some("/text/train".into()), Some("/text/valid".into()));
        let text = proposal.to_toml("one\ntwo");
        assert_eq!(config::parse(&text, Path::new("a.toml")).unwrap(), proposal.run, "{text}");
        assert!(text.starts_with("# one\n# two\n\n[data]\n"), "{text}");
        for (key, reason) in &proposal.reasons {
            let first = reason.split(' ').take(3).collect::<Vec<_>>().join(" ");
            assert!(text.contains(&format!("# {first}")), "{key} in\n{text}");
            assert!(proposal.choices().iter().any(|(path, _)| path == key), "{key}");
        }
        let teacher = text.split("[teacher.train]").nth(1).unwrap();
        assert_eq!(teacher.matches(" = ").count(), 1, "the rest is inherited:\n{teacher}");
    }
}

/// The reference says of which keys the value depends on the corpus.
#[test]
fn what_is_chosen_is_documented_as_derived() {
    let absent = RunConfig::default();
    let mut chosen = BTreeSet::new();
    for pairs in [300, 20_000, 1_000_000, 10_000_000] {
        let run = choose(&corpus(pairs, 15.0)).run;
        let keys = keys().into_iter().filter(|key| key.inherits.is_none()).map(|key| key.path);
        chosen.extend(keys.filter(|path| run.value(path) != absent.value(path)));
    }
    let derived: BTreeSet<_> =
        keys().into_iter().filter(|key| key.from_data).map(|key| key.path).collect();
    // The students' have the defaults, of every corpus.
    chosen.extend(
        ["encoder_attention_heads", "decoder_attention_heads"].map(|name| format!("model.{name}")),
    );
    assert_eq!(chosen, derived);
}
