//! The loop of an interactive session while it is connected.

use std::future::{pending, ready};
use std::time::Duration;

use switchboard_client::ConnectionError;
use switchboard_client::low_level::Received;
use tokio::time::{Instant, sleep_until};

use super::super::cli_error::CliError;
use super::super::terminal::EditorHandle;
use super::ChatSession;
use super::request::{PendingRequest, RequestKind};
use super::server_connection::ServerConnection;

/// The number of received lines after which a line is sent as soon as the last read has no further line. So a server
/// that always has more lines does not stop the user.
pub(super) const RECEIVED_FIRST_MAX_LINES: usize = 256;

/// The time limit for each answer that is still missing when the user has left.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);

impl ChatSession<'_> {
    /// Runs until the connection ends, and returns the reason. If the user leaves, it waits for the missing answers for
    /// a limited time, and returns `None`.
    pub(super) async fn run_connected(
        &mut self,
        mut connection: ServerConnection,
        editor: &mut EditorHandle,
    ) -> Option<ConnectionError> {
        self.pending.clear();
        let mut close_reason = None;
        // Set when the user has left. The session ends at this deadline, even if answers are missing.
        let mut leave_deadline: Option<Instant> = None;
        // The number of lines received since the last sent line.
        let mut n_received = 0;
        loop {
            let limit = self.options.timeout;
            let last_request = self.last_request().filter(|request| !request.is_late);
            let answer_deadline = last_request.map(|request| request.sent_at + limit);
            let can_send = answer_deadline.is_none() && connection.out.is_empty();
            let has_queued_line = can_send && !self.queued_lines.is_empty();
            // The lines of one read may end a chat, so they are handled together.
            let receives_first = n_received < RECEIVED_FIRST_MAX_LINES || connection.lines.has_buffered_line();
            tokio::select! {
                biased;
                _ = editor.exited.changed(), if leave_deadline.is_none() => {
                    leave_deadline = Some(Instant::now() + LAST_ANSWERS_TIMEOUT);
                }
                () = sleep_until_some(leave_deadline) => return None,
                // The next line to send may be for a peer who has left. So the received lines come first.
                received = connection.lines.next(), if receives_first => match received {
                    Ok(Received::PingDue) => {
                        connection.out.push_line("PING");
                        self.pending.push_back(PendingRequest::new(RequestKind::Probe, self.chat.get()));
                    }
                    Ok(Received::Line(line)) => {
                        n_received += 1;
                        let is_answer = self.handle_server_line(&line, &mut close_reason).await;
                        if is_answer && leave_deadline.is_some() {
                            leave_deadline = Some(Instant::now() + LAST_ANSWERS_TIMEOUT);
                        }
                    }
                    Err(_) if leave_deadline.is_some() => return None,
                    Err(error) => {
                        if answer_deadline.is_some() {
                            self.show_error("the connection was lost before the last line was answered").await;
                        }
                        if self.own_name.is_none() {
                            // Repeat an unanswered REGISTER on the next connection.
                            let register = self.pending.drain(..).find_map(|request| match request.kind {
                                RequestKind::Register(line) => Some(line),
                                _ => None,
                            });
                            if let Some(register) = register {
                                self.queue_request(register);
                            }
                        }
                        return Some(close_reason.unwrap_or(error));
                    }
                },
                () = ready(()), if has_queued_line => {
                    n_received = 0;
                    if let Some(line) = self.queued_lines.pop_front() {
                        self.handle_line(&mut connection.out, line).await;
                    }
                }
                line = editor.lines.recv(), if can_send => {
                    n_received = 0;
                    self.handle_line(&mut connection.out, line?).await;
                }
                () = connection.out.write_some() => {}
                () = sleep_until_some(answer_deadline) => {
                    self.show_error(CliError::TimedOut(self.options.timeout)).await;
                    self.last_request().expect("a deadline belongs to a request").is_late = true;
                }
                () = ready(()), if !receives_first => n_received = 0,
            }
        }
    }

    /// The last request of the user in flight.
    fn last_request(&mut self) -> Option<&mut PendingRequest> {
        self.pending.iter_mut().rev().find(|request| request.kind != RequestKind::Probe)
    }
}

/// Waits until `deadline`, or forever if it is `None`.
async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
