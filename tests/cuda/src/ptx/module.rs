//! A module: the kernels of a PTX text.

use super::Error;
use super::args::operands;
use super::code::{Run, Slot, Space};
use super::decode::body;
use super::names::{Names, Special, Variable};
use super::text::{Statement, statements, without_comments};
use super::types::{File, Type};
use std::sync::Arc;

/// The place of a parameter in the parameter buffer of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub at: usize,
    pub bytes: usize,
}

/// A decoded kernel and the memory that it needs.
#[derive(Debug)]
pub struct Kernel {
    pub name: String,
    pub params: Vec<Param>,
    pub runs: Vec<Run>,
    /// The number of slots of each register file, including constants.
    pub counts: [usize; 3],
    pub constants: Vec<(File, Slot, u64)>,
    pub specials: Vec<(Special, Slot)>,
    /// Bytes of static shared memory.
    pub shared: usize,
    /// Bytes of local memory per thread.
    pub local: usize,
    source: Arc<str>,
}

impl Kernel {
    /// A line of the text.
    pub fn line(&self, number: u32) -> &str {
        self.source.lines().nth(number as usize - 1).unwrap_or_default().trim()
    }

    /// Bytes of all parameters.
    pub fn param_bytes(&self) -> usize {
        self.params.last().map_or(0, |last| last.at + last.bytes)
    }
}

/// Parses all kernels of a text.
pub fn parse(text: &str) -> Result<Vec<Arc<Kernel>>, Error> {
    let source: Arc<str> = text.into();
    let plain = without_comments(text);
    let all = statements(&plain)?;
    let (mut kernels, mut globals, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(&(line, statement)) = all.get(at) {
        at += 1;
        match statement {
            Statement::Line(text) if text.split_whitespace().any(|word| word == ".shared") => {
                globals.push((line, text));
            }
            Statement::Line(text) if text.starts_with(".pragma") || text.is_empty() => {}
            Statement::Head(head) => {
                let end = at + closing(&all[at..]).ok_or(Error { line, why: "no end".into() })?;
                let kernel = kernel(head, &globals, &all[at..end], source.clone());
                kernels.push(Arc::new(
                    kernel.map_err(|error| Error { line: error.line.max(line), ..error })?,
                ));
                at = end;
            }
            other => return Err(Error { line, why: format!("{other:?} is not known here") }),
        }
    }
    Ok(kernels)
}

/// The number of statements of the body that begins here.
fn closing(all: &[(u32, Statement<'_>)]) -> Option<usize> {
    let mut depth = 0;
    all.iter()
        .position(|(_, statement)| {
            depth += i32::from(*statement == Statement::Open)
                - i32::from(*statement == Statement::Close);
            depth == 0
        })
        .map(|at| at + 1)
}

fn kernel(
    head: &str,
    globals: &[(u32, &str)],
    all: &[(u32, Statement<'_>)],
    source: Arc<str>,
) -> Result<Kernel, Error> {
    let here = |why| Error { line: 0, why };
    let mut names = Names::default();
    let (name, params) = signature(head, &mut names).map_err(here)?;
    let room = variables(globals, all, &mut names)?;
    let runs = body(all, &mut names)?;
    Ok(Kernel {
        name,
        params,
        runs,
        counts: [File::Pred, File::Word, File::Long].map(|file| names.count(file)),
        constants: names
            .constants
            .iter()
            .map(|(&(file, value), &slot)| (file, slot, value))
            .collect(),
        specials: names.specials.iter().map(|(&special, &slot)| (special, slot)).collect(),
        shared: room.shared,
        local: room.local,
        source,
    })
}

/// The name of a kernel and the layout of its parameters.
fn signature(head: &str, names: &mut Names) -> Result<(String, Vec<Param>), String> {
    let (_, rest) = head.split_once(".entry").ok_or("functions are not supported")?;
    let (name, rest) =
        rest.split_once('(').unwrap_or((rest.split_whitespace().next().unwrap_or(""), ")"));
    let (params, after) = rest.split_once(')').ok_or("no end of parameters")?;
    let known = [".maxntid", ".minnctapersm", ".reqntid", ".maxnreg"];
    for word in after.split_whitespace().filter(|word| word.starts_with('.')) {
        if !known.contains(&word) {
            return Err(format!("{word} is not known here"));
        }
    }
    let (mut all, mut end) = (Vec::new(), 0usize);
    for text in operands(params) {
        let declared = Declared::parse(text)?;
        let at = end.next_multiple_of(declared.align);
        names.variables.insert(declared.name, Variable { space: Space::Param, at: at as u64 });
        all.push(Param { at, bytes: declared.bytes });
        end = at + declared.bytes;
    }
    Ok((name.trim().to_owned(), all))
}

/// The declaration of a variable.
struct Declared {
    space: Space,
    align: usize,
    bytes: usize,
    name: String,
    /// Without a size: dynamic shared memory.
    open: bool,
}

impl Declared {
    fn parse(text: &str) -> Result<Self, String> {
        let (mut space, mut ty, mut align, mut name) = (None, None, None, None);
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                ".extern" | ".visible" | ".weak" => {}
                ".ptr" => {
                    // The space that a pointer points to.
                    words.next();
                }
                ".param" => space = Some(Space::Param),
                ".shared" => space = Some(Space::Shared),
                ".local" => space = Some(Space::Local),
                ".align" => align = words.next().and_then(|word| word.parse::<usize>().ok()),
                _ if word.starts_with('.') => {
                    ty = Some(
                        Type::parse(&word[1..])
                            .ok_or_else(|| format!("{word} is not known here"))?,
                    );
                }
                _ if name.is_none() => name = Some(word),
                _ => return Err(format!("{word} is not known here")),
            }
        }
        let (space, ty) = (space.ok_or("no space")?, ty.ok_or("no type")?);
        let mut parts = name.ok_or("no name")?.split('[');
        let name = parts.next().unwrap_or_default().to_owned();
        let (mut bytes, mut open) = (ty.bytes() as usize, false);
        for length in parts {
            match length.trim_end_matches(']') {
                "" => open = true,
                length => {
                    bytes *= length.parse::<usize>().map_err(|_| format!("how long is {text}?"))?
                }
            }
        }
        Ok(Self { space, align: align.unwrap_or(ty.bytes() as usize).max(1), bytes, name, open })
    }
}

#[derive(Default)]
struct Room {
    shared: usize,
    local: usize,
}

/// Lays out the variables of the module and of the function; those without a size come last.
fn variables(
    globals: &[(u32, &str)],
    all: &[(u32, Statement<'_>)],
    names: &mut Names,
) -> Result<Room, Error> {
    let mut room = Room::default();
    let own = all.iter().filter_map(|&(line, statement)| match statement {
        Statement::Line(text) if text.starts_with(".shared") || text.starts_with(".local") => {
            Some((line, text))
        }
        _ => None,
    });
    let mut open = Vec::new();
    for (line, text) in globals.iter().copied().chain(own) {
        let declared = Declared::parse(text).map_err(|why| Error { line, why })?;
        if declared.open {
            open.push(declared);
            continue;
        }
        let end = if declared.space == Space::Local { &mut room.local } else { &mut room.shared };
        let at = end.next_multiple_of(declared.align);
        *end = at + declared.bytes;
        names.variables.insert(declared.name, Variable { space: declared.space, at: at as u64 });
    }
    for declared in open {
        room.shared = room.shared.next_multiple_of(declared.align);
        let at = room.shared as u64;
        names.variables.insert(declared.name, Variable { space: declared.space, at });
    }
    Ok(room)
}
