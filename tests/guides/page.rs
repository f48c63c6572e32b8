//! A page of Markdown: its commands, their output, its links.

use std::path::{Path, PathBuf};

/// A page.
pub struct Page {
    /// The path from the root of the checkout, for messages.
    pub name: String,
    pub path: PathBuf,
    text: String,
}

/// A command and its output.
pub struct Step {
    /// The line of the command in the page, from 1.
    pub line: usize,
    /// The number of lines of the command.
    pub lines: usize,
    pub command: String,
    /// The lines of the output, as patterns.
    pub output: Vec<String>,
}

/// A fenced block.
struct Block<'a> {
    language: &'a str,
    /// The lines with their numbers in the page.
    lines: Vec<(usize, &'a str)>,
}

impl Page {
    pub fn new(name: &str, path: &Path, text: &str) -> Self {
        Self { name: name.to_owned(), path: path.to_owned(), text: text.to_owned() }
    }

    /// The README, the guides, and the READMEs of the fixtures.
    pub fn all(root: &Path) -> Vec<Self> {
        let fixtures = files(&root.join("fixtures"));
        let readmes = fixtures.into_iter().map(|folder| folder.join("README.md"));
        let guides = files(&root.join("fixtures/guides")).into_iter();
        let guides = guides.filter(|path| path.extension().is_some_and(|end| end == "md"));
        let all = [root.join("README.md")].into_iter().chain(guides).chain(readmes);
        all.filter(|path| path.is_file())
            .map(|path| {
                let text = std::fs::read_to_string(&path).expect("a page can be read");
                let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                Self::new(&name, &path, &text)
            })
            .collect()
    }

    /// The commands of ` ```console ` blocks, with their output.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for block in blocks(&self.text).0.iter().filter(|block| block.language == "console") {
            let mut any = false;
            for &(line, text) in &block.lines {
                if let Some(command) = text.strip_prefix("$ ") {
                    let command = command.to_owned();
                    steps.push(Step { line, lines: 1, command, output: Vec::new() });
                    any = true;
                    continue;
                }
                let step = steps.last_mut().filter(|_| any);
                let step = step.unwrap_or_else(|| panic!("{}:{line}: no command", self.name));
                match text.strip_prefix("> ").filter(|_| step.output.is_empty()) {
                    Some(more) => {
                        step.command += &format!("\n{more}");
                        step.lines += 1;
                    }
                    None => step.output.push(text.to_owned()),
                }
            }
        }
        steps
    }

    /// The commands of ` ```sh ` blocks, each on one line, with the number of its first line.
    pub fn commands(&self) -> Vec<(usize, String)> {
        let mut commands: Vec<(usize, String)> = Vec::new();
        for block in blocks(&self.text).0.iter().filter(|block| block.language == "sh") {
            let mut continues = false;
            for &(line, text) in &block.lines {
                let part = text.trim_end_matches('\\').trim();
                match commands.last_mut() {
                    Some((_, command)) if continues => *command += &format!(" {part}"),
                    _ if part.is_empty() || part.starts_with('#') => {}
                    _ => commands.push((line, part.to_owned())),
                }
                continues = text.ends_with('\\');
            }
        }
        commands
    }

    /// The links to files, without anchors, with the numbers of their lines.
    pub fn links(&self) -> Vec<(usize, String)> {
        let prose = blocks(&self.text).1.into_iter();
        prose.flat_map(|(line, text)| links(text).into_iter().map(move |l| (line, l))).collect()
    }
}

/// The links to files in a line of prose.
fn links(text: &str) -> Vec<String> {
    // Every second part is code.
    let prose: String = text.split('`').step_by(2).collect();
    let links = prose.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    links.filter(|link| !link.is_empty() && !link.contains("://")).map(str::to_owned).collect()
}

/// The fenced blocks of a text, and the numbered lines outside of them.
fn blocks(text: &str) -> (Vec<Block<'_>>, Vec<(usize, &str)>) {
    let (mut blocks, mut prose, mut open) = (Vec::new(), Vec::new(), None::<Block<'_>>);
    for (i, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => open = Some(Block { language, lines: Vec::new() }),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.lines.push((i + 1, line));
                open = Some(block);
            }
            (None, None) => prose.push((i + 1, line)),
        }
    }
    (blocks, prose)
}

/// The files and folders in a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}
