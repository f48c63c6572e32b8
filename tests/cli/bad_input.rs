//! Wrong input gives a one-line error that names the cause and an exit code, and overwrites no file.

use crate::desk::Desk;
use a2d_host::backend::gpu::BUILT;
use std::fs::{self, File};
use std::io::Write;

/// A kind of damage: its name, the change to the bytes of the file, and a part of the error.
type Damage = (&'static str, fn(&mut Vec<u8>), &'static str);

/// Ways to damage a checkpoint.
const SPOILT: [Damage; 5] = [
    ("truncated", |bytes| bytes.truncate(bytes.len() - 100), "its length is not what"),
    ("cut to nothing", |bytes| bytes.clear(), "shorter than a header"),
    ("foreign", |bytes| *bytes = b"PK\x03\x04 an archive".repeat(9), "not a checkpoint"),
    ("tampered number", |bytes| *bytes.last_mut().unwrap() ^= 1, "checksum"),
    ("tampered text", |bytes| replace(bytes, b"a2d-host", b"a3d-host"), "checksum"),
];

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
}

#[test]
fn damaged_checkpoints_are_refused() {
    let desk = Desk::with_run();
    let resume = "distill tiny.toml --data data --out full --resume --set train.max_update=30";
    let student = "distill tiny.toml --data data --teacher full/teacher --out new";
    for (file, line) in [
        ("full/best.safetensors", "translate full --input test.de"),
        ("full/best.safetensors", "evaluate full --source test.de --reference test.en"),
        ("full/last.safetensors", resume),
        ("full/teacher/last.safetensors", resume),
        ("full/teacher/best.safetensors", student),
    ] {
        let whole = fs::read(desk.path(file)).unwrap();
        for (what, spoil, says) in SPOILT {
            desk.edit(file, spoil);
            eprintln!("{what}: {line}");
            desk.refused(line, 2, &[file, says]);
            desk.write(file, &whole);
        }
    }
    assert!(!desk.path("new").exists(), "nothing is begun with a bad teacher");
}

#[test]
fn what_a_run_lacks_is_named() {
    let desk = Desk::with_run();
    let translate = "translate full --input test.de";
    desk.refused("translate nowhere --input test.de", 2, &["nowhere is no run"]);
    desk.refused("translate data --input test.de", 2, &["data/config.toml is missing"]);
    let config = desk.read("full/config.toml");
    desk.write("full/config.toml", config.replace("\nd_model = 16", "\nd_model = 32"));
    let says = ["full/config.toml has `model.d_model` = 32", "full/best.safetensors", "with 16"];
    desk.refused(translate, 2, &says);
    desk.write("full/config.toml", config.replace("ffn_dim", "ffn_dims"));
    desk.refused(translate, 2, &["full/config.toml:", "unknown key", "ffn_dim`"]);
    desk.write("full/config.toml", &config);

    let tokenizer = fs::read(desk.path("full/tokenizer.json")).unwrap();
    let resume = "distill tiny.toml --data data --out full --resume --set train.max_update=30";
    fs::copy(Desk::shared().path("other/tokenizer.json"), desk.path("full/tokenizer.json"))
        .unwrap();
    for line in [translate, resume] {
        desk.refused(line, 2, &["another vocabulary", "full/tokenizer.json"]);
    }
    desk.write("full/tokenizer.json", &tokenizer[..tokenizer.len() / 2]);
    for line in [translate, resume] {
        desk.refused(line, 2, &["full/tokenizer.json"]);
    }
    fs::remove_file(desk.path("full/tokenizer.json")).unwrap();
    desk.refused(translate, 2, &["cannot", "full/tokenizer.json"]);
    desk.write("full/tokenizer.json", &tokenizer);
    desk.host(translate).well();
    for file in ["best", "last"] {
        fs::remove_file(desk.path(&format!("full/{file}.safetensors"))).unwrap();
    }
    desk.refused(translate, 2, &["full has no checkpoint"]);
}

#[test]
fn prepared_data_must_be_whole() {
    let desk = Desk::with_run();
    let line = "train new.toml --data data --out new";
    let config = desk.read("tiny.toml");
    let model = config.find("[model]").unwrap();
    desk.write("new.toml", &config[model..]);
    for file in ["train.bin", "valid.bin", "valid.source", "test.target", "tokenizer.json"] {
        let (name, hidden) = (format!("data/{file}"), desk.path("hidden"));
        fs::rename(desk.path(&name), &hidden).unwrap();
        desk.refused(line, 2, &[&name, "missing"]);
        fs::rename(&hidden, desk.path(&name)).unwrap();
    }
    for (file, spoil, says) in [
        ("train.bin", (|bytes| bytes[200] ^= 1) as fn(&mut Vec<u8>), "damaged"),
        ("train.bin", |bytes| bytes.truncate(150), "cut short"),
        ("valid.bin", |bytes| bytes[0] ^= 1, "valid.bin"),
        ("tokenizer.json", |bytes| bytes[0] = b'x', "tokenizer.json"),
        ("data.json", |bytes| bytes.truncate(9), "not a manifest"),
    ] {
        let name = format!("data/{file}");
        let whole = fs::read(desk.path(&name)).unwrap();
        desk.edit(&name, spoil);
        desk.refused(line, 2, &[&name, says]);
        desk.write(&name, whole);
    }
    let other = Desk::shared().path("other/train.bin");
    let whole = fs::read(desk.path("data/valid.bin")).unwrap();
    fs::copy(other, desk.path("data/valid.bin")).unwrap();
    desk.refused(line, 2, &["data/valid.bin"]);
    desk.write("data/valid.bin", whole);
    let manifest = desk.read("data/data.json");
    desk.write("data/data.json", manifest.replace("\"layout\": 2", "\"layout\": 1"));
    desk.refused(line, 2, &["data/data.json: it was prepared by another version", "again"]);
    fs::remove_file(desk.path("data/data.json")).unwrap();
    desk.refused(line, 2, &["data holds no data", "host prepare"]);
    assert!(!desk.path("new").exists());
}

#[test]
fn prepared_data_is_not_written_over() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --data data --out new";
    let parts = ["data: it was prepared with `data.vocab_size` 300, not 200", "--data"];
    desk.refused(&format!("{line} --set data.vocab_size=200"), 2, &parts);
    let parts = ["data: it was prepared with `data.clean` false, not true"];
    desk.refused(&format!("{line} --set data.clean=true"), 2, &parts);
    desk.edit("train.en", |text| text[0] = b'X');
    desk.refused(line, 2, &["data: the text of `data.train`", "train.en, has changed since"]);
    // A run trained on this data can still be resumed.
    let data = fs::read(desk.path("data/train.bin")).unwrap();
    desk.host("distill tiny.toml --data data --out full --resume --set train.max_update=26").well();
    assert!(fs::read(desk.path("data/train.bin")).unwrap() == data);
}

#[test]
fn bad_text_is_refused_by_file_and_line() {
    let desk = Desk::with_run();
    let prepare = "prepare --source-lang de --target-lang en --train train --valid valid --vocab-size 300 --out data";
    let train = "train tiny.toml --out new";
    let english = fs::read(desk.path("train.en")).unwrap();
    let both = |parts: &[&str]| {
        desk.refused(prepare, 2, parts);
        desk.refused(train, 2, parts);
    };
    desk.edit("train.en", |text| text.truncate(5000));
    both(&["train.de has 600 lines", "train.en has "]);
    desk.write(
        "train.en",
        english.iter().map(|&b| if b == b'?' { 0xff } else { b }).collect::<Vec<_>>(),
    );
    let first = 1 + english.split(|&b| b == b'\n').position(|line| line.contains(&b'?')).unwrap();
    both(&[&format!("train.en:{first}: not UTF-8")]);
    desk.write("train.en", &english);
    for lang in ["de", "en"] {
        desk.write(&format!("valid.{lang}"), "");
    }
    both(&["valid.de and", "valid.en are empty"]);
    for lang in ["de", "en"] {
        desk.write(&format!("valid.{lang}"), "\n \n");
    }
    both(&["valid: none of the 2 pairs is usable"]);
    fs::remove_file(desk.path("valid.en")).unwrap();
    both(&["cannot read", "valid.en: no such file"]);
    desk.refused(&prepare.replace("--target-lang en", "--target-lang de"), 2, &["\"de\""]);

    desk.write("bad.de", b"gut\nsch\xf6n\n");
    desk.refused("translate full --input bad.de", 2, &["bad.de:2: not UTF-8"]);
    desk.refused("translate full --input nowhere.de", 2, &["nowhere.de: no such file"]);
    desk.refused("translate full --input data", 2, &["data: is a directory"]);
    let evaluate = "evaluate full --source test.de --reference";
    desk.refused(&format!("{evaluate} train.en"), 2, &["test.de has 20 lines, train.en has 600"]);
    desk.refused(&format!("{evaluate} nowhere.en"), 2, &["nowhere.en"]);
    desk.refused("evaluate full --source - --reference -", 2, &["only one", "standard input"]);
    desk.refused(
        "evaluate full --source valid.de --reference test.en",
        2,
        &["valid.de has 2 lines"],
    );
    desk.write("empty", "");
    desk.refused(
        "evaluate full --source empty --reference empty",
        2,
        &["nothing to translate in empty"],
    );
    desk.refused("score --hypothesis test.en --reference train.en", 2, &["20", "600", "train.en"]);
    desk.refused("score --hypothesis empty --reference empty", 2, &["nothing to score in empty"]);
}

#[test]
fn bad_labels_are_refused_by_file_and_line() {
    let desk = Desk::new();
    let prepare = "prepare --task classify --train train.tsv --valid valid.tsv --vocab-size 60";
    let good = "play\tPlay the song\nbook\tBook a table\n".repeat(9);
    desk.write(
        "text.toml",
        "task = 'classify'\n[data]\ntrain = 'train.tsv'\nvalid = 'valid.tsv'\n",
    );
    let train = "train text.toml --out new";
    let labels = "the label \"stop\" is not in the training text";
    for (name, text, says) in [
        ("train.tsv", "play\tone\ntwo\n".into(), "train.tsv:2: no tab between label and text"),
        (
            "train.tsv",
            "play\tone\n\ttwo\n".into(),
            "train.tsv:2: the label before the tab is empty",
        ),
        ("train.tsv", "play\tone\n".into(), "train.tsv has one label only, \"play\""),
        ("train.tsv", String::new(), "train.tsv is empty"),
        ("valid.tsv", format!("{good}stop\tStop\n"), &format!("valid.tsv:19: {labels}")),
    ] {
        desk.write("train.tsv", &good);
        desk.write("valid.tsv", &good);
        desk.write(name, text);
        desk.refused(&format!("{prepare} --out new"), 2, &[says]);
        desk.refused(train, 2, &[says]);
    }
    desk.write("valid.tsv", b"play\tone\nbook\tt\xffo\n");
    desk.refused(train, 2, &["valid.tsv:2: not UTF-8"]);
    desk.write("valid.tsv", &good);
    let told = desk.host(&format!("{prepare} --out data")).well();
    assert!(told.contains("2 labels") && told.contains("train: 18 of 18 texts"), "{told}");
    let other = "was prepared with `task` classify, not translate";
    desk.refused("train tiny.toml --data data --out new", 2, &[&format!("data: it {other}")]);
    desk.write("new.toml", "[distill]\nmethod = 'none'\n");
    desk.refused("train new.toml --data data --out new", 2, &[&format!("data {other}")]);
    desk.refused(&format!("{prepare} --target-lang de --out other"), 2, &["\"de\" has no meaning"]);
    let no_language = prepare.replace("--task classify ", "");
    desk.refused(&format!("{no_language} --out other"), 2, &["--source-lang <LANG>"]);
}

#[test]
fn text_with_flaws_is_refused_where_that_is_asked_for() {
    let desk = Desk::new();
    let prepare = "prepare --source-lang de --target-lang en --train train --valid valid --vocab-size 300 --out new";
    desk.write("train.de", desk.read("train.de") + "Kopie hier\nnoch eine Kopie\n");
    desk.write("train.en", desk.read("train.en") + "Kopie hier\nnoch eine Kopie\n");
    let says = [
        "train: 2 of 602 pairs have flaws",
        "the same (2, the first in line 601)",
        "new/report.json",
    ];
    desk.refused(&format!("{prepare} --strict"), 2, &says);
    desk.refused(&format!("{prepare} --strict=0.3"), 2, &says);
    let left: Vec<_> =
        fs::read_dir(desk.path("new")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["report.json"]);
    desk.refused("train tiny.toml --set data.train=no --data new --out run", 2, &["no.de"]);
    desk.host(&format!("{prepare} --strict=0.4")).well();
    let told = desk.host(&format!("{prepare} --strict --clean")).well();
    assert!(told.contains("train: 600 of 602 pairs"), "{told}");
    let told = desk.host(&format!("{prepare} --clean --json")).well();
    assert_eq!(told.trim_end().lines().count(), 1);
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    let saved: serde_json::Value = serde_json::from_str(&desk.read("new/report.json")).unwrap();
    assert_eq!(report, saved);
    // `data.clean` does the same as `--clean`.
    desk.host("train tiny.toml --set data.clean=true --set train.max_update=1 --out run").well();
    let saved = desk.read("run/data/report.json");
    assert!(saved.contains("\"kept\": 600"), "{saved}");
}

#[test]
fn prepared_data_conflict_only_with_what_somebody_set() {
    let desk = Desk::with_run();
    let unset = |line: &&str| !line.starts_with("vocab_size") && !line.starts_with("max_length");
    let tiny = desk.read("tiny.toml");
    desk.write(
        "unset.toml",
        tiny.lines().filter(unset).map(|l| format!("{l}\n")).collect::<String>(),
    );
    let line = "train unset.toml --set train.max_update";
    desk.host(&format!("{line}=1 --data data --out run")).well();
    let config = desk.read("run/config.toml");
    assert!(
        config.contains("vocab_size = 300\n") && config.contains("max_length = 40\n"),
        "{config}"
    );
    desk.host(&format!("{line}=2 --data data --out run --resume")).well();
    let set = format!("{line}=1 --data data --out new --set data.max_length=39");
    desk.refused(&set, 2, &["data: it was prepared with `data.max_length` 40, not 39"]);
    // Without prepared data the defaults apply.
    desk.host(&format!("{line}=1 --out own")).well();
    assert!(desk.read("own/config.toml").contains("max_length = 250\n"));
    // With a given vocabulary, no key of the configuration conflicts.
    let prepare =
        "prepare --source-lang de --target-lang en --train train --valid valid --test test";
    desk.host(&format!("{prepare} --vocab full/tokenizer.json --out given")).well();
    desk.host(&format!("{line}=1 --data given --out with-given")).well();
}

#[test]
fn bad_configurations_are_refused_by_key() {
    let desk = Desk::with_run();
    let line = |set: &str| format!("train tiny.toml --data data --out new --set {set}");
    for (set, says) in [
        ("model.dmodel=8", "did you mean `model.d_model`?"),
        ("model.d_model=17", "`model.encoder_attention_heads` 2 does not divide the width 17"),
        ("model.d_model=big", "expects a whole number"),
        ("model.encoder_layers=99", "`model.encoder_layers` is 99, expected 1 to 32"),
        ("model.encoder_d_model=32", "`model.share_embeddings` needs one width"),
        ("train.lr=nan", "`train.lr` is NaN"),
        ("train.max_tokens=1", "`train.max_tokens` 1 is too small for any pair"),
        ("distill.preset=best", "unknown value"),
        ("lr", "expected KEY=VALUE"),
    ] {
        desk.refused(&line(set), 2, &[says]);
    }
    desk.write("typo.toml", "[model]\n\nd_modle = 3\n");
    desk.refused(
        "train typo.toml",
        2,
        &["typo.toml:3: unknown key `model.d_modle`", "`model.d_model`"],
    );
    desk.refused("train nowhere.toml", 2, &["cannot read nowhere.toml: no such file"]);
    desk.refused("train data", 2, &["cannot read data: is a directory"]);
    desk.write("bare.toml", "[model]\nd_model = 16\n");
    for verb in ["train", "distill"] {
        let line = format!("{verb} bare.toml");
        desk.refused(&line, 2, &["has no data", "`data.train`", "`data.valid`", "--data"]);
    }
    desk.write(
        "half.toml",
        "[data]\nsource_lang = \"de\"\ntarget_lang = \"en\"\ntrain = \"train\"\n",
    );
    desk.refused("train half.toml", 2, &["`data.valid` is needed"]);
    assert!(!desk.path("runs").exists(), "nothing is begun");
}

#[test]
fn bad_teachers_are_refused() {
    let desk = Desk::with_run();
    let other = Desk::shared().path("other");
    let line = "distill tiny.toml --out new --set distill.baseline=true --data";
    let bare = desk.read("tiny.toml");
    desk.write("tiny.toml", &bare[bare.find("[model]").unwrap()..]);
    let of_other = format!("{line} {} --teacher full/teacher", other.display());
    desk.refused(&of_other, 2, &["full/teacher/best.safetensors", "another vocabulary"]);
    desk.refused(&format!("{line} data --teacher nowhere"), 2, &["nowhere is no run"]);
    desk.refused(&format!("{line} data --teacher data"), 2, &["data is no run"]);
    let aam = format!("{line} data --teacher full/teacher --set distill.teacher_aam=true");
    desk.refused(
        &aam.replace("baseline=true", "baseline=false"),
        2,
        &["`distill.teacher_aam`", "no alignment"],
    );
    let starts = format!("{line} data --set model.decoder_start=bos");
    for teacher in ["", " --teacher full/teacher"] {
        desk.refused(&format!("{starts}{teacher}"), 2, &["`model.decoder_start` to \"eos\""]);
    }
}

#[test]
fn wrong_arguments_are_one_line() {
    let desk = Desk::with_run();
    let no_device = if BUILT { "99" } else { "this build has no GPU backend" };
    for (line, says) in [
        ("fly", "unrecognized subcommand 'fly'; see `host --help`"),
        ("train", "not provided: <CONFIG.toml>; see `host train --help`"),
        ("train tiny.toml --sett x=1", "'--sett' found"),
        ("train tiny.toml --backend tpu", "[possible values: auto, cpu, gpu]"),
        ("train tiny.toml --device gpu:0", "expected cpu, cuda:N or wgpu:N"),
        ("train tiny.toml --device cuda:99", no_device),
        ("translate full --device wgpu:99", no_device),
        ("train tiny.toml --on-nan pray", "[possible values: stop, retry]"),
        (
            "train tiny.toml --precision tf32",
            "the CPU computes with f32 and bf16, only a GPU with tf32",
        ),
        (
            "distill tiny.toml --set teacher.train.precision=f16",
            "teacher.train.precision: the CPU computes with f32 and bf16, only a GPU with f16",
        ),
        ("report", "not provided: <RUN>...; see `host report --help`"),
        ("report full nowhere --out page.html", "nowhere is no run"),
        ("report data --out page.html", "data is no run"),
        ("report full --out page.html --sentences 0", "expected a whole number, 1 or more"),
        ("report full --out page.html --sentences 3,21", "--sentences 21: test has 20 lines"),
        ("report full --out page.html --text nowhere.de", "nowhere.de: no such file"),
        ("watch nowhere", "nowhere is no run"),
        ("watch full --interval 0", "expected seconds, 0.01 to 86400"),
        ("train tiny.toml --max-tokens 0", "expected a whole number, 1 or more, or auto"),
        ("distill tiny.toml --max-tokens auto", "cpu does not tell its memory: give a number"),
        ("bench train --precision tf32", "--precision: the CPU computes with f32 and bf16, only"),
        (
            "translate full --backend cpu --device cuda:1",
            "--backend cpu contradicts --device cuda:1",
        ),
        ("translate full --beam 0", "expected 1 to 1000"),
        ("translate full --beam 2000", "expected 1 to 1000"),
        ("translate full --beam 2 --n-best 3", "--n-best 3 needs --beam 3 or more"),
        ("translate full --length-penalty nan", "expected a number, 0 or more"),
        ("score --hypothesis test.en --reference test.en --metrics blue", "unknown metric `blue`"),
        (
            "score --hypothesis test.en --reference test.en --tokenize 14a",
            "[possible values: none, 13a, char, intl, zh]",
        ),
        (
            "score --hypothesis test.en --reference test.en --smooth-method ln",
            "[possible values: none, floor, add-k, exp]",
        ),
        (
            "score --hypothesis test.en --reference test.en --smooth-value 1",
            "--smooth-value needs --smooth-method floor or add-k",
        ),
        (
            "score --hypothesis test.en --reference test.en --smooth-value nan",
            "expected a number, 0 or more",
        ),
        ("score --hypothesis test.en --reference test.en --chrf-char-order 7", "expected 1 to 6"),
        ("score --hypothesis test.en --reference test.en --chrf-word-order 5", "expected 0 to 4"),
        ("score --hypothesis test.en --reference test.en --chrf-beta 0", "expected 1 to 1000"),
        ("score --hypothesis test.en --reference test.en --width 18", "expected 0 to 17"),
        (
            "score --hypothesis test.en --reference test.en --json --width 2",
            "'--json' cannot be used with '--width <N>'",
        ),
        (
            "score --hypothesis test.en --reference test.en --json --score-only",
            "'--json' cannot be used with '--score-only'",
        ),
        (
            "score --hypothesis test.en --reference test.en --ter-lowercase",
            "'--ter-lowercase' found",
        ),
        (
            "score --hypothesis test.en --reference test.en --export-triples x",
            "not provided: --source <FILE>",
        ),
        (
            "score --hypothesis test.en --reference test.en --source test.de",
            "not provided: --export-triples",
        ),
        (
            "score --hypothesis test.en --reference test.en --source train.de --export-triples x",
            "20 in test.en, 600 in train.de",
        ),
        ("compare --hypothesis test.en test.de", "not provided: --reference <FILE>"),
        (
            "compare --hypothesis test.en --reference test.en",
            "nothing to compare with: give --hypothesis twice or more",
        ),
        (
            "compare --hypothesis test.en test.en --reference test.en",
            "the hypothesis test.en is given twice",
        ),
        (
            "compare --hypothesis test.en train.en --reference test.en",
            "20 in test.en, 600 in train.en",
        ),
        (
            "compare --hypothesis test.en test.de --reference test.en --metrics blue",
            "unknown metric `blue`",
        ),
        (
            "compare --hypothesis test.en test.de --reference test.en --resamples 0",
            "expected 1 to 10000000",
        ),
        (
            "compare --hypothesis test.en test.de --reference test.en --seed x",
            "invalid digit found in string",
        ),
        (
            "compare --hypothesis test.en test.de --reference test.en --paired-bootstrap --approximate-randomisation",
            "'--paired-bootstrap' cannot be used with '--approximate-randomisation'",
        ),
        (
            "compare --hypothesis test.en test.de --reference test.en --source test.de --export-triples x",
            "--export-triples needs a file for each of 2 hypotheses, found 1",
        ),
        ("prepare --strict=x --out new", "expected a number, 0 or more"),
        ("prepare --strict=-1 --out new", "expected a number, 0 or more"),
        ("train tiny.toml --method a2d", "'--method' found"),
        ("distill tiny.toml --method magic", "--method magic"),
    ] {
        desk.refused(line, 2, &[says]);
    }
    // A huge length limit does not crash the program.
    desk.host("translate full --input test.de --beam 1 --max-length-a 1e300 --max-length-b 1e300")
        .well();
    let help = desk.host("");
    assert!(help.code == Some(2) && help.err.contains("Usage: host"), "{help:#?}");
    assert!(desk.host("distill --help").well().contains("Example:"));
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let desk = Desk::with_run();
    let translate = "translate full --input test.de --output";
    desk.refused(&format!("{translate} nowhere/out.en"), 1, &["cannot write nowhere/out.en"]);
    desk.refused(&format!("{translate} data"), 1, &["cannot write data: is a directory"]);
    desk.refused(
        &format!("{translate} test.de/x"),
        1,
        &["cannot write test.de/x: not a directory"],
    );
    desk.refused("report full --out nowhere/page.html", 1, &["cannot write nowhere/page.html"]);
    let evaluate = "evaluate full --source test.de --reference test.en --output nowhere/out.en";
    desk.refused(evaluate, 1, &["cannot write nowhere/out.en"]);
    // Root ignores permissions, so these cases have a file in place of a folder.
    desk.refused(
        "train tiny.toml --data data --out test.de/run",
        1,
        &["test.de/run", "not a directory"],
    );
    desk.refused("train tiny.toml --out test.de", 1, &["test.de"]);
    let prepare =
        "prepare --source-lang de --target-lang en --train train --valid valid --vocab-size 300";
    desk.refused(&format!("{prepare} --out test.de/data"), 1, &["test.de/data"]);
    let score = "score --hypothesis test.en --reference test.en --source test.de --export-triples";
    desk.refused(&format!("{score} nowhere/x.jsonl"), 1, &["cannot write nowhere/x.jsonl"]);
    let compare = "compare --hypothesis test.en test.de --reference test.en --source test.de";
    desk.refused(&format!("{compare} --export-triples x data"), 1, &["cannot write data"]);
    fs::remove_file(desk.path("full/log.jsonl")).unwrap();
    fs::create_dir(desk.path("full/log.jsonl")).unwrap();
    let resume = "distill tiny.toml --data data --out full --resume --set train.max_update=30";
    desk.refused(resume, 1, &["full/log.jsonl: is a directory"]);
}

#[test]
fn data_that_changes_under_a_training_is_told() {
    let line = "train tiny.toml --data data --set train.max_update=100000 --out new";
    for (how, spoil) in [
        ("is cut short", (|file: File| file.set_len(1000).unwrap()) as fn(File)),
        ("is overwritten", |mut file| file.write_all(&[0; 50_000]).unwrap()),
    ] {
        let desk = Desk::with_run();
        let done = desk.meanwhile(line, "model 3/", |_| {
            spoil(File::options().write(true).open(desk.path("data/train.bin")).unwrap());
        });
        let error = done.err.lines().last().unwrap();
        let says = format!("data/train.bin {how} while it is in use; put the same file back");
        assert!(done.code == Some(1) && error.contains(&says), "{done:#?}");
    }
}
