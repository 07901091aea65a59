//! The program: what the command line asks for, done.

mod args;
mod bench;
mod completion;
mod failure;
mod generate;
mod history;
mod interactive;
mod json;
mod line_dialect;
mod oneshot;
mod outgoing;
mod output;
mod pump;
mod scripted;
mod signals;
mod terminal;
mod typed;
mod view;

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use args::{Action, Cli, Options};
use failure::Failure;
use switchboard_protocol::Dialect;

/// Does what `args` ask for.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::read(args) {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` come here too; a closed output is no reason to fail.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match start(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn start(cli: &Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(act(cli));
    // A read of standard input may still be waiting: it is not waited for.
    runtime.shutdown_background();
    done
}

async fn act(cli: &Cli) -> Result<(), Failure> {
    let (addr, options) = (&*cli.addr()?, &cli.options);
    let is_interactive = has_terminal() && !options.json;
    if let Some((option, way)) = cli.useless(is_interactive) {
        return Err(Failure::Usage(format!("{option} does nothing {way}: leave it out")));
    }
    act_on(cli, addr, options, is_interactive).await.map_err(|failure| failure.with_hint(cli.name_for_addr()))
}

async fn act_on(cli: &Cli, addr: &str, options: &Options, is_interactive: bool) -> Result<(), Failure> {
    match &cli.action {
        Some(Action::Ping { count, interval, .. }) => oneshot::ping(addr, options, *count, *interval).await,
        Some(Action::Who { .. }) => oneshot::who(addr, options).await,
        Some(Action::Send { user, text, .. }) => oneshot::send(addr, options, user, &text.join(" ")).await,
        Some(Action::Listen { count, .. }) => oneshot::listen(addr, options, *count).await,
        Some(Action::Bench { workload }) => bench::run(addr, options, workload),
        Some(Action::Completions { shell }) => Ok(generate::completions(*shell)?),
        Some(Action::Man) => Ok(generate::man()?),
        None if options.dialect == Dialect::Line => line_dialect::run(addr, options, is_interactive).await,
        None if is_interactive => interactive::run(addr, options).await,
        None => scripted::run(addr, options).await,
    }
}

/// Whether a person sits at both ends, at a terminal that can move its cursor.
fn has_terminal() -> bool {
    let dumb = env::var("TERM").is_ok_and(|term| matches!(&*term, "dumb" | "cons25" | "emacs"));
    io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
}
