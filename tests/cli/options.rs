//! Options of training: averages, validations between epochs, initialisation from the teacher, provenance, TensorBoard.

use crate::desk::Desk;
use a2d_host::config::InitFromTeacher::{First, Skip};
use a2d_host::run::checkpoint::LONGEST_SOURCE;
use a2d_host::run::checkpoint::Saved;
use a2d_host::run::run_dir::RunDir;
use a2d_host::run::tensorboard::{Event, Scalar, Summary};
use a2d_host::train::teacher_layers;
use prost::Message;
use serde_json::Value;

const TRAIN: &str = "train tiny.toml --data data --quiet --set train.valid_bleu_sentences=3";

/// The parameters of a checkpoint, or its tensors whose names start with `prefix`, concatenated.
fn numbers(desk: &Desk, file: &str, prefix: &str) -> Vec<f32> {
    let tensors = desk.tensors(file);
    let plain = |name: &str| !name.starts_with("adam.") && !name.starts_with("ema.");
    let wanted = tensors.iter().filter(|(name, _)| match prefix {
        "" => plain(name),
        prefix => name.starts_with(prefix),
    });
    wanted.flat_map(|(_, (_, data))| data.clone()).collect()
}

/// The largest absolute difference of two lists.
fn distance(one: &[f32], other: &[f32]) -> f32 {
    assert!(one.len() == other.len() && !one.is_empty());
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_average_of_parameters_moves_as_it_is_defined() {
    let desk = Desk::with_run();
    let line = format!("{TRAIN} --set train.ema_decay=0.35");
    let mut average = Vec::new();
    for update in 1..=5u32 {
        desk.host(&format!("{line} --out {update} --set train.max_update={update}")).well();
        let last = format!("{update}/last.safetensors");
        let [params, found] = ["", "ema."].map(|prefix| numbers(&desk, &last, prefix));
        if update > 1 {
            // The ramp is (1 + t) / (10 + t) until it passes 0.35 at t = 4.
            let decay = ((1 + update) as f32 / (10 + update) as f32).min(0.35);
            let expected: Vec<f32> =
                average.iter().zip(&params).map(|(a, p)| decay * a + (1.0 - decay) * p).collect();
            assert!(distance(&found, &expected) < 1e-6, "update {update}");
            assert!(distance(&found, &params) > 1e-5, "update {update}");
        }
        assert_eq!(numbers(&desk, &format!("{update}/best.safetensors"), ""), found);
        average = found;
    }
    let plain =
        format!("{} --out 5 --resume --set train.max_update=6", TRAIN.replace(" --quiet", ""));
    desk.refused(&plain, 2, &["`train.ema_decay` = 0.35, now it is 0.0"]);
}

#[test]
fn validations_come_when_they_are_asked_for() {
    let desk = Desk::with_run();
    let line = format!("{TRAIN} --out run --set train.max_tokens=300 --set train.max_update=70");
    desk.host(&format!("{line} --set train.validate_interval_updates=12 --set train.keep_last=3"))
        .well();
    let validated = |run: &str| -> Vec<u64> {
        let log = desk.log(run);
        let validations = log.iter().filter(|line| line.get("bleu").is_some());
        validations.map(|line| line["update"].as_u64().unwrap()).collect()
    };
    let found = validated("run");
    let of_epochs: Vec<_> = found.iter().filter(|&update| update % 12 != 0).copied().collect();
    assert!([12, 24, 36, 48, 60, 70].iter().all(|update| found.contains(update)), "{found:?}");
    assert!(of_epochs.len() > 1, "those of the epochs stay: {found:?}");
    assert!(found.is_sorted() && found.windows(2).all(|pair| pair[0] < pair[1]));
    let kept = RunDir::at(&desk.path("run")).kept_updates();
    assert_eq!(kept, found[found.len() - 3..]);
    let seldom = format!("{} --set train.validate_interval=2", line.replace("run", "seldom"));
    desk.host(&seldom).well();
    let every_second: Vec<_> = of_epochs.iter().skip(1).step_by(2).copied().collect();
    let ends = [every_second, vec![70]].concat();
    assert_eq!(validated("seldom"), ends);
    let patient = line.replace("run", "early");
    desk.host(&format!("{patient} --set train.validate_interval_updates=2 --set train.patience=2"))
        .well();
    let log = desk.log("early");
    let better = |line: &&Value| line["best"] == true;
    let best = log.iter().rfind(better).unwrap()["update"].as_u64().unwrap();
    let counts = |update: &u64| *update > best && *update >= 20;
    let after = validated("early").into_iter().filter(counts).count();
    assert_eq!(after, 2, "two validations without a better one end it");

    // Nothing is learned: the first validation is the best.
    let still =
        "--set train.lr=1e-30 --set train.patience=2 --set train.validate_interval_updates=2";
    let still = |out: &str, warmup: usize| {
        let line = line.replace("run", out);
        desk.host(&format!("{line} {still} --set train.warmup_updates={warmup}")).well();
        validated(out)
    };
    let found = still("warming", 20);
    assert_eq!(found.iter().filter(|&&update| update >= 20).count(), 2, "{found:?}");
    assert_eq!(still("warm", 0).len(), 3);
}

#[test]
fn checkpoints_are_averaged_into_a_run_of_their_own() {
    let desk = Desk::with_run();
    let line = format!("{TRAIN} --out run --set train.max_tokens=300 --set train.max_update=40");
    desk.host(&format!("{line} --set train.validate_interval_updates=10")).well();
    let kept = RunDir::at(&desk.path("run")).kept_updates();
    let [.., a, b] = kept[..] else { panic!("{kept:?}") };
    let told = desk.host("average run --last 2").well();
    assert_eq!(told, format!("run/average: the average of updates {a}, {b}\n"));
    let file = |update: u64| format!("run/checkpoints/{update:09}.safetensors");
    let [one, other] = [a, b].map(|update| numbers(&desk, &file(update), ""));
    let mean: Vec<f32> = one.iter().zip(&other).map(|(a, b)| (a + b) / 2.0).collect();
    let found = numbers(&desk, "run/average/best.safetensors", "");
    assert!(distance(&found, &mean) < 1e-7 && distance(&found, &other) > 1e-5);
    let saved = Saved::load(&desk.path("run/average/best.safetensors")).unwrap();
    assert_eq!(saved.get::<String>("averaged").unwrap(), format!("{a}, {b}"));
    assert_eq!(desk.host("translate run/average --input test.de").well().lines().count(), 20);

    // Without `--last`: as many as there are, up to five.
    assert!(kept.len() > 4 && saved.metadata.contains_key(LONGEST_SOURCE));
    for (most, out) in [(kept.len(), "five"), (4, "four")] {
        RunDir::at(&desk.path("run")).keep_last(most).unwrap();
        let all: Vec<_> = kept[kept.len() - most.min(5)..].iter().map(u64::to_string).collect();
        let told = desk.host(&format!("average run --out {out}")).well();
        assert_eq!(told, format!("{out}: the average of updates {}\n", all.join(", ")));
    }
    let _ = std::fs::remove_dir_all(desk.path("full/checkpoints"));
    desk.refused("average full --out none", 2, &["full/checkpoints holds no", "train.keep_last"]);

    desk.refused("average run --last 2", 2, &["run/average holds a run", "--out"]);
    desk.refused("average run --last 9 --out more", 2, &["checkpoints, not 9", "train.keep_last"]);
    desk.refused("average data", 2, &["data is no run"]);
    desk.refused("average run --last 0", 2, &["expected a whole number, 1 or more"]);
    std::fs::copy(desk.path("full/best.safetensors"), desk.path(&file(a))).unwrap();
    desk.refused("average run --last 2 --out more", 2, &[&file(b), "another run"]);
    desk.edit(&file(b), |bytes| bytes.truncate(99));
    desk.refused("average run --last 1 --out more", 2, &[&file(b), "damaged"]);
    assert!(!desk.path("more").exists());
}

#[test]
fn layers_of_the_teacher_are_chosen_as_others_choose_them() {
    assert_eq!(teacher_layers(3, 6, Skip), [0, 2, 5]);
    assert_eq!(teacher_layers(6, 12, Skip), [0, 2, 4, 7, 9, 11]);
    assert_eq!(teacher_layers(3, 12, Skip), [0, 6, 11]);
    assert_eq!(teacher_layers(1, 12, Skip), [0]);
    assert_eq!(teacher_layers(4, 4, Skip), [0, 1, 2, 3]);
    assert_eq!(teacher_layers(3, 6, First), [0, 1, 2]);
    for student in 1..20 {
        for teacher in student..20 {
            let layers = teacher_layers(student, teacher, Skip);
            assert!(
                layers.windows(2).all(|pair| pair[0] < pair[1]) && layers[student - 1] < teacher
            );
        }
    }
}

#[test]
fn a_student_starts_as_its_teacher() {
    let desk = Desk::with_run();
    let teacher = "train tiny.toml --data data --out big --quiet --set model.encoder_layers=3 \
                   --set model.decoder_layers=3";
    desk.host(teacher).well();
    let distill = "distill tiny.toml --data data --teacher big --quiet --set model.encoder_layers=2 \
                   --set distill.baseline=false";
    for (how, encoder) in [("skip", [0, 2]), ("first", [0, 1])] {
        // At a tiny learning rate, the weights after the first update are the initial weights.
        let line = format!("{distill} --out {how} --set distill.init_from_teacher={how}");
        desk.host(&format!("{line} --set train.max_update=1 --set train.lr=1e-12")).well();
        let student = desk.tensors(&format!("{how}/last.safetensors"));
        let big = desk.tensors("big/best.safetensors");
        let mut same = 0;
        for (name, (shape, data)) in &student {
            if name.starts_with("adam.") || name.contains("alignment") {
                continue;
            }
            let theirs = match name.strip_prefix("encoder.layers.1.") {
                Some(rest) => format!("encoder.layers.{}.{rest}", encoder[1]),
                None => name.clone(),
            };
            assert_eq!(shape, &big[&theirs].0, "{name}");
            assert!(distance(data, &big[&theirs].1) < 1e-8, "{how}: {name} is not {theirs}");
            same += 1;
        }
        assert!(same > 20);
    }
    let line =
        format!("{distill} --out no --set distill.init_from_teacher").replace(" --quiet", "");
    for (set, says) in [
        ("=last", "unknown value `last`"),
        ("=skip --set model.d_model=32", "`model.decoder_d_model` is 32 and the teacher's 16"),
        ("=first --set model.decoder_layers=4", "`model.decoder_layers` is 4 and the teacher's 3"),
        ("=first --method none", "`distill.init_from_teacher` needs a teacher"),
    ] {
        desk.refused(&format!("{line}{set}"), 2, &[says]);
    }
}

#[test]
fn every_beginning_is_recorded() {
    let desk = Desk::with_run();
    desk.host(&format!("{TRAIN} --out run --set train.max_update=5")).well();
    let again = format!("{TRAIN} --out run --set train.max_update=9 --threads 1 --resume");
    let mut again = desk.command(&again);
    assert!(again.env("A2D_TRAIN__PATIENCE", "7").status().unwrap().success());
    let text = desk.read("run/provenance.jsonl");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!((&first["from_update"], &second["from_update"]), (&0.into(), &5.into()));
    assert_eq!(first["device"], "cpu");
    assert_eq!(second["threads"], 1);
    assert_eq!(second["environment"], serde_json::json!({"A2D_TRAIN__PATIENCE": "7"}));
    assert_eq!(first["data"], second["data"]);
    let saved = Saved::load(&desk.path("run/last.safetensors")).unwrap();
    assert_eq!(first["data"]["train"], saved.metadata["data"]);
    let command = second["command"].as_array().unwrap();
    let typed = |word: &str| command.iter().any(|one| one == word);
    assert!(typed("--resume") && typed("train.max_update=9"), "{command:?}");
    assert!(first["program"].as_str().unwrap().starts_with("a2d-host "));
    assert!(first["time"].as_str().unwrap().ends_with('Z'));
    // Resuming a finished run records no new start.
    desk.host(&format!("{TRAIN} --out run --set train.max_update=9 --resume")).well();
    assert_eq!(desk.read("run/provenance.jsonl"), text);
}

/// The scalars of a run's event files: tag, update, value.
fn scalars(desk: &Desk, run: &str) -> Vec<(String, i64, f32)> {
    let files: Vec<_> = std::fs::read_dir(desk.path(run).join("tensorboard")).unwrap().collect();
    assert_eq!(files.len(), 1, "no event is there twice");
    let bytes = std::fs::read(files[0].as_ref().unwrap().path()).unwrap();
    let (mut rest, mut scalars) = (&bytes[..], Vec::new());
    while let Some((length, _)) = rest.split_first_chunk() {
        let length = u64::from_le_bytes(*length) as usize;
        let event = Event::decode(&rest[12..12 + length]).unwrap();
        let (record, after) = rest.split_at(length + 16);
        assert_eq!(event.to_record(), record);
        let values = event.summary.into_iter().flat_map(|summary| summary.value);
        scalars.extend(values.map(|one| (one.tag, event.step, one.simple_value.unwrap())));
        rest = after;
    }
    scalars
}

/// The expected bytes were written by the `RecordWriter` of TensorBoard 2.21.0.
#[test]
fn an_event_is_what_tensorboard_writes() {
    let scalar = |tag: &str, value| Scalar { tag: tag.into(), simple_value: Some(value) };
    let value = vec![scalar("train/loss", 2.5), scalar("valid/bleu", 36.25)];
    let summary = Some(Summary { value });
    let event = Event { wall_time: 1_700_000_000.5, step: 300, summary, ..Event::default() };
    let hex: String = event.to_record().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "34000000000000005e33175c0900002040fc54d94110ac022a260a110a0a747261696e2f6c6f737315000020\
         400a110a0a76616c69642f626c657515000011424d025037"
    );
}

#[test]
fn tensorboard_shows_the_log() {
    let desk = Desk::with_run();
    let line = format!("{TRAIN} --out run --set train.tensorboard=true --set train.max_update");
    desk.host(&format!("{line}=6")).well();
    desk.host(&format!("{line}=10 --resume")).well();
    let (log, scalars) = (desk.log("run"), scalars(&desk, "run"));
    for line in &log {
        let (name, tag) = match line.get("bleu") {
            Some(_) => ("valid_loss", "valid/loss"),
            None => ("loss", "train/loss"),
        };
        let update = line["update"].as_i64().unwrap();
        let found: Vec<_> = scalars.iter().filter(|(t, u, _)| t == tag && *u == update).collect();
        let [(_, _, value)] = found[..] else { panic!("{tag} of {update}: {found:?}") };
        assert_eq!(*value, line[name].as_f64().unwrap() as f32);
    }
    assert!(log.len() > 10 && scalars.iter().any(|(tag, ..)| tag == "valid/bleu"));
}
