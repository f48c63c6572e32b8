//! `a2d init`: a configuration for two text files.

mod found;
mod minutes;

use crate::bench::estimate::{self, Lengths};
use crate::cli::{CorpusArgs, Globals, InitArgs};
use crate::config::DataConfig;
use crate::data::prepare::{self, Outline, PrepareRequest};
use crate::data::vocab::Sizes;
use crate::run::model::{core_config, model_size, plan};
use crate::run::proposal::{Corpus, Proposal, choose, vocab_size};
use crate::system::error::{Error, Result};
use crate::system::files::{has_place, write_output};
use crate::system::output::{self, thousands};
use crate::system::{program, signals, text};
use found::Found;
use minutes::Minutes;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Surveys the texts, chooses a configuration, writes it, and estimates the time that it takes.
///
/// # Errors
///
/// Misuse: texts that cannot be used, a file that exists. The file cannot be written; an interrupt by a signal.
pub fn run(args: InitArgs, globals: &Globals, out: &mut dyn Write) -> Result<()> {
    signals::install()?;
    let file = place(&args)?;
    let found = survey(&args, &file, globals)?;
    let text = found.proposal.to_toml(&head(&args, &found.corpus, &file));
    let next = format!("{} distill {}", program::name(), shown(&file));
    let told = if text::is_stdin(&file) {
        out.write_all(text.as_bytes()).and_then(|()| found.tell("", &mut output::stderr()))
    } else {
        write_output(&file, |out| out.write_all(text.as_bytes()))?;
        match args.json {
            true => writeln!(out, "{}", found.json(&file, &next)),
            false => found.tell(&format!("wrote {}\nnext: {next}\n", shown(&file)), out),
        }
    };
    told.map_err(|e| Error::output("write", Path::new("the result"), &e))
}

/// Reads the texts, chooses, and measures.
fn survey(args: &InitArgs, file: &Path, globals: &Globals) -> Result<Found> {
    let device = args.device.choose(globals)?;
    let request = request(args)?;
    let excerpt = prepare::excerpt(&request)?;
    let size = vocab_size(excerpt.pairs(), excerpt.alphabet());
    let corpus = excerpt.outline(&request, size, globals.quiet)?;
    let mut proposal = choose(&Corpus::from(&corpus));
    proposal.run.data = DataConfig { vocab_size: corpus.vocab_size, ..data(args, file)? };
    let [source, target] = corpus.tokens.map(|mean| mean.round() as usize);
    let (run, lengths) = (&proposal.run, Lengths { source, target });
    let sizes = Sizes::joint(run.data.vocab_size);
    let teacher = Some(&run.teacher.model);
    let times = [
        estimate::times(&run.of_teacher(), None, sizes, lengths, &device)?,
        estimate::times(run, teacher, sizes, lengths, &device)?,
    ];
    Ok(Found {
        sizes: parameters(&proposal)?,
        minutes: Minutes::new(&proposal, &corpus, &times),
        device: device.device(),
        threads: rayon::current_num_threads(),
        corpus,
        proposal,
        times,
    })
}

/// The file to write, which must not exist.
fn place(args: &InitArgs) -> Result<PathBuf> {
    let name =
        || PathBuf::from(format!("{}-{}.toml", args.corpus.source_lang, args.corpus.target_lang));
    let file = args.out.clone().unwrap_or_else(name);
    if text::is_stdin(&file) {
        let both =
            args.json.then(|| Error::misuse("--json and --out -: both write to standard output"));
        return both.map_or(Ok(file), Err);
    }
    has_place(&file)?;
    if file.is_file() && !args.force {
        let how = "name another file by --out, or overwrite it by --force";
        return Err(Error::misuse(format!("{} exists: {how}", file.display())));
    }
    Ok(file)
}

fn request(args: &InitArgs) -> Result<PrepareRequest> {
    let CorpusArgs { source_lang, target_lang, train } = args.corpus.clone();
    let valid = args.valid.clone().ok_or_else(|| no_validation(&args.corpus))?;
    let (test, clean) = (args.test.clone(), args.clean);
    let rest = PrepareRequest::default();
    Ok(PrepareRequest { source_lang, target_lang, train, valid, test, clean, ..rest })
}

/// The validation text is never taken from the training text: what a file holds is up to its owner.
fn no_validation(corpus: &CorpusArgs) -> Error {
    let CorpusArgs { source_lang, target_lang, train } = corpus;
    Error::misuse(format!(
        "--valid PREFIX is missing: set 500 distinct pairs aside by `paste {train}.{source_lang} {train}.{target_lang} | sort -u | \
         shuf > pairs; for l in '1 {source_lang}' '2 {target_lang}'; do set -- $l; head -n 500 pairs | cut -f$1 > valid.$2; \
         tail -n +501 pairs | cut -f$1 > rest.$2; done`, then --train rest --valid valid"
    ))
}

/// The texts, as the file must name them.
fn data(args: &InitArgs, file: &Path) -> Result<DataConfig> {
    let named =
        |prefix: &Option<String>| prefix.as_ref().map(|prefix| beside(prefix, file)).transpose();
    Ok(DataConfig {
        source_lang: args.corpus.source_lang.clone(),
        target_lang: args.corpus.target_lang.clone(),
        train: Some(beside(&args.corpus.train, file)?),
        valid: named(&args.valid)?,
        test: named(&args.test)?,
        clean: args.clean,
        ..DataConfig::default()
    })
}

/// A path of the command line as one that starts at the folder of `file`; absolute if it does not lie there.
fn beside(path: &str, file: &Path) -> Result<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        None => Ok(PathBuf::from(path)),
        Some(folder) => match Path::new(path).strip_prefix(folder) {
            Ok(rest) => Ok(rest.to_owned()),
            Err(_) => {
                std::path::absolute(path).map_err(|e| Error::input("use", Path::new(path), &e))
            }
        },
    }
}

fn head(args: &InitArgs, corpus: &Outline, file: &Path) -> String {
    let CorpusArgs { source_lang, target_lang, .. } = &args.corpus;
    let pairs = thousands(corpus.pairs.train);
    let [init, distill] = ["init", &format!("distill {}", shown(file))].map(program::command);
    let text = format!("From {source_lang} to {target_lang}: chosen by {init} for {pairs} pairs.");
    output::one_line(&format!("{text} Train with {distill}.")).into_owned()
}

fn shown(file: &Path) -> String {
    if text::is_stdin(file) { "CONFIG.toml".to_owned() } else { file.display().to_string() }
}

/// Parameters of the teacher and the student.
fn parameters(proposal: &Proposal) -> Result<[usize; 2]> {
    let run = &proposal.run;
    let size = |model| {
        plan(&core_config(model, run.task, Sizes::joint(run.data.vocab_size)), None)
            .map(|plan| model_size(&plan))
    };
    Ok([size(&run.teacher.model)?, size(&run.model)?])
}
