//! From two text files to scores.

use crate::desk::{Desk, send};
use a2d_host::data::corpus::Corpus;
use a2d_host::data::sentences::{join, split};
use a2d_host::data::vocab::Vocab;
use a2d_host::run::checkpoint::LONGEST_SOURCE;
use a2d_host::run::checkpoint::{Saved, save};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn text_becomes_three_models_and_a_table() {
    let desk = Desk::shared();
    let prepared = desk.read("prepared.txt");
    for part in ["vocabulary: 300 tokens", "train: 600 of 600 pairs", "test: 20 of 20 pairs"] {
        assert!(prepared.contains(part), "{prepared}");
    }
    let table = desk.read("table.txt");
    let rows: Vec<_> = table.lines().take(5).map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(rows[..4], ["model", "teacher", "student alone", "student by A2D"], "{table}");
    assert!(rows[4].starts_with("(test set, beam 1; nrefs:1|"), "{table}");
    let told = "student by A2D against the student alone: +0.00 BLEU, no line differs";
    assert_eq!(against_alone(&table), told);
    assert_eq!(table.matches("\nreference ").count(), 4, "{table}");
    for run in ["full", "full/teacher", "full/alone"] {
        for file in ["config.toml", "tokenizer.json", "best.safetensors", "last.safetensors"] {
            assert!(desk.path(run).join(file).is_file(), "{run}/{file}");
        }
        let log = desk.log(run);
        let (updates, validations): (Vec<_>, Vec<_>) =
            log.iter().partition(|line| line.get("valid_loss").is_none());
        assert_eq!(updates.len(), 24, "{run}");
        assert_eq!(validations.last().unwrap()["update"], 24, "{run}");
        let first = updates[0]["loss"].as_f64().unwrap();
        assert!(updates[23]["loss"].as_f64().unwrap() < first, "{run} learns");
    }
    let progress = desk.read("progress.txt");
    assert!(progress.contains("student by A2D 24/24  epoch "), "{progress}");
}

/// The comparison with the student trained alone.
fn against_alone(table: &str) -> &str {
    table.lines().nth(5).unwrap()
}

#[test]
fn evaluation_is_translation_and_score() {
    let (shared, desk) = (Desk::shared(), Desk::with_run());
    for search in ["--beam 1", "--beam 4 --length-penalty 0.6 --max-length-b 5"] {
        desk.host(&format!("translate full --input test.de --output out.en {search}")).well();
        let scored = desk.host("score --hypothesis out.en --reference test.en --json").well();
        let evaluate =
            format!("evaluate full --source test.de --reference test.en --json {search}");
        let evaluated = desk.host(&format!("{evaluate} --output again.en")).well();
        assert_eq!(scored, evaluated, "{search}");
        assert_eq!(desk.read("out.en"), desk.read("again.en"));
    }
    // The scores that the run recorded are the same.
    let evaluated = desk.host("evaluate full --source test.de --reference test.en --beam 1 --json");
    let own = json(&shared.read("full/scores.json"));
    assert_eq!(own["scores"], json(&evaluated.well()));
}

/// The student is compared with the one trained alone, as `compare` does it.
#[test]
fn distillation_is_compared_with_training_alone() {
    let desk = Desk::with_run();
    desk.host("train tiny.toml --data data --out weak --quiet --set train.max_update=1").well();
    std::fs::copy(desk.path("weak/best.safetensors"), desk.path("full/alone/best.safetensors"))
        .unwrap();
    let line = "distill tiny.toml --data data --out full --set distill.baseline=true --resume";
    let table = desk.host(line).well();
    desk.host("translate full/alone --input test.de --output alone.en --beam 1").well();
    desk.host("translate full --input test.de --output own.en --beam 1").well();
    let compare = "compare --hypothesis alone.en --hypothesis own.en --reference test.en --json";
    let compared = json(&desk.host(&format!("{compare} --metrics bleu")).well());
    let (alone, own) = (&compared[0]["scores"][0], &compared[1]["scores"][0]);
    let against = &json(&desk.read("full/scores.json"))["against"];
    assert!(own["alike"] == false && own["p_value"].is_number(), "{compared}");
    assert_eq!(against["p_value"], own["p_value"], "{compared}");
    let difference = own["score"].as_f64().unwrap() - alone["score"].as_f64().unwrap();
    assert_eq!(against["difference"], difference, "{compared}");
    let row = against_alone(&table);
    let p = format!(": {difference:+.2} BLEU, p = {:.3} by", own["p_value"].as_f64().unwrap());
    assert!(row.contains(&p), "{row}: not {p}");
    for run in ["full/teacher", "full/alone"] {
        assert_eq!(json(&desk.read(&format!("{run}/scores.json")))["against"], Value::Null);
    }
}

#[test]
fn every_method_and_preset_trains() {
    let desk = Desk::shared();
    let few = "--teacher full/teacher --data data --set train.max_update=5 --quiet";
    for (name, choice, terms) in [
        ("official", "--set distill.preset=official", &["kd", "kl_cross"][..]),
        ("masked", "--set distill.preset=masked", &["kd", "kl_cross"]),
        ("rows", "--set distill.preset=rows", &["kd", "kl_cross"]),
        ("words", "--method word-kd", &["kd"]),
        ("none", "--method none", &[]),
    ] {
        let table = desk.host(&format!("distill tiny.toml --out {name} {choice} {few}")).well();
        assert_eq!(table.contains("\nteacher "), name != "none", "{table}");
        for line in desk.log(name).iter().filter(|line| line.get("loss").is_some()) {
            for term in ["kd", "kl_encoder", "kl_decoder", "kl_cross"] {
                let (value, kind) = (line[term].as_f64().unwrap(), term.split('_').next().unwrap());
                let wanted = terms.iter().any(|term| term.starts_with(kind));
                assert!(value.is_finite() && (value > 0.0) == wanted, "{name}: {term} {value}");
            }
        }
    }
}

#[test]
fn a_teacher_is_trained_by_itself_too() {
    let desk = Desk::with_run();
    let table = desk.host("train tiny.toml --data data --out alone --seed 1 --quiet").well();
    assert!(table.starts_with("model"), "{table}");
    // `train` trains the same model as the baseline of `distill`.
    assert!(desk.tensors("alone/last.safetensors") == desk.tensors("full/alone/last.safetensors"));
    let method = desk.read("alone/config.toml");
    assert!(method.contains("method = \"none\""), "{method}");
}

#[test]
fn lines_stay_together() {
    let desk = Desk::with_run();
    let sentence = "Ich esse gern Pizza.";
    let alone = desk.pipe("translate full", sentence.as_bytes()).well();
    assert_eq!(alone.lines().count(), 1, "a last line needs no end");
    let long = "sehr ".repeat(3000);
    let input = format!("\r\n{sentence}\r\n  \n{long}\n\n\u{2028}x\u{85}y\n{sentence}");
    let done = desk.pipe("translate full --input - --output -", input.as_bytes());
    assert!(done.err.starts_with("warning: line 4 was cut to 1024 tokens\n"), "{}", done.err);
    let out = done.well();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 7, "{out}");
    assert_eq!((lines[0], lines[2], lines[4]), ("", "", ""));
    assert_eq!((lines[1], lines[6]), (alone.trim_end(), alone.trim_end()));
    assert!(desk.pipe("translate full", b"").well().is_empty());
    assert_eq!(desk.pipe("translate full", b"\n").well(), "\n");
}

/// A line of several sentences; training had one sentence per line.
#[test]
fn a_line_longer_than_those_of_training_is_told() {
    let desk = Desk::with_run();
    let corpus = Corpus::open(&desk.path("data/train.bin")).unwrap();
    let longest = corpus.all_lengths().iter().map(|(source, _)| source - 1).max().unwrap();
    let saved = Saved::load(&desk.path("full/best.safetensors")).unwrap();
    assert_eq!(saved.get::<u32>(LONGEST_SOURCE).unwrap(), longest);
    let vocab = Vocab::load(&desk.path("data/tokenizer.json")).unwrap();
    let long = desk.read("test.de").lines().take(12).collect::<Vec<_>>().join(" ");
    let tokens = vocab.source().encode_batch(&[&long]).unwrap()[0].len();
    let hint = "; --split-sentences translates each sentence by itself";
    let one =
        format!("warning: line 2 has {tokens} tokens, and training saw no more than {longest}");
    let two = format!(
        "warning: 2 lines have more tokens than training saw ({longest}), the first is line 2"
    );
    desk.host("export full --out full.a2d").well();
    for model in ["full", "full.a2d"] {
        let line = format!("translate {model} --beam 1");
        let told = desk.pipe(&line, format!("Ja.\n{long}\n").as_bytes());
        assert_eq!(told.err, format!("{one}{hint}\n"));
        let told = desk.pipe(&line, format!("Ja.\n{long}\nNein.\n{long}\n").as_bytes());
        assert_eq!(told.err, format!("{two}{hint}\n"));
        for quiet in ["--quiet", "--split-sentences"] {
            let told = desk.pipe(&format!("{line} {quiet}"), long.as_bytes());
            assert_eq!((told.code, &*told.err), (Some(0), ""), "{quiet}");
        }
        desk.write("long.de", format!("Ja.\n{long}\n"));
        let told =
            desk.host(&format!("evaluate {model} --source long.de --reference long.de --beam 1"));
        assert_eq!(told.err, format!("{one}\n"));
    }
    // Checkpoints of earlier versions do not record the longest source, so there is no warning.
    let tensors = saved.tensors.iter();
    let views = tensors.map(|(name, (shape, data))| (name.clone(), shape.clone(), &data[..]));
    let mut metadata = saved.metadata.clone();
    metadata.remove(LONGEST_SOURCE);
    save(&desk.path("full/best.safetensors"), views, &metadata).unwrap();
    desk.host("export full --out old.a2d").well();
    for model in ["full", "old.a2d"] {
        let told = desk.pipe(&format!("translate {model} --beam 1"), long.as_bytes());
        assert_eq!((told.code, &*told.err), (Some(0), ""), "{model}");
    }
}

#[test]
fn sentences_of_a_line_are_translated_by_themselves() {
    let desk = Desk::with_run();
    let text = desk.read("test.de");
    let sentences: Vec<&str> = text.lines().collect();
    assert!(sentences.iter().all(|line| split(line).len() == 1), "{sentences:?}");
    let said = desk.host("translate full --input test.de").well();
    let said: Vec<&str> = said.lines().collect();
    let (mut lines, mut wanted) = (String::new(), String::new());
    for of in [0..3, 3..3, 3..4, 4..10, 10..10, 10..20] {
        lines += &(sentences[of.clone()].join("  ") + "\n");
        let parts = said[of].iter().filter(|line| !line.is_empty()).copied();
        wanted += &(parts.collect::<Vec<_>>().join(" ") + "\n");
    }
    desk.write("lines.de", &lines);
    desk.host("export full --quantize f32 --out full.a2d").well();
    for model in ["full", "full.a2d"] {
        let line = format!("translate {model} --input lines.de");
        assert_eq!(desk.host(&format!("{line} --split-sentences")).well(), wanted, "{model}");
        assert_ne!(desk.host(&line).well(), wanted, "{model}");
        let both = format!("{line} --split-sentences --n-best 2");
        desk.refused(&both, 2, &["--split-sentences", "--n-best"]);
    }
}

#[test]
fn a_line_comes_apart_between_sentences_alone() {
    for (line, sentences) in [
        (
            "Eins ist da. Zwei auch! Und drei? Ja.",
            &["Eins ist da.", "Zwei auch!", "Und drei?", "Ja."][..],
        ),
        ("  Ein Satz ohne Ende  ", &["Ein Satz ohne Ende"]),
        (
            "J. S. Bach lebte z. B. in Leipzig. Er starb am 28. Juli.",
            &["J. S. Bach lebte z. B. in Leipzig.", "Er starb am 28. Juli."],
        ),
        (
            "Dr. No met Mrs. Smith at 3.14 p.m. today. She left.",
            &["Dr. No met Mrs. Smith at 3.14 p.m. today.", "She left."],
        ),
        (
            "He lives in the U.S. Army base. (Mr. X does too.) Yes.",
            &["He lives in the U.S. Army base.", "(Mr. X does too.)", "Yes."],
        ),
        ("„Geh!“ rief er. Sie ging usw. weiter.", &["„Geh!“ rief er.", "Sie ging usw. weiter."]),
        ("Es war 1990. Dann kam es anders.", &["Es war 1990.", "Dann kam es anders."]),
        ("彼は来た。彼女は去った！本当？", &["彼は来た。", "彼女は去った！", "本当？"]),
        ("क्या? वह गया। फिर आया।", &["क्या?", "वह गया।", "फिर आया।"]),
        ("Wait... What?! No", &["Wait...", "What?!", "No"]),
        ("Prof.", &["Prof."]),
        ("", &[""]),
        (" \t", &[" \t"]),
        ("...", &["..."]),
    ] {
        assert_eq!(split(line), sentences, "{line}");
    }
}

#[test]
fn a_space_stands_only_where_the_script_has_one() {
    for (sentences, line) in [
        (&["One.", "Two.", "", "Three."][..], "One. Two. Three."),
        (&["彼は来た。", "本当？", "ABC。", "はい"], "彼は来た。本当？ABC。はい"),
        (&["그는 왔다.", "네."], "그는 왔다. 네."),
        (&["", ""], ""),
        (&[], ""),
    ] {
        assert_eq!(join(sentences.iter().copied()), line);
    }
}

#[cfg(unix)]
#[test]
fn sentences_go_on_where_they_were_killed() {
    let desk = Desk::with_run();
    let pairs = desk.read("train.de").replace(".\n", ". Ja. Nein.\n");
    desk.write("long.de", pairs);
    let line = "translate full --input long.de --beam 1 --max-tokens 100";
    let whole = desk.host(&format!("{line} --split-sentences")).well();
    let cut = format!("{line} --output cut.en --resume");
    let sentences = format!("{cut} --split-sentences");
    let done = desk.once(&sentences, "cut.en.partial", 100, |child| send("-KILL", child));
    assert_eq!(done.code, None, "{done:#?}");
    desk.refused(&cut, 2, &["cut.en.partial is of other text, another model or another search"]);
    desk.host(&sentences).well();
    assert_eq!(desk.read("cut.en"), whole);
}

#[test]
fn order_is_kept_and_batches_change_nothing() {
    let desk = Desk::with_run();
    let out = desk.host("translate full --input test.de").well();
    for max_tokens in [1, 100] {
        let line = format!("translate full --input test.de --max-tokens {max_tokens} --threads 1");
        assert_eq!(desk.host(&line).well(), out);
    }
    let reversed: String =
        desk.read("test.de").lines().rev().map(|line| format!("{line}\n")).collect();
    let backwards = desk.pipe("translate full", reversed.as_bytes()).well();
    assert!(backwards.lines().rev().eq(out.lines()));
}

#[test]
fn the_best_are_numbered() {
    let desk = Desk::with_run();
    let one = desk.host("translate full --input test.de").well();
    let many = desk.host("translate full --input test.de --n-best 3").well();
    let rows: Vec<Vec<_>> = many.lines().map(|line| line.split('\t').collect()).collect();
    for (i, best) in one.lines().enumerate() {
        let of: Vec<_> = rows.iter().filter(|row| row[0] == (i + 1).to_string()).collect();
        assert_eq!((of.len(), of[0][2]), (3, best));
        let scores: Vec<f64> = of.iter().map(|row| row[1].parse().unwrap()).collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    }
    let blank = desk.pipe("translate full --n-best 2", b"\n").well();
    assert_eq!(blank, "1\t0.0000\t\n");
}

#[test]
fn threads_do_not_change_a_bit() {
    let desk = Desk::with_run();
    let line = "distill tiny.toml --data data --teacher full/teacher --quiet";
    for threads in [1, 2] {
        desk.host(&format!("{line} --out t{threads} --threads {threads}")).well();
    }
    desk.host(&format!("{line} --out other --seed 2")).well();
    let [one, two, other] =
        ["t1", "t2", "other"].map(|run| desk.tensors(&format!("{run}/last.safetensors")));
    assert!(one == two, "threads");
    assert!(one == desk.tensors("full/last.safetensors"), "the same seed again");
    assert!(one != other, "another seed");
}

#[test]
fn results_come_as_json() {
    let desk = Desk::with_run();
    let line = "distill tiny.toml --data data --out full --set distill.baseline=true --resume";
    let list = json(&desk.host(&format!("{line} --json")).well());
    let runs = ["full/teacher", "full/alone", "full"];
    for (found, run) in list.as_array().unwrap().iter().zip(runs) {
        let own = json(&desk.read(&format!("{run}/scores.json")));
        assert_eq!(found["run"], run);
        for key in ["split", "parameters", "tokens_per_second", "scores"] {
            assert_eq!(found[key], own[key], "{key} of {run}");
        }
    }
    assert_eq!(list.as_array().unwrap().len(), 3);
}

#[test]
fn a_run_moves() {
    let desk = Desk::new();
    desk.host("train tiny.toml --out origin --quiet").well();
    let out = desk.host("translate origin --input test.de").well();
    std::fs::create_dir(desk.path("far")).unwrap();
    std::fs::rename(desk.path("origin"), desk.path("far/after")).unwrap();
    assert_eq!(desk.host("translate far/after --input test.de").well(), out);
    // A moved run resumes without the text and without `--out`.
    for name in ["train.de", "train.en", "valid.de", "tiny.toml"] {
        std::fs::remove_file(desk.path(name)).unwrap();
    }
    let line = "train far/after/config.toml --resume --set train.max_update=30 --quiet";
    desk.host(line).well();
    assert_eq!(desk.log("far/after").last().unwrap()["update"], 30);
    let config = desk.read("far/after/config.toml");
    assert!(!config.contains("origin"), "{config}");
}

#[test]
fn long_lines_are_dropped_and_counted() {
    let desk = Desk::new();
    let line =
        "prepare --source-lang de --target-lang en --train train --valid valid --vocab-size 300";
    let told = desk.host(&format!("{line} --max-length 12 --out short")).well();
    assert!(
        told.contains("\n  longer than 12 tokens ") && told.contains(" %  left out\n"),
        "{told}"
    );
    let report = json(&desk.host(&format!("{line} --max-length 12 --out short --json")).well());
    let train = &report["splits"][0];
    let too_long = &train["findings"][2];
    let dropped = too_long["count"].as_u64().unwrap();
    assert!(too_long["check"] == "too_long" && too_long["left_out"] == true, "{report}");
    assert!(dropped > 0 && dropped + train["kept"].as_u64().unwrap() == 600, "{report}");
    assert!(told.contains(&format!("train: {} of 600 pairs", 600 - dropped)), "{told}");
    // Training skips pairs longer than `max_tokens` and reports their number.
    let done =
        desk.host("train tiny.toml --out run --set train.max_tokens=20 --set train.max_update=3");
    assert!(done.err.contains(" of 600 pairs are longer than max_tokens 20"), "{}", done.err);
    done.well();
}

#[test]
fn a_reader_may_leave_early() {
    let desk = Desk::with_run();
    let input = "Hallo.\n".repeat(20_000);
    desk.write("many.de", &input);
    let mut child = desk.command("translate full --input many.de --beam 1").spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[cfg(unix)]
#[test]
fn an_output_may_be_a_device_or_a_link() {
    use std::os::unix::fs::FileTypeExt;
    let desk = Desk::with_run();
    desk.host("translate full --input test.de --output /dev/null").well();
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    desk.write("old.en", "old");
    std::os::unix::fs::symlink("old.en", desk.path("link.en")).unwrap();
    desk.host("translate full --input test.de --output link.en").well();
    assert!(desk.path("link.en").is_symlink());
    assert_eq!(desk.read("old.en").lines().count(), 20);
}

#[test]
fn quiet_leaves_results_only() {
    let desk = Desk::with_run();
    let done = desk.host("train tiny.toml --data data --out q --set train.max_update=2 --quiet");
    assert_eq!(done.err, "");
    assert!(done.well().starts_with("model"));
    let prepare = "prepare --source-lang de --target-lang en --train train --valid valid --out p";
    assert_eq!(desk.host(&format!("{prepare} --quiet")).well(), "");
}

#[test]
fn devices_are_listed_and_one_is_taken() {
    let desk = Desk::new();
    let lines = desk.host("devices").well();
    assert!(lines.starts_with("cpu  ") && lines.matches("(auto)").count() == 1, "{lines}");
    let list = json(&desk.host("devices --json").well());
    let list = list.as_array().unwrap();
    assert_eq!(list[0]["device"], "cpu");
    assert_eq!(list[0]["precisions"], serde_json::json!(["f32", "bf16"]));
    let gpus = list.iter().filter(|one| one.get("name").is_some());
    for gpu in gpus {
        let taken = gpu["auto"] == true && gpu["software"] == true;
        assert!(!taken && gpu["precisions"][0] == "f32", "{gpu}");
        // Every listed device can be selected by `--device`.
        let device = gpu["device"].as_str().unwrap();
        let line = format!("train tiny.toml --data nowhere --device {device}");
        assert!(!desk.host(&line).err.contains("no device"), "{device}");
    }
}
