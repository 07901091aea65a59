//! The way of a command to the server: through its control socket, or, if it is stopped, to its state in this process.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use switchboard_store::{SQLITE_FILE, StoreError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::CommandError;
use crate::control::{ControlledServer, service, socket};
use crate::hub::{Hub, StoreStartError};
use crate::run::{load_hub, open_store};
use crate::settings::Settings;

/// How long a command waits while another command, or a server that starts or stops, uses the directory.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(10);

/// The pause between two attempts.
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Sends a command, and returns its answer.
pub(super) async fn request(
    line: &Zeroizing<String>,
    data: &Path,
    settings: &Settings,
) -> Result<String, CommandError> {
    check_directory(data)?;
    let until = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match socket::connect(data).await {
            Ok(stream) => return exchange(stream, line, data).await,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {}
            Err(error) => return Err(unreachable(data, &error)),
        }
        match open_store(settings) {
            Ok(store) => {
                let hub = load_hub(settings.clone(), store)?;
                let answer = in_process(&hub, line, data).await;
                hub.close_store();
                return answer;
            }
            Err(StoreStartError::Store(StoreError::Locked { .. })) if Instant::now() < until => {
                sleep(LOCK_RETRY_DELAY).await;
            }
            Err(StoreStartError::Store(StoreError::Locked { .. })) => {
                return Err(CommandError::Io {
                    place: data.display().to_string(),
                    error: "a server or another command uses this directory, but nobody answers on its socket \
                            `control`: try again when it has started or stopped"
                        .to_owned(),
                });
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends a command to a server that must run, and returns its answer.
pub(super) async fn request_running(line: &str, data: &Path) -> Result<String, CommandError> {
    check_directory(data)?;
    match socket::connect(data).await {
        Ok(stream) => exchange(stream, &Zeroizing::new(line.to_owned()), data).await,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            Err(CommandError::Io {
                place: data.display().to_string(),
                error: "no server runs with this data directory: start it first".to_owned(),
            })
        }
        Err(error) => Err(unreachable(data, &error)),
    }
}

/// Checks that this is the data directory of a server, so that a mistyped name creates nothing.
fn check_directory(data: &Path) -> Result<(), CommandError> {
    match data.join(SQLITE_FILE).metadata() {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(CommandError::Io {
            place: data.display().to_string(),
            error: format!(
                "this is not the data directory of a server (it has no file {SQLITE_FILE}): name the directory that \
                 the server has as --data, and start the server once if it is new"
            ),
        }),
        Err(error) => Err(unreachable(data, &error)),
    }
}

fn unreachable(data: &Path, error: &std::io::Error) -> CommandError {
    let place = data.display().to_string();
    let error = match error.kind() {
        ErrorKind::PermissionDenied => {
            format!("{error}: run this command as the user that runs the server, for example with `sudo -u USER`")
        }
        _ => error.to_string(),
    };
    CommandError::Io { place, error }
}

/// The same service as that of the socket, on a server without listeners.
async fn in_process(hub: &Arc<Hub>, line: &Zeroizing<String>, data: &Path) -> Result<String, CommandError> {
    let (stream, other_end) = UnixStream::pair().map_err(|error| unreachable(data, &error))?;
    let server = ControlledServer { hub: Arc::clone(hub), running: None };
    let (answer, ()) = tokio::join!(exchange(stream, line, data), service::serve_connection(other_end, &server));
    answer
}

async fn exchange(mut stream: UnixStream, line: &Zeroizing<String>, data: &Path) -> Result<String, CommandError> {
    let mut answer = String::new();
    let exchanged = async {
        stream.write_all(line.as_bytes()).await?;
        stream.shutdown().await?;
        stream.read_to_string(&mut answer).await
    };
    let exchanged = exchanged.await;
    exchanged.map_err(|error| unreachable(data, &error))?;
    if answer.ends_with('\n') {
        return Ok(answer);
    }
    Err(CommandError::Io {
        place: data.display().to_string(),
        error: "the server stopped before it had answered: look at its log and at `account list` for the outcome"
            .to_owned(),
    })
}
