//! Lines from a source through a text model, a window of lines at a time.

use super::reader::BATCH;
use super::{Read, Reader, read_lines};
use crate::backend::device::Chosen;
use crate::backend::work::Work;
use crate::translate::source::Source;
use crate::translate::window::Window;
use a2d_core::backend::Train;
use a2d_data::vocab::Vocab;
use a2d_run::config::Precision;
use a2d_system::display::Throughput;
use a2d_system::error::Result;
use a2d_system::signals;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Takes what the model makes of the next lines: the numbers of each, the vocabulary with the labels, and the number of the
/// lines before.
pub type Take<'a> = dyn FnMut(&Read, &Vocab, usize) -> Result<()> + 'a;

/// Lines to read.
pub struct Flow<'a> {
    /// The folder of a run.
    pub model: &'a Path,
    /// Where the lines come from.
    pub source: &'a mut dyn Source,
    /// Where the results go.
    pub take: &'a mut Take<'a>,
    /// Shows how many lines are done.
    pub progress: &'a Throughput,
}

impl Flow<'_> {
    /// Reads all lines on `device`. Returns how many there were, and how many were cut.
    ///
    /// # Errors
    ///
    /// Misuse: a damaged run, or one that translates. The device was lost; a signal; the errors of source and `take`.
    pub fn run(self, device: &Chosen) -> Result<[usize; 2]> {
        device.run(Precision::F32, self)
    }
}

impl Work for Flow<'_> {
    type Output = [usize; 2];

    fn go<B: Train>(self, b: &mut B) -> Result<[usize; 2]> {
        let Self { model, source, take, progress } = self;
        let Reader { model, vocab, .. } = Reader::open(b, model)?;
        progress.start();
        let (mut window, mut done, mut cut) = (Window::of(BATCH), 0, 0);
        loop {
            let lines = progress.wait(|| source.next(window.next()))?;
            if lines.is_empty() {
                return Ok([done, cut]);
            }
            let finished = AtomicUsize::new(0);
            let watch = |count| {
                progress.at(done + count + finished.fetch_add(count, Ordering::Relaxed));
                signals::go_on()
            };
            let texts: Vec<&str> = lines.iter().map(|line| &line.text[..]).collect();
            let read = read_lines(b, &model, &vocab, &texts, &watch)?;
            take(&read, &vocab, done)?;
            cut += read.cut;
            done += lines.len();
            progress.at(done);
        }
    }
}
