//! Reads the image and the sentences, and writes the constants of the device programs.

use a2d_core::micro::Model;
use a2d_demo::Limits;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The maximum layers of an image.
const LAYERS: usize = 12;

/// What is run.
const LINES: &str = if cfg!(feature = "text") { "texts.txt" } else { "sentences.txt" };

static IMAGE: &[u8] = a2d_core::include_image!(env!("A2D_IMAGE"));

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let folder = Path::new("..");
    let limits = limits(&read(&folder.join("limits"))?)?;
    let text = constants(&limits)? + &sentences(&read(&folder.join(LINES))?)?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("data.rs"), text)?;
    Ok(())
}

/// Reads a text file, as a dependency of the build.
fn read(path: &Path) -> Done<String> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The limits: one in each line, after its name.
fn limits(text: &str) -> Done<Limits> {
    let find = |name: &str| -> Done<usize> {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let (_, number) =
            lines.find(|(key, _)| *key == name).ok_or(format!("limits: no {name}"))?;
        Ok(number.parse()?)
    };
    let int8_cache = find("int8_cache")? != 0;
    #[cfg(feature = "text")]
    return Ok(Limits { tokens: find("text")?, int8_cache });
    #[cfg(not(feature = "text"))]
    Ok(a2d_demo::limits(find("source")?, find("target")?, find("beam")?, int8_cache))
}

/// The constants of the model and the limits. Their `Debug` output is valid Rust.
fn constants(limits: &Limits) -> Done<String> {
    println!("cargo::rerun-if-env-changed=A2D_IMAGE");
    let model = Model::<LAYERS>::new(IMAGE)?;
    let config = model.config();
    let shortlist = model.image().shortlist().map(|shortlist| shortlist.sizes());
    let layers = config.encoder.layers.max(config.decoder.layers);
    Ok(format!(
        "/// What the model is made of.\npub const CONFIG: Config = {config:?};\n\
         /// Whether its matrices are int8 or int4.\npub const QUANTISED: bool = {};\n\
         /// How many tokens its shortlist can come to, if it has one.\n\
         pub const SHORTLIST: Option<Sizes> = {shortlist:?};\n\
         /// Layers of the larger side.\npub const LAYERS: usize = {layers};\n\
         /// The largest translation.\npub const LIMITS: Limits = a2d_core::micro::{limits:?};\n",
        model.quantised()
    ))
}

/// The first `A2D_SENTENCES` lines, or all if the variable is empty or not set.
fn sentences(text: &str) -> Done<String> {
    println!("cargo::rerun-if-env-changed=A2D_SENTENCES");
    let count = match env::var("A2D_SENTENCES").unwrap_or_default().as_str() {
        "" => usize::MAX,
        count => count.parse()?,
    };
    let lines: Vec<&str> = text.lines().take(count).collect();
    let count = lines.len();
    Ok(format!("/// What is translated.\npub static SENTENCES: [&str; {count}] = {lines:?};\n"))
}
