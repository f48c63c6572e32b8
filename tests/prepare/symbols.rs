//! `data.protect`: texts that are one token.

use super::{misuse, prepared, quickstart, workshop};
use a2d_host::data::corpus::Corpus;
use a2d_host::data::prepare::{
    Freshness, Given, PrepareRequest, load_report, run, state, up_to_date,
};
use a2d_host::data::vocab::{LineForm, Matches, Patterns, UNK, Vocab, Words};
use std::fs;
use tempfile::TempDir;

/// A small corpus with placeholders, and a request that protects them.
fn strings() -> (TempDir, PrepareRequest) {
    let (folder, request) = workshop();
    for lang in ["de", "en"] {
        let path = format!("{}.{lang}", request.train);
        let mut text = fs::read_to_string(&path).unwrap();
        for number in 0..20 {
            text += &format!(
                "Nr. {number}: {{ $user }} %s{}\n",
                ["", " {once}"][usize::from(number == 7 && lang == "de")]
            );
        }
        fs::write(path, text).unwrap();
    }
    let protect = vec![r"\{[^{}]*\}".to_owned(), "%[sd]".to_owned()];
    (folder, PrepareRequest { protect, ..request })
}

#[test]
fn placeholders_are_one_token_in_the_token_files() {
    let (_folder, request) = strings();
    let (report, told) = prepared(&request);
    assert!(told.contains("\n  2 of them protected texts, kept whole\n"), "{told}");
    assert_eq!(report, load_report(&request.out).unwrap());
    assert_eq!(report.vocabulary.symbols, 2);
    let vocab = Vocab::load(&request.out.join("tokenizer.json")).unwrap();
    // What occurs once has no counterpart.
    assert_eq!(vocab.source().symbols().texts(), ["%s", "{ $user }"]);
    let last = vocab.source().len() as u32 - 1;
    let corpus = Corpus::open(&request.out.join("train.bin")).unwrap();
    let (source, target) = corpus.pair(corpus.len() - 1).unwrap();
    for side in [source, target] {
        assert_eq!(side.iter().filter(|id| **id == last).count(), 1, "{side:?}");
        assert_eq!(vocab.target().decode(&side).unwrap(), "Nr. 19: { $user } %s");
    }
    // A placeholder that the text lacks is text.
    let ids = vocab.source().encode("{ $other } %d").unwrap();
    assert!(ids.iter().all(|id| *id < last - 1 && *id != UNK), "{ids:?}");
    assert_eq!(vocab.target().decode(&ids).unwrap(), "{ $other } %d");
}

#[test]
fn protected_text_that_does_not_occur_is_said() {
    let (_folder, request) = workshop();
    let request = PrepareRequest { protect: vec!["%nowhere%".into()], ..request };
    let (report, told) = prepared(&request);
    assert!(told.contains("no protected text occurs twice in the training text"), "{told}");
    let plain = prepared(&PrepareRequest { protect: Vec::new(), ..request }).0;
    assert_eq!(report.vocabulary.fingerprint, plain.vocabulary.fingerprint);
}

#[test]
fn vocabularies_without_symbols_are_as_before() {
    let text = |split: &str| quickstart().join(split).display().to_string();
    let folder = TempDir::new().unwrap();
    let request = PrepareRequest {
        source_lang: "de".into(),
        target_lang: "en".into(),
        train: text("valid"),
        valid: text("test"),
        vocab_size: 600,
        out: folder.path().join("data"),
        ..PrepareRequest::default()
    };
    // The fingerprint before there were symbols.
    assert_eq!(prepared(&request).0.vocabulary.fingerprint, "320b30015e60dbfb");
    let manifest = fs::read_to_string(request.out.join("data.json")).unwrap();
    assert!(!manifest.contains("\"protect\"") && !manifest.contains("\"symbols\""));
}

#[test]
fn other_protected_text_makes_data_out_of_date() {
    let (_folder, request) = strings();
    prepared(&request);
    assert!(up_to_date(&request));
    let other = PrepareRequest { protect: vec!["%[sd]".into()], ..request.clone() };
    let Freshness::Other(why) = state(&other) else { panic!("{:?}", state(&other)) };
    assert!(why.contains("`data.protect`") && why.contains("not [\"%[sd]\"]"), "{why}");
}

#[test]
fn an_existing_vocabulary_brings_its_symbols() {
    let (folder, request) = strings();
    prepared(&request);
    let vocabulary = Some(Given::Tokenizer(request.out.join("tokenizer.json")));
    let out = folder.path().join("again");
    let again = PrepareRequest { vocabulary, out, ..request.clone() };
    let error = misuse(run(&again, &mut Vec::new()));
    assert!(error.contains("tokenizer.json exists") && error.contains("own symbols"), "{error}");
    let again = PrepareRequest { protect: Vec::new(), ..again };
    assert_eq!(prepared(&again).0.vocabulary.symbols, 2);
    let files = [&request, &again].map(|request| fs::read(request.out.join("train.bin")).unwrap());
    assert!(files[0] == files[1]);
}

#[test]
fn patterns_that_cannot_be_used_are_refused() {
    let cases = [
        ("%(d", "`%(d`: unclosed group, at character 2"),
        ("ä[", "unclosed character class, at character 2"),
        (r"(?=a)", "look-around"),
        (r"\p{Nowhere}", "Unicode property not found, at character 1"),
        ("a*", "it matches the empty text"),
        (r"(\w{200}){200}", "too large when compiled"),
    ];
    for (pattern, says) in cases {
        let bad = Patterns::new(&["%s", pattern]).unwrap_err();
        assert_eq!(bad.index, 1);
        let text = bad.to_string();
        assert!(text.contains(says) && text.lines().count() == 1, "{text}");
    }
    let (_folder, request) = workshop();
    let request = PrepareRequest { protect: vec!["%(d".into()], ..request };
    assert!(misuse(run(&request, &mut Vec::new())).contains("`%(d`: unclosed group"));
    assert!(!request.out.exists());
}

#[test]
fn the_most_frequent_matches_become_symbols() {
    let patterns = Patterns::new(&["<[^>]*>", " ?12 ?", "§"]).unwrap();
    let mut matches = Matches::new(&patterns);
    let long = format!("<{}>", "x".repeat(254));
    for line in ["<s> <0x41> <pad> <b> 12 ", "<b> <i>12<u>", "<b> <u><i>", &long, &long, "§ §▁<▁>"]
    {
        matches.add(line);
        matches.add(line);
    }
    let copy = |most| {
        let mut matches = Matches::new(&patterns);
        for line in ["<b> <i>12<u>", "<b> <u><i> 12", "<b>§", "§"] {
            matches.add(line);
        }
        matches.symbols(most).unwrap().texts().to_vec()
    };
    assert_eq!(copy(9), ["12", "<b>", "<i>", "<u>", "§"]);
    assert_eq!(copy(1), ["<b>"]);
    // Equally frequent: the first by bytes.
    assert_eq!(copy(2), ["12", "<b>"]);
    // Without names of tokens, what is too long, and `▁`.
    assert_eq!(matches.symbols(9).unwrap().texts(), ["12", "<b>", "<i>", "<u>", "§"]);
}

#[test]
fn a_changed_tokenizer_with_symbols_is_refused() {
    let words = |lines: &[&str]| {
        let patterns = Patterns::new(&["%[a-z]"]).unwrap();
        let mut matches = Matches::new(&patterns);
        lines.iter().for_each(|line| matches.add(line));
        let mut words = Words::with_symbols(LineForm::Nfc, matches.symbols(9).unwrap());
        lines.iter().for_each(|line| words.add(line));
        words
    };
    let words = words(&["der %s und die %s", "%d %d das"]);
    let vocab = Vocab::learn_words(words, 40, false, &mut || Ok(())).unwrap();
    assert_eq!(vocab.source().symbols().texts(), ["%d", "%s"]);
    let good: serde_json::Value = serde_json::from_slice(&vocab.to_bytes()).unwrap();
    let load = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut document = good.clone();
        edit(&mut document);
        Vocab::from_bytes(document.to_string().as_bytes())
    };
    assert!(load(&|_| {}).is_ok());
    let refused = |edit: &dyn Fn(&mut serde_json::Value)| misuse(load(edit));
    let ids = [4, 5];
    assert_eq!(ids.map(|at| good["added_tokens"][at]["content"].clone()), ["%d", "%s"]);
    refused(&|d| d["added_tokens"].as_array_mut().unwrap().swap(4, 5));
    refused(&|d| drop(d["added_tokens"].as_array_mut().unwrap().remove(5)));
    refused(&|d| d["added_tokens"][4]["content"] = "%x".into());
    refused(&|d| d["added_tokens"][4]["content"] = " %d".into());
    refused(&|d| d["added_tokens"][4]["content"] = "%s".into());
    refused(&|d| d["added_tokens"][4]["content"] = "".into());
    refused(&|d| d["added_tokens"][4]["content"] = 3.into());
    refused(&|d| d["added_tokens"][4]["normalized"] = false.into());
    refused(&|d| d["added_tokens"][4]["id"] = 5.into());
    let swapped = refused(&|d| {
        let vocab = d["model"]["vocab"].as_object_mut().unwrap();
        let (first, second) = (vocab["%d"].clone(), vocab["%s"].clone());
        (vocab["%d"], vocab["%s"]) = (second, first);
    });
    assert!(swapped.contains("the protected symbol \"%d\" must have id"), "{swapped}");
}
