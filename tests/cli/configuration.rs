//! `config` prints what the parser knows, `init` writes what a corpus needs.

use crate::desk::Desk;
use serde_json::Value;
use std::path::Path;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// To rewrite it: `a2d config --markdown > fixtures/guides/configuration.md`.
#[test]
fn the_guide_is_what_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/guides/configuration.md");
    let written = std::fs::read_to_string(path).unwrap();
    let printed = Desk::new().host("config --markdown").well();
    let rewrite = "a2d config --markdown > fixtures/guides/configuration.md";
    assert!(printed == written, "the guide is not what the program prints: run `{rewrite}`");
}

#[test]
fn what_config_prints_is_a_configuration() {
    let desk = Desk::new();
    let all = desk.host("config").well();
    desk.write("all.toml", &all);
    let merged = json(&desk.host("config all.toml --json").well());
    let merged = merged.as_array().unwrap();
    let keys = json(&desk.host("config --json").well());
    let keys = keys.as_array().unwrap();
    assert_eq!(keys.len(), merged.len());
    for (key, value) in keys.iter().zip(merged) {
        assert_eq!(key["key"], value["key"]);
        assert_eq!(key["default"], value["value"], "{key}");
        // An absent key has the origin of the key that it inherits from.
        let source = key["inherits"].as_str().or(key["key"].as_str());
        let set = keys.iter().any(|key| key["key"].as_str() == source && key["derived"] == false);
        let set = set && key["default"] != Value::Null;
        assert_eq!(value["origin"].is_string(), set, "{key} {value}");
    }
}

#[test]
fn a_key_is_explained() {
    let desk = Desk::new();
    let text = desk.host("config --explain distill.method").well();
    for part in [
        "distill.method\nThe distillation method, or a list",
        "\n\ntype         text\n",
        "values       a2d: Align-to-Distill",
        "\n             word-kd: Word-level",
        "\ndefault      a2d\n",
        "\nenvironment  A2D_DISTILL__METHOD=a2d\n",
        "\noption       --set distill.method=a2d\n",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    let inherited = desk.host("config --explain teacher.train.lr").well();
    assert!(inherited.contains("default      the value of train.lr (0.0005)\n"), "{inherited}");
    let list = desk.host("config --explain data.protect").well();
    assert!(list.ends_with("\noption       --set data.protect='[\"%s\"]'\n"), "{list}");
    let table = desk.host("config --explain teacher.model").well();
    assert!(table.starts_with("[teacher.model]\n") && table.contains("\nd_model "), "{table}");
    let lr = json(&desk.host("config --explain train.lr --json").well());
    assert_eq!((&lr["key"], &lr["default"]), (&"train.lr".into(), &5e-4.into()));
    assert_eq!(json(&desk.host("config --explain model --json").well())[0]["key"], "model.init");
}

#[test]
fn config_refuses_what_it_does_not_know() {
    let desk = Desk::new();
    for (line, says) in [
        ("config --explain trian.lr", "unknown key `trian.lr`; did you mean `train.lr`?"),
        ("config --explain=", "unknown key ``; did you mean `"),
        ("config missing.toml", "cannot read missing.toml: no such file"),
        ("config tiny.toml --set train.lrr=1", "--set train.lrr=1: unknown key `train.lrr`"),
        ("config --set train.lr=1", "CONFIG.toml"),
        ("config tiny.toml --explain train.lr", "cannot be used with"),
    ] {
        let done = desk.host(line);
        assert_eq!((done.code, done.err.lines().count()), (Some(2), 1), "{line}: {done:?}");
        assert!(done.err.contains(says), "{line}: {}", done.err);
    }
}

const INIT: &str = "init --source-lang de --target-lang en --train train --valid valid --test test";

#[test]
fn init_writes_a_configuration_that_trains() {
    let desk = Desk::new();
    let told = desk.host(&format!("{INIT} --threads 1")).well();
    for part in [
        "pairs: train 600, valid 20, test 20\n",
        "\nteacher: ",
        "\nstudent: ",
        "\ntime at most: ",
        "\nmeasured on this machine (cpu, 1 threads): an update takes ",
        "\nwrote de-en.toml\nnext: host distill de-en.toml\n",
    ] {
        assert!(told.contains(part), "{part:?} in\n{told}");
    }
    let text = desk.read("de-en.toml");
    assert!(text.starts_with("# From de to en: chosen by `host init` for 600 pairs."), "{text}");
    assert!(text.contains("\ntrain = \"train\"\n") && text.contains("\n# 600 pairs of "), "{text}");
    desk.host("distill de-en.toml --out run --set train.max_update=3 --quiet").well();
    for run in ["run", "run/teacher"] {
        assert_eq!(desk.log(run).iter().filter_map(|line| line["update"].as_u64()).max(), Some(3));
    }
}

#[test]
fn init_tells_what_it_found_as_json() {
    let desk = Desk::new();
    let found = json(&desk.host(&format!("{INIT} --json --out sub.toml")).well());
    assert_eq!(found["config"], "sub.toml");
    assert_eq!(found["next"], "host distill sub.toml");
    let survey = &found["survey"];
    assert_eq!(survey["pairs"]["train"], 600);
    let words = |side: &str| {
        let text = desk.read(&format!("train.{side}"));
        text.split_whitespace().count() as f64 / 600.0
    };
    let close = |found: &Value, wanted: f64| (found.as_f64().unwrap() - wanted).abs() < 1e-9;
    assert!(close(&survey["words"][0], words("de")) && close(&survey["words"][1], words("en")));
    assert_eq!(found["choices"]["data.vocab_size"], survey["vocab_size"]);
    let estimate = &found["estimate"];
    for (kind, whose) in [
        ("minutes", "teacher"),
        ("minutes", "student"),
        ("minutes", "translation"),
        ("seconds_per_update", "teacher"),
        ("seconds_per_update", "student"),
        ("seconds_per_sentence", "teacher"),
        ("seconds_per_sentence", "student"),
    ] {
        assert!(estimate[kind][whose].as_f64().unwrap() > 0.0, "{kind} {whose}: {estimate}");
    }
    let epochs = found["choices"]["train.max_epoch"].as_f64().unwrap();
    let updates = epochs * found["updates_per_epoch"].as_f64().unwrap();
    let seconds = estimate["seconds_per_update"]["student"].as_f64().unwrap();
    assert!(close(&estimate["minutes"]["student"], updates * seconds / 60.0), "{estimate}");
}

/// From the folder of the file, so that both may move.
#[test]
fn init_names_the_text_from_the_file() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("sub")).unwrap();
    for name in ["train", "valid"] {
        for lang in ["de", "en"] {
            let name = format!("{name}.{lang}");
            desk.write(&format!("sub/{name}"), desk.read(&name));
        }
    }
    let line = "init --source-lang de --target-lang en --train sub/train --valid valid --quiet";
    desk.host(&format!("{line} --out sub/a.toml")).well();
    let text = desk.read("sub/a.toml");
    assert!(text.contains("\ntrain = \"train\"\n"), "{text}");
    let valid = desk.path("valid");
    assert!(text.contains(&format!("\nvalid = {:?}\n", valid.to_str().unwrap())), "{text}");
    let printed = desk.host(&format!("{line} --out -"));
    assert!(printed.err.contains("time at most: "), "{printed:?}");
    let printed = printed.well();
    desk.write("printed.toml", &printed);
    desk.host("config printed.toml").well();
}

#[test]
fn init_refuses_what_it_cannot_use() {
    let desk = Desk::new();
    desk.write("mine.toml", "mine");
    for lang in ["de", "en"] {
        desk.write(&format!("empty.{lang}"), "");
        desk.write(&format!("blank.{lang}"), "\n\n \n");
    }
    let of = |from: &str, to: &str, train: &str| {
        format!("init --source-lang {from} --target-lang {to} --train {train} --valid valid")
    };
    for (line, says) in [
        (of("de", "en", "missing"), "cannot read missing.de: no such file"),
        (of("de", "fr", "train"), ".fr: no such file"),
        (of("de", "de", "train"), "source and target language are both \"de\""),
        (of("de", "en", "empty"), "empty.de and empty.en are empty"),
        (of("de", "en", "blank"), "no pair with text on both sides"),
        (
            of("de", "en", "train").replace(" --valid valid", ""),
            "paste train.de train.en | sort -u",
        ),
        (format!("{INIT} --out mine.toml"), "mine.toml exists: name another file by --out"),
        (format!("{INIT} --out - --json"), "--json and --out -"),
    ] {
        let done = desk.host(&line);
        assert_eq!((done.code, done.err.lines().count()), (Some(2), 1), "{line}: {done:?}");
        assert!(done.err.contains(says), "{line}: {}", done.err);
    }
    assert_eq!(desk.host(&format!("{INIT} --out no/where.toml")).code, Some(1));
    assert!(!desk.path("de-en.toml").exists());
    assert_eq!(desk.read("mine.toml"), "mine");
    desk.host(&format!("{INIT} --out mine.toml --force --quiet")).well();
    assert_ne!(desk.read("mine.toml"), "mine");
}

#[test]
fn a_file_that_names_only_the_text_trains_and_resumes() {
    let desk = Desk::new();
    let text = desk.read("tiny.toml");
    desk.write("only.toml", &text[..text.find("vocab_size").unwrap()]);
    let line = "distill only.toml --out run --set teacher.train.max_update=3";
    let done = desk.host(&format!("{line} --set train.max_update=3"));
    let (told, _) = (done.err.clone(), done.well());
    for part in ["derived from 600 pairs of ", "  [model] d_model 64, ", "  [teacher.train] lr "] {
        assert!(told.contains(part), "{part:?} in\n{told}");
    }
    let derived = desk.read("run/config.toml");
    assert!(derived.contains("\nwarmup_updates = 1\n"), "a warm-up ends:\n{derived}");
    // Another text has no say in a run that was begun.
    for lang in ["de", "en"] {
        desk.write(&format!("train.{lang}"), desk.read(&format!("train.{lang}")).repeat(12));
    }
    let done = desk.host(&format!("{line} --resume --set train.max_update=4"));
    assert!(!done.err.contains("derived from"), "{}", done.err);
    done.well();
    let resumed = desk.read("run/config.toml").replace("max_update = 4", "max_update = 3");
    assert_eq!(resumed, derived);
    // The teacher that is there stays, and the student beside it is another.
    std::fs::remove_file(desk.path("run/last.safetensors")).unwrap();
    std::fs::remove_file(desk.path("run/best.safetensors")).unwrap();
    let keys = json(&desk.host("config only.toml --set out=run --json").well());
    let value = |path: &str| {
        let found = keys.as_array().unwrap().iter().find(|key| key["key"] == path);
        (found.unwrap()["value"].clone(), found.unwrap()["origin"].clone())
    };
    assert_eq!(value("teacher.model.dropout").0, 0.3);
    assert!(
        value("teacher.model.dropout").1.as_str().unwrap().contains("run/teacher/config.toml:")
    );
    assert_eq!(value("train.lr").1, "derived from the data");
}
