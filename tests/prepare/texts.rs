//! Texts to classify or embed: labels, ends, lengths, and errors.

use crate::{found, misuse, prepared};
use a2d_host::data::corpus::Corpus;
use a2d_host::data::prepare::{
    Check, Freshness, Given, PrepareRequest, load_report, run, state, up_to_date,
};
use a2d_host::data::task::Task;
use a2d_host::data::vocab::{BOS, EOS, Labels, Sizes, Vocab};
use a2d_host::system::text::read_lines;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// Texts as a voice assistant gets them, in three splits, and a request to prepare them.
fn intents() -> (TempDir, PrepareRequest) {
    let folder = TempDir::new().unwrap();
    let of = |name: &str| folder.path().join(name);
    let text = |label: &str, what: &str, i: usize| format!("{label}\t{what} {i} times\n");
    for (name, from, to) in [("train", 0, 40), ("valid", 40, 50), ("test", 50, 60)] {
        let lines = (from..to).map(|i| match i % 2 {
            0 => text("play", "Play the song", i),
            _ => text("book", "Book a table", i),
        });
        fs::write(of(&format!("{name}.tsv")), lines.collect::<String>()).unwrap();
    }
    let path = |name: &str| of(name).display().to_string();
    let request = PrepareRequest {
        task: Task::Classify,
        train: path("train.tsv"),
        valid: path("valid.tsv"),
        test: Some(path("test.tsv")),
        vocab_size: 120,
        out: of("data"),
        ..PrepareRequest::default()
    };
    (folder, request)
}

fn vocab(request: &PrepareRequest) -> Vocab {
    Vocab::load(&request.out.join("tokenizer.json")).unwrap()
}

fn corpus(request: &PrepareRequest, split: &str) -> Corpus {
    Corpus::open(&request.out.join(split).with_extension("bin")).unwrap()
}

/// The error of `request` where `name` in `folder` has this content.
fn refused(folder: &TempDir, request: &PrepareRequest, name: &str, content: &[u8]) -> String {
    let path = folder.path().join(name);
    let before = fs::read(&path).unwrap();
    fs::write(&path, content).unwrap();
    let message = misuse(run(request, &mut Vec::new()));
    fs::write(&path, before).unwrap();
    message.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_text_is_its_subwords_between_begin_and_end_and_its_label_a_number() {
    let (folder, request) = intents();
    let (report, told) = prepared(&request);
    assert_eq!(report, load_report(&request.out).unwrap());
    assert_eq!(report.labels, ["book", "play"]);
    let vocab = vocab(&request);
    assert_eq!(vocab.labels().unwrap().names(), report.labels);
    assert_eq!(vocab.sizes(), Sizes { source: report.vocabulary.size, target: 2 });
    for (split, count) in [("train", 40), ("valid", 10), ("test", 10)] {
        let corpus = corpus(&request, split);
        assert_eq!((corpus.len(), corpus.sizes()), (count, vocab.sizes()));
        for (i, line) in
            read_lines(&folder.path().join(format!("{split}.tsv"))).unwrap().iter().enumerate()
        {
            let (label, text) = line.split_once('\t').unwrap();
            let (source, target) = corpus.pair(i).unwrap();
            let words = vocab.source().encode(text).unwrap();
            assert_eq!(source, [&[BOS][..], &words, &[EOS]].concat());
            assert_eq!(source, vocab.text(text, 250).unwrap());
            assert_eq!(target, vocab.target().encode(label).unwrap());
            assert_eq!(vocab.target().decode(&target).unwrap(), label);
            assert_eq!(corpus.lengths(i), (source.len() as u32, 1));
        }
    }
    assert_eq!(report.splits[0].labels, [20, 20]);
    let texts = read_lines(&request.out.join("valid.source")).unwrap();
    assert_eq!(texts[0], "Play the song 40 times");
    let labels = read_lines(&request.out.join("test.target")).unwrap();
    assert_eq!(labels[..3], ["play", "book", "play"]);
    assert!(!request.out.join("train.source").exists());
    let longest = report.splits[0].longest;
    for part in [
        "2 labels, with so many texts                       train     valid      test\n",
        "\n  book                                                20         5         5\n",
        "train: 40 of 40 texts, ",
        &format!("tokens each, the longest {longest}\n"),
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    let summary = report.summary(&request).join("\n");
    assert!(summary.contains("40 train, 10 valid, 10 test texts of 2 labels"), "{summary}");
    assert!(summary.contains("no text has a flaw"), "{summary}");
}

#[test]
fn labels_are_no_text_of_a_vocabulary() {
    let (folder, request) = intents();
    prepared(&request);
    let pieces = |vocab: &Vocab| -> Vec<_> {
        (0..vocab.source().len() as u32)
            .filter_map(|id| vocab.source().piece(id).map(str::to_owned))
            .collect()
    };
    let before = pieces(&vocab(&request));
    for split in ["train", "valid", "test"] {
        let path = folder.path().join(format!("{split}.tsv"));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace("book\t", "zebra crossing\t")).unwrap();
    }
    assert!(!up_to_date(&request));
    prepared(&request);
    assert_eq!(pieces(&vocab(&request)), before);
    assert_eq!(vocab(&request).labels().unwrap().names(), ["play", "zebra crossing"]);
}

#[test]
fn long_texts_are_cut_and_empty_ones_kept() {
    let (folder, request) = intents();
    let lines = "play\t\nbook\tBook a table 1 times\nplay\t   \nplay\tPlay\tthe song\n\
                 book\tBook a table 1 times\nplay\tBook a table 1 times\n";
    fs::write(folder.path().join("train.tsv"), lines).unwrap();
    let request = PrepareRequest { vocab_size: 40, max_length: 3, clean: true, ..request };
    let (report, told) = prepared(&request);
    let train = &report.splits[0];
    assert_eq!((train.lines, train.kept), (6, 5), "{told}");
    assert_eq!(found(train, Check::Empty), [1, 3]);
    assert_eq!(found(train, Check::TooLong), [2, 4, 5, 6]);
    assert_eq!(found(train, Check::Duplicate), [5]);
    assert_eq!(found(train, Check::Ambiguous), [6]);
    assert_eq!((train.finding(Check::Identical), train.finding(Check::Unbalanced)), (None, None));
    assert_eq!((train.flawed, train.labels.clone()), (0, vec![1, 4]));
    for part in [
        "\n  empty, and kept                                      2  33.333 %\n",
        "\n  longer than 3 tokens, and cut                        4  66.667 %\n",
        "\n  same as an earlier line                              1  16.667 %  left out\n",
        "\n  text of an earlier line, another label               1  16.667 %\n",
        "\n            4: Play\\tthe song | play\n",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    let (vocab, train) = (vocab(&request), corpus(&request, "train"));
    assert_eq!(train.pair(0).unwrap(), (vec![BOS, EOS], vec![1]));
    let whole = vocab.source().encode("Book a table 1 times").unwrap();
    assert!(whole.len() > 3 && report.splits[0].longest >= whole.len());
    assert_eq!(train.pair(1).unwrap().0, [&[BOS][..], &whole[..3], &[EOS]].concat());
    // As an encoder gets a text that is not prepared.
    assert_eq!(train.pair(1).unwrap().0, vocab.text("Book a table 1 times", 3).unwrap());
}

#[test]
fn texts_in_two_splits_are_told_but_equal_labels_are_not() {
    let (folder, request) = intents();
    fs::write(folder.path().join("valid.tsv"), "play\tplay THE song 2 times.\nbook\tnew\n")
        .unwrap();
    let report = prepared(&request).0;
    assert_eq!(found(&report.splits[0], Check::Overlap), [3]);
    assert_eq!(found(&report.splits[1], Check::Overlap), [1]);
    assert_eq!(report.splits[2].finding(Check::Overlap).unwrap().count, 0);
}

#[test]
fn wrong_labels_are_named_with_file_and_line() {
    let (folder, request) = intents();
    prepared(&request);
    let train = |text: &str| refused(&folder, &request, "train.tsv", text.as_bytes());
    let no_tab = "train.tsv:2: no tab between label and text: expected LABEL<TAB>TEXT";
    assert_eq!(train("play\tone\nbook two\n"), no_tab);
    assert_eq!(train("play\tone\n\n"), no_tab);
    let empty = "the label before the tab is empty";
    assert_eq!(train("\tone\nbook\ttwo\n"), format!("train.tsv:1: {empty}"));
    assert_eq!(train("play\tone\n \u{feff}\ttwo\n"), format!("train.tsv:2: {empty}"));
    let alone = "train.tsv has one label only, \"play\": a classification needs two or more";
    assert_eq!(train("play\tone\nplay\ttwo\n"), alone);
    assert_eq!(train(""), "train.tsv is empty");
    assert_eq!(
        train("play\tone\nstop\ttwo\n"),
        "valid.tsv:2: the label \"book\" is not in the training text"
    );
    let valid = |text: &[u8]| refused(&folder, &request, "valid.tsv", text);
    let unseen = "valid.tsv:2: the label \"Play\" is not in the training text";
    assert_eq!(valid(b"play\tone\nPlay\ttwo\nlate\tthree\nPlay\tfour\n"), unseen);
    assert_eq!(valid(b"play\tone\nbook\tt\xFFo\n"), "valid.tsv:2: not UTF-8");
    let test = refused(&folder, &request, "test.tsv", b"play\tone\ntwo\n");
    assert!(test.starts_with("test.tsv:2: no tab"), "{test}");
    let german = PrepareRequest { target_lang: "de".into(), ..request.clone() };
    assert!(
        misuse(run(&german, &mut Vec::new())).contains("target language \"de\" has no meaning")
    );
    assert!(up_to_date(&request), "a refused run leaves what was there");
}

#[test]
fn names_of_labels_are_normalised() {
    let (folder, request) = intents();
    let lines = "\u{feff}cafe\u{301}\tone\nbook\ttwo\n caf\u{e9} \tthree\n";
    fs::write(folder.path().join("train.tsv"), lines).unwrap();
    fs::write(folder.path().join("valid.tsv"), "cafe\u{301}\tfour\n").unwrap();
    let request = PrepareRequest { test: None, vocab_size: 40, ..request };
    let report = prepared(&request).0;
    assert_eq!(report.labels, ["book", "café"]);
    assert_eq!(report.splits[0].labels, [1, 2]);
    assert_eq!(read_lines(&request.out.join("valid.target")).unwrap(), ["café"]);
    assert_eq!(vocab(&request).labels().unwrap().number("cafe\u{301}"), Some(1));
}

#[test]
fn data_of_texts_are_up_to_date_until_something_changes() {
    let (folder, request) = intents();
    prepared(&request);
    assert!(up_to_date(&request));
    let other = |request: &PrepareRequest| match state(request) {
        Freshness::Other(why) => why,
        state => panic!("{state:?}"),
    };
    let embed = PrepareRequest { task: Task::Embed, ..request.clone() };
    assert_eq!(other(&embed), "it was prepared with `task` classify, not embed");
    assert!(!up_to_date(&PrepareRequest { max_length: 9, ..request.clone() }));
    let path = folder.path().join("valid.tsv");
    let before = fs::read(&path).unwrap();
    fs::write(&path, [&before[..], b"play\tmore\n"].concat()).unwrap();
    assert!(other(&request).contains("the text of `data.valid`"), "{}", other(&request));
    fs::write(&path, before).unwrap();

    // A gzipped file is the same text, under its own name or the plain one.
    let train = fs::read(request.out.join("train.bin")).unwrap();
    let packed = std::process::Command::new("gzip").arg(&path).status().unwrap();
    assert!(packed.success());
    prepared(&request);
    assert_eq!(fs::read(request.out.join("train.bin")).unwrap(), train);
    prepared(&PrepareRequest { valid: format!("{}.gz", request.valid), ..request.clone() });
    assert_eq!(corpus(&request, "valid").len(), 10);
    fs::remove_file(request.out.join("valid.target")).unwrap();
    assert_eq!(state(&request), Freshness::Incomplete);
}

#[test]
fn texts_to_embed_have_no_labels() {
    let (folder, request) = intents();
    prepared(&request);
    let request = PrepareRequest { task: Task::Embed, test: None, ..request };
    let (report, told) = prepared(&request);
    assert!(told.contains("train: 40 of 40 texts") && !told.contains("labels"), "{told}");
    assert!(report.labels.is_empty() && up_to_date(&request));
    assert!(!request.out.join("valid.target").exists(), "what classifying left is gone");
    let (vocab, train) = (vocab(&request), corpus(&request, "train"));
    assert_eq!((vocab.sizes().target, train.sizes()), (1, vocab.sizes()));
    assert!(vocab.labels().unwrap().names().is_empty());
    // A tab is text.
    let line = &read_lines(&folder.path().join("train.tsv")).unwrap()[3];
    assert_eq!(train.pair(3).unwrap(), (vocab.text(line, 250).unwrap(), vec![0]));
}

#[test]
fn a_given_vocabulary_keeps_its_subwords_and_its_labels() {
    let (folder, request) = intents();
    let path = |name: &str| folder.path().join(name);
    let lines = ["Play the song 1 times", "Book a table 2 times"].repeat(9);
    let plain = Vocab::learn(lines.iter().copied(), 60).unwrap();
    plain.save(&path("plain.json")).unwrap();
    let model = "../fixtures/interop/sentencepiece/bpe_bytes.model";
    let model = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(model);
    let with = |given: Given| PrepareRequest { vocabulary: Some(given), ..request.clone() };
    for given in [Given::Tokenizer(path("plain.json")), Given::models(&[model]).unwrap()] {
        let (given, request) = (given.load().unwrap(), with(given));
        let report = prepared(&request).0;
        let vocab = vocab(&request);
        assert_eq!(report.vocabulary.size, given.source().len());
        assert_eq!(vocab.labels().unwrap().names(), ["book", "play"]);
        let text = "Play the song";
        assert_eq!(vocab.source().encode(text).unwrap(), given.source().encode(text).unwrap());
        assert_eq!(vocab.models().unwrap(), given.models().unwrap());
        assert!(up_to_date(&request), "{:?}", state(&request));
        assert_eq!(
            Vocab::from_bytes(&vocab.to_bytes()).unwrap().fingerprint(),
            vocab.fingerprint()
        );
    }
    // The labels of a teacher are its student's, seen or not.
    let names = ["book", "never", "play"].map(str::to_owned);
    let teacher = plain.with_labels(names.to_vec()).unwrap();
    teacher.save(&path("teacher.json")).unwrap();
    let request = with(Given::Tokenizer(path("teacher.json")));
    let report = prepared(&request).0;
    assert_eq!(report.vocabulary.fingerprint, teacher.fingerprint());
    assert_eq!((report.splits[0].labels.clone(), up_to_date(&request)), (vec![20, 0, 20], true));
    let unseen = refused(&folder, &request, "test.tsv", b"play\tone\nstop\ttwo\n");
    assert_eq!(unseen, "test.tsv:2: the label \"stop\" is not in the vocabulary");
    teacher.with_labels(vec!["play".to_owned()]).unwrap().save(&path("teacher.json")).unwrap();
    assert!(!up_to_date(&request));
    let german = PrepareRequest { task: Task::Translate, target_lang: "de".into(), ..request };
    let texts = german.train.replace(".tsv", "");
    let german =
        PrepareRequest { train: texts.clone(), valid: texts.clone(), test: None, ..german };
    fs::write(format!("{texts}."), "one\n").unwrap();
    fs::write(format!("{texts}.de"), "eins\n").unwrap();
    assert!(misuse(run(&german, &mut Vec::new())).contains("the vocabulary is of texts"));
}

#[test]
fn ten_thousand_labels_are_labels() {
    let (folder, request) = intents();
    let lines = |from: usize| -> String {
        (from..10_000).map(|i| format!("label {i:05}\tthe text of it, number {i}\n")).collect()
    };
    fs::write(folder.path().join("train.tsv"), lines(0)).unwrap();
    fs::write(folder.path().join("valid.tsv"), lines(9_990)).unwrap();
    let request = PrepareRequest { test: None, ..request };
    let (report, told) = prepared(&request);
    assert_eq!((report.labels.len(), vocab(&request).sizes().target), (10_000, 10_000));
    assert!(told.contains("\n  and 9980 more, with 1 to 1 training texts each\n"), "{told}");
    assert_eq!(corpus(&request, "valid").pair(3).unwrap().1, [9_993]);
}

#[test]
fn foreign_labels_are_refused() {
    let plain = Vocab::learn(["a b c d e f"].into_iter(), 30).unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for bad in [&["a", "a"][..], &["a", ""], &["a", " b"], &["e\u{301}"]] {
        assert!(misuse(Labels::new(names(bad))).contains("cannot be a label"), "{bad:?}");
        assert!(plain.with_labels(names(bad)).is_err());
    }
    let vocab = plain.with_labels(names(&["x", "y"])).unwrap();
    assert!(misuse(vocab.target().encode("z")).contains("\"z\" is unknown"));
    assert!(misuse(vocab.target().decode(&[2])).contains("no label 2: 2 labels"));
    assert!(vocab.target().tables().is_err());
    let text = String::from_utf8(vocab.to_bytes()).unwrap();
    for (from, to, says) in [
        ("\"version\":1,\"labels\"", "\"version\":2,\"labels\"", "of version 2"),
        ("\"labels\":", "\"label\":", "not a vocabulary of a text model"),
        ("\"x\",\"y\"", "\"x\",\"x\"", "cannot be a label"),
        ("\"BPE\"", "\"BPF\"", "not a vocabulary"),
    ] {
        let other = text.replace(from, to);
        assert_ne!(other, text);
        assert!(misuse(Vocab::from_bytes(other.as_bytes())).contains(says), "{to}");
    }
}
