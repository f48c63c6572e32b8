//! Translation of lines by a run or an image: from a source to a sink, in order, a window of lines at a time.

use super::engine::{Engine, Image, Run};
use super::image::Words;
use super::lengths::Lengths;
use super::packed::Arithmetic;
use super::sink::{Finished, Sink};
use super::source::{Source, SourceLine};
use super::units::Units;
use super::window::Window;
use super::{SearchOptions, Translated, not_found};
use crate::backend::device::Chosen;
use crate::backend::work::Work;
use a2d_core::backend::Train;
use a2d_run::config::Precision;
use a2d_system::display::Throughput;
use a2d_system::error::Result;
use a2d_system::signals;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Lines to translate.
pub struct Job<'a> {
    /// The folder of a run, or an image.
    pub model: &'a Path,
    /// What it runs on.
    pub on: On<'a>,
    /// Search options.
    pub options: SearchOptions,
    /// Whether each sentence of a line is translated separately.
    pub split: bool,
    /// Where the lines come from.
    pub source: &'a mut dyn Source,
    /// Where the translations go.
    pub sink: &'a mut dyn Sink,
    /// Shows how many lines are done.
    pub progress: &'a Throughput,
    /// Warns of long lines.
    pub lengths: &'a mut Lengths,
}

/// What a model runs on.
#[derive(Debug, Clone, Copy)]
pub enum On<'a> {
    /// A run's best checkpoint, on a device.
    Device(&'a Chosen),
    /// An image, in the arithmetic of a board.
    Image(Arithmetic),
}

impl Job<'_> {
    /// Translates all lines.
    ///
    /// # Errors
    ///
    /// Misuse: a damaged run or image. Weights that contain NaN; the device was lost; a signal; the errors of source and
    /// sink. The sink has the lines that were done.
    pub fn run(self) -> Result<()> {
        match self.on {
            On::Device(device) => device.run(Precision::F32, self),
            On::Image(arithmetic) => {
                let bytes = Words::read(self.model)?;
                let mut image = Image::new(self.model, bytes.bytes(), arithmetic)?;
                self.flow(&mut image)
            }
        }
    }

    fn flow(mut self, engine: &mut dyn Engine) -> Result<()> {
        self.sink.begin(&self.recipe(engine))?;
        self.lengths.expect(engine.longest());
        self.progress.start();
        let (mut window, mut done) = (Window::new(&self.options), 0);
        loop {
            let mut lines = self.progress.wait(|| self.source.next(window.next()))?;
            if lines.is_empty() {
                return self.sink.end();
            }
            let known = self.sink.skip(&mut lines)?;
            known.iter().zip(done + 1..).for_each(|(&tokens, line)| self.lengths.add(line, tokens));
            done += known.len();
            if !known.is_empty() {
                self.progress.before(done);
            }
            done += self.translate(engine, &lines, done)?;
        }
    }

    /// Translates the lines after line number `before`, and returns how many they are.
    fn translate(
        &mut self,
        engine: &mut dyn Engine,
        lines: &[SourceLine],
        before: usize,
    ) -> Result<usize> {
        let units = Units::of(lines.iter().map(|line| &line.text[..]), self.split);
        let finished = AtomicUsize::new(0);
        let watch = |count| {
            let finished = count + finished.fetch_add(count, Ordering::Relaxed);
            self.progress.at(before + lines.len() * finished / units.texts.len());
            signals::go_on()
        };
        let found = engine.translate(&units.texts, &self.options, &watch)?;
        if let Some(unit) = found.lines.iter().position(Vec::is_empty) {
            return Err(not_found(before + units.line_of(unit) + 1));
        }
        let Translated { lines: found, lengths, .. } = units.join(found);
        let of = |((line, best), (&tokens, number)): ((&SourceLine, _), (&usize, usize))| {
            Finished { number, hash: line.hash, best, tokens }
        };
        let numbered = lengths.iter().zip(before + 1..);
        self.sink.take(lines.iter().zip(found).zip(numbered.clone()).map(of).collect())?;
        self.progress.at(before + lines.len());
        numbered.for_each(|(&tokens, line)| self.lengths.add(line, tokens));
        Ok(lines.len())
    }

    /// What determines the translation of a line.
    fn recipe(&self, engine: &dyn Engine) -> Value {
        let mut recipe = engine.recipe();
        recipe["search"] = json!(search(&self.options));
        if self.split {
            recipe["split"] = json!("sentences");
        }
        recipe
    }
}

impl Work for Job<'_> {
    type Output = ();

    fn go<B: Train>(self, b: &mut B) -> Result<()> {
        let mut run = Run::open(b, self.model)?;
        self.flow(&mut run)
    }
}

/// The search options as text. It must not change: it identifies the translations that earlier versions saved.
fn search(options: &SearchOptions) -> String {
    let SearchOptions { search, max_length_a, max_length_b, max_tokens, n_best } = options;
    let lengths = format!("max_length_a: {max_length_a:?}, max_length_b: {max_length_b:?}");
    let rest = format!("max_tokens: {max_tokens}, n_best: {n_best}");
    format!("Options {{ search: {search:?}, {lengths}, {rest} }}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use a2d_run::config::BeamSearch;

    #[test]
    fn kept_translations_of_earlier_versions_are_recognised() {
        let options = SearchOptions::new(BeamSearch::DEFAULT, 4096, 1);
        assert_eq!(
            search(&options),
            "Options { search: Search { beam: 5, length_penalty: 1.0, min_length: 1, forbidden: \
             Forbidden { ranges: [[0, 0], [0, 0], [0, 0], [0, 0]] } }, max_length_a: 1.2, max_length_b: 10.0, \
             max_tokens: 4096, n_best: 1 }"
        );
    }
}
