//! The configuration: precedence, precise errors, the round trip.

#[path = "config/derived.rs"]
mod derived;
#[path = "config/proposal.rs"]
mod proposal;

use a2d_host::config::{
    self, Activation, GroupName, Groups, KdLoss, Layers, LossNorm, MapInput, MapNormalisation,
    Method, Methods, PkdConfig, PkdLayers, Preset, RunConfig, Setting, reference,
};
use a2d_host::run::run_dir::RunDir;
use a2d_host::system::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use toml::Table;

/// A folder with `run.toml` in it.
fn written(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("run.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn load(text: &str, environment: &[(&str, &str)], sets: &[&str]) -> Result<RunConfig> {
    let (_folder, path) = written(text);
    let flags: Vec<_> = sets.iter().map(|set| Setting::parse(set)).collect::<Result<_>>()?;
    let variables = environment.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    config::load_with(&path, variables, &flags)
}

/// Loads `text`, which must fail as misuse (exit code 2); returns the one-line error.
fn error(text: &str, environment: &[(&str, &str)], sets: &[&str]) -> String {
    let error = load(text, environment, sets).expect_err(text);
    assert!(matches!(error, Error::Misuse(_)), "{error:?}");
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// Checks every `(config, parts of its error)`; all failures are reported together.
fn errors(cases: &[(&str, &[&str])]) {
    let wrong: Vec<_> = cases
        .iter()
        .map(|(text, says)| (text, says, error(text, &[], &[])))
        .filter(|(_, says, error)| !says.iter().all(|part| error.contains(part)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_empty_file_gives_the_defaults() {
    let run = load("", &[], &[]).unwrap();
    assert_eq!(run, RunConfig::default());
    assert_eq!((run.model.d_model, run.model.encoder_layers), (256, 3));
    assert_eq!((run.train.lr, run.train.adam_beta2), (5e-4, 0.98));
    assert_eq!((run.distill.method.clone(), run.distill.beta()), (Method::A2d.into(), 1.0));
}

#[test]
fn later_layers_win() {
    let file = "[train]\nlr = 1e-3\nseed = 2\nbeam = 3\n";
    let environment = [("A2D_TRAIN__LR", "2e-3"), ("A2D_TRAIN__SEED", "4")];
    let run = load(file, &environment, &["train.lr=3e-3"]).unwrap();
    assert_eq!((run.train.lr, run.train.seed, run.train.beam), (3e-3, 4, 3));
    let run = load(file, &[], &["train.lr = 4e-3", "train.lr=5e-3"]).unwrap();
    assert_eq!(run.train.lr, 5e-3, "the last --set wins");
}

#[test]
fn flags_stand_for_keys() {
    let (_folder, path) = written("[distill]\nmethod = \"none\"\n");
    let flags = [
        Setting::flag("--method", "distill.method", "word-kd"),
        Setting::flag("--seed", "train.seed", 7),
    ];
    let run = config::load_with(&path, [], &flags).unwrap();
    assert_eq!((run.distill.method, run.train.seed), (Method::WordKd.into(), 7));
    let wrong = [Setting::flag("--method", "distill.method", "magic")];
    let error = config::load_with(&path, [], &wrong).unwrap_err().to_string();
    assert!(error.contains("--method magic") && error.contains("word-kd"), "{error}");
}

#[test]
fn methods_work_together() {
    let both = Methods::new(vec![Method::SeqKd, Method::A2d]).unwrap();
    let method = |file: &str, environment: &[(&str, &str)], set: &[&str]| {
        load(file, environment, set).unwrap().distill.method
    };
    for list in ["['seq-kd', 'a2d']", "['a2d', 'seq-kd']", "'seq-kd, a2d'"] {
        assert_eq!(method(&format!("[distill]\nmethod = {list}"), &[], &[]), both);
    }
    for set in ["distill.method=seq-kd,a2d", "distill.method=['seq-kd', 'a2d']"] {
        assert_eq!(method("", &[], &[set]), both);
    }
    assert_eq!(method("", &[("A2D_DISTILL__METHOD", "a2d,seq-kd")], &[]), both);
    assert_eq!(method("[distill]\nmethod = ['word-kd']", &[], &[]), Method::WordKd.into());
    let needs = both.needs();
    assert!(needs.words && needs.maps && needs.translations && needs.teacher_beside());
    assert_eq!(both.student(), "student by A2D + seq-kd");
    // A single method is text, in the run's copy too; a list is read again.
    for (set, line) in
        [("word-kd", "method = \"word-kd\"\n"), ("seq-kd,a2d", "method = [\"a2d\", \"seq-kd\"]\n")]
    {
        let run = load("", &[], &[&format!("distill.method={set}")]).unwrap();
        let text = run.to_toml().unwrap();
        assert!(text.contains(line), "{text}");
        assert_eq!(config::parse(&text, Path::new("copy")).unwrap(), run);
    }
    let at = "run.toml:2: `distill.method`";
    errors(&[
        ("[distill]\nmethod = []", &[at, "names no method"]),
        ("[distill]\nmethod = ['a2d', 'none']", &[at, "\"none\" and another method"]),
        ("[distill]\nmethod = ['a2d', 'seq-kd', 'a2d']", &[at, "names \"a2d\" twice"]),
        ("[distill]\nmethod = ['a2d', 'magic']", &[at, "magic", "`word-kd`"]),
        ("[distill]\nmethod = ['a2d', 3]", &[at, "`3`", "string"]),
        ("[distill]\nmethod = 3", &[at, "text", "`3`"]),
        ("[distill]\nmethod = ''", &[at, "`word-kd`"]),
    ]);
}

#[test]
fn methods_have_tables_of_their_own() {
    let file = "[distill]\nmethod = ['pkd', 'ckd']\n[distill.pkd]\nweight = 2\nlayers = 'inner'\n\
                [distill.ckd]\ngroups = [[1, 2], [3]]\n";
    let run = load(file, &[("A2D_DISTILL__PKD__DECODER", "false")], &[]).unwrap();
    let pkd = PkdConfig { weight: 2.0, layers: PkdLayers::Inner, encoder: true, decoder: false };
    assert_eq!(run.distill.pkd, pkd);
    assert_eq!(run.distill.ckd.groups, Groups::Listed(vec![vec![1, 2], vec![3]]));
    assert_eq!(load(&run.to_toml().unwrap(), &[], &[]).unwrap(), run);
    let needs = run.distill.method.needs();
    assert!(needs.words && needs.hidden && !needs.maps && !needs.projections);
    for (set, groups) in [
        ("distill.alp.groups=skip_comb", Groups::Named(GroupName::SkipComb)),
        ("distill.alp.groups=[[2],[1,3]]", Groups::Listed(vec![vec![2], vec![1, 3]])),
    ] {
        assert_eq!(load("", &[], &[set]).unwrap().distill.alp.groups, groups, "{set}");
    }
    errors(&[
        ("[distill.pkd]\nwieght = 1", &["run.toml:2", "distill.pkd.weight"]),
        ("[distill.pkd]\nweight = -1", &["run.toml:2", "`distill.pkd.weight`", "0 or more"]),
        ("[distill.ckd]\ngroups = 'evenly'", &["run.toml:2: `distill.ckd.groups`", "`regular`"]),
        ("[distill.ckd]\ngroups = 3", &["`distill.ckd.groups`", "found `3`"]),
        ("[distill.ckd]\ngroups = []", &["`distill.ckd.groups`", "each layer of the student"]),
        ("[distill.ckd]\ngroups = [[1], []]", &["`distill.ckd.groups`", "list []"]),
        ("[distill.ckd]\ngroups = [[0]]", &["`distill.ckd.groups`", "list [0]", "from 1"]),
        ("[distill.ckd]\ngroups = [[2, 2]]", &["`distill.ckd.groups`", "ascending"]),
        ("[distill.ckd]\ngroups = [[1], 2]", &["`distill.ckd.groups`", "`2`"]),
        ("[distill.minilm]\nversion = 3", &["`distill.minilm.version`", "1 to 2"]),
        ("[distill.selective]\nratio = 0", &["`distill.selective.ratio`", "more than 0"]),
        ("[distill.selective]\nratio = nan", &["`distill.selective.ratio`"]),
        ("[distill.selective]\nqueue = 0", &["`distill.selective.queue`", "1 or more"]),
        ("[distill.selective]\nmode = \"all\"", &["`distill.selective.mode`", "`global`"]),
        ("[distill.ckd]\nattention_weight = -1", &["`distill.ckd.attention_weight`"]),
        ("[distill.rail]\nwidth = 0", &["`distill.rail.width`", "1 to"]),
        (
            "[distill]\nmethod = 'pkd'\npkd.encoder = false\npkd.decoder = false",
            &["run.toml:2", "`distill.method`", "[distill.pkd]"],
        ),
        (
            "[distill]\nmethod = 'tinybert'\ntinybert = { states = false, scores = false }",
            &["`distill.method`", "[distill.tinybert]"],
        ),
        ("[distill]\nmethod = ['a2d', 'minilm']\nteacher_aam = true", &["`distill.teacher_aam`"]),
    ]);
}

#[test]
fn absent_keys_of_a_stage_are_those_of_the_student() {
    let text = r#"
        [model]
        d_model = 64
        encoder_ffn_dim = 48
        decoder_layers = 1
        [train]
        seed = 7
        lr = 1e-3
        [teacher.train]
        lr = 2e-3
        [[distill.stages]]
        name = "large"
        model = { d_model = 128, dropout = 0 }
        [[distill.stages]]
        name = "small"
        train.lr = 1
    "#;
    let run = load(text, &[], &[]).unwrap();
    // A written configuration has every size, which is none that a stage must have.
    let again = load(&run.complete().to_toml().unwrap(), &[], &[]).unwrap();
    for run in [&run, &again] {
        let [large, small] = &run.stages().unwrap()[..] else { panic!() };
        let model = &large.run.model;
        assert_eq!((model.encoder_width(), model.decoder_width(), model.dropout), (128, 128, 0.0));
        assert_eq!((model.encoder_inner(), model.decoder_inner()), (48, 1024));
        assert_eq!((model.decoder_layers, large.run.train.clone()), (1, run.train.clone()));
        assert_eq!((small.run.model.clone(), small.run.train.lr), (run.model.clone(), 1.0));
        assert_eq!(small.run.train.seed, 7);
        assert_eq!(
            large.run.teacher_folder(Path::new("out/large")),
            Path::new("out/large/../teacher")
        );
        assert_eq!(
            small.run.teacher_folder(Path::new("out/small")),
            Path::new("out/small/../large")
        );
        assert_eq!(run.taught_by(Path::new("out")), Path::new("out/small"));
        assert!(large.run.distill.stages.is_empty());
    }
    let run = load(text, &[], &["distill.staging=curriculum", "teacher.run=/t"]).unwrap();
    let [large, small] = &run.stages().unwrap()[..] else { panic!() };
    assert_eq!((&large.run.model, &large.run.teacher.run), (&run.model, &None));
    assert_eq!((large.run.teacher.model.d_model, large.run.teacher.train.lr), (128, 2e-3));
    assert_eq!((&*small.name, small.run.train.lr), ("small", 1.0));
    assert_eq!(run.taught_by(Path::new("out")), Path::new("/t"));
    assert_eq!(run.alone().distill.stages, []);
}

#[test]
fn the_environment_reaches_every_level() {
    let environment = [
        ("A2D_TEACHER__MODEL__D_MODEL", "512"),
        ("A2D_MODEL__ACTIVATION", "gelu"),
        ("A2D_MODEL__NORMALIZE_BEFORE", "true"),
        ("A2D_DISTILL__KD_LOSS", "kl_tau2"),
        ("A2D_GOLDEN", "/not/a/setting"),
        ("OTHER__THING", "1"),
    ];
    let run = load("", &environment, &[]).unwrap();
    assert_eq!((run.teacher.model.d_model, run.model.d_model), (512, 256));
    assert_eq!((run.model.activation, run.model.normalize_before), (Activation::Gelu, true));
    assert_eq!(run.distill.kd_loss, KdLoss::KlTau2);
    let error = error("", &[("A2D_TRAIN__LRR", "1")], &[]);
    assert!(error.contains("A2D_TRAIN__LRR") && error.contains("`train.lr`"), "{error}");
}

#[test]
fn variables_that_set_nothing_are_told() {
    for (name, nearest) in [
        ("A2D_TRAIN_LR", "A2D_TRAIN__LR?"),
        ("A2D_TEACHER_MODEL_D_MODEL", "A2D_TEACHER__MODEL__D_MODEL?"),
        ("A2D_LR", "A2D_TRAIN__LR?"),
        ("A2D_OUTT", "A2D_OUT?"),
        ("A2D_", "A2D_OUT?"),
    ] {
        let error = error("", &[(name, "1")], &[]);
        let starts = error.starts_with(&format!("environment {name}: "));
        assert!(starts && error.contains(nearest), "{error}");
    }
    let run = load("", &[("A2D_OUT", "there")], &[]).unwrap();
    assert_eq!(run.out, Some(PathBuf::from("there")), "a key without a table");
}

/// Variables that tests and scripts of this project read are not taken for misspelt keys.
#[test]
fn a_text_model_has_one_language_and_no_decoder() {
    let data = "[data]\ntrain = 'train.tsv'\nvalid = 'valid.tsv'\n";
    for task in ["classify", "embed"] {
        let of = |rest: &str| format!("task = '{task}'\n{data}{rest}");
        let run = load(&of(""), &[], &[]).unwrap();
        assert_eq!(run.task.to_string(), task);
        assert_eq!(run.of_teacher().task, run.task);
        let copy = run.complete().to_toml().unwrap();
        assert_eq!(config::parse(&copy, Path::new("copy")).unwrap(), run.complete(), "{copy}");
        load(&of("source_lang = 'en'\n[model]\ndecoder_attention_heads = 3\n"), &[], &[]).unwrap();
        let meaning = format!("has no meaning with `task = \"{task}\"`");
        for (key, value) in
            [("target_lang", "'de'"), ("monolingual", "'news'"), ("bleu_tokenizer", "'char'")]
        {
            let error = error(&of(&format!("{key} = {value}\n")), &[], &[]);
            let at = format!("run.toml:5: `data.{key}` {meaning}");
            assert!(error.ends_with(&at), "{error}");
        }
        let error = |rest: &str| error(&of(rest), &[], &[]);
        let models = error("tokenizer = ['a.spm', 'b.spm']");
        assert!(models.ends_with("`data.tokenizer` names 2 models, expected one for texts"));
        let method = error("[distill]\nmethod = 'seq-kd'");
        assert!(method.contains("`distill.method` has \"seq-kd\"") && method.ends_with(&meaning));
        assert!(error("[model]\nencoder_attention_heads = 3").contains("encoder_attention_heads"));
    }
    assert_eq!(load("", &[("A2D_TASK", "embed")], &[]).unwrap().task, config::Task::Embed);
    errors(&[
        ("task = 'clasify'", &["run.toml:1: `task`", "clasify", "`classify`"]),
        ("[data]\ntask = 'classify'", &["run.toml:2", "`data.task`"]),
        (data, &["`data.source_lang` is needed"]),
    ]);
}

#[test]
fn variables_of_tests_and_scripts_are_let_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut names = BTreeSet::new();
    for folder in [".ci", "core", "gpu", "host", "tests"] {
        collect(&root.join(folder), &mut names);
    }
    assert!(names.contains("A2D_GOLDEN") && names.contains("A2D_MK_TARGET"), "{names:?}");
    for name in &names {
        if name.contains("__") || name.ends_with('_') {
            continue;
        }
        let told = load("", &[(name, "1")], &[]).map(drop);
        assert!(told.is_ok(), "{name} is read somewhere: {told:?}");
    }
}

/// Collects the `A2D_` variables that files name, except the source and the tests of the configuration.
fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let skipped = ["target", "node_modules", "config", "config.rs"]
            .iter()
            .any(|name| path.ends_with(name));
        if skipped {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            collect(&path, names);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            for rest in text.split("A2D_").skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_');
                names.insert(format!("A2D_{}", &rest[..end.unwrap_or(rest.len())]));
            }
        }
    }
}

#[test]
fn the_teacher_trains_as_the_student_and_has_its_own_sizes() {
    let file = "[model]\nd_model = 64\n[train]\nlr = 1.0\nbeam = 2\n[teacher.train]\nbeam = 3\n";
    let run = load(file, &[("A2D_TRAIN__SEED", "7")], &["train.max_epoch=4"]).unwrap();
    assert_eq!((run.teacher.model.d_model, run.teacher.train.lr), (256, 1.0));
    assert_eq!((run.train.beam, run.teacher.train.beam), (2, 3));
    assert_eq!((run.teacher.train.seed, run.teacher.train.max_epoch), (7, 4));
    // A value of the teacher's own wins against every layer of the student's, equal to the default or not.
    for own in ["train.lr=2.0", "train.lr=5e-4"] {
        let run = load("[teacher.train]\nlr = 5e-4\n", &[], &[own]).unwrap();
        assert_eq!(run.teacher.train.lr, 5e-4, "{own}");
    }
    let run = load("[train]\nlr = 1.0\n", &[("A2D_TEACHER__TRAIN__LR", "0.5")], &[]).unwrap();
    assert_eq!((run.train.lr, run.teacher.train.lr), (1.0, 0.5));
    let run = load("[train]\nlr = 1.0\n", &[], &["teacher.train.lr=0.5"]).unwrap();
    assert_eq!((run.train.lr, run.teacher.train.lr), (1.0, 0.5));
    assert_eq!(load("", &[], &[]).unwrap().teacher.train, RunConfig::default().train);
}

/// What a run has saved stays as it is, whatever is set beside it.
#[test]
fn a_complete_config_inherits_nothing() {
    let given = load("[train]\nlr = 1.0\n[teacher.train]\nbeam = 3\n", &[], &[]).unwrap();
    let text = given.complete().to_toml().unwrap();
    assert_eq!(load(&text, &[], &[]).unwrap(), given.complete());
    let later = load(&text, &[], &["train.lr=2.0"]).unwrap();
    assert_eq!((later.train.lr, later.teacher.train.lr), (2.0, 1.0));
    let change = later.change_since(&given, &["train", "teacher"], &[]).unwrap();
    assert_eq!((&*change.key, &*change.was, &*change.is), ("train.lr", "1.0", "2.0"));
    // One whose teacher was trained by other values than the student, as every run before inheritance.
    let mut old = RunConfig::default().complete();
    (old.train.lr, old.train.max_epoch) = (1.0, 9);
    assert_eq!(load(&old.to_toml().unwrap(), &[], &[]).unwrap(), old);
}

#[test]
fn presets_choose_and_overrides_win() {
    let run = load("[distill]\npreset = \"rows\"\nmap_mask = false\n", &[], &[]).unwrap();
    let maps = run.distill.maps();
    assert_eq!((maps.normalisation, maps.mask), (MapNormalisation::Row, false));
    assert_eq!(maps.input, MapInput::Probabilities, "scores have no padding");
    assert_eq!(run.distill.norm(), LossNorm::Mean);
    assert_eq!(Preset::Official.norm(), LossNorm::Official);
}

#[test]
fn scores_are_mixed_by_default_where_they_can_be() {
    let input = |text: &str| load(&format!("[distill]\n{text}"), &[], &[]).unwrap().distill.maps();
    for (text, expected) in [
        ("", MapInput::Scores),
        ("map_reduction = 'sum'", MapInput::Scores),
        ("map_normalisation = 'map'", MapInput::Probabilities),
        ("map_input = 'probabilities'", MapInput::Probabilities),
        ("preset = 'masked'", MapInput::Probabilities),
        ("preset = 'masked'\nmap_normalisation = 'row'", MapInput::Probabilities),
        ("preset = 'masked'\nmap_normalisation = 'row'\nmap_input = 'scores'", MapInput::Scores),
        ("preset = 'official'", MapInput::Probabilities),
    ] {
        assert_eq!(input(text).input, expected, "{text}");
    }
}

/// A run that was stored before there was `map_input` was trained on probabilities.
#[test]
fn a_stored_run_keeps_its_map_input() {
    let folder = TempDir::new().unwrap();
    let run = RunDir::create(&folder.path().join("run")).unwrap();
    run.save_config(&RunConfig::default()).unwrap();
    let stored = std::fs::read_to_string(run.config()).unwrap();
    assert_eq!(run.load_config().unwrap().distill.map_input, Some(MapInput::Scores));
    let old = stored.replace("map_input = \"scores\"\n", "");
    std::fs::write(run.config(), &old).unwrap();
    assert_eq!(run.load_config().unwrap().distill.map_input, Some(MapInput::Probabilities));
    let saved = config::parse(&old, Path::new("last.safetensors")).unwrap();
    let change = RunConfig::default().change_since(&saved, &["distill"], &[]).unwrap();
    assert_eq!(change.key, "distill.map_input");
}

#[test]
fn unknown_keys_name_the_nearest() {
    errors(&[
        ("[model]\n\ndmodel = 64", &["run.toml:3", "`model.dmodel`", "`model.d_model`"]),
        ("[train]\nwarmup_update = 1", &["run.toml:2", "`train.warmup_updates`"]),
        ("lr = 1", &["run.toml:1", "`train.lr`"]),
        ("[modle]\nd_model = 3", &["run.toml:1", "`modle`", "`model`"]),
        ("[modle]", &["run.toml:1", "`model`"]),
        ("[teacher.modle]\nd_model = 3", &["`teacher.modle`", "`teacher.model`"]),
        ("teacher.train.learning = 3", &["`teacher.train.learning`", "`teacher.train."]),
        ("\"\" = 3", &["run.toml:1", "unknown key"]),
        ("\"train.lr\" = 3", &["run.toml:1"]),
    ]);
    let flag = error("", &[], &["distill.bta=1"]);
    assert!(flag.starts_with("--set distill.bta=1: ") && flag.contains("`distill.beta`"), "{flag}");
    assert!(error("", &[], &["distill"]).contains("KEY=VALUE"));
    assert!(error("", &[], &["=3"]).contains("unknown key"));
}

#[test]
fn wrong_kinds_say_what_was_expected() {
    errors(&[
        ("[model]\nd_model = \"big\"", &["run.toml:2", "`model.d_model`", "whole number", "big"]),
        ("[model]\nd_model = 64.0", &["whole number"]),
        ("[model]\nd_model = -64", &["whole number", "-64"]),
        ("[model]\nd_model = [1]", &["whole number", "a list"]),
        ("[model.d_model]\nx = 1", &["run.toml:1", "whole number", "a table"]),
        ("model = 3", &["`model`", "table", "3"]),
        ("[train]\nlr = true", &["`train.lr`", "a number", "true"]),
        ("[train]\nlr = 2024-01-01", &["`train.lr`", "a number"]),
        ("[distill]\nself_kd = 1", &["`distill.self_kd`", "true or false"]),
        ("[data]\ntrain = 1", &["`data.train`", "text"]),
        ("[data]\ntrain = \"\"", &["`data.train`", "path"]),
        ("[model]\nactivation = \"tanh\"", &["`model.activation`", "tanh", "relu", "gelu", "silu"]),
        (
            "[model]\npositions = \"learnt\"",
            &["`model.positions`", "learnt", "fairseq", "marian", "learned"],
        ),
        ("[model]\nlogits_bias = 1", &["`model.logits_bias`", "true or false"]),
        ("[model]\ndecoder_start = \"pad\"", &["`model.decoder_start`", "pad", "eos", "bos"]),
        ("[train]\nprecision = \"f64\"", &["`train.precision`", "f64", "bf16"]),
    ]);
    for set in
        ["model.d_model=x", "model.d_model=-1", "model.d_model=", "model=3", "model.d_model=1e3"]
    {
        assert!(error("", &[], &[set]).starts_with(&format!("--set {set}: ")), "{set}");
    }
    assert!(error("", &[("A2D_TRAIN__LR", "fast")], &[]).contains("environment A2D_TRAIN__LR"));
}

#[test]
fn syntax_errors_name_the_line() {
    errors(&[
        ("[model]\nd_model = \n", &["run.toml:2"]),
        ("[model]\nd_model = 1\nd_model = 2\n", &["run.toml:3", "duplicate"]),
        ("x", &["run.toml:1"]),
        ("[model\n", &["run.toml:1"]),
        ("[train]\nseed = 99999999999999999999\n", &["run.toml:2"]),
    ]);
    let (_folder, path) = written(b"a = 1\nb = \"\xff\"\n");
    let error = config::load_with(&path, [], &[]).unwrap_err().to_string();
    assert!(error.contains("run.toml:2: not valid UTF-8"), "{error}");
    let missing = config::load_with(Path::new("/nowhere/run.toml"), [], &[]).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read /nowhere/run.toml: no such file or directory");
    assert_eq!(missing.exit_code(), 2);
}

#[test]
fn impossible_values_name_their_key() {
    errors(&[
        (
            "[model]\nencoder_attention_heads = 3",
            &["run.toml:2", "`model.encoder_attention_heads`", "3 does not divide the width 256"],
        ),
        ("[model]\nd_model = 6", &["run.toml", "encoder_attention_heads", "4 does not divide"]),
        ("[model]\ndecoder_attention_heads = 0", &["decoder_attention_heads"]),
        ("[model]\nd_model = 0", &["`model.d_model`"]),
        ("[model]\nencoder_layers = 0", &["`model.encoder_layers`", "1 to 32"]),
        ("[model]\ndecoder_layers = 33", &["`model.decoder_layers`", "1 to 32"]),
        ("[model]\nffn_dim = 0", &["`model.ffn_dim`"]),
        ("[model]\ndecoder_d_model = 64", &["`model.share_embeddings`", "256", "64"]),
        ("[model]\ndropout = 1", &["`model.dropout`", "less than 1"]),
        ("[model]\ndropout = nan", &["`model.dropout`"]),
        ("[model]\nattention_dropout = -0.1", &["`model.attention_dropout`"]),
        ("[data]\nvocab_size = 4", &["`data.vocab_size`"]),
        ("[data]\nnormalization = \"nfd\"", &["`data.normalization`", "nfkc"]),
        ("[data]\ntrain = \"train\"", &["`data.source_lang`"]),
        ("[data]\nsource_lang = \"a/b\"", &["`data.source_lang`"]),
        ("[data]\nsource_lang = \"de\"\ntarget_lang = \"de\"", &["`data.target_lang`"]),
        ("[train]\nlr = 0", &["`train.lr`"]),
        ("[train]\nlr = inf", &["`train.lr`"]),
        ("[train]\npatience = 0", &["would not end"]),
        ("[train]\nbeam = 0", &["`train.beam`"]),
        ("[train]\nmax_tokens = 0", &["`train.max_tokens`"]),
        ("[train]\nlog_interval = 0", &["`train.log_interval`"]),
        ("[train]\nadam_beta1 = 1", &["`train.adam_beta1`"]),
        ("[distill]\nalpha = 1.5", &["`distill.alpha`"]),
        ("[distill]\nbeta = -1", &["`distill.beta`"]),
        ("[distill]\nstudent_temperature = 0", &["`distill.student_temperature`"]),
        ("[distill]\nencoder_kd=false\nself_kd=false\ncross_kd=false", &["`distill.method`"]),
        ("[distill]\nmapping = \"diagonal\"", &["run.toml:2", "`distill.mapping`", "`skip`"]),
        (
            "[distill]\nmapping = \"skip\"\nteacher_aam = true",
            &["`distill.mapping`", "teacher_aam"],
        ),
        (
            "[distill]\npreset = \"masked\"\nmap_input = \"scores\"",
            &["run.toml:3", "`distill.map_input`", "map_normalisation"],
        ),
        ("[distill]\nalign_lr = -1", &["`distill.align_lr`"]),
        ("[distill]\nalign_weight_decay = -1", &["`distill.align_weight_decay`"]),
        ("[distill.rdrop]\nweight = -1", &["run.toml:2", "`distill.rdrop.weight`"]),
        (
            "[model]\ndropout = 0\n[distill]\nmethod = [\"word-kd\", \"r-drop\"]",
            &["run.toml:4", "`distill.method`", "dropouts"],
        ),
        ("\n[[distill.stages]]\nname = 'data'", &["run.toml:2", "`distill.stages`", "\"data\""]),
        ("[teacher.model]\nd_model = 6", &["`teacher.model.encoder_attention_heads`"]),
        ("[teacher.train]\nlr = -1", &["run.toml:2", "`teacher.train.lr`"]),
    ]);
}

#[test]
fn lists_are_lists_everywhere() {
    let file = "[data]\nprotect = ['%[sd]', '\\{.*?\\}']\n";
    let protect = |run: RunConfig| run.data.protect;
    let both = ["%[sd]", r"\{.*?\}"];
    assert_eq!(protect(load(file, &[], &[]).unwrap()), both);
    assert!(protect(load("", &[], &[]).unwrap()).is_empty());
    let variable = [("A2D_DATA__PROTECT", "['&[a-z]+;']")];
    assert_eq!(protect(load(file, &variable, &[]).unwrap()), ["&[a-z]+;"]);
    assert_eq!(protect(load(file, &[], &["data.protect=['a', \"b\"]"]).unwrap()), ["a", "b"]);
    assert!(protect(load(file, &[], &["data.protect=[]"]).unwrap()).is_empty());
    // The run's copy has them.
    let run = load(file, &[], &[]).unwrap();
    assert_eq!(config::parse(&run.to_toml().unwrap(), Path::new("copy")).unwrap(), run);
    for text in ["%s", "[%s]", "['a'", "'a'", "3"] {
        let error = error("", &[], &[&format!("data.protect={text}")]);
        assert!(error.contains("`data.protect` expects a list, as in ['one', 'two']"), "{error}");
    }
    let own = "has no effect with `data.tokenizer`";
    errors(&[
        ("[data]\ntokenizer = ['a']\nvocab_size = 300", &["run.toml:3", "`data.vocab_size`", own]),
        ("[data]\nnormalization = 'none'\ntokenizer = ['a']", &["run.toml:2", own]),
        ("[data]\ntokenizer = ['a', 'b']\nprotect = ['%s']", &["run.toml:3", own]),
        ("[data]\nprotect = '%s'", &["run.toml:2", "`data.protect` expects a list", "\"%s\""]),
        ("[data]\nprotect = [3]", &["run.toml:2", "`data.protect`", "expected a string"]),
        (
            "[data]\nprotect = ['%s',\n '%(d']",
            &["run.toml:2", "`data.protect` entry 2, `%(d`: unclosed group, at character 2"],
        ),
        ("[data]\nprotect = ['.*']", &["`data.protect` entry 1", "matches the empty text"]),
        ("[data]\ntokenizer = 'a.spm'", &["run.toml:2", "`data.tokenizer` expects a list"]),
        ("[data]\ntokenizer = ['a', '']", &["run.toml:2", "`data.tokenizer` expects a path"]),
        ("[data]\ntokenizer = ['a', 'b', 'c']", &["run.toml:2", "`data.tokenizer` names 3 models"]),
    ]);
}

#[test]
fn paths_start_at_the_file() {
    let text = "[data]\nsource_lang='de'\ntarget_lang='en'\ntrain='x/train'\ndir='/data'\n";
    let (folder, path) = written(format!("{text}tokenizer=['x/source.spm', '/target.spm']\n"));
    let flags = [Setting::parse("teacher.run=runs/t").unwrap()];
    let run = config::load_with(&path, [], &flags).unwrap();
    assert_eq!(run.data.train.as_deref(), Some(folder.path().join("x/train").as_path()));
    assert_eq!(run.data.dir.as_deref(), Some(Path::new("/data")));
    let models = [folder.path().join("x/source.spm"), "/target.spm".into()];
    assert_eq!(run.data.tokenizer, models);
    let here = std::env::current_dir().unwrap().join("runs/t");
    assert_eq!(run.teacher_folder(Path::new("out")), here);
    assert_eq!(RunConfig::default().teacher_folder(Path::new("out")), Path::new("out/teacher"));
    assert_eq!(RunConfig::default().data_folder(Path::new("out")), Path::new("out/data"));
}

#[test]
fn a_run_has_a_folder() {
    let (run, config) = (RunConfig::default(), Path::new("a/b.toml"));
    assert_eq!(run.out_folder(None, config), Path::new("runs/b"));
    assert_eq!(run.out_folder(Some(Path::new("o")), config), Path::new("o"));
    let named = RunConfig { out: Some("named".into()), ..run };
    assert_eq!(named.out_folder(None, config), Path::new("named"));
}

#[test]
fn written_configs_read_back_equal() {
    let mut run = RunConfig { out: Some("runs/x".into()), ..RunConfig::default() };
    run.data.train = Some("/data/\"quoted\" and \\ ü".into());
    (run.data.source_lang, run.data.target_lang) = ("de".into(), "en".into());
    (run.train.lr, run.train.seed) = (0.1 + 0.2, i64::MAX as u64);
    (run.model.decoder_d_model, run.model.share_embeddings) = (Some(512), false);
    (run.distill.preset, run.distill.map_mask) = (Preset::Rows, Some(false));
    run.distill.kd_loss = KdLoss::KlTau2;
    for run in [RunConfig::default(), RunConfig::default().complete(), run.complete(), run] {
        let text = run.to_toml().unwrap();
        assert_eq!(load(&text, &[], &[]).unwrap(), run, "{text}");
    }
}

#[test]
fn a_complete_config_writes_every_default_out() {
    let text = RunConfig::default().complete().to_toml().unwrap();
    for key in [
        "d_model = 256",
        "encoder_d_model = 256",
        "preset = \"rows\"",
        "beta = 1.0",
        "norm = \"mean\"",
    ] {
        assert!(text.lines().any(|line| line == key), "{key} in\n{text}");
    }
    assert_eq!(text.lines().filter(|line| line.starts_with("warmup_updates")).count(), 2);
}

#[test]
fn an_unknown_key_is_told_with_the_one_that_was_meant() {
    for (typed, meant) in [
        ("train.learning_rate", "train.lr"),
        ("train.learning-rate", "train.lr"),
        ("learning_rate", "train.lr"),
        ("train.batch_size", "train.max_tokens"),
        ("train.warmpu", "train.warmup_updates"),
        ("train.warmup", "train.warmup_updates"),
        ("train.warmup_steps", "train.warmup_updates"),
        ("train.max_epochs", "train.max_epoch"),
        ("train.epochs", "train.max_epoch"),
        ("train.label_smooth", "train.label_smoothing"),
        ("teacher.train.lrr", "teacher.train.lr"),
        ("teacher.model.dmodel", "teacher.model.d_model"),
        ("model.hidden_size", "model.d_model"),
        ("model.lr", "train.lr"),
        ("data.src_lang", "data.source_lang"),
        ("data.vocab", "data.vocab_size"),
        ("distil.method", "distill.method"),
        ("distill.temperature", "distill.student_temperature"),
        ("max_update", "train.max_update"),
    ] {
        let told = config::reference::explain(typed).unwrap_err().to_string();
        assert!(told.contains(&format!("did you mean `{meant}`?")), "{typed}: {told}");
    }
}

#[test]
fn the_example_configs_load() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let run = config::load_with(&fixtures.join("quickstart/distill.toml"), [], &[]).unwrap();
    assert!(run.teacher.model.d_model > run.model.d_model);
    // What the teachers' tables leave out is that of the students.
    for (name, teacher) in [
        ("quickstart/distill.toml", (768, 3e-3, 300, 7, 5, 200)),
        ("nano/distill.toml", (1024, 2e-3, 400, 12, 5, 200)),
        ("configs/multi30k.toml", (1024, 2e-3, 800, 9, 1, 500)),
    ] {
        let train = config::load_with(&fixtures.join(name), [], &[]).unwrap().teacher.train;
        let schedule = (train.max_tokens, train.lr, train.warmup_updates, train.max_epoch);
        let (tokens, lr, warmup, epochs) = schedule;
        let found = (tokens, lr, warmup, epochs, train.beam, train.valid_bleu_sentences);
        assert_eq!(found, teacher, "{name}");
    }
}

/// What a value needs that only text models have.
fn needed_by(path: &str, value: &str) -> Vec<String> {
    let classifies = "task=classify".to_owned();
    match (path.rsplit_once('.'), value) {
        (Some((table, "positions")), "learned") => {
            vec![classifies, format!("{table}.max_positions=8")]
        }
        (Some((_, "pooling")), "first") | (Some((_, "select_by")), "accuracy") => vec![classifies],
        _ => Vec::new(),
    }
}

/// Both ways: what the parser knows is documented, and what is documented is known.
#[test]
fn every_key_has_a_meaning() {
    let complete: Table = RunConfig::default().complete().to_toml().unwrap().parse().unwrap();
    let keys = reference::keys();
    let documented: BTreeSet<_> = keys.iter().map(|key| key.path.clone()).collect();
    assert_eq!(documented.len(), keys.len(), "no key is listed twice");
    let mut known = BTreeSet::new();
    leaves("", &complete, &mut known);
    // Optional keys without a value of their own.
    let without =
        ["out", "data.train", "data.valid", "data.test", "data.dir", "data.protect", "teacher.run"];
    let without = without.into_iter().chain(["data.tokenizer", "model.init", "teacher.model.init"]);
    let of_seq_kd = ["data.monolingual", "distill.translations"];
    let of_distill = ["distill.init_from_teacher", "distill.align_weight_decay", "distill.stages"];
    let optional = without.chain(of_seq_kd).chain(of_distill);
    known.extend(optional.map(str::to_owned));
    assert_eq!(documented, known);
    for key in &keys {
        assert!(key.meaning.len() > 10 && key.meaning.ends_with('.'), "{key:?}");
        assert!(key.values.iter().all(|allowed| !allowed.meaning.is_empty()), "{key:?}");
        let example = key.example.as_str().map_or(key.example.to_string(), str::to_owned);
        let language = ["data.source_lang=de", "data.target_lang=en"];
        let set = format!("{}={example}", key.path);
        let seq_kd = of_seq_kd.contains(&key.path.as_str()).then_some("distill.method=seq-kd");
        let settings: Vec<_> = language.into_iter().chain(seq_kd).chain([set.as_str()]).collect();
        load("", &[], &settings).unwrap_or_else(|e| panic!("{e}"));
        // What is listed is all that is accepted.
        for allowed in &key.values {
            let set = format!("{}={}", key.path, allowed.value);
            let of_texts = needed_by(&key.path, &allowed.value);
            let settings: Vec<_> =
                of_texts.iter().map(String::as_str).chain([set.as_str()]).collect();
            load("", &[], &settings).unwrap();
        }
        let refused = load("", &[], &[&format!("{}=no-such-value", key.path)]);
        let listed = refused.err().map(|e| e.to_string()).unwrap_or_default();
        let quoted = |value: &str| listed.contains(&format!("`{value}`"));
        assert!(key.values.iter().all(|allowed| quoted(&allowed.value)), "{}: {listed}", key.path);
        assert_eq!(listed.contains("one of") || listed.contains(" or `"), !key.values.is_empty());
    }
}

fn leaves(path: &str, table: &Table, out: &mut BTreeSet<String>) {
    for (name, value) in table {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            toml::Value::Table(inner) => leaves(&path, inner, out),
            _ => drop(out.insert(path)),
        }
    }
}

#[test]
fn the_printed_reference_is_the_default_configuration() {
    let text = reference::commented();
    let table: Table = text.parse().unwrap();
    assert_eq!(load(&text, &[], &[]).unwrap(), RunConfig::default());
    let mut set = BTreeSet::new();
    leaves("", &table, &mut set);
    // Every other key is there behind a `#`, and parses where that is taken away.
    let open = |line: &str| match line.strip_prefix("# ").filter(|rest| is_assignment(rest)) {
        Some(rest) => rest.to_owned(),
        None => line.to_owned(),
    };
    let opened: Vec<_> = text.lines().map(open).collect();
    let all: Table = opened.join("\n").parse().unwrap();
    let mut opened_keys = BTreeSet::new();
    leaves("", &all, &mut opened_keys);
    let keys: BTreeSet<_> = reference::keys().into_iter().map(|key| key.path).collect();
    assert_eq!(opened_keys, keys);
    assert!(
        set.contains("train.seed")
            && !set.contains("train.lr")
            && !set.contains("teacher.train.lr"),
        "{set:?}"
    );
    assert!(!set.contains("distill.beta"), "{set:?}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

fn is_assignment(text: &str) -> bool {
    let name = text.split(" = ").next().unwrap_or(text);
    name != text && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn a_merged_configuration_tells_where_values_are_from() {
    let (_folder, path) = written("[train]\nlr = 1e-3\nbeam = 2\n\n[teacher.train]\nbeam = 3\n");
    let flags = [Setting::parse("distill.alpha=0.25").unwrap()];
    let merged = Layers::read(&path, &flags).unwrap().merge().unwrap();
    let text = merged.to_toml();
    let reread: RunConfig = load(&text, &[], &[]).unwrap();
    assert_eq!(reread, merged.run.complete());
    let line = |of: &str| format!("{of}  # {}", path.display());
    for line in [
        format!("{}:2", line("lr = 0.001")),
        format!("{}:3", line("beam = 2")),
        format!("{}:6", line("beam = 3")),
        "alpha = 0.25  # --set distill.alpha=0.25".to_owned(),
        "patience = 10".to_owned(),
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
    }
    assert_eq!(text.matches("lr = 0.001  #").count(), 2, "the teacher's, too:\n{text}");
}
