//! Reads the texts of a split in chunks: two parallel files, or one file of texts.

use super::PrepareRequest;
use super::labelled::parted;
use crate::task::Task;
use crate::vocab::{Labels, LineForm, Touched};
use a2d_system::error::{Error, Result};
use a2d_system::signals;
use a2d_system::text::{Line, Lines, Reader};
use std::path::{Path, PathBuf};

/// The size of a chunk: enough work for all threads, little memory.
const MOST_PAIRS: usize = 1 << 14;
const MOST_BYTES: u64 = 1 << 22;

/// What the sides of a pair are, and how they are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub task: Task,
    pub sides: [LineForm; 2],
}

impl Form {
    /// The form of the pairs of a task whose text is normalised by `text`.
    pub fn new(task: Task, text: LineForm) -> Self {
        let target = if task == Task::Translate { text } else { Labels::FORM };
        Self { task, sides: [text, target] }
    }

    /// How copies of the lines are normalised: labels alone.
    pub fn copies(self) -> [LineForm; 2] {
        let target = if self.task.is_of_texts() { self.sides[1] } else { LineForm::None };
        [LineForm::None, target]
    }
}

/// A readable pair of lines.
pub(super) struct Sides<'a> {
    /// The lines as read.
    pub raw: [&'a str; 2],
    /// The lines after normalisation.
    pub line: [&'a str; 2],
    pub form: Form,
}

impl Sides<'_> {
    /// The sides that are text, normalised.
    pub fn texts(&self) -> &[&str] {
        &self.line[..self.form.task.texts()]
    }

    /// The sides that are text, as read.
    pub fn raw_texts(&self) -> &[&str] {
        &self.raw[..self.form.task.texts()]
    }

    /// Whether a text is blank.
    pub fn lack(&self) -> bool {
        self.texts().iter().any(|side| side.trim().is_empty())
    }

    /// What normalisation changed in each text.
    pub fn touched(&self) -> [Touched; 2] {
        [0, 1].map(|side| match std::ptr::eq(self.raw[side], self.line[side]) {
            false if side < self.form.task.texts() => self.form.sides[side].touches(self.raw[side]),
            _ => Touched::default(),
        })
    }
}

/// Buffers for the normalised lines.
#[derive(Default)]
pub(super) struct Buffers([String; 2]);

impl Buffers {
    /// The normalised pair, or `None` if a side is unreadable.
    pub fn sides<'a>(&'a mut self, pair: [Line<'a>; 2], form: Form) -> Option<Sides<'a>> {
        let [Line::Text(source), Line::Text(target)] = pair else { return None };
        let [first, second] = &mut self.0;
        let line = [form.sides[0].apply(source, first), form.sides[1].apply(target, second)];
        Some(Sides { raw: [source, target], line, form })
    }
}

/// The files of a split.
pub(super) struct SplitText {
    /// `train`, `valid` or `test`.
    pub name: &'static str,
    /// The source and the target file, or the file of the texts.
    pub paths: Vec<PathBuf>,
    pub task: Task,
}

/// Consecutive pairs of lines.
#[derive(Default)]
pub(super) struct Chunk {
    /// The index of the first pair, from 0.
    pub first: usize,
    /// The lines of each file.
    files: [Lines; 2],
    task: Task,
}

impl Chunk {
    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.files[0].len()
    }

    /// Bytes of text, without line ends.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|lines| lines.bytes() as u64).sum()
    }

    /// Pair `i` of this chunk. A line without a label has an empty one.
    pub fn pair(&self, i: usize) -> [Line<'_>; 2] {
        match (self.task, self.label(i)) {
            (Task::Translate, _) => [self.files[0].at(i), self.files[1].at(i)],
            (_, Some([label, text])) => [Line::Text(text), Line::Text(label)],
            (_, None) => [self.files[0].at(i), Line::Text("")],
        }
    }

    /// The label and the text of line `i`, if it has both.
    pub fn label(&self, i: usize) -> Option<[&str; 2]> {
        match self.files[0].at(i) {
            Line::Text(line) if self.task == Task::Classify => parted(line),
            _ => None,
        }
    }
}

impl SplitText {
    /// The texts of a request, the training text first.
    pub fn all(request: &PrepareRequest) -> Vec<Self> {
        let text = |(name, paths)| Self { name, paths, task: request.task };
        request.files().into_iter().map(text).collect()
    }

    /// The file of a side.
    pub fn path(&self, side: usize) -> &Path {
        &self.paths[side.min(self.paths.len() - 1)]
    }

    /// Calls `work` on all chunks in order and returns the number of pairs. The next chunk is read meanwhile.
    ///
    /// # Errors
    ///
    /// Misuse: a file cannot be read or is empty, or the files have different numbers of lines. Also the errors of
    /// `work`, and an interrupt by a signal.
    pub fn each(&self, mut work: impl FnMut(&Chunk) -> Result<()> + Send) -> Result<usize> {
        let readers = self.paths.iter().map(|path| Reader::open(path));
        let mut input = Input { readers: readers.collect::<Result<_>>()?, done: 0 };
        let (mut now, mut next) = (Chunk::default(), Chunk::default());
        self.read(&mut input, &mut now)?;
        while now.len() > 0 {
            signals::go_on()?;
            let (read, worked) = rayon::join(|| self.read(&mut input, &mut next), || work(&now));
            worked.and(read)?;
            std::mem::swap(&mut now, &mut next);
        }
        if input.done == 0 {
            return Err(Error::misuse(match &self.paths[..] {
                [text] => format!("{} is empty", text.display()),
                _ => format!("{} and {} are empty", self.path(0).display(), self.path(1).display()),
            }));
        }
        Ok(input.done)
    }

    fn read(&self, input: &mut Input, chunk: &mut Chunk) -> Result<()> {
        (chunk.first, chunk.task) = (input.done, self.task);
        chunk.files.iter_mut().for_each(Lines::clear);
        while chunk.len() < MOST_PAIRS && chunk.bytes() < MOST_BYTES {
            match input.next(&mut chunk.files)? {
                [true, true] => input.done += 1,
                [false, false] => break,
                [source, _] => {
                    let longer = &mut input.readers[usize::from(!source)];
                    let lines = input.done + 1 + longer.count()?;
                    return Err(self.unequal(input.done, lines, source));
                }
            }
        }
        Ok(())
    }

    fn unequal(&self, short: usize, long: usize, source_is_longer: bool) -> Error {
        let (s, t) = if source_is_longer { (long, short) } else { (short, long) };
        let [from, to] = [0, 1].map(|side| self.path(side).display());
        Error::misuse(format!(
            "{from} has {s} lines and {to} has {t}: line N of both must belong together"
        ))
    }
}

struct Input {
    readers: Vec<Reader>,
    /// Pairs read so far.
    done: usize,
}

impl Input {
    /// Appends the next line of each file; says which have one. A single file counts as both.
    fn next(&mut self, files: &mut [Lines; 2]) -> Result<[bool; 2]> {
        let [source, target] = files;
        let first = self.readers[0].next(source)?;
        let second = self.readers.get_mut(1).map(|reader| reader.next(target)).transpose()?;
        Ok([first, second.unwrap_or(first)])
    }
}
