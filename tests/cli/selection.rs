//! Selection of the best checkpoint where BLEU alone does not suffice.

use crate::desk::Desk;
use a2d_host::data::corpus::Corpus;
use a2d_host::data::vocab::Vocab;
use a2d_host::export::Comparison;
use a2d_host::score;
use a2d_host::score::tokenize::Tokenizer;
use serde_json::Value;

const NOUNS: [(&str, &str); 6] = [
    ("cat", "猫"),
    ("dog", "狗"),
    ("girl", "女孩"),
    ("boy", "男孩"),
    ("bird", "鸟"),
    ("man", "男人"),
];
const VERBS: [(&str, &str); 4] =
    [("sees", "看见"), ("eats", "吃"), ("buys", "买"), ("likes", "喜欢")];
const OBJECTS: [(&str, &str); 8] = [
    ("apples", "苹果"),
    ("rice", "米饭"),
    ("fish", "鱼"),
    ("tea", "茶"),
    ("books", "书"),
    ("bread", "面包"),
    ("milk", "牛奶"),
    ("eggs", "鸡蛋"),
];
/// The number of pairs held out from training.
const HELD_OUT: usize = 20;

/// A configuration large enough to learn the whole grammar.
const SMALL: &str = r#"
[data]
source_lang = "en"
target_lang = "TARGET"
train = "grammar"
valid = "held-out"
vocab_size = 160

[model]
d_model = 64
ffn_dim = 128
encoder_layers = 1
decoder_layers = 1
encoder_attention_heads = 4
decoder_attention_heads = 4
dropout = 0.1

[train]
max_tokens = 600
lr = 5e-3
warmup_updates = 60
max_epoch = 25
patience = 3
validate_interval = 1
beam = 5
"#;

/// A desk with `the A B C.` → `ABC。` for all nouns, verbs and objects; each training pair is repeated six times.
fn grammar(target: &str) -> Desk {
    let desk = Desk::new();
    let mut pairs = Vec::new();
    for (noun, n) in NOUNS {
        for (verb, v) in VERBS {
            for (object, o) in OBJECTS {
                pairs.push((format!("the {noun} {verb} {object}."), format!("{n}{v}{o}。")));
            }
        }
    }
    // 7 and 192 are coprime, so this is a permutation of all pairs.
    let order: Vec<_> = (0..pairs.len()).map(|i| &pairs[7 * i % pairs.len()]).collect();
    let (held_out, learned) = order.split_at(HELD_OUT);
    for (name, pairs, times) in [("held-out", held_out, 1), ("grammar", learned, 6)] {
        let lines = |side: fn(&(String, String)) -> &String| {
            let text: String = pairs.iter().map(|pair| format!("{}\n", side(pair))).collect();
            text.repeat(times)
        };
        desk.write(&format!("{name}.en"), lines(|pair| &pair.0));
        desk.write(&format!("{name}.{target}"), lines(|pair| &pair.1));
    }
    desk.write("small.toml", SMALL.replace("TARGET", target));
    desk
}

fn validations(desk: &Desk, run: &str) -> Vec<Value> {
    desk.log(run).into_iter().filter(|line| line.get("valid_loss").is_some()).collect()
}

/// The number of held-out lines that the best model of a run translates correctly.
fn right(desk: &Desk, run: &str, target: &str) -> usize {
    desk.host(&format!("translate {run} --input held-out.en --output said")).well();
    let (said, meant) = (desk.read("said"), desk.read(&format!("held-out.{target}")));
    said.lines().zip(meant.lines()).filter(|(said, meant)| said == meant).count()
}

#[test]
fn text_without_spaces_ends_with_the_model_that_learned_it() {
    // Chosen by BLEU with the tokeniser of the language, or by chrF if the language has none.
    for (target, tokenizer, score, decides) in
        [("zh", "zh", "bleu", "(best)"), ("th", "13a", "chrf", "(best by chrF)")]
    {
        let desk = grammar(target);
        let done = desk.host("train small.toml --out run");
        let told = done.err.clone();
        let table = done.well();
        assert!(table.contains(&format!("tok:{tokenizer}")), "{table}");
        let best = told.lines().rfind(|line| line.contains("(best")).unwrap();
        assert!(best.ends_with(decides), "{told}");
        assert_eq!(right(&desk, "run", target), HELD_OUT, "{told}");

        // Of equal scores, the lowest loss decides.
        let lines = validations(&desk, "run");
        let number = |line: &Value, key: &str| line[key].as_f64().unwrap();
        let rank = |line: &&Value| [number(line, score), -number(line, "valid_loss")];
        let best = lines.iter().max_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap()).unwrap();
        assert_eq!(Some(best), lines.iter().rfind(|line| line["best"] == true), "{told}");
        let config = desk.read("run/config.toml");
        assert!(config.contains(&format!("bleu_tokenizer = \"{tokenizer}\"")), "{config}");
    }
}

#[test]
fn a_rambling_model_does_not_win_by_its_one_run_of_four_words() {
    // Sentences of two words: BLEU is above 0 only if a translation is too long, as the first ones are.
    let desk = Desk::new();
    for (split, lines) in [("train", 600), ("valid", 20)] {
        for lang in ["de", "en"] {
            let text = desk.read(&format!("{split}.{lang}"));
            let two = |line: &str| {
                let words: Vec<&str> = line.split(' ').take(2).collect();
                words.join(" ").replace(['.', ',', '!', '?', '\'', '"', '-'], "") + "\n"
            };
            desk.write(
                &format!("{split}.{lang}"),
                text.lines().take(lines).map(two).collect::<String>(),
            );
        }
    }
    let line = "train tiny.toml --out run --set train.max_update=60 --set train.patience=0";
    let done = desk.host(&format!("{line} --set train.validate_interval_updates=5"));
    let told = done.err.clone();
    done.well();
    let lines = validations(&desk, "run");
    assert!(told.contains("the best model is chosen by"), "{told}");
    let best = lines.iter().rfind(|line| line["best"] == true).unwrap();
    let loss = |line: &Value| line["valid_loss"].as_f64().unwrap();
    assert!(loss(best) < 0.9 * loss(&lines[0]), "{told}");
}

#[test]
fn a_run_is_selected_by_what_the_configuration_says() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --data data --set train.validate_interval_updates=4";
    for (by, key, sign) in [("chrf", "chrf", 1.0), ("loss", "valid_loss", -1.0)] {
        desk.host(&format!("{line} --out {by} --set train.select_by={by}")).well();
        let lines = validations(&desk, by);
        let score = |line: &Value| sign * line[key].as_f64().unwrap();
        let best = lines.iter().rfind(|line| line["best"] == true).unwrap();
        assert_eq!(score(best), lines.iter().map(score).fold(f64::MIN, f64::max), "{lines:#?}");
    }
    desk.refused(&format!("{line} --out x --set train.select_by=ter"), 2, &["select_by", "chrf"]);
}

#[test]
fn an_image_of_a_run_without_bleu_is_held_to_its_chrf() {
    let desk = grammar("th");
    desk.host("train small.toml --out run --set train.max_epoch=12").well();
    let line = "export run --out image.a2d --max-bleu-drop";
    let told = desk.host(&format!("{line} 1 --quantize f32")).well();
    assert!(told.contains("BLEU of 20 sentences (13a)") && told.contains("chrF"), "{told}");
    // If all scores are 0, an image passes only if its translations are the same.
    let (alike, other) = (1.0, 0.95);
    for (judges, bleu, chrf, agreement, part) in [
        (true, [20.0, 19.5], [50.0, 10.0], other, None),
        (true, [20.0, 18.5], [50.0, 50.0], other, Some("BLEU falls from 20.00 to 18.50")),
        (true, [0.0, 0.0], [50.0, 49.5], other, None),
        (true, [0.0, 0.0], [50.0, 30.0], other, Some("chrF falls from 50.00 to 30.00")),
        (false, [0.0, 9.0], [50.0, 30.0], other, Some("chrF falls from 50.00 to 30.00")),
        (true, [0.0, 0.0], [0.0, 0.0], other, Some("BLEU and chrF of the run are 0")),
        (true, [0.0, 0.0], [0.0, 0.0], alike, None),
    ] {
        let found = Comparison {
            sentences: 20,
            bleu_before: bleu[0],
            bleu_after: bleu[1],
            chrf_before: chrf[0],
            chrf_after: chrf[1],
            bleu_tokenizer: Tokenizer::default(),
            bleu_judges: judges,
            agreement,
            tokens_per_second: 1.0,
        };
        let told = found.check(1.0).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.starts_with(part.unwrap_or_default()), "{found:?}: {told}");
        assert_eq!(told.is_empty(), part.is_none(), "{found:?}: {told}");
    }
}

#[test]
fn the_closest_hypothesis_is_found_where_bleu_knows_none() {
    let desk = grammar("th");
    desk.host("train small.toml --out teacher --set train.max_epoch=5").well();
    let line = "distill small.toml --teacher teacher --data teacher/data --method seq-kd";
    let line = format!("{line} --set train.max_epoch=1 --set distill.seq_kd_beam=4");
    let vocab = Vocab::load(&desk.path("teacher/tokenizer.json")).unwrap();
    let [best, near] = ["best", "interpolation"].map(|kind| {
        desk.host(&format!("{line} --out {kind} --set distill.seq_kd={kind}")).well();
        let corpus = Corpus::open(&desk.path(&format!("{kind}/seq-kd/train.bin"))).unwrap();
        let said =
            (0..corpus.len()).map(|i| vocab.target().decode(&corpus.pair(i).unwrap().1).unwrap());
        said.collect::<Vec<_>>()
    });
    let meant: Vec<String> = desk.read("grammar.th").lines().map(str::to_owned).collect();
    assert_eq!([best.len(), near.len()], [meant.len(); 2]);
    let chrf = |said: &[String]| score::chrf(said, std::slice::from_ref(&meant)).unwrap().score;
    assert!(chrf(&near) > chrf(&best) + 1.0, "{} {}", chrf(&near), chrf(&best));
}

#[test]
fn evaluation_says_which_tokeniser_it_used() {
    let desk = grammar("ja");
    desk.host("train small.toml --out run --set train.max_epoch=2").well();
    let line = "evaluate run --source held-out.en --reference held-out.ja";
    assert!(desk.host(line).well().contains("tok:char"));
    assert!(desk.host(&format!("{line} --tokenize intl")).well().contains("tok:intl"));
    let key = "--set data.bleu_tokenizer=none";
    let table = desk.host(&format!("train small.toml --out other --set train.max_epoch=1 {key}"));
    assert!(table.well().contains("tok:none"));
}

#[test]
fn a_weak_teacher_and_a_student_behind_the_one_alone_are_told() {
    let desk = grammar("zh");
    let line =
        "distill small.toml --method word-kd --set distill.baseline=true --set distill.alpha=1";
    let weak = "--set teacher.model.d_model=16 --set teacher.train.max_update=2";
    let table = desk.host(&format!("{line} {weak} --out run --quiet")).well();
    let warnings: Vec<_> = table.lines().filter(|line| line.starts_with("warning: ")).collect();
    let [teacher, student] = warnings[..] else { panic!("{table}") };
    assert!(teacher.starts_with("warning: the teacher is weak ("), "{teacher}");
    assert!(student.starts_with("warning: the student is "), "{student}");
    assert!(student.contains(" BLEU behind the one trained alone: "), "{student}");

    // The student alone as the teacher is strong, but no better than itself.
    let again = format!("{line} --teacher run/alone --set distill.alpha=0.5 --out again");
    let table = desk.host(&format!("{again} --quiet")).well();
    let warnings: Vec<_> = table.lines().filter(|line| line.starts_with("warning: ")).collect();
    let [teacher] = warnings[..] else { panic!("{table}") };
    assert!(teacher.contains(" BLEU) is no better than the student alone ("), "{teacher}");
}
