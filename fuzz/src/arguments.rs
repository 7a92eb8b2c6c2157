// SPDX-License-Identifier: GPL-2.0

//! Command lines of zbudctl: the input has the arguments, with a NUL after each.

use crate::cli::{Cli, Command};
use crate::disk::args::{given, DiskCommand, RemoveArgs};
use crate::size::{human, Size};
use clap::{CommandFactory, FromArgMatches};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

thread_local! {
    // To make it takes longer than to parse with it.
    static COMMAND: RefCell<clap::Command> = RefCell::new(Cli::command());
}

/// Parses `data` as a command line, and each argument as all that one can be.
pub fn run(data: &[u8]) {
    let words = data.split(|&byte| byte == 0).map(OsStr::from_bytes);
    words.clone().filter_map(OsStr::to_str).for_each(each);
    let words = [OsStr::new("zbudctl")].into_iter().chain(words);
    let parsed = COMMAND.with_borrow_mut(|command| command.try_get_matches_from_mut(words));
    match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => sound(&cli, data),
        Err(error) => assert!(!error.render().to_string().is_empty()),
    }
}

/// What the program relies on.
fn sound(cli: &Cli, data: &[u8]) {
    // Disks come in the order in which they are named.
    let mut names = data.split(|&byte| byte == 0);
    let mut named = |device: &str| {
        let short = device.trim_start_matches("/dev/");
        names.any(|name| [device, short].iter().any(|known| known.as_bytes() == name))
    };
    let word = |text: &str| !text.is_empty() && text.split_whitespace().eq([text]);
    match &cli.command {
        Command::Status { watch: interval } | Command::Hold { touch: interval } => {
            let pause = interval.map(|interval| interval.as_secs_f64());
            assert!(pause.is_none_or(|seconds| (0.1..=86400.0).contains(&seconds)));
        }
        Command::Migrate { from, to } => assert!(word(from) && word(to)),
        Command::Mems(args) => assert!(args.nodes.as_deref().is_none_or(word)),
        Command::Disk { command } => match command {
            DiskCommand::Add(args) => {
                assert!(!matches!(args.size, Size::Bytes(0) | Size::Percent(0)));
                assert!(given(args.priority.as_ref()).is_none_or(|&priority| priority >= -1));
                for option in [&args.algorithm, &args.mems] {
                    assert!(given(option.as_ref()).is_none_or(|text| word(text)));
                }
            }
            DiskCommand::List(args) => {
                let columns = args.columns();
                assert!(columns.is_none_or(|columns| !columns.is_empty()));
                assert!(args.devices.iter().all(|disk| named(&disk.to_string())));
            }
            DiskCommand::Remove(RemoveArgs { devices, .. }) | DiskCommand::Reset { devices } => {
                assert!(devices.iter().all(|disk| named(&disk.to_string())));
            }
        },
        Command::Map(_) | Command::Verify | Command::Completions { .. } => {}
        Command::Request { .. } => {}
    }
}

/// One argument by itself.
fn each(text: &str) {
    assert_eq!(Size::parse(text), size(text), "{text:?}");
    if let Some(Size::Bytes(bytes)) = Size::parse(text) {
        assert!(human(bytes).len() <= "1023.9K".len(), "{bytes}");
    }
}

/// A size, as the manual has it: slowly, and in wide numbers.
fn size(text: &str) -> Option<Size> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number = number.parse::<u128>().ok();
    // More digits than any size has are no number here, unless they are zeroes.
    let number = number.filter(|&number| number <= u128::from(u64::MAX))?;
    let power = match unit.strip_suffix("iB").unwrap_or(unit) {
        "%" if unit == "%" => return u64::try_from(number).ok().map(Size::Percent),
        "" => 0,
        "k" | "K" => 1,
        "m" | "M" => 2,
        "g" | "G" => 3,
        "t" | "T" => 4,
        "p" | "P" => 5,
        "e" | "E" => 6,
        _ => return None,
    };
    let bytes = number << (10 * power);
    u64::try_from(bytes).ok().map(Size::Bytes)
}
