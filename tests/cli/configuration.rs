//! `config` prints what the parser knows.

use crate::desk::Desk;
use serde_json::Value;
use std::path::Path;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// To rewrite it: `host config --markdown > fixtures/guides/configuration.md`.
#[test]
fn the_guide_is_what_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/guides/configuration.md");
    let written = std::fs::read_to_string(path).unwrap();
    let printed = Desk::new().host("config --markdown").well();
    let rewrite = "host config --markdown > fixtures/guides/configuration.md";
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
        let set = key["derived"] == false || key["inherits"].is_string();
        let set = set && key["default"] != Value::Null;
        assert_eq!(value["origin"].is_string(), set, "{key} {value}");
    }
}

#[test]
fn a_key_is_explained() {
    let desk = Desk::new();
    let text = desk.host("config --explain distill.method").well();
    for part in [
        "distill.method\nThe distillation method.\n\ntype         text\n",
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
    let table = desk.host("config --explain teacher.model").well();
    assert!(table.starts_with("[teacher.model]\n") && table.contains("\nd_model "), "{table}");
    let lr = json(&desk.host("config --explain train.lr --json").well());
    assert_eq!((&lr["key"], &lr["default"]), (&"train.lr".into(), &5e-4.into()));
    assert_eq!(json(&desk.host("config --explain model --json").well())[0]["key"], "model.d_model");
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
