//! The configuration: precedence, precise errors, the round trip.

use a2d_host::config::{
    self, Activation, KdLoss, LossNorm, MapNormalisation, Method, Preset, RunConfig, Setting,
};
use a2d_host::system::error::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

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
    assert_eq!((run.distill.method, run.distill.beta()), (Method::A2d, 1.0));
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
    assert_eq!((run.distill.method, run.train.seed), (Method::WordKd, 7));
    let wrong = [Setting::flag("--method", "distill.method", "magic")];
    let error = config::load_with(&path, [], &wrong).unwrap_err().to_string();
    assert!(error.contains("--method magic") && error.contains("word-kd"), "{error}");
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
fn the_teacher_inherits_nothing_from_the_student() {
    let run = load("[model]\nd_model = 64\n[train]\nlr = 1.0\n", &[], &[]).unwrap();
    assert_eq!((run.teacher.model.d_model, run.teacher.train.lr), (256, 5e-4));
}

#[test]
fn presets_choose_and_overrides_win() {
    let run = load("[distill]\npreset = \"rows\"\nmap_mask = false\n", &[], &[]).unwrap();
    let maps = run.distill.maps();
    assert_eq!((maps.normalisation, maps.mask), (MapNormalisation::Row, false));
    assert_eq!(run.distill.norm(), LossNorm::Mean);
    assert_eq!(Preset::Official.norm(), LossNorm::Official);
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
        ("[model]\nactivation = \"tanh\"", &["`model.activation`", "tanh", "relu", "gelu"]),
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
    errors(&[
        ("[data]\nprotect = '%s'", &["run.toml:2", "`data.protect` expects a list", "\"%s\""]),
        ("[data]\nprotect = [3]", &["run.toml:2", "`data.protect`", "expected a string"]),
        (
            "[data]\nprotect = ['%s',\n '%(d']",
            &["run.toml:2", "`data.protect` entry 2, `%(d`: unclosed group, at character 2"],
        ),
        ("[data]\nprotect = ['.*']", &["`data.protect` entry 1", "matches the empty text"]),
    ]);
}

#[test]
fn paths_start_at_the_file() {
    let text = "[data]\nsource_lang='de'\ntarget_lang='en'\ntrain='x/train'\ndir='/data'\n";
    let (folder, path) = written(text);
    let flags = [Setting::parse("teacher.run=runs/t").unwrap()];
    let run = config::load_with(&path, [], &flags).unwrap();
    assert_eq!(run.data.train.as_deref(), Some(folder.path().join("x/train").as_path()));
    assert_eq!(run.data.dir.as_deref(), Some(Path::new("/data")));
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
fn the_example_configs_load() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let run = config::load_with(&fixtures.join("quickstart/distill.toml"), [], &[]).unwrap();
    assert!(run.teacher.model.d_model > run.model.d_model);
}
