//! The program: what the command line asks for, done.

mod args;
mod failure;
mod generate;
mod oneshot;
mod output;
mod pump;
mod scripted;

use std::ffi::OsString;
use std::process::ExitCode;

use args::{Action, Cli};
use failure::Failure;

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
    let (addr, options) = (&*cli.addr(), &cli.options);
    match &cli.action {
        Some(Action::Ping { count, interval, .. }) => oneshot::ping(addr, options, *count, *interval).await,
        Some(Action::Who { .. }) => oneshot::who(addr, options).await,
        Some(Action::Send { user, text }) => oneshot::send(addr, options, user, &text.join(" ")).await,
        Some(Action::Listen { count, .. }) => oneshot::listen(addr, options, *count).await,
        Some(Action::Completions { shell }) => Ok(generate::completions(*shell)?),
        Some(Action::Man) => Ok(generate::man()?),
        None => scripted::run(addr, options).await,
    }
}
