//! Decodes the body of a function into runs of instructions, and where each continues.

use super::Error;
use super::args::{Words, operands};
use super::code::{End, Guard, Instruction, Run};
use super::names::Names;
use super::opcode::operation;
use super::text::Statement;
use super::types::{File, Type};
use std::collections::HashMap;

/// Runs under construction.
struct Body<'a> {
    runs: Vec<Run>,
    code: Vec<Instruction>,
    labels: HashMap<&'a str, u32>,
    /// Jumps whose labels may come later: the run, its line and the label.
    jumps: Vec<(usize, u32, &'a str)>,
}

pub fn body(all: &[(u32, Statement<'_>)], names: &mut Names) -> Result<Vec<Run>, Error> {
    let mut body =
        Body { runs: Vec::new(), code: Vec::new(), labels: HashMap::new(), jumps: Vec::new() };
    for &(line, statement) in all {
        body.statement(line, statement, names).map_err(|why| Error { line, why })?;
    }
    body.close(End::Return { guard: None });
    for (run, line, label) in std::mem::take(&mut body.jumps) {
        let found = body.labels.get(label).copied();
        let found = found.ok_or_else(|| Error { line, why: format!("where is {label}?") })?;
        if let End::Jump { to, .. } = &mut body.runs[run].end {
            *to = found;
        }
    }
    Ok(body.runs)
}

impl<'a> Body<'a> {
    fn close(&mut self, end: End) {
        self.runs.push(Run { code: std::mem::take(&mut self.code), end });
    }

    fn statement(
        &mut self,
        line: u32,
        statement: Statement<'a>,
        names: &mut Names,
    ) -> Result<(), String> {
        match statement {
            Statement::Open => names.open(),
            Statement::Close => names.close(),
            Statement::Label(label) => {
                self.close(End::Next);
                if self.labels.insert(label, self.runs.len() as u32).is_some() {
                    return Err(format!("{label} is there twice"));
                }
            }
            Statement::Head(_) => return Err("a function in a function".into()),
            Statement::Line(text) => match text.strip_prefix(".reg") {
                Some(declared) => {
                    let declared = declared.trim();
                    let (ty, registers) =
                        declared.split_once(char::is_whitespace).ok_or("no names")?;
                    let ty = Type::parse(ty.trim_start_matches('.')).ok_or("no type")?;
                    names.declare(ty, registers)?;
                }
                None if text.is_empty() || text.starts_with(".pragma") => {}
                // Variables were laid out before.
                None if text.starts_with(".shared") || text.starts_with(".local") => {}
                None => self.instruction(line, text, names)?,
            },
        }
        Ok(())
    }

    fn instruction(&mut self, line: u32, text: &'a str, names: &mut Names) -> Result<(), String> {
        let (guard, text) = guarded(text, names)?;
        let (opcode, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let (name, mut words) = Words::new(opcode);
        let rest = rest.trim();
        match name {
            "bra" => {
                words.take("uni");
                words.done()?;
                self.jumps.push((self.runs.len(), line, rest));
                self.close(End::Jump { to: 0, guard });
            }
            "ret" | "exit" => {
                words.take("uni");
                words.done()?;
                self.close(End::Return { guard });
            }
            "bar" | "barrier" if !words.take("warp") => {
                let plain = words.take("sync") && rest == "0";
                words.take("aligned");
                words.take("cta");
                words.done()?;
                if !plain || guard.is_some() {
                    return Err("no such barrier here".into());
                }
                self.close(End::Barrier);
            }
            _ => {
                let op = operation(name, words, &operands(rest), names)?;
                self.code.push(Instruction { op, guard, line });
            }
        }
        Ok(())
    }
}

/// `@p` or `@!p` before an instruction.
fn guarded<'a>(text: &'a str, names: &mut Names) -> Result<(Option<Guard>, &'a str), String> {
    let Some(rest) = text.strip_prefix('@') else { return Ok((None, text)) };
    let (p, rest) = rest.split_once(char::is_whitespace).ok_or("a guard of nothing")?;
    let (negated, p) = p.strip_prefix('!').map_or((false, p), |p| (true, p));
    Ok((Some(Guard { p: names.target(p, File::Pred)?, negated }), rest.trim()))
}
