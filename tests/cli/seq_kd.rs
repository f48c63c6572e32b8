//! Sequence-level distillation, and resuming long translations.

use crate::desk::{Desk, send};
use crate::resume::{same, trained_alike};
use a2d_host::data::corpus::Corpus;
use a2d_host::data::vocab::{EOS, Vocab};
use a2d_host::system::lock;
use serde_json::Value;
use std::io::Write;

const LINE: &str = "distill tiny.toml --data data --teacher full/teacher --method seq-kd";

/// The teacher's translation of each training sentence, as ids.
fn targets(desk: &Desk, run: &str) -> Vec<Vec<u32>> {
    let text = desk.read(&format!("{run}/seq-kd/targets.jsonl"));
    let lines = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| serde_json::from_value(line["tokens"].clone()).unwrap()).collect()
}

#[test]
fn the_student_learns_what_the_teacher_says() {
    let desk = Desk::with_run();
    let done = desk.host(&format!("{LINE} --out run"));
    assert!(done.err.contains("student by seq-kd: ends after 24 updates"), "{}", done.err);
    let all = Corpus::open(&desk.path("data/train.bin")).unwrap();
    assert!(done.err.contains(&format!("translated {0} of {0} training", all.len())));
    assert!(done.well().contains("student by seq-kd"));

    let (vocab, said) =
        (Vocab::load(&desk.path("run/tokenizer.json")).unwrap(), targets(&desk, "run"));
    assert_eq!(said.len(), all.len());
    let text =
        |ids: &[u32]| vocab.target().decode(ids.strip_suffix(&[EOS]).unwrap_or(ids)).unwrap();
    let sources: Vec<_> = (0..40).map(|i| text(&all.pair(i).unwrap().0) + "\n").collect();
    desk.write("sources.de", sources.concat());
    let translated = desk.host("translate full/teacher --input sources.de").well();
    let expected: Vec<_> = said[..40].iter().map(|ids| text(ids)).collect();
    assert_eq!(translated.lines().collect::<Vec<_>>(), expected);

    let learned = Corpus::open(&desk.path("run/seq-kd/train.bin")).unwrap();
    let usable: Vec<_> = (0..said.len()).filter(|&i| (1..=40).contains(&said[i].len())).collect();
    assert_eq!(learned.len(), usable.len());
    for (row, &i) in usable.iter().enumerate() {
        let (source, target) = learned.pair(row).unwrap();
        assert_eq!(source, all.pair(i).unwrap().0);
        assert_eq!(target, [&said[i][..], &[EOS]].concat());
    }
    // Resuming does not translate again.
    let again = desk.host(&format!("{LINE} --out run --resume --set train.max_update=30"));
    assert!(
        !again.err.contains("translated") && again.err.contains("ends after 30"),
        "{}",
        again.err
    );
    let other = format!("{LINE} --out run --resume --set train.max_update=31");
    desk.refused(
        &format!("{other} --set train.length_penalty=0.5"),
        2,
        &["targets.jsonl is of other text"],
    );
    desk.refused(&format!("{other} --set distill.seq_kd_beam=2"), 2, &["seq_kd_beam"]);
    desk.edit("run/seq-kd/targets.jsonl", |bytes| bytes[0] = b'x');
    desk.refused(&other, 2, &["targets.jsonl is of other text"]);
}

#[test]
fn the_teacher_translates_and_shows_its_maps() {
    let desk = Desk::with_run();
    let line = "distill tiny.toml --data data --teacher full/teacher --method seq-kd,a2d";
    let whole = desk.host(&format!("{line} --out whole"));
    assert!(whole.err.contains("student by A2D + seq-kd: ends after 24"), "{}", whole.err);
    assert!(whole.well().contains("student by A2D + seq-kd"));
    let all = Corpus::open(&desk.path("data/train.bin")).unwrap();
    let learned = Corpus::open(&desk.path("whole/seq-kd/train.bin")).unwrap();
    let said = targets(&desk, "whole");
    assert_eq!((said.len(), learned.pair(0).unwrap().0), (all.len(), all.pair(0).unwrap().0));
    assert_eq!(learned.pair(0).unwrap().1, [&said[0][..], &[EOS]].concat());
    let log = desk.log("whole");
    for term in ["kd", "kl_encoder", "kl_decoder", "kl_cross"] {
        assert!(log.iter().any(|line| line[term].as_f64().is_some_and(|x| x > 0.0)), "{term}");
    }
    // A run that ended early goes on as if it had not.
    desk.host(&format!("{line} --out cut --set train.max_update=9 --quiet")).well();
    desk.host(&format!("{line} --out cut --resume --quiet")).well();
    trained_alike(&desk, "whole", "cut");
    let other = format!("{} --out cut --resume", line.replace("seq-kd,a2d", "seq-kd"));
    desk.refused(&other, 2, &["`distill.method`"]);
    // With translations made elsewhere the teacher is needed nevertheless.
    desk.write("said.en", desk.read("train.en"));
    let given = format!("{line} --out given --set distill.translations=said.en --quiet");
    desk.host(&given).well();
    let log = desk.read("given/log.jsonl");
    assert!(log.contains("\"kl_encoder\"") && !desk.path("given/seq-kd/targets.jsonl").exists());
}

#[test]
fn translating_goes_on_where_it_was_killed() {
    let desk = Desk::with_run();
    desk.host(&format!("{LINE} --out whole")).well();
    let line = format!("{LINE} --out cut");
    let done = desk.meanwhile(&line, "translated 500 of", |child| send("-KILL", child));
    assert_eq!(done.code, None, "{done:#?}");
    // An incomplete chunk is discarded on resume.
    let file = "cut/seq-kd/targets.jsonl";
    desk.edit(file, |bytes| bytes.extend(b"{\"tokens\":[7],\"score\":-1.0}\n{\"tok"));
    let done = desk.host(&line);
    assert!(!done.err.contains("translated 500 of"), "{}", done.err);
    done.well();
    assert_eq!(desk.read(file), desk.read("whole/seq-kd/targets.jsonl"));
    same(&desk, "whole", "cut");
}

#[test]
fn the_hypothesis_closest_to_the_reference_may_be_another() {
    let desk = Desk::with_run();
    desk.host(&format!("{LINE} --out best --quiet --set distill.seq_kd_beam=4")).well();
    let interpolation = "--set distill.seq_kd=interpolation --set distill.seq_kd_beam=4";
    desk.host(&format!("{LINE} --out near --quiet {interpolation}")).well();
    let all = Corpus::open(&desk.path("data/train.bin")).unwrap();
    let vocab = Vocab::load(&desk.path("data/tokenizer.json")).unwrap();
    let text = |ids: &[u32]| {
        vocab.target().decode(ids.strip_suffix(&[EOS]).unwrap_or(ids)).unwrap() + "\n"
    };
    let references: Vec<_> = (0..all.len()).map(|i| text(&all.pair(i).unwrap().1)).collect();
    desk.write("reference", references.concat());
    let [best, near] = ["best", "near"]
        .map(|run| targets(&desk, run).iter().map(|ids| text(ids)).collect::<Vec<_>>());
    assert!(best != near && best.len() == near.len());
    let mean = |said: &[String]| {
        desk.write("said", said.concat());
        let line = "score --hypothesis said --reference reference --metrics bleu --sentence --json";
        let list: Value = serde_json::from_str(&desk.host(line).well()).unwrap();
        let scores = list[0]["scores"].as_array().unwrap();
        let sum: f64 = scores.iter().map(|score| score.as_f64().unwrap()).sum();
        sum / scores.len() as f64
    };
    let (best, near) = (mean(&best), mean(&near));
    assert!(near > best, "{near} is not closer than {best}");
}

#[test]
fn so_does_a_translation_of_a_file() {
    let desk = Desk::with_run();
    let sources = desk.read("train.de").repeat(2) + "\n\nJa.\n";
    desk.write("long.de", sources);
    desk.host("export full --out full.a2d").well();
    for model in ["full", "full --n-best 2", "full.a2d"] {
        let line = format!("translate {model} --input long.de --beam 2 --max-tokens 500 --output");
        desk.host(&format!("{line} whole.en")).well();
        let resumed = format!("{line} cut.en --resume");
        let done = desk.once(&resumed, "cut.en.partial", 300, |child| send("-KILL", child));
        assert_eq!(done.code, None, "{done:#?}");
        let other = resumed.replace("--beam 2", "--beam 3");
        desk.refused(&other, 2, &["cut.en.partial is of other text, another model"]);
        // An item that was half written is taken back.
        desk.edit("cut.en.partial", |bytes| bytes.extend(b"{\"best\":[{\"te"));
        let done = desk.host(&resumed);
        assert_eq!((done.code, &*done.err), (Some(0), ""), "as quick as it is, nothing is told");
        assert!(desk.read("cut.en") == desk.read("whole.en"));
        assert!(!desk.path("cut.en.partial").exists());
    }
    let line = "translate full --input long.de --resume";
    for output in ["", "--output /dev/null"] {
        desk.refused(&format!("{line} {output}"), 2, &["--resume needs a file to go on with"]);
    }
}

/// A second process starts while the first one is stopped by SIGSTOP.
#[cfg(unix)]
#[test]
fn two_processes_do_not_write_one_file() {
    let desk = Desk::with_run();
    desk.write("long.de", desk.read("train.de").repeat(2));
    let line = "translate full --input long.de --beam 1 --max-tokens 100 --output";
    let whole = desk.host(&format!("{line} whole.en")).well();
    let resumed = format!("{line} out.en --resume");
    let done = desk.once(&resumed, "out.en.partial", 100, |child| {
        send("-STOP", child);
        desk.refused(&resumed, 2, &["another process writes out.en.partial", "another output"]);
        desk.host(&format!("{line} other.en --resume --quiet")).well();
        send("-CONT", child);
    });
    assert_eq!(done.well(), whole);
    for out in ["out.en", "other.en"] {
        assert!(desk.read(out) == desk.read("whole.en"), "{out}");
        assert!(!desk.path(&format!("{out}.partial")).exists());
    }

    // The teacher's translations, shared by two runs that have no other lock in common.
    let done = desk.meanwhile(&format!("{LINE} --out one"), "translated 500 of", |child| {
        send("-STOP", child);
        std::fs::create_dir_all(desk.path("two")).unwrap();
        std::os::unix::fs::symlink(desk.path("one/seq-kd"), desk.path("two/seq-kd")).unwrap();
        let other = format!("{LINE} --out two");
        desk.refused(&other, 2, &["another process writes two/seq-kd/targets.jsonl"]);
        send("-CONT", child);
    });
    done.well();
}

/// A file that its owner removed after another process opened it must be opened again.
#[cfg(unix)]
#[test]
fn a_removed_file_is_opened_anew() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("work");
    let mut opened = 0;
    let file = lock::take(&path, || {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        opened += 1;
        if opened == 1 {
            std::fs::remove_file(&path)?;
        }
        file
    });
    let mut file = file.unwrap();
    file.write_all(b"mine").unwrap();
    assert_eq!((opened, std::fs::read_to_string(&path).unwrap()), (2, "mine".to_owned()));
    let again = lock::take(&path, || std::fs::File::open(&path));
    assert!(matches!(again, Err(lock::Refused::Taken)), "{again:?}");
    drop(file);
    lock::take(&path, || std::fs::File::open(&path)).unwrap();
}

/// Sequence-level distillation by hand: the teacher's translations as text, and another method trained on it.
#[test]
fn translations_are_text_to_learn_from_too() {
    let desk = Desk::with_run();
    let prepare = "prepare --source-lang de --target-lang en --train said --valid valid --out";
    desk.host("translate full/teacher --input train.de --output said.en --beam 2 --resume").well();
    std::fs::copy(desk.path("train.de"), desk.path("said.de")).unwrap();
    let told = desk.host(&format!("{prepare} said --vocab full/tokenizer.json")).well();
    assert!(told.contains("300 tokens") && told.contains("as it was given"), "{told}");
    assert_eq!(desk.read("said/tokenizer.json"), desk.read("full/tokenizer.json"));
    let bare = desk.read("tiny.toml");
    desk.write("tiny.toml", &bare[bare.find("[model]").unwrap()..]);
    desk.host("distill tiny.toml --data said --teacher full/teacher --out run --quiet").well();

    desk.write("tiny.toml", bare);
    // The keys of `[data]` may stand there if they say what the folder holds.
    let mut line = "distill tiny.toml --data said --teacher full/teacher --out more".to_owned();
    for (set, says) in [
        ("data.vocab_size=400", "a given vocabulary of 300 tokens, `data.vocab_size` is 400"),
        ("data.vocab_size=300", "it was prepared with `data.max_length` 250, not 40"),
        ("data.max_length=250", "it was prepared from said.en, `data.train` names "),
        ("data.train=said", "it was prepared without the text of `data.test`"),
    ] {
        line += &format!(" --set {set}");
        desk.refused(&line, 2, &["said: ", says, "change the key, prepare it again by"]);
    }
    desk.write("tiny.toml", desk.read("tiny.toml").replace("test = \"test\"\n", ""));
    desk.host(&line.replace("more", "keys")).well();
    assert_eq!(desk.read("keys/tokenizer.json"), desk.read("full/tokenizer.json"));
    for (vocab, says) in [
        ("none.json", "cannot read none.json"),
        ("train.de", "train.de"),
        ("full/tokenizer.json --vocab-size 300", "cannot be used with"),
    ] {
        desk.refused(&format!("{prepare} more --vocab {vocab}"), 2, &[says]);
    }
    assert!(!desk.path("more").exists());
}

/// The text of each line of `file`, as ids of `vocab`.
fn encoded(desk: &Desk, vocab: &Vocab, file: &str) -> Vec<Vec<u32>> {
    desk.read(file).lines().map(|line| vocab.source().encode(line).unwrap()).collect()
}

#[test]
fn a_teacher_may_have_another_vocabulary() {
    let desk = Desk::with_run();
    desk.host("train tiny.toml --set data.vocab_size=400 --out theirs --quiet").well();
    let line = "distill tiny.toml --data data --teacher theirs --out run";
    desk.refused(line, 2, &["theirs", "has another vocabulary"]);
    desk.host(&format!("{line} --method seq-kd --quiet")).well();
    let vocab = Vocab::load(&desk.path("data/tokenizer.json")).unwrap();
    let all = Corpus::open(&desk.path("data/train.bin")).unwrap();
    let text = |ids: &[u32]| {
        vocab.target().decode(ids.strip_suffix(&[EOS]).unwrap_or(ids)).unwrap() + "\n"
    };
    let sources: Vec<_> = (0..all.len()).map(|i| text(&all.pair(i).unwrap().0)).collect();
    desk.write("sources.de", sources.concat());
    let said = desk.host("translate theirs --input sources.de").well();
    desk.write("said.en", said);
    assert_eq!(targets(&desk, "run"), encoded(&desk, &vocab, "said.en"));
}

#[test]
fn translations_may_be_made_elsewhere() {
    let desk = Desk::with_run();
    let sources = desk.read("train.de");
    let said: String = sources.lines().rev().map(|line| format!("{line}\n")).collect();
    desk.write("said.en", said.replacen(said.lines().next().unwrap(), "", 1));
    let line = "distill tiny.toml --data data --out run --quiet";
    let given = "--method seq-kd --set distill.translations=said.en";
    desk.host(&format!("{line} {given}")).well();
    assert!(!desk.path("run/teacher").exists(), "no teacher is needed");
    let vocab = Vocab::load(&desk.path("data/tokenizer.json")).unwrap();
    let pairs =
        encoded(&desk, &vocab, "train.de").into_iter().zip(encoded(&desk, &vocab, "said.en"));
    let fits = |ids: &Vec<u32>| (1..=40).contains(&ids.len());
    let pairs: Vec<_> = pairs.filter(|(source, target)| fits(source) && fits(target)).collect();
    let learned = Corpus::open(&desk.path("run/seq-kd/train.bin")).unwrap();
    assert!(learned.len() == pairs.len() && pairs.len() < sources.lines().count());
    for (i, (source, target)) in pairs.iter().enumerate() {
        let wanted = ([&source[..], &[EOS]].concat(), [&target[..], &[EOS]].concat());
        assert_eq!(learned.pair(i).unwrap(), wanted);
    }
    desk.write("short.en", "Yes.\n");
    let line = line.replace("--out run --quiet", "--out other");
    for (wrong, says) in [
        ("--method seq-kd --set distill.translations=short.en", "short.en has 1 lines"),
        ("--method seq-kd --set distill.translations=none.en", "none.en"),
        ("--set distill.translations=said.en", "only with `distill.method = \"seq-kd\"`"),
        ("--set data.monolingual=train.de", "only with `distill.method = \"seq-kd\"`"),
    ] {
        desk.refused(&format!("{line} {wrong}"), 2, &[says]);
    }
}

#[test]
fn source_text_alone_is_translated_too() {
    let desk = Desk::with_run();
    let (train, valid) = (desk.read("train.de"), desk.read("valid.de"));
    let known: String = valid.lines().take(3).map(|line| format!("{line}\n")).collect();
    let long = "sehr ".repeat(200) + "\n";
    // More than is translated at a time; each line twice.
    let own =
        |name: &str| train.lines().map(|line| format!("{name}: {line}\n")).collect::<String>();
    let own: String = ["Tom", "Sie", "Er", "Maria", "Ich", "Wir", "Ihr"].map(own).concat();
    desk.write("news.de", format!("{known}\n{long}{}", own.repeat(2)));
    let line = "distill tiny.toml --data data --teacher full/teacher --method seq-kd";
    let line = format!("{line} --set data.monolingual=news.de --set train.max_length_b=5");
    let whole = desk.host(&format!("{line} --out whole"));
    let left_out = "1 too long, 1 blank, 3 of the validation or test text";
    assert!(whole.err.contains(left_out), "{}", whole.err);
    assert!(whole.err.contains("sentences of source text"), "{}", whole.err);
    whole.well();
    let parallel = Corpus::open(&desk.path("data/train.bin")).unwrap();
    let learned = Corpus::open(&desk.path("whole/seq-kd/train.bin")).unwrap();
    assert!(learned.len() > parallel.len() + 4 * train.lines().count());
    // Killed after the training text, and after a part of the source text, it goes on.
    let cut = format!("{line} --out cut");
    for seen in [&format!("translated {0} of {0} training", parallel.len()), "translated 4000 of"] {
        assert_eq!(desk.meanwhile(&cut, seen, |child| send("-KILL", child)).code, None);
    }
    desk.host(&cut).well();
    same(&desk, "whole", "cut");
}
