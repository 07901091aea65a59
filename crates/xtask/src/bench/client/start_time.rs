//! The time from the start of a client to its first typed character, at a pseudoterminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::{COLUMNS, ROWS, TIMEOUT, now, writer};

/// The typed character. No client shows it by itself.
const CHARACTER: &str = "ж";

/// The key that removes a character.
const BACKSPACE: &str = "\x7f";

/// Time between two typed characters, and between two looks at the mode of the terminal. A client may discard
/// characters while it prepares the terminal, so one is typed until one is shown.
const TYPE_INTERVAL: Duration = Duration::from_millis(1);

/// Times from the start of the process.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartTimes {
    /// Until a typed character is on the screen.
    pub(super) first_character: Duration,
    /// Until the room is on the screen, with the names of its members. The connection is made by then.
    pub(super) room: Duration,
}

/// Starts a client and measures. `join_keys` enter the room, unless the client does so by itself.
pub(super) fn measure(mut client: Command, join_keys: Option<String>) -> Result<StartTimes, String> {
    let (mut user, program) = open_terminal().map_err(|error| format!("no pseudoterminal: {error}"))?;
    let stdio = || program.try_clone().map(Stdio::from).map_err(|error| error.to_string());
    client.env("TERM", "xterm-256color").stdin(stdio()?).stdout(stdio()?).stderr(stdio()?);
    let output = user.try_clone().map_err(|error| error.to_string())?;
    let (sender, pieces) = channel();
    thread::spawn(move || {
        let mut output = output;
        let mut bytes = [0; 16_384];
        // The read fails when the client has closed its end.
        while let Ok(read @ 1..) = output.read(&mut bytes) {
            if sender.send((now(), bytes[..read].to_vec())).is_err() {
                break;
            }
        }
    });
    let start = now();
    let child = client.spawn().map_err(|error| format!("the client cannot be started: {error}"))?;
    drop(program);
    let _child = KilledOnDrop(child);
    // Until then, the kernel itself shows typed characters.
    while tcgetattr(&user).is_ok_and(|attributes| attributes.local_modes.contains(LocalModes::ECHO)) {
        if start.elapsed() > TIMEOUT {
            return Err("the client does not prepare the terminal".to_owned());
        }
        thread::sleep(TYPE_INTERVAL);
    }
    let mut shown = Vec::new();
    let mut n_typed = 0;
    let mut type_in =
        |text: &str| user.write_all(text.as_bytes()).map_err(|error| format!("nothing can be typed: {error}"));
    let first_character = loop {
        type_in(CHARACTER)?;
        n_typed += 1;
        if let Some(at) = wait_for(CHARACTER, &pieces, &mut shown, TYPE_INTERVAL) {
            break at;
        }
        if start.elapsed() > TIMEOUT {
            return Err("no typed character is shown".to_owned());
        }
    };
    if let Some(keys) = join_keys {
        type_in(&BACKSPACE.repeat(n_typed))?;
        type_in(&keys)?;
    }
    let room = wait_for(writer::NAME, &pieces, &mut shown, TIMEOUT).ok_or("the room is not shown")?;
    Ok(StartTimes { first_character: first_character - start, room: room.max(first_character) - start })
}

/// Waits until the output contains a text. Returns the time of the piece that completed it.
fn wait_for(
    text: &str,
    pieces: &Receiver<(Instant, Vec<u8>)>,
    shown: &mut Vec<u8>,
    limit: Duration,
) -> Option<Instant> {
    let start = now();
    let mut at = start;
    loop {
        if memchr::memmem::find(shown, text.as_bytes()).is_some() {
            return Some(at);
        }
        match pieces.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok((time, bytes)) => {
                at = time;
                shown.extend_from_slice(&bytes);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Opens a pseudoterminal. Returns the user's end and the program's end.
fn open_terminal() -> rustix::io::Result<(File, OwnedFd)> {
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&user)?;
    unlockpt(&user)?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let program = rustix::fs::open(ptsname(&user, Vec::new())?, flags, rustix::fs::Mode::empty())?;
    tcsetwinsize(&user, Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 })?;
    Ok((File::from(user), program))
}

/// A client that is killed when the measurement ends.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
