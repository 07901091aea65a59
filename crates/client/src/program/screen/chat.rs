//! Runs the chat: the start screen, then the network, the files and the main loop.

use std::collections::VecDeque;
use std::env;
use std::io;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use switchboard_client::Liveness;
use switchboard_protocol::Username;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::app::{App, Wanted};
use super::command_history::CommandHistory;
use super::discovery::Discovery;
use super::event::{Effect, Event, Request};
use super::local_time::LocalTime;
use super::log_files::LogFiles;
use super::network::{self, Network};
use super::preferences::Preferences;
use super::server_list;
use super::stage::Stage;
use super::start::{Outcome, StartScreen};
use super::terminal::{ColorDepth, Terminal};
use super::view::theme::Theme;
use super::view::{self, draw_start};
use crate::program::address;
use crate::program::cli_error::CliError;
use crate::program::settings::{RightToLeft, Settings};
use crate::program::signals::TerminationSignals;
use crate::program::state_directory;

/// The time limit for the end of the session: longer than answers take.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(3);

/// What the command line says besides the settings.
#[derive(Clone, Debug)]
pub(crate) struct ChatOptions {
    /// The partner of the chat to open.
    pub(crate) chat: Option<String>,
    /// The time limit for the connection and for each answer until the session is logged in.
    pub(crate) limit: Duration,
    pub(crate) liveness: Liveness,
    /// Whether to connect again after a lost connection.
    pub(crate) reconnects: bool,
}

/// Chats until the user leaves.
pub(crate) async fn run(options: ChatOptions, settings: &Settings) -> Result<(), CliError> {
    let mut signals = TerminationSignals::listen()?;
    let depth = ColorDepth::detect(Some(settings.color));
    let mut stage = Stage::new(Terminal::take(depth)?);
    let looks = Looks { theme: Theme::new(depth), reorders: reorders(settings.right_to_left) };
    signals.run_until_signal(run_at(&mut stage, options, settings, looks)).await
}

/// How the screen looks.
#[derive(Clone, Copy, Debug)]
struct Looks {
    theme: Theme,
    reorders: bool,
}

async fn run_at(stage: &mut Stage, options: ChatOptions, settings: &Settings, looks: Looks) -> Result<(), CliError> {
    let Some((addr, name)) = choose_server(stage, settings, looks).await? else { return Ok(()) };
    let mut network = Network::start(network::Settings {
        addr: addr.clone(),
        name: name.as_str().to_owned(),
        device: settings.device.clone(),
        limit: options.limit,
        liveness: options.liveness,
        reconnects: options.reconnects,
        state: state_directory::path(),
    });
    let room = address::room(&addr).map(|room| Wanted::Room(room.as_str().to_owned()));
    let wanted = room.into_iter().chain(options.chat.map(wanted_chat)).collect();
    let preferences = Preferences {
        bell: settings.bell,
        notify: settings.notify,
        reorders: looks.reorders,
        local_time: LocalTime::of_system(settings.clock),
    };
    let mut app = App::new(preferences, wanted, stage.terminal().size()?, stage.now());
    let mut files = Files {
        log: settings.log.as_deref().map(|log| LogFiles::new(log, &addr)),
        commands: CommandHistory::load(),
        addr,
    };
    app.set_command_history(files.commands.commands().iter().cloned());
    let result = talk(stage, &mut app, looks.theme, &mut network, &mut files).await;
    // A request may wait for a connection that never comes.
    let _ = timeout(CLOSE_TIME_MAX, network.close()).await;
    Ok(result?)
}

/// The conversation that `--chat` names.
fn wanted_chat(target: String) -> Wanted {
    if target.starts_with('#') { Wanted::Room(target) } else { Wanted::Person(target) }
}

/// The main loop: runs until the user leaves. An error means that the terminal is gone.
async fn talk(
    stage: &mut Stage,
    app: &mut App,
    theme: Theme,
    network: &mut Network,
    files: &mut Files,
) -> io::Result<()> {
    let mut is_network_open = true;
    let mut effects = VecDeque::new();
    loop {
        stage.draw_if_due(|frame| view::draw(app, theme, frame))?;
        tokio::select! {
            biased;
            events = stage.next() => for event in events? {
                effects.extend(app.handle(event, stage.now()));
            },
            event = network.events.next(), if is_network_open => {
                is_network_open = event.is_some();
                effects.extend(event.into_iter().flat_map(|event| app.handle(Event::Network(event), stage.now())));
                stage.request_frame();
            }
        }
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Bell => stage.terminal().ring_bell(),
                Effect::Notify { title, body } => stage.terminal().notify(&title, &body),
                Effect::Redraw => stage.terminal().redraw()?,
                Effect::Suspend => stage.terminal().suspend().await?,
                Effect::Quit => return Ok(()),
                effect => {
                    if let Some(event) = files.perform(effect, &network.requests) {
                        effects.extend(app.handle(event, stage.now()));
                    }
                }
            }
        }
    }
}

/// Asks for the server and the name, as far as they are not known. `None`: the user leaves.
async fn choose_server(
    stage: &mut Stage,
    settings: &Settings,
    looks: Looks,
) -> Result<Option<(String, Username)>, CliError> {
    let name = settings.name.as_deref().and_then(|name| Username::new(name).ok());
    let known = server_list::load();
    let (mut start, mut outcome) = match &settings.server {
        Some(addr) => StartScreen::with_server(known, name, addr),
        None => (StartScreen::new(known, name), None),
    };
    let mut discovery = None;
    loop {
        match outcome.take() {
            Some(Outcome::Chosen { addr, name }) => return Ok(Some((addr, name))),
            Some(Outcome::Quit) => return Ok(None),
            None => {}
        }
        let discovery = discovery.get_or_insert_with(Discovery::start);
        stage.draw_if_due(|frame| draw_start(&start, looks.theme, looks.reorders, frame))?;
        tokio::select! {
            biased;
            events = stage.next() => for event in events? {
                match event {
                    Event::Key(key) if is_suspend(key) => stage.terminal().suspend().await?,
                    Event::Key(key) if outcome.is_none() => outcome = start.key(key),
                    Event::Paste(text) => start.paste(&text),
                    _ => {}
                }
            },
            event = discovery.next() => {
                start.discovery(event);
                stage.request_frame();
            }
        }
    }
}

fn is_suspend(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('z') && key.modifiers == KeyModifiers::CONTROL
}

/// Whether the chat puts right-to-left text in display order.
fn reorders(choice: RightToLeft) -> bool {
    match choice {
        RightToLeft::On => true,
        RightToLeft::Off => false,
        // These terminals do it themselves. VTE, the widget of GNOME Terminal, does so since version 0.58.
        RightToLeft::Auto => {
            let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
            let is_in_multiplexer = is_set("TMUX") || is_set("STY");
            is_in_multiplexer || !(is_set("VTE_VERSION") || is_set("KONSOLE_VERSION") || is_set("MLTERM"))
        }
    }
}

/// The files and the network, which perform effects.
struct Files {
    log: Option<LogFiles>,
    commands: CommandHistory,
    addr: String,
}

impl Files {
    /// Performs an effect. Returns news of it, if there are any.
    fn perform(&mut self, effect: Effect, requests: &mpsc::Sender<Request>) -> Option<Event> {
        match effect {
            Effect::Request(request) => {
                let request = requests.try_send(request).err()?.into_inner();
                request.refused("too many requests wait for the server.".to_owned()).map(Event::Network)
            }
            Effect::Log { conversation, line } => {
                let problem = self.log.as_mut()?.append(&conversation, &line)?;
                Some(Event::Problem(problem))
            }
            Effect::RememberCommand(command) => {
                self.commands.remember(&command);
                None
            }
            Effect::RememberServer { name } => {
                let name = Username::new(&name).ok()?;
                let error = server_list::remember(&self.addr, &name).err()?;
                Some(Event::Problem(format!("The server is not remembered for the next start: {error}")))
            }
            // The main loop performs these.
            Effect::Bell | Effect::Notify { .. } | Effect::Redraw | Effect::Suspend | Effect::Quit => None,
        }
    }
}
