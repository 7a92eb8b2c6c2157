// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::disk::args::DiskCommand;
use crate::error::Error;
use crate::output::Output;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Shows the pools of zbud_movable, draws and moves their pages, and sets up disks.
#[derive(Parser)]
#[command(name = "zbudctl", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// Print JSON, one object a line; errors, too
    #[arg(long, global = true)]
    pub json: bool,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Exit status:
  0  success
  1  verification failed
  2  wrong usage
  3  the request ran, but some pages were not moved
  4  the kernel refused, or a file does not say what it should
  5  the module is not loaded";

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Show the pools: figures for each node, knobs, counters
    Status {
        /// Repeat every SECONDS (default 1) until interrupted
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1",
              value_parser = interval)]
        watch: Option<Duration>,
    },
    /// Move pages from nodes to nodes, as migratepages(8) does for a process
    Migrate {
        /// Nodes to move from: numbers and ranges, as in 0-1,3, or 'all'
        #[arg(value_parser = word)]
        from: String,
        /// Nodes to move to
        #[arg(value_parser = word)]
        to: String,
    },
    /// Show or set the nodes on which new pages may be placed
    Mems(MemsArgs),
    /// Draw where pool pages are: blocks of 2 MiB, by node
    Map(MapArgs),
    /// Check every invariant of the pools, and that the figures add up
    Verify,
    /// Map the pages of all pools until interrupted, so that migratepages(8) and cpusets
    /// move them
    Hold {
        /// Touch pages that come later, too, every SECONDS (default 1)
        #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1",
              value_parser = interval)]
        touch: Option<Duration>,
    },
    /// Set up, show and remove the compressed disks /dev/zbudN
    Disk {
        /// The command.
        #[command(subcommand)]
        command: DiskCommand,
    },
    /// Print what a shell needs to complete command lines
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write VALUE to KNOB in one write and exit with the errno
    #[command(hide = true)]
    Request {
        /// The file.
        knob: Knob,
        /// The text to write.
        value: String,
    },
}

/// The arguments of `mems`.
#[derive(Args)]
pub struct MemsArgs {
    /// Nodes: numbers and ranges, as in 0-1,3, or 'all'
    #[arg(value_parser = word)]
    pub nodes: Option<String>,
    /// Move the pages on other nodes this time, even if memory_migrate is off
    #[arg(long, requires = "nodes", conflicts_with = "memory_migrate")]
    pub migrate: bool,
    /// Set whether changes of mems move pages from now on
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    pub memory_migrate: Option<Switch>,
}

/// The arguments of `map`.
#[derive(Args)]
pub struct MapArgs {
    /// Draw also what FILE has, which 'zbudctl --json map' has printed
    #[arg(long, value_name = "FILE")]
    pub before: Option<PathBuf>,
    /// Print SVG
    #[arg(long)]
    pub svg: bool,
}

/// A knob with two positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// 1
    On,
    /// 0
    Off,
}

/// A shell that completes command lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash, with or without bash-completion.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

/// A file to which requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Knob {
    /// "FROM TO"
    Migrate,
    /// "NODES"
    Mems,
}

impl Knob {
    /// The file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Mems => "mems",
        }
    }
}

/// Checks that an argument is one word for the kernel: two words in it, or none, would
/// shift the others. The rest is for the kernel to check.
fn word(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("no nodes".to_owned())
    } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Err("a list of nodes has no spaces".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Parses the time between two outputs of `status --watch`, or two looks of `hold --touch`.
fn interval(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=86400.0).contains(&seconds) => {
            Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
        }
        Ok(_) | Err(_) => Err("seconds are 0.1 to 86400".to_owned()),
    }
}

/// Reads the command line.
///
/// # Errors
///
/// The exit status if there is nothing to run, as help or an error was printed.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is no error.
            drop(error.print());
            ExitCode::SUCCESS
        }
        _ => {
            let said = error.render().to_string();
            let said = said.strip_prefix("error: ").unwrap_or(&said).trim_end();
            // The command line could not be parsed, so this is a guess.
            let json = std::env::args_os().any(|argument| argument == "--json");
            let message = said.to_owned();
            Output::new(json).fail(&Error::Usage(message)).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{interval, word, Cli};
    use clap::CommandFactory;
    use std::time::Duration;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_word_is_one_word() {
        for good in ["0", "all", "0-1,3", "nonsense", "99999999999999999999"] {
            assert_eq!(word(good).as_deref(), Ok(good));
        }
        for bad in ["", " ", "0 1", "0\n", "\t0", "0\u{a0}1", "0\0"] {
            assert!(word(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_interval_can_be_waited_for() {
        assert_eq!(interval("2"), Ok(Duration::from_secs(2)));
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "0", "-1", "0.09", "86401", "NaN", "inf", "1e300", "1s"] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }
}
