// SPDX-License-Identifier: GPL-2.0

//! `zbudctl completions`: prints what a shell needs to complete command lines.

use crate::cli::Shell;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use serde::Serialize;
use std::fmt;

/// The output of `completions`.
#[derive(Serialize)]
struct Completions {
    completions: &'static str,
}

impl fmt::Display for Completions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.completions)
    }
}

fn of(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("../completions/zbudctl.bash"),
        Shell::Zsh => include_str!("../completions/_zbudctl"),
        Shell::Fish => include_str!("../completions/zbudctl.fish"),
    }
}

/// Prints the completions for a shell.
///
/// # Errors
///
/// `Output`.
pub fn run(output: Output, shell: Shell) -> Result<Exit, Error> {
    let completions = of(shell);
    output.say(&Completions { completions })?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::{of, Shell};
    use crate::cli::Cli;
    use clap::{Command, CommandFactory, ValueEnum};

    /// The names of all commands, and of their options without the dashes.
    fn words(command: &Command) -> Vec<String> {
        let options = command.get_arguments().filter_map(|arg| arg.get_long());
        let mut found: Vec<_> = options.map(str::to_owned).collect();
        for below in command.get_subcommands().filter(|one| !one.is_hide_set()) {
            found.push(below.get_name().to_owned());
            found.extend(words(below));
        }
        found
    }

    fn is_between(c: char) -> bool {
        !c.is_ascii_alphanumeric() && c != '-'
    }

    #[test]
    fn each_shell_knows_each_command_and_option() {
        let words = words(&Cli::command());
        assert!(words.len() > 30, "{words:?}");
        for shell in Shell::value_variants() {
            let text = of(*shell);
            for word in &words {
                let known = text
                    .split(is_between)
                    .any(|part| part.trim_start_matches('-') == word);
                assert!(known, "{shell:?} does not know {word}");
            }
        }
    }

    #[test]
    fn each_shell_knows_each_column() {
        let help = Cli::command()
            .find_subcommand("disk")
            .and_then(|disk| disk.find_subcommand("list"))
            .and_then(|list| list.get_after_help())
            .map(ToString::to_string)
            .unwrap_or_default();
        let columns: Vec<_> = help
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert!(columns.len() > 10, "{help}");
        for shell in Shell::value_variants() {
            let text = of(*shell).split(is_between);
            for column in &columns {
                assert!(
                    text.clone().any(|word| word == *column),
                    "{shell:?} does not know {column}"
                );
            }
        }
    }
}
