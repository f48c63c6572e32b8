//! What a configuration leaves open is derived from its data.

use a2d_host::config::{Origin, RunConfig, Setting};
use a2d_host::data::prepare::{PrepareRequest, excerpt};
use a2d_host::run::proposal::{self, Corpus, Derived, Known, choose, vocab_size};
use a2d_host::run::run_dir::RunDir;
use a2d_host::system::error::Result;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const ONLY_DATA: &str =
    "[data]\nsource_lang = \"de\"\ntarget_lang = \"en\"\ntrain = \"train\"\nvalid = \"valid\"\n";

/// A folder with 600 pairs of the quickstart.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(TempDir::new().unwrap());
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/quickstart");
        for (split, lines) in [("train", 600), ("valid", 20)] {
            for lang in ["de", "en"] {
                let name = format!("{split}.{lang}");
                let text = fs::read_to_string(from.join(&name)).unwrap();
                let text: String =
                    text.lines().take(lines).map(|line| format!("{line}\n")).collect();
                fs::write(desk.path(&name), text).unwrap();
            }
        }
        fs::write(desk.path("run.toml"), ONLY_DATA).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn derived(&self, sets: &[&str]) -> Derived {
        self.filling(sets, false)
    }

    /// Where the device determines the batches if it `fills` them.
    fn filling(&self, sets: &[&str], fills: bool) -> Derived {
        self.load(sets, fills).unwrap()
    }

    fn load(&self, sets: &[&str], fills: bool) -> Result<Derived> {
        let flags: Vec<_> = sets.iter().map(|set| Setting::parse(set).unwrap()).collect();
        let known = Known { out: Some(&self.path("out")), fills, quiet: true };
        proposal::load(&self.path("run.toml"), &flags, known)
    }

    fn run(&self, sets: &[&str]) -> RunConfig {
        self.derived(sets).merged.run
    }

    /// Stores `run` in a folder as a training does.
    fn begin(&self, folder: &str, run: &RunConfig) {
        let dir = RunDir::resume(&self.path(folder)).unwrap();
        dir.save_config(run).unwrap();
        fs::write(dir.last(), "").unwrap();
    }
}

#[test]
fn a_file_that_names_only_data_has_the_values_of_init() {
    let desk = Desk::new();
    let request = PrepareRequest {
        source_lang: "de".into(),
        target_lang: "en".into(),
        train: desk.path("train").to_str().unwrap().into(),
        valid: desk.path("valid").to_str().unwrap().into(),
        ..PrepareRequest::default()
    };
    let text = excerpt(&request).unwrap();
    let size = vocab_size(text.pairs(), text.alphabet());
    let proposal = choose(&Corpus::from(&text.outline(&request, size, true).unwrap())).run;
    let mut run = desk.run(&[]);
    assert_eq!(run.data.vocab_size, proposal.data.vocab_size);
    run.data = proposal.data.clone();
    assert_eq!(run, proposal);
    let derived = desk.derived(&[]);
    assert_eq!(derived.merged.origins["train.lr"], Origin::Data);
    assert_eq!(Origin::Data.to_string(), "derived from the data");
    let (all, student) = (derived.lines(true), derived.lines(false));
    assert!(all[0].starts_with("derived from 600 pairs of "), "{all:?}");
    assert_eq!((all.len(), student.len()), (6, 4), "{all:?}");
}

#[test]
fn texts_alone_are_measured_without_their_labels() {
    let desk = Desk::new();
    for (task, line) in [("classify", "a label\t"), ("embed", "")] {
        let text: String = (0..300).map(|i| format!("{line}the text number {i}\n")).collect();
        fs::write(desk.path("train.tsv"), text).unwrap();
        let data = "[data]\ntrain = 'train.tsv'\nvalid = 'train.tsv'\nvocab_size = 40\n";
        fs::write(desk.path("run.toml"), format!("task = '{task}'\n{data}")).unwrap();
        let derived = desk.derived(&[]);
        let (run, lines) = (&derived.merged.run, derived.lines(true));
        let request = PrepareRequest {
            task: run.task,
            train: desk.path("train.tsv").to_str().unwrap().into(),
            valid: desk.path("train.tsv").to_str().unwrap().into(),
            ..PrepareRequest::default()
        };
        let outline = excerpt(&request).unwrap().outline(&request, 40, true).unwrap();
        assert_eq!((outline.words, Corpus::from(&outline).vocab.unwrap().words), ([4.0, 0.0], 4.0));
        assert!(outline.tokens[0] > 6.0 && outline.longer == outline.tokens[0], "{outline:?}");
        let head = format!("derived from 300 texts of {:.1} tokens", outline.longer);
        assert!(lines[0].starts_with(&head), "{lines:?}");
        assert!(lines[1].contains("encoder_layers") && !lines[1].contains("decoder"), "{lines:?}");
    }
}

#[test]
fn keys_that_are_set_are_kept_and_suited() {
    let desk = Desk::new();
    let run = desk.run(&["model.d_model=90", "model.decoder_layers=5", "teacher.model.dropout=0"]);
    let (student, teacher) = (&run.model, &run.teacher.model);
    assert_eq!((student.d_model, student.ffn_dim), (90, 360));
    assert_eq!((student.encoder_attention_heads, student.decoder_layers), (3, 5));
    assert_eq!((teacher.d_model, teacher.encoder_layers, teacher.dropout), (180, 5, 0.0));
    assert!(run.train.lr < desk.run(&[]).train.lr, "a wider model");

    let run = desk.run(&["train.max_update=30", "teacher.train.max_update=60"]);
    let limits = |train: &a2d_host::config::TrainConfig| (train.max_epoch, train.warmup_updates);
    assert_eq!((limits(&run.train), limits(&run.teacher.train)), ((0, 5), (0, 10)));
    let run = desk.run(&["teacher.train.max_update=6"]);
    assert!(run.train.max_epoch > 0 && run.train.warmup_updates > 100);
    assert_eq!(limits(&run.teacher.train), (0, 1));
    let run = desk.run(&["train.max_epoch=1"]);
    assert!((1..10).contains(&run.train.warmup_updates), "{:?}", run.train);

    let run = desk.run(&["train.lr=1e-4"]);
    assert_eq!((run.train.lr, run.teacher.train.lr), (1e-4, 1e-4), "as without derived values");
    let run = desk.run(&["distill.init_from_teacher=skip"]);
    assert_eq!(run.model.d_model, run.teacher.model.d_model, "layers are copied");
    assert!(run.model.encoder_layers < run.teacher.model.encoder_layers);
    let largest = desk.run(&["model.d_model=32768", "train.update_freq=1000000000"]);
    assert_eq!(largest.teacher.model.d_model, 65_536);
}

#[test]
fn nothing_is_derived_from_values_out_of_range() {
    let desk = Desk::new();
    for (set, says) in [
        ("data.vocab_size=9000000000000000000", "`data.vocab_size` is 9000000000000000000"),
        // A prime, whose only divisor is far away.
        ("model.d_model=9223372036854775783", "`model.d_model` is 9223372036854775783"),
        ("model.d_model=0", "`model.d_model` is 0"),
        ("train.max_tokens=0", "`train.max_tokens` is 0"),
        ("train.update_freq=0", "`train.update_freq` is 0"),
    ] {
        let Err(error) = desk.load(&[set], false) else { panic!("{set}") };
        let text = error.to_string();
        assert!(error.exit_code() == 2 && text.contains(says) && text.contains(set), "{text}");
    }
}

/// Batches as large as a device make epochs short.
#[test]
fn epochs_are_not_limited_where_batches_fill_a_device() {
    let desk = Desk::new();
    let run = desk.filling(&[], true).merged.run;
    assert_eq!((run.train.max_epoch, run.teacher.train.max_epoch, run.train.patience), (0, 0, 10));
    assert_eq!(run.train.warmup_updates, 500);
    let begun = desk.run(&[]);
    desk.begin("out", &begun);
    assert_eq!(desk.filling(&[], true).merged.run, begun);
}

#[test]
fn without_data_there_are_defaults() {
    let desk = Desk::new();
    fs::remove_file(desk.path("train.de")).unwrap();
    let derived = desk.derived(&[]);
    let plain = RunConfig::default();
    assert_eq!((derived.merged.run.train.clone(), derived.lines(true).len()), (plain.train, 0));
    assert_eq!(derived.merged.run.model, plain.model);
}

/// Runs that an earlier version began have its defaults, and keep them.
#[test]
fn a_run_that_was_begun_keeps_its_values() {
    let desk = Desk::new();
    let mut old = RunConfig::default();
    (old.model.d_model, old.train.lr, old.teacher.train.lr) = (48, 0.25, 0.125);
    desk.begin("out", &old);
    let run = desk.run(&[]);
    assert_eq!((&run.model, &run.train), (&old.model, &old.train));
    assert_eq!(run.teacher.train.lr, 0.125);
    let run = desk.run(&["train.lr=1"]);
    assert_eq!((run.train.lr, run.teacher.train.lr), (1.0, 1.0), "an absent key is inherited");
}

/// A teacher that is there stays what it is; the student is still to be chosen.
#[test]
fn a_teacher_that_was_trained_keeps_its_values() {
    let desk = Desk::new();
    let mut teacher = RunConfig::default();
    (teacher.model.d_model, teacher.train.warmup_updates, teacher.data.vocab_size) = (48, 7, 123);
    desk.begin("out/teacher", &teacher);
    let run = desk.run(&[]);
    assert_eq!((run.teacher.model.d_model, run.teacher.train.warmup_updates), (48, 7));
    assert_eq!((run.data.vocab_size, run.model.d_model), (123, 64));
    assert_ne!(run.train.warmup_updates, 7);

    let desk = Desk::new();
    desk.begin("mine", &teacher);
    let run = desk.run(&[&format!("teacher.run={}", desk.path("mine").display())]);
    assert_eq!((run.data.vocab_size, run.model.d_model), (123, 64), "the vocabulary is shared");
}
