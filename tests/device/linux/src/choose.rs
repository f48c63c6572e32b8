//! Chooses the sentences: the first lines of standard input within the limits.

use a2d_core::micro::Model;
use a2d_device_data::{IMAGE, LAYERS, LIMITS};
use std::io::{self, BufRead, Write};

/// The number of sentences.
const COUNT: usize = 100;

/// Writes the lines to standard output, without duplicates.
///
/// # Errors
///
/// The image is rejected or has no vocabulary, standard input or output failed, or too few lines fit.
pub fn choose() -> Result<(), String> {
    let model = Model::<LAYERS>::new(IMAGE).map_err(|error| error.to_string())?;
    let tokenizer = model.source().ok_or("the image has no vocabulary")?;
    let mut tokens = [0; 1 << 10];
    let mut chosen: Vec<String> = Vec::with_capacity(COUNT);
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("standard input: {error}"))?;
        let fits = tokenizer.encode(&line, &mut tokens).is_ok_and(|count| count < LIMITS.source);
        if fits && !line.trim().is_empty() && !chosen.contains(&line) && chosen.len() < COUNT {
            chosen.push(line);
        }
    }
    if chosen.len() < COUNT {
        return Err(format!("{} lines fit, {COUNT} are needed", chosen.len()));
    }
    chosen.push(String::new());
    let text = chosen.join("\n");
    io::stdout().write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}"))
}
