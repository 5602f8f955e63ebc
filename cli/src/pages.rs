//! What is made from the definition of the command line: completions for shells, and manual pages.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use crate::args::definition;
use crate::failure::Failure;
use crate::output::Output;

/// The command's name.
const NAME: &str = "torch-checkpoint";

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command whose page it is, as `show`; without one, the page of torch-checkpoint itself
    #[arg(value_parser = a_command)]
    command: Option<String>,
}

pub(crate) fn completions(args: &Completions) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definition(), NAME, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if args.shell == Shell::Bash {
        // Of a name with a hyphen, clap_complete writes states that it does not look for: clap-rs/clap, issue 6421.
        script = script.replace("torch__subcmd__checkpoint__", "torch__checkpoint__");
    }
    print(&script)
}

pub(crate) fn man(args: &Man) -> Result<ExitCode, Failure> {
    let mut whole = definition();
    // Gives the commands below their full names.
    whole.build();
    let command = args.command.as_ref().and_then(|name| whole.find_subcommand(name)).unwrap_or(&whole);
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    print(&String::from_utf8_lossy(&page))
}

fn a_command(text: &str) -> Result<String, String> {
    let whole = definition();
    let known: Vec<&str> = whole.get_subcommands().map(clap::Command::get_name).collect();
    if known.contains(&text) { Ok(text.to_owned()) } else { Err(format!("the commands are {}", known.join(", "))) }
}

fn print(page: &str) -> Result<ExitCode, Failure> {
    let mut output = Output::new();
    output.text(page)?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}
