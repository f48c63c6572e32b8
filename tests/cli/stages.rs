//! Models between the teacher and the student: teacher assistants, and a curriculum of teachers.

use crate::desk::Desk;
use crate::resume::same;
use a2d_host::run::checkpoint::Saved;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// A desk with `staged.toml`: the tiny configuration with this table `[distill]`.
fn desk(distill: &str) -> Desk {
    let desk = Desk::with_run();
    desk.write("staged.toml", format!("{}\n{distill}", desk.read("tiny.toml")));
    desk
}

const ASSISTANTS: &str = r#"
[distill]
method = "word-kd"

[[distill.stages]]
name = "large"
model = { encoder_layers = 2, decoder_layers = 2 }

[[distill.stages]]
name = "middle"
model = { encoder_layers = 2, ffn_dim = 24 }
train = { max_update = 20 }
"#;

const CURRICULUM: &str = r#"
[distill]
method = "word-kd"
staging = "curriculum"

[[distill.stages]]
name = "junior"
model = { encoder_layers = 2, dropout = 0 }
train = { max_update = 20 }
"#;

/// The rows of a summary's table: names, and numbers of parameters.
fn rows(table: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let mut cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        (cells.next().unwrap().to_owned(), cells.next().unwrap().to_owned())
    };
    table.lines().skip(1).take_while(|line| !line.starts_with('(')).map(row).collect()
}

fn names(table: &str) -> Vec<String> {
    rows(table).into_iter().map(|(name, _)| name).collect()
}

/// Asserts that two runs have the same last weights.
#[track_caller]
fn alike(desk: &Desk, one: &str, other: &str) {
    let [a, b] = [one, other].map(|run| desk.tensors(&format!("{run}/last.safetensors")));
    assert!(a == b, "{one} and {other}");
}

/// An entry of a checkpoint's metadata that is a fingerprint.
fn recorded(desk: &Desk, run: &str, key: &str) -> Option<String> {
    let saved = Saved::load(&desk.path(run).join("last.safetensors")).unwrap();
    saved.metadata.get(key).cloned()
}

fn fingerprint(desk: &Desk, run: &str) -> Option<String> {
    Some(Saved::load(&desk.path(run).join("best.safetensors")).unwrap().fingerprint())
}

/// Each training is the one that its own command would be.
#[test]
fn assistants_teach_from_large_to_small() {
    let desk = desk(ASSISTANTS);
    let few = "--data data --set train.max_update=12 --quiet";
    for method in ["word-kd", "seq-kd"] {
        let out = format!("by-{method}");
        let line = format!("--method {method} {few}");
        let whole = format!("distill staged.toml {line} --set distill.baseline=true --out {out}");
        let table = desk.host(&whole).well();
        let student = format!("student by {method}");
        let expected = ["teacher", "student alone", "large", "middle", &student];
        assert_eq!(names(&table), expected, "{table}");
        let sizes: Vec<_> = rows(&table).into_iter().map(|(_, size)| size).collect();
        assert_eq!(sizes.iter().collect::<BTreeSet<_>>().len(), 3, "{table}");
        assert!(!table.contains("middle against"), "only students are compared: {table}");

        let teacher = format!("{out}/teacher");
        alike(&desk, &teacher, "full/teacher");
        let by_hand = format!("distill tiny.toml {line}");
        let layers = "--set model.encoder_layers=2";
        let large = format!("{layers} --set model.decoder_layers=2 --teacher {teacher}");
        desk.host(&format!("{by_hand} {large} --out {out}-large")).well();
        let middle = format!("{layers} --set model.ffn_dim=24 --set train.max_update=20");
        let above = format!("--teacher {out}/large");
        desk.host(&format!("{by_hand} {middle} {above} --out {out}-middle")).well();
        desk.host(&format!("{by_hand} --teacher {out}/middle --out {out}-student")).well();
        alike(&desk, &format!("{out}/large"), &format!("{out}-large"));
        alike(&desk, &format!("{out}/middle"), &format!("{out}-middle"));
        alike(&desk, &out, &format!("{out}-student"));
    }
    let scores = |run: &str| desk.path(run).join("scores.json").is_file();
    assert!(["by-word-kd/large", "by-word-kd/middle", "by-word-kd"].into_iter().all(scores));
}

#[test]
fn a_curriculum_teaches_one_student_by_teachers_from_small_to_large() {
    let desk = desk(CURRICULUM);
    let line = "distill staged.toml --data data --quiet";
    let table = desk.host(&format!("{line} --out run")).well();
    let student = "student by word-kd";
    assert_eq!(names(&table), ["teacher", "junior", "student after junior", student], "{table}");
    let junior =
        "train tiny.toml --data data --quiet --set model.encoder_layers=2 --set model.dropout=0";
    desk.host(&format!("{junior} --out junior")).well();
    alike(&desk, "run/junior/teacher", "junior");
    let first = "distill tiny.toml --method word-kd --data data --quiet --set train.max_update=20";
    desk.host(&format!("{first} --teacher junior --out first")).well();
    alike(&desk, "run/junior", "first");
    assert_eq!(recorded(&desk, "run", "teacher"), fingerprint(&desk, "run/teacher"));
    assert_eq!(recorded(&desk, "run", "start"), fingerprint(&desk, "run/junior"));
    assert_eq!(recorded(&desk, "run/junior", "start"), None);

    // Without a learning rate, the last student is still the one of the stage before.
    let still = CURRICULUM.replace("{ max_update = 20 }", "{ max_update = 20, lr = 5e-3 }");
    desk.write("still.toml", format!("{}\n{still}", desk.read("tiny.toml")));
    let line = line.replace("staged", "still");
    desk.host(&format!("{line} --set train.lr=1e-30 --out still")).well();
    alike(&desk, "still/junior", "run/junior");
    let [own, before] =
        ["still", "still/junior"].map(|run| desk.tensors(&format!("{run}/best.safetensors")));
    assert!(own == before);
}

/// Interrupted in each training, the run ends with the bytes that it would have had.
#[cfg(unix)]
#[test]
fn stages_go_on_where_they_were() {
    let slow =
        "--set train.max_tokens=60 --set train.valid_bleu_sentences=4 --set train.max_update=60";
    for (distill, marks, runs) in [
        (
            ASSISTANTS,
            ["teacher 3/24", "large 3/60", "middle 5/20", "student by word-kd 3/60"],
            ["teacher", "large", "middle", "."],
        ),
        (
            CURRICULUM,
            ["teacher 3/24", "junior 3/24", "after junior 3/20", "student by word-kd 3/60"],
            ["teacher", "junior/teacher", "junior", "."],
        ),
    ] {
        let desk = desk(distill);
        let teacher = "--set teacher.train.max_tokens=60";
        let line = format!("distill staged.toml {slow} {teacher}");
        let table = desk.host(&format!("{line} --out whole")).well();
        let mut resume = "";
        for mark in marks {
            let done = desk.interrupted(&format!("{line} --out cut {resume}"), mark, "-INT");
            assert_eq!(done.code, Some(130), "{mark}: {done:#?}");
            resume = "--resume";
        }
        desk.refused(&format!("{line} --out cut"), 2, &["cut holds a run", "--resume"]);
        let again = desk.host(&format!("{line} --out cut --resume")).well();
        assert_eq!(names(&again), names(&table));
        for run in runs {
            same(&desk, &format!("whole/{run}"), &format!("cut/{run}"));
        }
        // The run's own configuration continues it, and nothing is trained again.
        let own = desk.host("distill cut/config.toml --resume --out cut");
        assert!(!own.err.contains("loss"), "{}", own.err);
        own.well();
    }
}

#[test]
fn a_finished_stage_is_taken_only_if_it_is_the_one_asked_for() {
    for (distill, stage) in [(ASSISTANTS, "middle"), (CURRICULUM, "junior")] {
        let desk = desk(distill);
        let line = "distill staged.toml --data data --out run";
        desk.host(&format!("{line} --quiet")).well();
        let last = desk.tensors("run/last.safetensors");
        for file in ["last.safetensors", "best.safetensors", "log.jsonl", "config.toml"] {
            fs::remove_file(desk.path("run").join(file)).unwrap();
        }
        // Until the student begins, the last stage is what is watched.
        let watched = desk.host("watch run --once").well();
        assert!(watched.contains(&format!("run/{stage}")), "{watched}");
        let key = format!("run/{stage}/last.safetensors");
        let other = "--set distill.alpha=0.25";
        desk.refused(&format!("{line} {other}"), 2, &[&key, "`distill.alpha` = 0.5"]);
        let done = desk.host(line);
        let told = format!("{stage}: run/{stage} is finished, taken as it is");
        assert!(done.err.contains(&told), "{}", done.err);
        done.well();
        assert!(desk.tensors("run/last.safetensors") == last);

        for file in ["last.safetensors", "best.safetensors", "log.jsonl", "config.toml"] {
            fs::remove_file(desk.path("run").join(file)).unwrap();
        }
        let teacher = if stage == "junior" { "junior/teacher" } else { "large" };
        let weights = "best.safetensors";
        fs::copy(
            desk.path("full/alone").join(weights),
            desk.path(&format!("run/{teacher}/{weights}")),
        )
        .unwrap();
        desk.refused(line, 2, &[&key, "was distilled from another teacher"]);
    }
}

#[test]
fn stages_larger_than_the_teacher_are_noted() {
    let wide = ASSISTANTS.replace("encoder_layers = 2, decoder_layers = 2", "d_model = 32");
    let desk = desk(&wide);
    let done = desk.host("distill staged.toml --data data --out run --set train.max_update=2");
    let notes: Vec<_> = done.err.lines().filter(|line| line.contains("note: ")).collect();
    assert_eq!(notes.len(), 1, "{}", done.err);
    assert!(notes[0].contains("note: large has ") && notes[0].contains("than the teacher with"));
    done.well();
    let config: toml::Table = desk.read("run/large/config.toml").parse().unwrap();
    for key in ["d_model", "encoder_d_model", "decoder_d_model"] {
        assert_eq!(config["model"][key].as_integer(), Some(32), "{key}");
    }
}

#[test]
fn stages_that_make_no_sense_are_refused() {
    let desk = desk("");
    let line = "distill tiny.toml --data data --out run --method word-kd --set";
    for (stages, says) in [
        ("[{name='data'}]", "stage \"data\", which is a folder that the run itself has"),
        ("[{name='Teacher'}]", "stage \"Teacher\", which is a folder"),
        ("[{name='a/b'}]", "stage \"a/b\", which is no usable name"),
        ("[{name='..'}]", "stage \"..\", which is no usable name"),
        ("[{name='a'},{name='A'}]", "has two stages \"A\""),
        (
            "[{name='a',model={d_modl=8}}]",
            "unknown key `model.d_modl`; did you mean `model.d_model`",
        ),
        ("[{name='a',model={d_model='x'}}]", "wrong value in `model`"),
        (
            "[{name='a',model={d_model=7}}]",
            "has `model.encoder_attention_heads` that 2 does not divide",
        ),
        ("[{name='a',train={lr=-1}}]", "has `train.lr` that is -1"),
        ("[{name='a',modell={}}]", "unknown key `modell`"),
        ("[{model={d_model=8}}]", "missing field `name`"),
        ("{name='a'}", "expects a list"),
    ] {
        desk.refused(&format!("{line} distill.stages={stages}"), 2, &["distill.stages", says]);
    }
    let staged = "distill tiny.toml --data data --out run --set distill.stages=[{name='a'}]";
    for (more, says) in [
        ("--method none", "needs a teacher, but `distill.method` is \"none\""),
        ("--method r-drop", "needs a teacher, but `distill.method` is \"r-drop\""),
        (
            "--method seq-kd --set distill.translations=train.en",
            "needs a teacher, but `distill.translations` takes its place",
        ),
        (
            "--set distill.staging=curriculum --set distill.init_from_teacher=skip",
            "`distill.init_from_teacher` has no meaning with a curriculum",
        ),
    ] {
        desk.refused(&format!("{staged} {more}"), 2, &[says]);
    }
    assert!(!desk.path("run").exists());
}

#[test]
fn a_report_shows_the_stages() {
    for (distill, expected) in [
        (
            ASSISTANTS,
            &[
                ("run", "run"),
                ("run/large", "stage"),
                ("run/middle", "stage"),
                ("run/teacher", "teacher"),
            ][..],
        ),
        (
            CURRICULUM,
            &[
                ("run", "run"),
                ("run/junior", "stage"),
                ("run/junior/teacher", "teacher"),
                ("run/teacher", "teacher"),
            ],
        ),
    ] {
        let desk = desk(distill);
        let few = "--set train.max_update=3 --set teacher.train.max_update=3 --quiet";
        desk.host(&format!("distill staged.toml --out moved {few}")).well();
        // The folder may be moved as a whole.
        fs::rename(desk.path("moved"), desk.path("run")).unwrap();
        desk.host("report run --out page.html").well();
        let page = desk.read("page.html");
        let (_, data) = page.split_once("id=\"data\">").unwrap();
        let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
        let runs = data["runs"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut found: Vec<_> =
            runs.iter().map(|run| (text(&run["label"]), text(&run["role"]))).collect();
        found.sort();
        let own: Vec<_> = expected.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        assert_eq!(found, own);
        let teacher = |run: &Value| Some(text(&runs[run["teacher"].as_u64()? as usize]["label"]));
        for run in runs {
            let above = match run["label"].as_str().unwrap() {
                "run" if distill == ASSISTANTS => Some("run/middle"),
                "run" | "run/large" => Some("run/teacher"),
                "run/middle" => Some("run/large"),
                "run/junior" => Some("run/junior/teacher"),
                _ => None,
            };
            assert_eq!(teacher(run).as_deref(), above, "{run}");
            assert_eq!(run["notes"], Value::Array(Vec::new()), "{run}");
        }
        let last = expected[1].0;
        let evaluated = desk.host(&format!("evaluate {last} --source test.de --reference test.en"));
        assert!(evaluated.well().contains("BLEU"));
    }
}
