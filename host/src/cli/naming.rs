//! The command tree under the name that the program was started under.

use super::Cli;
use crate::system::program;
use clap::builder::{Resettable, StyledStr};
use clap::{Arg, Command, CommandFactory, FromArgMatches};

/// The arguments of this process.
///
/// # Errors
///
/// As clap reports them. Requests for help and version are among them.
pub fn parse() -> Result<Cli, clap::Error> {
    let mut command = command();
    let mut matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// The command tree. Help, usage and version name the program as it was started.
pub fn command() -> Command {
    let (tree, name) = (Cli::command(), program::name());
    let verbs: Vec<_> = tree.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    Naming { written: tree.get_name().to_owned(), name, verbs }.tree(tree).name(name).bin_name(name)
}

/// Replaces the name that help texts are written with. It is a name only before a verb.
struct Naming {
    written: String,
    name: &'static str,
    verbs: Vec<String>,
}

impl Naming {
    fn tree(&self, command: Command) -> Command {
        let [about, long_about] =
            [command.get_about(), command.get_long_about()].map(|text| self.text(text));
        let after = self.text(command.get_after_help());
        let command = command.about(about).long_about(long_about).after_help(after);
        let command = command.mut_args(|argument| self.argument(argument));
        command.mut_subcommands(|verb| self.tree(verb))
    }

    fn argument(&self, argument: Arg) -> Arg {
        let [help, long_help] =
            [argument.get_help(), argument.get_long_help()].map(|text| self.text(text));
        argument.help(help).long_help(long_help)
    }

    fn text(&self, text: Option<&StyledStr>) -> Resettable<StyledStr> {
        let Self { written, name, verbs } = self;
        let named = |text: String, verb: &String| {
            text.replace(&format!("{written} {verb}"), &format!("{name} {verb}"))
        };
        text.map(|text| verbs.iter().fold(text.to_string(), named).into()).into()
    }
}
