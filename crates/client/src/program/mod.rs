//! The program `switchboard`: parses the command line and runs the selected action.

mod account_files;
mod address;
mod args;
mod bench;
mod cli_error;
mod connecting;
mod conversations;
mod generate;
mod json;
mod known_servers;
mod line_dialect;
mod machine_device;
mod message_words;
mod name_prompt;
mod oneshot;
mod open_session;
mod partner_guard;
mod password;
mod prompt;
mod reconnecting;
mod screen;
mod script;
mod send_buffer;
mod settings;
mod signals;
mod state_directory;
mod stdin;
mod stdout;
mod websocket_url;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use args::{Action, ChatMode, Cli, Options, target_of};
use cli_error::CliError;
use message_words::{SayWords, SendWords};
use screen::ChatOptions;
use switchboard_protocol::Dialect;

/// Parses `args` and runs the program.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::parse_args(args) {
        Ok(cli) => cli,
        Err(error) => {
            // clap returns the texts of `--help` and `--version` as errors, too. A closed output is not an error.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run_async(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run_async(cli: &Cli) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(run_cli(cli));
    // A blocking read of standard input may still be in progress. Do not wait for its end.
    runtime.shutdown_background();
    result
}

async fn run_cli(cli: &Cli) -> Result<(), CliError> {
    if cli.print_config && cli.action.is_none() {
        return Ok(stdout::print_text(&cli.settings()?.to_toml())?);
    }
    let (addr, options) = (cli.addr()?, &cli.options);
    let is_at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let chat_mode = ChatMode::choose(options, is_at_terminal, screen::can_fill_terminal());
    if let Some((option, mode)) = cli.unused_option(chat_mode) {
        return Err(CliError::Usage(format!("{option} does nothing {mode}: leave it out")));
    }
    if cli.action.is_none() && chat_mode == ChatMode::FullScreen {
        return run_full_screen(cli).await;
    }
    let run = async {
        let addr = known_servers::with_known_key(addr, options).await?;
        run_action(cli, &addr, options, chat_mode).await
    };
    run.await.map_err(|failure| known_servers::explain(failure.with_hint(cli.addr_as_name())))
}

async fn run_action(cli: &Cli, addr: &str, options: &Options, chat_mode: ChatMode) -> Result<(), CliError> {
    match &cli.action {
        Some(Action::Ping { count, interval, .. }) => oneshot::ping(addr, options, *count, *interval).await,
        Some(Action::Who { .. }) => oneshot::who(addr, options).await,
        Some(Action::Send { words, .. }) => {
            let SendWords { user, text, .. } = cli.send_words(words)?;
            oneshot::send(addr, options, user, &text).await
        }
        Some(Action::Listen { conversation, device, join, count, .. }) => {
            let room = || address::room(addr).map(|room| room.as_str().to_owned());
            match conversation.clone().or_else(room) {
                Some(target) => conversations::listen(addr, options, device.as_deref(), &target, *join, *count).await,
                None if device.is_some() || *join => Err(CliError::Usage(
                    "--device and --join need --conversation, or a link that names a room".to_owned(),
                )),
                None => oneshot::listen(addr, options, *count).await,
            }
        }
        Some(Action::Login { device, key, create, .. }) => {
            conversations::login(addr, options, device.as_deref(), key.as_deref(), *create).await
        }
        Some(Action::Say { words, account, join }) => {
            let SayWords { target, text, .. } = cli.say_words(words)?;
            conversations::say(addr, options, account.device(), (&target, &text), *join).await
        }
        Some(Action::History { words, account, before, count }) => {
            conversations::history(addr, options, account.device(), &target_of(words)?, *before, *count).await
        }
        Some(Action::Export { words, account }) => {
            conversations::export(addr, options, account.device(), &target_of(words)?).await
        }
        Some(Action::Rooms { account, .. }) => conversations::rooms(addr, options, account.device()).await,
        Some(Action::Bench { load }) => bench::run(addr, options, load).await,
        Some(Action::Completions { shell }) => Ok(generate::completions(*shell)?),
        Some(Action::Man) => Ok(generate::man()?),
        None => run_chat(addr, options, chat_mode).await,
    }
}

async fn run_chat(addr: &str, options: &Options, mode: ChatMode) -> Result<(), CliError> {
    let has_prompt = mode == ChatMode::Plain;
    match mode {
        _ if options.dialect == Dialect::Line => line_dialect::run(addr, options, has_prompt).await,
        _ => script::run(addr, options, has_prompt).await,
    }
}

/// Chats in the whole terminal. Without an address, the user chooses one there.
async fn run_full_screen(cli: &Cli) -> Result<(), CliError> {
    let options = &cli.options;
    options.check_names()?;
    let settings = cli.settings()?;
    let chat_options = ChatOptions {
        chat: options.chat.clone(),
        limit: options.timeout,
        liveness: options.liveness(),
        reconnects: !options.reconnect.no_reconnect,
    };
    screen::run(chat_options, &settings).await
}
