//! `host report` and `host watch`: the contents of a page, what is missing from a run, and drawing in a browser.

#[path = "cli/desk.rs"]
#[allow(dead_code)]
mod desk;

use a2d_host::report::{LogLines, base64};
use a2d_host::run::checkpoint::{self, Saved};
use a2d_host::run::run_dir::RunDir;
use a2d_host::system::program::quoted;
use a2d_tests::helpers::interop;
use a2d_tests::helpers::skip::skipped;
use desk::{Desk, copy, done, send};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// The data of a page.
#[track_caller]
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once(r#"<script type="application/json" id="data">"#).unwrap();
    let (data, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(data).unwrap()
}

fn run<'a>(data: &'a Value, label: &str) -> &'a Value {
    let runs = data["runs"].as_array().unwrap();
    runs.iter().find(|run| run["label"] == label).unwrap()
}

fn notes(run: &Value) -> String {
    let notes = run["notes"].as_array().unwrap();
    notes.iter().map(|note| format!("{}\n", note.as_str().unwrap())).collect()
}

/// A line of `alignment.jsonl` with the shapes of the shared run, `[teacher maps, student maps]`, and every weight
/// `weight`.
fn alignment(update: u64, weight: f64) -> String {
    let kind = vec![vec![weight; 2]; 8];
    let line = json!({"update": update, "epoch": update / 6, "encoder": kind, "decoder": kind, "cross": kind});
    format!("{line}\n")
}

/// Decodes the text of [`base64`].
fn bytes(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<_> = text.chars().map_while(|c| DIGITS.find(c)).collect();
    let word = |four: &[usize]| {
        four.iter().fold(0, |word, digit| word << 6 | digit) << (24 - 6 * four.len())
    };
    let bytes = digits
        .chunks(4)
        .flat_map(|four| (1..four.len()).map(|i| (word(four) >> (24 - 8 * i)) as u8));
    bytes.collect()
}

/// Asserts that every row of every map sums to one and, if `causal`, is zero after the diagonal.
#[track_caller]
fn assert_distributions(maps: &Value, causal: bool) {
    let [rows, cols] = ["rows", "cols"].map(|key| maps[key].as_u64().unwrap() as usize);
    let values = bytes(maps["data"].as_str().unwrap());
    for (i, row) in values.chunks(cols).enumerate() {
        let sum: u32 = row.iter().map(|&byte| u32::from(byte)).sum();
        assert!(sum.abs_diff(255) <= cols as u32, "row {i}: {row:?}");
        assert!(!causal || row[i % rows + 1..].iter().all(|&byte| byte == 0), "row {i}: {row:?}");
    }
}

#[test]
fn a_page_has_everything_of_a_run() {
    let desk = Desk::with_run();
    desk.write(
        "full/alignment.jsonl",
        alignment(6, 0.25) + &alignment(12, 0.5) + &alignment(18, -2.0),
    );
    let start = json!({"program": "a2d-host 0.1.0", "commit": null, "time": "2026-11-24T13:00:00Z",
        "command": ["host", "distill", "my config.toml"], "folder": "/home/it's", "from_update": 0});
    desk.write("full/provenance.jsonl", format!("{start}\n"));
    desk.host("report full --out a.html --sentences 3,17").well();
    desk.host("report full --out b.html --sentences 3,17 --threads 1").well();
    let page = desk.read("a.html");
    assert!(page == desk.read("b.html"), "the same run, the same bytes");
    for part in ["<link", "src=", "url(", "@import"] {
        assert!(!page.contains(part), "a page loads nothing: {part}");
    }
    let data = data(&page);
    let labels: Vec<_> = data["runs"].as_array().unwrap().iter().map(|run| &run["label"]).collect();
    assert_eq!(labels, ["full", "full/teacher", "full/alone"]);
    let full = run(&data, "full");
    assert_eq!((notes(full), &full["teacher"]), (String::new(), &json!(1)));
    assert_eq!(full["facts"]["finished"], true);
    assert_eq!(full["facts"]["updates"], 24);
    assert_eq!(full["log"]["windows"]["update"].as_array().unwrap().len(), 24);
    assert_eq!(full["scores"]["list"][0]["name"], "BLEU");
    assert_eq!(full["starts"][0]["shell"], r"cd '/home/it'\''s' && host distill 'my config.toml'");
    assert_eq!(full["trimmed"], Value::Null);
    let map = &full["alignment"]["cross"];
    assert_eq!(full["alignment"]["frames"].as_array().unwrap().len(), 3);
    assert_eq!((&map["rows"], &map["cols"], &map["row_heads"]), (&json!(8), &json!(2), &json!(4)));
    assert_eq!(map["values"][2][15], -2);
    let changed = full["settings"].as_array().unwrap();
    assert!(changed.contains(&json!(["model.d_model", "16", "256"])), "{changed:?}");

    let attention = data["attention"].as_array().unwrap();
    assert_eq!(attention.iter().map(|one| &one["number"]).collect::<Vec<_>>(), [3, 17]);
    let views = attention[0]["views"].as_array().unwrap();
    let kinds: Vec<_> = views.iter().map(|view| (&view["run"], &view["aligned"])).collect();
    assert_eq!(
        kinds,
        [
            (&json!(0), &json!(false)),
            (&json!(0), &json!(true)),
            (&json!(1), &json!(false)),
            (&json!(2), &json!(false))
        ]
    );
    let (own, aligned) = (&views[0]["cross"], &views[1]["cross"]);
    assert_eq!((&own["count"], &aligned["count"]), (&json!(2), &json!(8)));
    let size = |map: &Value| {
        ["count", "rows", "cols"].map(|key| map[key].as_u64().unwrap()).iter().product::<u64>()
    };
    assert_eq!(own["data"].as_str().unwrap().len() as u64, size(own).div_ceil(3) * 4);
    assert_eq!(own["divergence"], Value::Null, "there is nothing to compare them with");
    assert!(aligned["divergence"].as_array().unwrap().iter().all(|x| x.as_f64().unwrap() >= 0.0));
    for view in views {
        assert_distributions(&view["encoder"], false);
        assert_distributions(&view["decoder"], true);
        assert_distributions(&view["cross"], false);
    }
    let samples = data["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 2);
    assert_eq!(samples[0]["reference"], desk.read("test.en").lines().nth(2).unwrap());
    assert_eq!(samples[0]["translations"].as_array().unwrap().len(), 3);

    let out = desk.host("report full --out - --sentences 3,17").well();
    assert!(out == page, "standard output is a file too");
}

/// A mixture of one map of scores is that map.
#[test]
fn aligned_maps_are_mixtures_of_scores() {
    let desk = Desk::with_run();
    let best = desk.path("full/best.safetensors");
    let mut saved = Saved::load(&best).unwrap();
    let weights = |name: &str| name.ends_with("alignment_module.weight");
    for (_, (shape, values)) in saved.tensors.iter_mut().filter(|(name, _)| weights(name)) {
        assert_eq!(shape[..2], [8, 2]);
        values.iter_mut().enumerate().for_each(|(i, x)| *x = f32::from(i % 2 == 1));
    }
    let tensors = saved.tensors.iter();
    let tensors = tensors.map(|(name, (shape, x))| (name.clone(), shape.clone(), &x[..]));
    checkpoint::save(&best, tensors, &saved.metadata).unwrap();
    desk.host("report full --out page.html --sentences 3").well();
    let views = &data(&desk.read("page.html"))["attention"][0]["views"];
    for kind in ["encoder", "decoder", "cross"] {
        let [own, aligned] = [0, 1].map(|view| bytes(views[view][kind]["data"].as_str().unwrap()));
        let (_, second) = own.split_at(own.len() / 2);
        for map in aligned.chunks(second.len()) {
            assert!(map.iter().zip(second).all(|(x, y)| x.abs_diff(*y) <= 1), "{kind}");
        }
    }
}

/// Whether the data of a page have a word. The names of losses, which every page has, do not count.
fn says(page: &Value, word: &str) -> bool {
    let mut page = page.clone();
    page["losses"] = Value::Null;
    page.to_string().contains(word)
}

#[test]
fn a_page_of_a_classifier_has_nothing_of_translators() {
    let desk = Desk::of_intents();
    desk.host("distill intents.toml --out run --quiet").well();
    desk.host("report run --out page.html --sentences 3,17").well();
    desk.host("report run --out again.html --sentences 3,17 --threads 1").well();
    assert!(desk.read("page.html") == desk.read("again.html"), "the same run, the same bytes");
    let page = data(&desk.read("page.html"));
    assert_eq!((&page["task"], &page["text"]), (&json!("classify"), &json!("test")));
    let own = run(&page, "run");
    assert_eq!((notes(own), &own["facts"]["languages"]), (String::new(), &json!([])));
    for word in ["decoder", "cross", "beam_", "length_penalty", "pad>"] {
        assert!(!says(&page, word), "{word}");
    }
    assert!(!own["settings"].to_string().contains("bleu"), "{}", own["settings"]);
    let saved: Value = serde_json::from_str(&desk.read("run/scores.json")).unwrap();
    let accuracy = saved["scores"][0]["score"].as_f64().unwrap();
    let close = |value: &Value, other: f64| (value.as_f64().unwrap() - other).abs() < 1e-2;
    assert_eq!(own["scores"]["list"][0]["name"], "accuracy");
    assert!(close(&own["scores"]["list"][0]["score"], accuracy));
    assert!(own["scores"]["per_second"].is_number() && own["facts"]["best"].is_number());
    assert!(own["log"]["validations"]["macro_f1"].is_array());
    let (alignment, encoder) = (&own["alignment"], &own["alignment"]["encoder"]);
    assert_eq!(
        (&encoder["rows"], &encoder["cols"], &encoder["col_heads"]),
        (&json!(8), &json!(2), &json!(2))
    );
    assert!(alignment.get("cross").is_none() && alignment.get("decoder").is_none());

    // Rows add up to the texts of each label, the diagonal to the texts that are right.
    let matrices = page["confusion"]["runs"].as_array().unwrap();
    assert_eq!(matrices.iter().map(|one| &one["run"]).collect::<Vec<_>>(), [0, 1, 2]);
    let test = desk.read("test.tsv");
    for (k, label) in matrices[0]["labels"].as_array().unwrap().iter().enumerate() {
        let row = matrices[0]["rows"][k].as_array().unwrap();
        let own = format!("{}\t", label.as_str().unwrap());
        let texts = test.lines().filter(|line| line.starts_with(&own)).count();
        assert_eq!(row.iter().map(|n| n.as_u64().unwrap()).sum::<u64>(), texts as u64, "{own}");
    }
    let right: u64 = (0..7).map(|k| matrices[0]["rows"][k][k].as_u64().unwrap()).sum();
    assert!(close(&(100.0 * right as f64 / test.lines().count() as f64).into(), accuracy));
    assert!(close(&matrices[0]["accuracy"], accuracy));

    let samples = page["samples"].as_array().unwrap();
    let line = format!(
        "{}\t{}",
        samples[0]["reference"].as_str().unwrap(),
        samples[0]["source"].as_str().unwrap()
    );
    assert_eq!(line, test.lines().nth(2).unwrap());
    desk.write("one.txt", samples[0]["source"].as_str().unwrap());
    let label = desk.host("predict run --input one.txt --quiet").well();
    let [own, theirs] = [0, 1].map(|k| &samples[0]["labels"][k]);
    assert!(
        label.starts_with(&format!("{}\t", own["top"][0][0].as_str().unwrap())),
        "{label} {own}"
    );
    assert_eq!((own["top"].as_array().unwrap().len(), &theirs["run"]), (3, &json!(1)));

    let views = page["attention"][0]["views"].as_array().unwrap();
    let kinds: Vec<_> =
        views.iter().map(|view| (view["run"].as_u64(), view["aligned"] == true)).collect();
    assert_eq!(kinds, [(Some(0), false), (Some(0), true), (Some(1), false), (Some(2), false)]);
    for view in views {
        assert_distributions(&view["encoder"], false);
        let ends = view["source"].as_array().unwrap();
        assert!(ends.len() > 3 && view.get("target").is_none() && view.get("cross").is_none());
    }
    assert!(views[1]["encoder"]["divergence"].is_array());

    // A text of one's own has no labels; the matrix is still that of the test text.
    desk.host("report run --out own.html --text one.txt").well();
    let page = data(&desk.read("own.html"));
    assert_eq!(
        (&page["text"], &page["samples"][0]["reference"]),
        (&json!("one.txt"), &Value::Null)
    );
    assert_eq!(page["confusion"]["runs"].as_array().unwrap().len(), 3);
}

/// Distils an embedder, `vectors`, from an imported one.
fn embedder(desk: &Desk) {
    for split in ["train", "valid", "test"] {
        let lines = desk.read(&format!("{split}.tsv"));
        let texts = lines.lines().filter_map(|line| line.split('\t').nth(1));
        desk.write(
            &format!("{split}.txt"),
            texts.map(|text| format!("{text}\n")).collect::<String>(),
        );
    }
    let model = interop::fixtures().join("bert/model");
    desk.host(&format!("import {} --out teacher", model.display())).well();
    let keys = [
        "task=embed",
        "data.train=train.txt",
        "data.valid=valid.txt",
        "data.test=test.txt",
        "train.max_update=30",
        "distill.baseline=false",
        "teacher.run=teacher",
    ];
    let config = desk.read("intents.toml").replace("vocab_size = 300\n", "");
    let (config, _) = config.split_once("[teacher.model]").unwrap();
    desk.write("vectors.toml", config);
    let keys = keys.map(|key| format!(" --set {key}")).concat();
    desk.host(&format!("distill vectors.toml --out vectors --quiet{keys}")).well();
}

#[test]
fn a_page_of_an_embedder_has_neighbours() {
    let desk = Desk::of_intents();
    embedder(&desk);
    desk.host("report vectors --out page.html").well();
    let page = data(&desk.read("page.html"));
    let own = run(&page, "vectors");
    assert_eq!((&page["task"], notes(own)), (&json!("embed"), String::new()));
    let names: Vec<_> =
        own["scores"]["list"].as_array().unwrap().iter().map(|score| &score["name"]).collect();
    assert_eq!(names, ["cosine", "Spearman"]);
    assert!(own["facts"]["best"].is_number() && page["confusion"].is_null());
    let texts = desk.read("test.txt");
    let samples = page["samples"].as_array().unwrap();
    assert_eq!((samples.len(), page["attention"].as_array().unwrap().len()), (9, 3));
    for sample in samples {
        let near = sample["neighbours"].as_array().unwrap();
        assert_eq!(near.iter().map(|one| &one["run"]).collect::<Vec<_>>(), [0, 1]);
        for one in near {
            let text = one["text"].as_str().unwrap();
            assert!(text != sample["source"] && texts.lines().any(|line| line == text));
            assert!((-1.0..=1.0).contains(&one["cosine"].as_f64().unwrap()), "{sample}");
        }
    }
}

#[test]
fn runs_stand_side_by_side() {
    let desk = Desk::with_run();
    copy(&desk.path("full"), &desk.path("second"));
    let config = desk.read("second/config.toml").replacen("\nseed = 1\n", "\nseed = 2\n", 1);
    desk.write("second/config.toml", config);
    desk.host("report full second full/../full --out page.html").well();
    let data = data(&desk.read("page.html"));
    let roles = |role: &str| {
        let runs = data["runs"].as_array().unwrap().iter();
        runs.filter(|run| run["role"] == role)
            .map(|run| run["label"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(roles("run"), ["full", "second"], "each run once");
    assert_eq!(roles("teacher"), ["full/teacher", "second/teacher"]);
    assert_eq!(data["seeds"], json!([[0, 1]]));
    assert_eq!(data["samples"].as_array().unwrap().len(), 9);
    assert_eq!(data["attention"].as_array().unwrap().len(), 3);
}

#[test]
fn texts_cannot_become_part_of_the_page() {
    let desk = Desk::with_run();
    let line = "</script><script>alert(1)</script><!-- & {script} {style} \u{2028} \"'`";
    desk.write("evil.txt", format!("{line}\n\n{}\n", "Wort ".repeat(2000)));
    copy(&desk.path("full"), &desk.path("<b>{data}&"));
    desk.host("report <b>{data}& --text evil.txt --sentences 1,2,3 --out page.html").well();
    let page = desk.read("page.html");
    assert_eq!(page.matches("<script").count(), 2, "the data and ours");
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<b>") && page.contains("<title>&lt;b&gt;{data}&amp;</title>"));
    let data = data(&page);
    assert_eq!(data["samples"][0]["source"], line);
    assert_eq!(data["samples"][1]["translations"][0]["text"], "");
    assert_eq!(data["samples"][0]["reference"], Value::Null);
    assert_eq!(data["attention"][2]["views"][0]["cut"], true);
    assert_eq!(data["attention"][2]["target_by"], 0, "what the first model writes is looked at");
}

#[test]
fn what_a_run_lacks_is_said() {
    let desk = Desk::with_run();
    // Older versions did not write `alignment.jsonl`.
    let _ = fs::remove_file(desk.path("full/alignment.jsonl"));
    let page = |desk: &Desk| {
        desk.host("report full --out page.html").well();
        data(&desk.read("page.html"))
    };
    let found = page(&desk);
    assert!(notes(run(&found, "full")).contains("no alignment.jsonl"));
    assert_eq!(run(&found, "full")["alignment"]["frames"].as_array().unwrap().len(), 1);
    assert_eq!(run(&found, "full/alone")["alignment"], Value::Null);

    let log = desk.read("full/log.jsonl");
    desk.write(
        "full/log.jsonl",
        format!("{{\"update\":\nnull\n[3]\n\n{log}{{\"update\": 25, \"lo"),
    );
    desk.edit("full/log.jsonl", |bytes| bytes.extend(b"\xff\n{\"update\":1e999}\n"));
    desk.write(
        "full/alignment.jsonl",
        format!("{}{{\"encoder\":[[1],[1,2]]}}\n7\n", alignment(6, 1.0)),
    );
    desk.write("full/scores.json", "{");
    let found = page(&desk);
    let full = run(&found, "full");
    assert_eq!(full["log"]["windows"]["update"].as_array().unwrap().len(), 24, "the rest is shown");
    assert!(
        notes(full)
            .contains("5 lines of log.jsonl cannot be read and are left out, the first is 1"),
        "{}",
        notes(full)
    );
    assert!(notes(full).contains("line 3 of alignment.jsonl cannot be read"), "{}", notes(full));
    assert_eq!(
        (&full["scores"], full["alignment"]["frames"].as_array().unwrap().len()),
        (&Value::Null, 1)
    );

    desk.edit("full/best.safetensors", |bytes| bytes.truncate(999));
    fs::remove_dir_all(desk.path("full/teacher")).unwrap();
    let found = page(&desk);
    let said = notes(run(&found, "full"));
    assert_eq!(said.matches("best.safetensors is damaged").count(), 1, "{said}");
    assert!(said.contains("its teacher full/teacher is not there"), "{said}");
    assert_eq!(found["samples"][0]["translations"].as_array().unwrap().len(), 1, "by the baseline");

    for file in [
        "full/config.toml",
        "full/tokenizer.json",
        "full/last.safetensors",
        "full/best.safetensors",
    ] {
        fs::remove_file(desk.path(file)).unwrap();
    }
    fs::remove_dir_all(desk.path("full/alone")).unwrap();
    let found = page(&desk);
    assert_eq!((&found["text"], &found["attention"]), (&Value::Null, &Value::Null));
    assert!(notes(run(&found, "full")).contains("full/config.toml"));
    assert_eq!(run(&found, "full")["facts"]["updates"], 24, "a log alone makes a page");
    fs::remove_file(desk.path("full/log.jsonl")).unwrap();
    desk.refused("report full --out page.html", 2, &["full is no run"]);
}

/// A translation without a 4-gram is scored by the n-gram orders that it has, as in `score --sentence`.
#[test]
fn short_translations_are_scored_too() {
    let desk = Desk::with_run();
    // Translations have at most three tokens; the data is in the folder beside the run.
    let changed = |line: &str| match line.split_once(" = ") {
        Some(("max_length_a", _)) => "max_length_a = 0.0\n".to_owned(),
        Some(("max_length_b", _)) => "max_length_b = 3.0\n".to_owned(),
        Some(("dir", _)) => "dir = '../data'\n".to_owned(),
        _ => format!("{line}\n"),
    };
    desk.write(
        "full/config.toml",
        desk.read("full/config.toml").lines().map(changed).collect::<String>(),
    );
    let line = "translate full --input test.de --beam 1 --max-length-a 0 --max-length-b 3";
    let said = desk.host(line).well();
    assert!(said.lines().all(|line| line.split(' ').count() < 4), "{said}");
    desk.write("data/test.target", &said);
    desk.host("report full --out page.html").well();
    let found = data(&desk.read("page.html"));
    for sample in found["samples"].as_array().unwrap() {
        let own = &sample["translations"][0];
        let line = said.lines().nth(sample["number"].as_u64().unwrap() as usize - 1).unwrap();
        assert_eq!((&own["run"], own["text"].as_str()), (&json!(0), Some(line)));
        let full = if line.is_empty() { 0.0 } else { 100.0 };
        assert!((own["bleu"].as_f64().unwrap() - full).abs() < 1e-6, "{sample}");
    }
}

#[test]
fn watching_ends_with_the_run() {
    let desk = Desk::with_run();
    let once = desk.host("watch full --once").well();
    assert!(once.starts_with("full  update 24/24  epoch ") && once.contains("finished"), "{once}");
    assert!(
        once.contains("\nloss ") && once.contains("tokens/s") && once.contains("\nBLEU "),
        "{once}"
    );
    let state: Value = serde_json::from_str(&desk.host("watch full --once --json").well()).unwrap();
    assert_eq!((&state["update"], &state["finished"]), (&json!(24), &json!(true)));
    assert_eq!(desk.host("watch full").well().lines().count(), 1, "elsewhere a line");

    // The teacher is trained first: it is shown until the student has a log.
    let log = desk.read("full/log.jsonl");
    fs::remove_dir_all(desk.path("full/alone")).unwrap();
    fs::remove_file(desk.path("full/log.jsonl")).unwrap();
    assert!(desk.host("watch full --once").well().starts_with("full/teacher  update 24/24"));
    let half: String = log.lines().take(10).map(|line| format!("{line}\n")).collect();
    let last = fs::read(desk.path("full/last.safetensors")).unwrap();
    fs::remove_file(desk.path("full/last.safetensors")).unwrap();
    desk.write("full/log.jsonl", half + "{\"upda");
    let lock = RunDir::at(&desk.path("full")).lock().unwrap();
    let once = desk.host("watch full --once").well();
    assert!(once.contains(" (last update)\n") && !once.contains("finished"), "{once}");

    #[cfg(unix)]
    {
        let child = desk.command("watch full").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let stopped = done(child.wait_with_output().unwrap());
        assert_eq!((stopped.code, &*stopped.err), (Some(130), ""), "quietly");
    }
    let child = desk.command("watch full --interval 0.05").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    desk.write("full/log.jsonl", log);
    desk.write("full/last.safetensors", last);
    let told = done(child.wait_with_output().unwrap()).well();
    assert!(told.lines().count() >= 2 && told.trim_end().contains("update 24/24"), "{told}");
    drop(lock);
    desk.refused("watch data --once", 2, &["data is no run"]);
}

/// The limit that is reached first ends a run, and is named.
#[test]
fn watching_knows_what_ends_a_run() {
    let desk = Desk::with_run();
    fs::create_dir(desk.path("run")).unwrap();
    let lock = RunDir::at(&desk.path("run")).lock().unwrap();
    let config = desk.read("full/config.toml");
    let window = |update: u64, epoch: u64| {
        json!({"update": update, "epoch": epoch, "loss": 2.0, "seconds": update}).to_string() + "\n"
    };
    let first: String = (1..=30).map(|update| window(update * 10, 1)).collect();
    let second = format!("{first}{}", window(410, 2));
    for (limits, log, head) in [
        ([600, 0, 0], &first, "update 300/600  epoch 1  5m00s  eta 5m00s (last update)"),
        ([0, 3, 0], &first, "update 300  epoch 1/3  5m00s"),
        ([0, 3, 0], &second, "update 410/900  epoch 2/3  6m50s  eta 8m10s (last epoch)"),
        ([600, 3, 0], &second, "update 410/600  epoch 2/3  6m50s  eta 3m10s (last update)"),
        ([0, 3, 500], &second, "update 410/900  epoch 2/3  6m50s/8m20s  eta 1m30s (time limit)"),
        ([0, 0, 500], &first, "update 300  epoch 1  5m00s/8m20s  eta 3m20s (time limit)"),
    ] {
        let keys = ["max_update", "max_epoch", "time_limit_seconds"];
        let line = |line: &str| match keys.iter().position(|key| line.starts_with(key)) {
            Some(2) => format!("{} = {}.0\n", keys[2], limits[2]),
            Some(i) => format!("{} = {}\n", keys[i], limits[i]),
            None => format!("{line}\n"),
        };
        desk.write("run/config.toml", config.lines().map(line).collect::<String>());
        desk.write("run/log.jsonl", log);
        let once = desk.host("watch run --once").well();
        assert_eq!(once.lines().next().unwrap(), format!("run  {head}"));
    }
    let state = desk.host("watch run --once --json").well();
    let state: Value = serde_json::from_str(&state).unwrap();
    let eta = (&state["eta_limit"], &state["eta_seconds"]);
    assert_eq!(eta, (&json!("time_limit_seconds"), &json!(200.0)));
    drop(lock);
}

/// Watches a run that ends unfinished, and calls `act` after the first line of output.
#[cfg(unix)]
#[track_caller]
fn watched(desk: &Desk, run: &str, act: impl FnOnce()) -> desk::Done {
    let mut child = desk.command(&format!("watch {run} --interval 0.05")).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    assert!(out.read_line(&mut told).unwrap() > 0, "it is seen");
    act();
    out.read_to_string(&mut told).unwrap();
    let done = done(child.wait_with_output().unwrap());
    desk::Done { out: told, ..done }
}

#[cfg(unix)]
#[test]
fn watching_ends_with_a_run_that_does_not_go_on() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --data data --out killed --set train.max_update=100000";
    let mut followed = None;
    desk.meanwhile(line, "model 5/", |child| {
        let once = desk.host("watch killed --once").well();
        assert!(!once.contains("stopped"), "{once}");
        followed = Some(watched(&desk, "killed", || send("-KILL", child)));
    });
    let told = followed.unwrap();
    let error =
        "error: killed: no process goes on with it: it was killed or has failed, after update ";
    assert!(told.code == Some(1) && told.err.starts_with(error), "{told:#?}");
    assert!(told.err.ends_with("; go on with --resume\n"), "{told:#?}");
    let once = desk.host("watch killed --once").well();
    assert!(once.lines().next().unwrap().ends_with("  stopped") && once.contains("no process"));

    let spoilt =
        "train tiny.toml --data data --out spoilt --set train.warmup_updates=0 --set train.lr=1e30";
    assert_eq!(desk.host(&format!("{spoilt} --quiet")).code, Some(1));
    let json = desk.host("watch spoilt --once --json").well();
    let stopped = serde_json::from_str::<Value>(&json).unwrap()["stopped"].clone();
    let why = stopped.as_str().unwrap();
    assert!(why.starts_with("failed at update ") && why.contains("is NaN"), "{why}");
    let told = watched(&desk, "spoilt", || {});
    assert_eq!((told.code, told.err), (Some(1), format!("error: spoilt: {why}\n")));

    // The folder is removed while a process holds its lock.
    let run = RunDir::at(&desk.path("spoilt"));
    let lock = run.lock().unwrap();
    let told = watched(&desk, "spoilt", || fs::remove_dir_all(run.folder()).unwrap());
    drop(lock);
    let gone = "error: spoilt has gone: there is no run any more\n";
    assert_eq!((told.code, &*told.err), (Some(1), gone));
}

/// Between two models of one command no process holds a lock.
#[test]
fn watching_goes_on_from_a_teacher_to_its_student() {
    let desk = Desk::with_run();
    let line = "distill tiny.toml --data data --out live --set distill.baseline=true --set teacher.train.max_update=60";
    let mut told = String::new();
    let trained = desk.meanwhile(line, "teacher 5/60", |_| {
        told = desk.host("watch live --interval 0.01").well();
    });
    trained.well();
    let last = told.lines().last().unwrap();
    assert!(told.starts_with("live/teacher  update "), "{told}");
    assert!(last.starts_with("live  update 24/24") && last.contains("  finished"), "{told}");
    assert!(!told.contains("stopped"), "{told}");
}

/// Checking whether a lock is held does not prevent a process from taking it.
#[test]
fn watching_does_not_disturb_a_run_that_begins() {
    let folder = tempfile::TempDir::new().unwrap();
    let run = RunDir::at(folder.path());
    assert!(!run.is_locked());
    let held = run.lock().unwrap();
    assert!(run.is_locked() && run.lock().is_err());
    drop(held);
    let look = fs::File::open(folder.path().join(".lock")).unwrap();
    look.lock_shared().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            drop(look);
        });
        run.lock().unwrap();
    });
}

#[test]
fn small_things_are_as_they_should_be() {
    for (bytes, text) in
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
    {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
    for (word, text) in [
        ("a/b-c.toml", "a/b-c.toml"),
        ("", "''"),
        ("a b", "'a b'"),
        ("$x", "'$x'"),
        ("it's", r"'it'\''s'"),
    ] {
        assert_eq!(quoted(word), text);
    }
    let lines = LogLines::parse(b"{\"a\":1}\n\nx\n{}\r\n");
    assert_eq!((lines.lines.len(), lines.unreadable), (2, vec![3]));
}

/// The path of an installed Chromium.
fn browser() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut places =
        std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
    places.find(|place| place.is_file())
}

/// The DOM of a page after a browser has drawn it.
fn drawn(desk: &Desk, browser: &PathBuf, page: &str, size: &str) -> String {
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
    ]);
    command.args([
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]);
    command.arg(format!("--user-data-dir={}", desk.path("profile").display()));
    command.args([&format!("--window-size={size}"), "--virtual-time-budget=5000", "--dump-dom"]);
    command.arg(format!("file://{}", desk.path(page).display()));
    let started = Instant::now();
    let output = command.output().unwrap();
    println!("{page} at {size}: {:.1} s", started.elapsed().as_secs_f64());
    String::from_utf8(output.stdout).unwrap()
}

/// A script that presses every button, moves every slider and switch, and records whether the page is too wide.
const TOUCH: &str = "<script>
for (const node of document.querySelectorAll('button')) node.click();
for (const node of document.querySelectorAll('input[type=range]'))
  for (const value of [0, 99]) { node.value = value; node.dispatchEvent(new Event('input')); }
for (const node of document.querySelectorAll('input[type=checkbox]')) node.click();
for (const list of document.querySelectorAll('select'))
  for (const option of list.options) { list.value = option.value; list.dispatchEvent(new Event('change')); }
for (const node of document.querySelectorAll('canvas, svg'))
  for (const key of ['ArrowRight', 'ArrowDown', 'Enter', 'Escape'])
    node.dispatchEvent(new KeyboardEvent('keydown', { key }));
document.body.dataset.small = [...document.querySelectorAll('nav a')]
  .filter((node) => node.getBoundingClientRect().height < 40).map((node) => node.textContent).join();
document.body.dataset.wide = document.documentElement.scrollWidth > innerWidth;
document.body.dataset.touched = document.querySelectorAll('button').length;
</script>";

/// The browser, or a note that there is none.
fn some_browser() -> Option<PathBuf> {
    let found = browser();
    if found.is_none() {
        assert!(std::env::var_os("A2D_TEST_BROWSER").is_none(), "there is no chromium");
        skipped("there is no chromium");
    }
    found
}

#[test]
fn a_browser_draws_a_trimmed_vocabulary() {
    let Some(browser) = some_browser() else { return };
    let desk = Desk::new();
    let model = interop::fixtures().join("marian");
    let trim = "--out small --trim-vocab train.de train.en";
    desk.host(&format!("import {} {trim}", model.display())).well();
    let config = desk.read("small/config.toml").replace("_lang = \"\"", "_lang = \"?\"");
    let config = config.replacen('?', "de", 1).replacen('?', "en", 1);
    desk.write("small/config.toml", config.replace("[data]", "[data]\nvalid = \"../valid\""));
    desk.host("report small --out page.html").well();
    let dom = drawn(&desk, &browser, "page.html", "1280,900");
    let parts = [r#"data-ready="1""#, r#"id="vocabulary""#, "2,001 → ", "95,729 → ", "source: 1"];
    for part in parts {
        assert!(dom.contains(part), "no {part}: {dom}");
    }
}

/// Scores as training writes them.
fn scores(bleu: f64, against: Value) -> String {
    let list = json!([{"name": "BLEU", "score": bleu, "signature": "s"}]);
    json!({"split": "test", "parameters": 1, "tokens_per_second": 1.0, "scores": list, "against": against})
        .to_string()
}

/// Whether the student is better than the one trained alone is said in words, with the significance that is known.
#[test]
fn a_page_says_what_distillation_was_worth() {
    let Some(browser) = some_browser() else { return };
    let desk = Desk::with_run();
    let drawn = |own: f64, alone: f64, against: Value| {
        desk.write("full/scores.json", scores(own, against));
        desk.write("full/alone/scores.json", scores(alone, Value::Null));
        desk.write("full/teacher/scores.json", scores(30.0, Value::Null));
        desk.host("report full --out page.html").well();
        let dom = drawn(&desk, &browser, "page.html", "500,812");
        let (_, rest) = dom.split_once("<p class=\"headline ").expect("a headline");
        rest.split_once("</p>").unwrap().0.replace("<b>", "").replace("</b>", "")
    };
    let lost = "lost\">The student lost to the one trained alone. 20.00 BLEU by distillation, 21.50 alone (−1.50).";
    let teacher = "The teacher has 30.00";
    let p = |p: f64| json!({"run": "alone", "p_value": p});
    assert_eq!(
        drawn(20.0, 21.5, p(0.0123)),
        format!("{lost} Paired bootstrap: p = 0.012, significant at 5 %. {teacher}.")
    );
    assert_eq!(
        drawn(20.0, 21.5, p(0.31)),
        format!("{lost} Paired bootstrap: p = 0.310, not significant at 5 %. {teacher}.")
    );
    assert!(drawn(20.0, 21.5, Value::Null).contains("The significance was not tested."));
    let won = "won\">Distillation helped. 25.00 BLEU by distillation, 20.00 alone (+5.00).";
    let told = drawn(25.0, 20.0, p(0.0001));
    assert!(told.starts_with(won) && told.contains("p &lt; 0.001, significant"), "{told}");
    assert!(told.ends_with("The teacher has 30.00: 50 % of the gap is closed."), "{told}");
    let told = drawn(31.0, 30.5, p(0.4));
    assert!(told.ends_with("The teacher has 30.00, no more than the student alone."), "{told}");
}

#[test]
fn three_points_are_no_curve() {
    let Some(browser) = some_browser() else { return };
    let desk = Desk::with_run();
    let log = desk.read("full/alone/log.jsonl");
    for run in ["full", "full/teacher"] {
        fs::remove_file(desk.path(run).join("log.jsonl")).unwrap();
    }
    for points in [1, 3, 4] {
        let few: String = log.lines().take(points).map(|line| format!("{line}\n")).collect();
        desk.write("full/alone/log.jsonl", few);
        desk.host("report full --out page.html").well();
        let dom = drawn(&desk, &browser, "page.html", "500,812");
        let (_, rest) = dom.split_once("<section id=\"curves\"").unwrap();
        let curves = rest.split_once("</section>").unwrap().0;
        let shown = (curves.contains("<text class=\"value\""), curves.contains("<path"));
        assert_eq!(shown, (points <= 3, points > 3), "{points} points: {curves}");
    }
}

#[test]
fn a_browser_draws_it() {
    let Some(browser) = some_browser() else { return };
    let desk = Desk::with_run();
    desk.write(
        "full/alignment.jsonl",
        (1..=5).map(|i| alignment(6 * i, 0.3 * i as f64)).collect::<String>(),
    );
    copy(&desk.path("full"), &desk.path("second"));
    fs::remove_file(desk.path("second/log.jsonl")).unwrap();
    fs::remove_file(desk.path("second/best.safetensors")).unwrap();
    desk.write(
        "evil.txt",
        "</script><script>document.body.dataset.errors = 7</script>\nEin Hund.\n",
    );
    desk.host("report full --out one.html").well();
    desk.host("report full second --text evil.txt --out two.html").well();
    let ids = ["results", "curves", "alignment", "attention", "translations", "again", "settings"];
    for page in ["one.html", "two.html"] {
        // Failures are folded.
        draws(&desk, &browser, page, &[&ids.map(section)[..], &["<details".to_owned()]].concat());
    }
}

#[test]
fn a_browser_draws_text_models() {
    let Some(browser) = some_browser() else { return };
    let desk = Desk::of_intents();
    let short = "--quiet --set train.max_update=9 --set teacher.train.max_update=9";
    desk.host(&format!("distill intents.toml --out run {short}")).well();
    desk.host("report run --out labels.html").well();
    let ids = ["results", "curves", "alignment", "confusion", "attention", "texts", "again"];
    draws(&desk, &browser, "labels.html", &ids.map(section));
    embedder(&desk);
    desk.host("report vectors --out vectors.html").well();
    let ids = ["results", "curves", "alignment", "attention", "texts", "again", "settings"];
    draws(&desk, &browser, "vectors.html", &ids.map(section));
    for page in ["labels.html", "vectors.html"] {
        let dom = drawn(&desk, &browser, page, "1280,900");
        let (_, body) = dom.split_once("<main").unwrap();
        let (shown, _) = body.split_once("</main>").unwrap();
        for word in ["ranslat", "BLEU", "ecoder", "Cross-attention"] {
            assert!(!shown.contains(word), "{page}: {word}");
        }
    }
}

fn section(id: &str) -> String {
    format!("<section id=\"{id}\"")
}

/// Asserts that a browser draws a page without errors, within its width, and with all `parts`.
#[track_caller]
fn draws(desk: &Desk, browser: &PathBuf, page: &str, parts: &[String]) {
    let text = desk.read(page).replace("</body>", &format!("{TOUCH}</body>"));
    desk.write(page, text);
    for size in ["1280,900", "500,812"] {
        let dom = drawn(desk, browser, page, size);
        let (_, body) = dom.split_once("<body").unwrap_or_else(|| panic!("no page: {dom}"));
        let (marks, _) = body.split_once('>').unwrap();
        for mark in [r#"data-errors="0""#, r#"data-ready="1""#, r#"data-wide="false""#] {
            assert!(marks.contains(mark), "{page} at {size}: {marks} lacks {mark}");
        }
        assert!(
            !marks.contains(r#"data-touched="0""#) && marks.contains("data-touched"),
            "{marks}"
        );
        // What scrolls says so, to the keyboard too.
        let scrolls = ["results", "settings"]
            .map(|name| format!(r#"role="region" aria-label="Table of {name}""#));
        for part in scrolls.iter().chain(parts) {
            assert!(dom.contains(part), "{page} at {size} has no {part}");
        }
        if size.starts_with("500") {
            assert!(dom.contains(r#"class="edge right more""#), "{page} does not scroll");
            assert!(marks.contains(r#"data-small="""#), "small to touch: {marks}");
        }
    }
}
