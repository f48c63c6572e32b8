//! Lines from a source through a text model, a window of lines at a time.

use super::reader::{BATCH, width};
use super::{Read, Reader, TextImage, read_lines};
use crate::backend::work::Work;
use crate::translate::Watch;
use crate::translate::image::Words;
use crate::translate::lines::On;
use crate::translate::source::Source;
use crate::translate::window::Window;
use a2d_core::backend::Train;
use a2d_run::config::Precision;
use a2d_system::display::Throughput;
use a2d_system::error::Result;
use a2d_system::signals;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Takes what the model makes of the next lines: the numbers of each, the names of the labels, and the number of the lines
/// before.
pub type Take<'a> = dyn FnMut(&Read, &[String], usize) -> Result<()> + 'a;

/// Lines to read.
pub struct Flow<'a> {
    /// The folder of a run, or an image.
    pub model: &'a Path,
    /// Where the lines come from.
    pub source: &'a mut dyn Source,
    /// Where the results go.
    pub take: &'a mut Take<'a>,
    /// Shows how many lines are done.
    pub progress: &'a Throughput,
}

impl Flow<'_> {
    /// Reads all lines. Returns how many there were, and how many were cut.
    ///
    /// # Errors
    ///
    /// Misuse: a damaged run or image, or one that translates. The device was lost; a signal; the errors of source and
    /// `take`.
    pub fn run(self, on: On<'_>) -> Result<[usize; 2]> {
        match on {
            On::Device(device) => device.run(Precision::F32, self),
            On::Image(arithmetic) => {
                let bytes = Words::read(self.model)?;
                let image = TextImage::new(self.model, bytes.bytes(), arithmetic)?;
                let (names, width) = (image.labels(), width(image.model().config()));
                self.flow(&names, width, |texts, watch| image.read_lines(texts, watch))
            }
        }
    }

    fn flow(
        self,
        names: &[String],
        width: usize,
        mut read: impl FnMut(&[&str], &Watch<'_>) -> Result<Read>,
    ) -> Result<[usize; 2]> {
        let Self { source, take, progress, .. } = self;
        progress.start();
        let (mut window, mut done, mut cut) = (Window::of(BATCH), 0, 0);
        loop {
            let lines = progress.wait(|| source.next(window.next()))?;
            if lines.is_empty() {
                return Ok([done, cut]);
            }
            let texts: Vec<&str> = lines.iter().map(|line| &line.text[..]).collect();
            for texts in texts.chunks(Read::most(width)) {
                let finished = AtomicUsize::new(0);
                let watch = |count| {
                    progress.at(done + count + finished.fetch_add(count, Ordering::Relaxed));
                    signals::go_on()
                };
                let found = read(texts, &watch)?;
                take(&found, names, done)?;
                cut += found.cut;
                done += texts.len();
                progress.at(done);
            }
        }
    }
}

impl Work for Flow<'_> {
    type Output = [usize; 2];

    fn go<B: Train>(self, b: &mut B) -> Result<[usize; 2]> {
        let Reader { model, vocab, .. } = Reader::open(b, self.model)?;
        let names = vocab.labels().map(|labels| labels.names().to_vec()).unwrap_or_default();
        let width = width(&model.config);
        self.flow(&names, width, |texts, watch| read_lines(b, &model, &vocab, texts, watch))
    }
}
