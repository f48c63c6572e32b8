//! Images: `export`, and `translate` and `evaluate` with an image.

use super::desk::{Desk, copy};

#[test]
fn an_image_translates_as_its_run() {
    let desk = Desk::with_run();
    let told = desk.host("export full --quantize f32 --out full.a2d").well();
    assert!(told.contains("BLEU of 20 sentences") && told.contains("100.0 % translated alike"));
    assert!(told.contains("full.a2d: ") && told.contains("arena: "), "{told}");
    let [by_run, by_image] = ["full", "full.a2d"]
        .map(|model| desk.host(&format!("translate {model} --input test.de --n-best 2")).well());
    let text = |told: &str| -> Vec<String> {
        told.lines().map(|line| line.rsplit('\t').next().unwrap().to_owned()).collect()
    };
    assert_eq!(text(&by_run), text(&by_image));
    let blank = desk.pipe("translate full.a2d", b"\nEin Hund.\n  \n").well();
    let lines: Vec<&str> = blank.lines().collect();
    assert!(lines.len() == 3 && lines[0].is_empty() && lines[2].is_empty(), "{lines:?}");
}

/// The lines of `test.de` with other characters that look the same, and a line of invisible characters.
fn mangled(desk: &Desk) -> String {
    let lines = desk.read("test.de").replace(' ', "\u{a0} ").replace('ü', "u\u{308}");
    format!("\u{feff}{lines}\u{200b}\n").replace('\n', "\u{ad}\t\n")
}

#[test]
fn lines_that_look_equal_are_translated_alike() {
    let desk = Desk::with_run();
    desk.host("export full --quantize f32 --out full.a2d").well();
    desk.write("mangled.de", mangled(&desk));
    for model in ["full", "full.a2d"] {
        let clean = desk.host(&format!("translate {model} --input test.de")).well();
        let mangled = desk.host(&format!("translate {model} --input mangled.de")).well();
        assert_eq!(mangled, format!("{clean}\n"), "{model}");
    }
}

#[test]
fn what_a_device_does_not_normalise_is_told_and_done_on_the_host() {
    let desk = Desk::new();
    let prepare =
        "prepare --source-lang de --target-lang en --train train --valid valid --test test";
    desk.host(&format!(
        "{prepare} --vocab-size 300 --max-length 40 --normalization nfkc --out nfkc"
    ))
    .well();
    let train = "train tiny.toml --data nfkc --out run --set data.normalization=nfkc";
    desk.refused(&train.replace("=nfkc", "=nfc"), 2, &["`data.normalization` nfkc, not nfc"]);
    desk.host(train).well();
    let told = desk.host("export run --quantize f32 --out run.a2d").well();
    assert!(told.contains("text for a device must come in NFKC"), "{told}");
    for model in ["run", "run.a2d"] {
        let translated =
            |line: &str| desk.pipe(&format!("translate {model}"), line.as_bytes()).well();
        assert_eq!(translated("ﬁndet ２ Hunde…"), translated("findet 2 Hunde..."), "{model}");
    }
}

/// A line with placeholders, one of them unseen.
const PLACEHOLDERS: &str = "Ein Hund { $name } läuft%s { $unseen }.";

#[test]
fn protected_text_is_one_token_in_runs_and_images() {
    let desk = Desk::new();
    for (lang, text) in [("de", "Hund { $name } läuft %s.\n"), ("en", "dog { $name } runs %s.\n")]
    {
        let file = format!("train.{lang}");
        desk.write(&file, desk.read(&file) + &text.repeat(20));
    }
    let config = desk.read("tiny.toml");
    let protect = "[data]\nprotect = ['\\{[^{}]*\\}', '%[sd]']\n";
    desk.write("tiny.toml", config.replacen("[data]\n", protect, 1));
    let told = desk.host("train tiny.toml --out run");
    assert!(told.err.contains("2 of them protected texts"), "{told:#?}");
    assert!(desk.read("run/config.toml").contains("protect = ["));
    let told = desk.host("export run --quantize f32 --out run.a2d").well();
    assert!(told.contains("100.0 % translated alike"), "{told}");
    let [by_run, by_image] = ["run", "run.a2d"]
        .map(|model| desk.pipe(&format!("translate {model}"), PLACEHOLDERS.as_bytes()).well());
    assert_eq!(by_run, by_image);
    // Other protected text is another vocabulary.
    let other = "train tiny.toml --out run --resume --set data.protect=[]";
    desk.refused(other, 2, &["data.protect"]);
    // A vocabulary that exists has its symbols with it.
    let prepare =
        "prepare --source-lang de --target-lang en --train train --valid valid --test test";
    let told = desk
        .host(&format!("{prepare} --vocab run/tokenizer.json --max-length 40 --out given"))
        .well();
    assert!(told.contains("2 of them protected texts"), "{told}");
    let train = "train tiny.toml --data given --out new --set data.vocab_size=8000";
    desk.refused(train, 2, &["given was prepared with a given vocabulary", "`data.protect`"]);
    desk.host(&format!("{train} --set data.protect=[]")).well();
    desk.refused(
        &format!("{prepare} --vocab run/tokenizer.json --protect %s --out new"),
        2,
        &["--vocab", "--protect"],
    );
    let bad = format!("{prepare} --protect %s --protect %(d --out bad");
    desk.refused(&bad, 2, &["'%(d'", "--protect", "unclosed group, at character 2"]);
    let told = desk.host(&format!("{prepare} --protect %s --vocab-size 300 --out one")).well();
    assert!(told.contains("1 of them protected texts"), "{told}");
}

/// Marian's architecture: the embeddings of `<s>` and `<pad>` stay zero, images say it all, and no other run goes on
/// with it.
#[test]
fn the_architecture_of_marian_is_trained_exported_and_resumed() {
    let desk = Desk::with_run();
    let marian = "--set model.positions=marian --set model.activation=silu \
                  --set model.logits_bias=true --set model.decoder_start=bos";
    let train = "train tiny.toml --data data --out marian --quiet";
    desk.host(&format!("{train} {marian} --set train.max_update=12")).well();
    desk.host(&format!("{train} {marian} --resume")).well();
    let tensors = desk.tensors("marian/best.safetensors");
    let (_, table) = &tensors["encoder.embed_tokens.weight"];
    let (unused, used) = table.split_at(2 * 16);
    assert!(unused.iter().all(|x| *x == 0.0) && used.iter().all(|x| *x != 0.0));
    let (shape, bias) = &tensors["decoder.output_projection.bias"];
    assert!(shape == &[300] && bias.iter().any(|x| *x != 0.0));
    for (key, value) in [("positions", "fairseq"), ("activation", "gelu"), ("decoder_start", "eos")]
    {
        let line = format!("{train} {marian} --resume --set model.{key}={value}");
        desk.refused(&line.replace(" --quiet", ""), 2, &[&format!("`model.{key}`"), value]);
    }
    for (format, alike) in [("f32", true), ("int8", false)] {
        let export =
            format!("export marian --quantize {format} --shortlist 300 --out {format}.a2d");
        desk.host(&export).well();
        let [of_image, of_run] = [&format!("{format}.a2d"), "marian"]
            .map(|model| desk.host(&format!("translate {model} --input test.de")).well());
        assert_eq!(of_image.lines().count(), of_run.lines().count());
        assert!(!alike || of_image == of_run, "{of_image}\n{of_run}");
    }
}

#[test]
fn an_image_is_evaluated_as_its_run() {
    let desk = Desk::with_run();
    desk.host("export full --quantize f32 --out full.a2d").well();
    desk.host("export full --out int8.a2d").well();
    let text = "--source test.de --reference test.en";
    let scored = |model: &str| desk.host(&format!("evaluate {model} {text} --json")).well();
    assert_eq!(scored("full.a2d"), scored("full"));
    desk.host("translate int8.a2d --input test.de --output int8.en --int8-cache").well();
    let by_hand = desk.host("score --hypothesis int8.en --reference test.en --json").well();
    let told = scored("int8.a2d --int8-cache --output same.en");
    assert_eq!((told, desk.read("same.en")), (by_hand, desk.read("int8.en")));
    desk.refused(&format!("evaluate full {text} --int8-cache"), 2, &["--int8-cache", "images"]);
    let gpu = format!("evaluate full.a2d {text} --backend gpu");
    desk.refused(&gpu, 2, &["full.a2d is an image", "CPU"]);
    desk.refused(&format!("evaluate tiny.toml {text}"), 2, &["tiny.toml: not an image"]);
}

#[test]
fn an_image_is_smaller_the_more_it_is_quantised() {
    let desk = Desk::with_run();
    let sizes = ["f32", "int8", "int4"].map(|format| {
        let line = format!("export full --quantise {format} --out {format}.a2d --json --quiet");
        let told: serde_json::Value = serde_json::from_str(&desk.host(&line).well()).unwrap();
        let bytes = std::fs::read(desk.path(&format!("{format}.a2d"))).unwrap();
        assert_eq!(told["bytes"], bytes.len());
        assert!(told["arena_bytes"].as_u64().unwrap() > 1000);
        assert_eq!(told["comparison"]["sentences"], 20);
        let threads = ["1", "2"].map(|threads| {
            let line = format!("translate {format}.a2d --input test.de --threads {threads}");
            desk.host(&line).well()
        });
        assert_eq!(threads[0], threads[1]);
        bytes.len()
    });
    assert!(sizes.is_sorted_by(|x, y| x > y), "{sizes:?}");
}

#[test]
fn a_cache_of_bytes_takes_less_memory() {
    let desk = Desk::with_run();
    let [floats, bytes] = ["", " --int8-cache"].map(|flag| {
        let line = format!("export full --out student.a2d --json --quiet{flag}");
        let told: serde_json::Value = serde_json::from_str(&desk.host(&line).well()).unwrap();
        told["arena_bytes"].as_u64().unwrap()
    });
    assert!(bytes < floats, "{bytes} and {floats}");
    let told = desk.host("translate student.a2d --int8-cache --input test.de").well();
    assert_eq!(told.lines().count(), desk.read("test.de").lines().count());
    desk.refused("translate full --int8-cache --input test.de", 2, &["--int8-cache", "images"]);
    desk.refused("translate full --isa portable --input test.de", 2, &["--isa", "images"]);
    desk.refused("translate none --isa portable --input test.de", 2, &["none"]);
    desk.refused("translate student.a2d --isa mmx --input test.de", 2, &["--isa", "portable"]);
    let portable = desk.host("translate student.a2d --int8-cache --isa portable --input test.de");
    assert_eq!(portable.well(), told);
}

#[test]
fn a_shortlist_is_learnt_from_the_training_data() {
    let desk = Desk::with_run();
    let images = ["a.a2d", "b.a2d"].map(|out| {
        desk.host(&format!("export full --shortlist 20 --out {out}")).well();
        std::fs::read(desk.path(out)).unwrap()
    });
    assert_eq!(images[0], images[1]);
    desk.host("export full --out none.a2d").well();
    assert!(images[0].len() > std::fs::read(desk.path("none.a2d")).unwrap().len());
    let told = desk.host("translate a.a2d --input test.de").well();
    assert_eq!(told.lines().count(), desk.read("test.de").lines().count());
    let config = desk.read("full/config.toml");
    let moved =
        |line: &str| if line.starts_with("dir = ") { "dir = 'gone'" } else { line }.to_owned();
    desk.write("full/config.toml", config.lines().map(moved).collect::<Vec<_>>().join("\n"));
    desk.refused("export full --shortlist 20 --out c.a2d", 2, &["gone", "holds no data"]);
}

#[test]
fn what_cannot_be_exported_is_told() {
    let desk = Desk::with_run();
    let line = "export full --out full.a2d";
    desk.refused("export full", 2, &["--out"]);
    desk.refused("export data --out a.a2d", 2, &["data"]);
    desk.refused("export none --out a.a2d", 2, &["none"]);
    desk.refused(&format!("{line} --quantize int2"), 2, &["int2"]);
    desk.refused(&format!("{line} --max-bleu-drop=-1"), 2, &["--max-bleu-drop"]);
    desk.refused(&format!("{line} --source test.de"), 2, &["--reference"]);
    desk.refused(&format!("{line} --max-source 2000000"), 2, &["--max-source", "memory"]);
    desk.refused(&format!("{line} --source test.de --reference tiny.toml"), 2, &["lines"]);
    desk.refused("export full --out none/full.a2d", 1, &["cannot write none/full.a2d"]);
    // A reference for which the run scores BLEU 100 and int4 does not.
    let learned = "--data data --set train.select_by=loss --set train.max_update=60";
    desk.host(&format!("train tiny.toml --out learned {learned}")).well();
    desk.write("own.en", desk.host("translate learned --input test.de").well());
    let strict = "export learned --out full.a2d";
    let strict = format!("{strict} --quantize int4 --source test.de --reference own.en");
    let strict = format!("{strict} --max-bleu-drop");
    desk.refused(&format!("{strict} 0"), 1, &["BLEU falls from 100.00 to", "no image was written"]);
    desk.host(&format!("{strict} 100")).well();
    let config = desk.read("full/config.toml");
    let moved = |line: &str| match line.split_once(" = ") {
        Some((key @ ("dir" | "valid"), _)) => format!("{key} = 'gone'\n"),
        _ => format!("{line}\n"),
    };
    desk.write("full/config.toml", config.lines().map(moved).collect::<String>());
    desk.refused(&format!("{line} --max-bleu-drop 1"), 2, &["validation text", "--source"]);
    assert!(desk.host(line).well().contains("not compared"));
}

/// The teacher and the baseline use the data of their student, also after the folder was moved.
#[test]
fn a_teacher_and_a_baseline_are_compared_on_the_data_of_their_student() {
    let desk = Desk::with_run();
    copy(&desk.path("data"), &desk.path("full/data"));
    let changed = |run: &str, key: &str, value: &str| {
        let line = |line: &str| match line.split_once(" = ") {
            Some((found, _)) if found == key => value.to_owned(),
            _ => format!("{line}\n"),
        };
        let path = format!("{run}/config.toml");
        desk.write(&path, desk.read(&path).lines().map(line).collect::<String>());
    };
    let told =
        |run: &str, more: &str| desk.host(&format!("export {run} --out a.a2d {more}")).well();
    for run in ["full/teacher", "full/alone"] {
        changed(run, "dir", "");
        changed(run, "valid", "valid = 'gone'\n");
        assert!(told(run, "--shortlist 20").starts_with("BLEU of 20 sentences"), "{run}");
        // Data with another vocabulary belongs to another run.
        let own = desk.read("full/data/tokenizer.json");
        std::fs::copy(
            Desk::shared().path("other/tokenizer.json"),
            desk.path("full/data/tokenizer.json"),
        )
        .unwrap();
        assert!(told(run, "").starts_with("not compared"), "{run}");
        desk.write("full/data/tokenizer.json", own);
        // Without prepared data, the text that the configuration names is used.
        changed(run, "valid", "valid = '../../test'\n");
        std::fs::rename(desk.path("full/data"), desk.path("full/moved")).unwrap();
        assert!(told(run, "").starts_with("BLEU of 20 sentences"), "{run}");
        std::fs::rename(desk.path("full/moved"), desk.path("full/data")).unwrap();
    }
}

#[test]
fn what_is_no_image_is_told() {
    let desk = Desk::with_run();
    desk.host("export full --out full.a2d").well();
    desk.refused("translate full.a2d --backend gpu", 2, &["full.a2d is an image", "CPU"]);
    desk.refused("translate tiny.toml", 2, &["tiny.toml: not an image"]);
    desk.refused("translate none.a2d", 2, &["none.a2d"]);
    for verb in ["average", "watch", "export --out new.a2d", "report"] {
        desk.refused(&format!("{verb} full.a2d"), 2, &["full.a2d is no run but a file"]);
    }
    desk.edit("full.a2d", |bytes| bytes[700] ^= 1);
    desk.refused("translate full.a2d", 2, &["full.a2d: the image is damaged"]);
    desk.edit("full.a2d", |bytes| bytes.truncate(5000));
    desk.refused("translate full.a2d", 2, &["full.a2d: the image is cut short"]);
    desk.edit("full.a2d", |bytes| bytes[8] = 9);
    desk.refused("translate full.a2d", 2, &["full.a2d: the image has format version 9"]);
}
