//! `export --emit-rust`: an image as constants of a Rust program.

use super::desk::Desk;
use a2d_core::image::stream_bytes;
use a2d_core::micro::{
    Arena, Classifier, Embedder, Limits, Model, Options, TextLimits, Translator,
};
use a2d_host::translate::image::Words;
use a2d_tests::helpers::interop;
use std::fs;
use std::path::Path;

/// What the examples for boards are built with.
#[path = "../../core/examples/embassy/src/student.rs"]
mod embassy;
#[path = "../../core/examples/classify/intents.rs"]
mod intents;
#[path = "../../core/examples/rtic/src/student.rs"]
mod rtic;

/// The text of a constant in a source file.
fn constant<'t>(text: &'t str, name: &str) -> &'t str {
    let (_, rest) = text.split_once(&format!(" {name}: ")).unwrap();
    rest.split_once(" = ").unwrap().1.split_once(";\n").unwrap().0
}

fn number(text: &str, name: &str) -> usize {
    constant(text, name).replace('_', "").parse().unwrap()
}

#[test]
fn the_constants_are_those_of_the_core() {
    let desk = Desk::with_run();
    fs::create_dir_all(desk.path("firmware/src")).unwrap();
    let limits = "--beam 2 --max-source 20 --max-target 24 --int8-cache";
    let told = desk
        .host(&format!(
            "export full {limits} --shortlist 5 --out full.a2d --emit-rust firmware/src/full.rs"
        ))
        .well();
    assert!(told.contains("firmware/src/full.rs: IMAGE, LIMITS, ARENA_BYTES"), "{told}");
    let text = desk.read("firmware/src/full.rs");
    let image = Words::new(&fs::read(desk.path("full.a2d")).unwrap());
    let bytes = image.bytes();
    let model = Model::<1>::new(bytes).unwrap();
    let limits = Limits { source: 20, target: 24, beam: 2, int8_cache: true };
    assert_eq!(number(&text, "ARENA_BYTES"), model.arena_bytes(&limits));
    assert_eq!(number(&text, "STREAM_BYTES"), stream_bytes(bytes));
    assert_eq!(number(&text, "LAYERS"), 1);
    assert_eq!(constant(&text, "IMAGE"), r#"a2d_core::include_image!("../../full.a2d")"#);
    assert!(text.starts_with("// Written by `host export full --beam 2 "), "{text}");
    assert!(text.contains("/// BLEU of 20 sentences: "), "{text}");
    // The image alone is enough, and gives the same.
    let alone = "export full.a2d --beam 2 --max-source 20 --max-target 24 --int8-cache";
    desk.host(&format!("{alone} --emit-rust alone.rs")).well();
    let alone = desk.read("alone.rs");
    for name in ["LIMITS", "ARENA_BYTES", "STREAM_BYTES", "LAYERS"] {
        assert_eq!(constant(&alone, name), constant(&text, name), "{name}");
    }
    assert_eq!(constant(&alone, "IMAGE"), r#"a2d_core::include_image!("full.a2d")"#);
}

/// The image of an embedder, of a run without validation text, and of a file.
#[test]
fn the_constants_of_an_embedder_are_those_of_the_core() {
    let (desk, bert) = (Desk::new(), interop::fixtures().join("bert/model"));
    desk.host(&format!("import {} --out run", bert.display())).well();
    let told = desk.host("export run --max-source 16 --out of.a2d --emit-rust of.rs").well();
    assert!(told.contains("of.rs: IMAGE, LIMITS, ARENA_BYTES, OUTPUTS, LAYERS"), "{told}");
    let text = desk.read("of.rs");
    let image = Words::new(&fs::read(desk.path("of.a2d")).unwrap());
    let model = Model::<6>::new(image.bytes()).unwrap();
    let limits = TextLimits { tokens: 16, int8_cache: false };
    let [bytes, layers, width] = ["ARENA_BYTES", "LAYERS", "OUTPUTS"].map(|of| number(&text, of));
    assert_eq!(bytes, model.text_arena_bytes(&limits));
    assert_eq!(layers, model.config().encoder.layers);
    assert!(constant(&text, "LIMITS").contains("tokens: 16,"), "{text}");
    let (mut arena, mut vector) = (Words::new(&vec![0; bytes]), vec![0.0; width]);
    let mut embedder = Embedder::new(&model, arena.bytes_mut(), limits).unwrap();
    embedder.embed("The dog runs.", &mut vector).unwrap();
    assert!(embedder.embed("The dog runs.", &mut vector[1..]).is_err());
    desk.host("export of.a2d --max-source 16 --emit-rust alone.rs").well();
    let alone = desk.read("alone.rs");
    assert_eq!(alone.split_once("pub static").unwrap().1, text.split_once("pub static").unwrap().1);
    for (option, name) in [("--max-target 3", "--max-target"), ("--out new.a2d", "--out")] {
        desk.refused(&format!("export of.a2d --emit-rust of.rs {option}"), 2, &["of.a2d", name]);
    }
    let endless = "export of.a2d --emit-rust of.rs --max-source 999999999999";
    desk.refused(endless, 2, &["--max-source"]);
}

/// The files of the examples are what the command writes today.
#[test]
fn the_examples_are_up_to_date() {
    let (nano, intents) = ("fixtures/nano/nano.a2d", "fixtures/intents/intents.a2d");
    let desk = Desk::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (image, limits, source) in [
        (nano, "--beam 1 --max-source 10 --max-target 14 --int8-cache", "rtic/src/student.rs"),
        (nano, "--beam 1 --max-source 11 --max-target 14", "embassy/src/student.rs"),
        (intents, "--max-source 32 --int8-cache", "classify/intents.rs"),
    ] {
        let source = format!("core/examples/{source}");
        for file in [image, &source] {
            fs::create_dir_all(desk.path(file).parent().unwrap()).unwrap();
        }
        fs::copy(root.join(image), desk.path(image)).unwrap();
        let line = format!("export {image} {limits} --emit-rust {source}");
        desk.host(&line).well();
        let committed = fs::read_to_string(root.join(&source)).unwrap();
        // The program may go by another name.
        let [written, committed] = [desk.read(&source), committed]
            .map(|text| text.split_once(" export ").unwrap().1.to_owned());
        assert_eq!(written, committed, "write it again: a2d {line}");
    }
}

#[test]
fn the_source_compiles_and_translates() {
    let model = Model::<{ rtic::LAYERS }>::new(rtic::IMAGE).unwrap();
    let mut out = [0; 96];
    let mut bytes = Arena::<{ rtic::ARENA_BYTES }>::new();
    let options = Options::default();
    let mut translator = Translator::new(&model, &mut bytes, rtic::LIMITS, options).unwrap();
    assert_eq!(translator.translate("Ich bin hier.", &mut out).unwrap().text, "I'm here.");
    let model = Model::<{ embassy::LAYERS }>::new(embassy::IMAGE).unwrap();
    let mut floats = Arena::<{ embassy::ARENA_BYTES }>::new();
    let mut translator = Translator::new(&model, &mut floats, embassy::LIMITS, options).unwrap();
    assert_eq!(translator.translate("Ich bin hier.", &mut out).unwrap().text, "I'm here.");
    // Not a byte and not a layer more than is needed.
    let less = |arena: &mut [u8], limits| {
        let len = arena.len() - 4;
        Translator::new(&model, &mut arena[..len], limits, options).is_err()
    };
    assert!(less(&mut bytes, rtic::LIMITS) && less(&mut floats, embassy::LIMITS));
    assert!(Model::<{ rtic::LAYERS - 1 }>::new(rtic::IMAGE).is_err());
    assert_eq!(rtic::STREAM_BYTES, stream_bytes(rtic::IMAGE));
    assert_eq!(embassy::STREAM_BYTES, model.target().unwrap().stream_bytes());
}

#[test]
fn the_source_compiles_and_classifies() {
    let model = Model::<{ intents::LAYERS }>::new(intents::IMAGE).unwrap();
    let mut arena = Arena::<{ intents::ARENA_BYTES }>::new();
    let mut classifier = Classifier::new(&model, &mut arena, intents::LIMITS).unwrap();
    let mut probabilities = [0.0; intents::OUTPUTS];
    let label = classifier.classify("Play some jazz", &mut probabilities).unwrap();
    assert_eq!(label.name, "PlayMusic");
    // Not a byte and not a layer more than is needed.
    let len = arena.len() - 4;
    assert!(Classifier::new(&model, &mut arena[..len], intents::LIMITS).is_err());
    assert!(Model::<{ intents::LAYERS - 1 }>::new(intents::IMAGE).is_err());
}

#[test]
fn wrong_arguments_are_told() {
    let desk = Desk::with_run();
    desk.host("export full --out full.a2d").well();
    let line = "export full.a2d --emit-rust full.rs";
    for option in
        ["--out new.a2d", "--quantize int8", "--max-bleu-drop 1", "--sentences 3", "--shortlist 5"]
    {
        let name = option.split(' ').next().unwrap();
        desk.refused(&format!("{line} {option}"), 2, &["full.a2d is an image", name]);
    }
    desk.refused("export full --emit-rust full.rs", 2, &["full is a run", "--out"]);
    desk.refused("export none --emit-rust full.rs", 2, &["none"]);
    desk.refused("export full.a2d --emit-rust full.a2d", 2, &["full.a2d", "of the image"]);
    desk.refused("export full --out a.a2d --emit-rust a.a2d", 2, &["a.a2d", "of the image"]);
    desk.refused("export full.a2d --emit-rust none/full.rs", 1, &["cannot write none/full.rs"]);
    desk.refused("export tiny.toml --emit-rust full.rs", 2, &["tiny.toml: not an image"]);
    desk.refused(&format!("{line} --max-source 2000000"), 2, &["--max-source", "memory"]);
}

/// The lines of a text without indentation and blank lines.
fn plain(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// Every Rust block of the guide is a part of an example, which the runner compiles (`tests/device/run.sh examples`).
#[test]
fn the_guide_shows_what_the_examples_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guide = fs::read_to_string(root.join("fixtures/guides/boards.md")).unwrap();
    let examples: Vec<String> = ["rtic/src", "embassy/src", "classify"]
        .iter()
        .flat_map(|name| fs::read_dir(root.join("core/examples").join(name)).unwrap())
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let blocks: Vec<&str> = guide.split("```rust\n").skip(1).collect();
    assert!(blocks.len() >= 4, "{} blocks", blocks.len());
    for block in blocks {
        let block = plain(block.split_once("```").unwrap().0);
        let holds =
            |example: &String| plain(example).windows(block.len()).any(|lines| lines == block);
        assert!(examples.iter().any(holds), "no example holds\n{}", block.join("\n"));
    }
}
