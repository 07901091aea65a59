//! Plain mode: keeps a message from a chat partner who came while the user typed it.
//!
//! The kernel edits the typed line, so the program cannot know whether the user began it before the new partner came. So
//! after each new partner, the first message waits until the user answers a question.

use switchboard_protocol::sanitize;

/// Maximum bytes that wait for the answer: a pasted page. More are dropped, and the user hears that.
const HELD_MAX_BYTES: usize = 64 * 1024;

/// Holds messages back, and asks.
#[derive(Debug, Default)]
pub(crate) struct PartnerGuard {
    /// The partner of the chat, if the user has not written to this partner yet.
    new_partner: Option<String>,
    /// The lines that wait for the answer. Empty: there is no question.
    held: Vec<u8>,
}

impl PartnerGuard {
    /// Somebody has connected to the user.
    pub(crate) fn partner_came(&mut self, name: &str) {
        self.new_partner = Some(name.to_owned());
    }

    /// Takes typed lines, and leaves those that may be sent now.
    pub(crate) fn pass(&mut self, bytes: &mut Vec<u8>) {
        let typed = std::mem::take(bytes);
        for line in typed.split_inclusive(|&byte| byte == b'\n') {
            if self.held.is_empty() {
                match &self.new_partner {
                    Some(name) if is_message(line) => {
                        self.held = line.to_vec();
                        ask(name);
                    }
                    _ => bytes.extend(line),
                }
                continue;
            }
            match line.trim_ascii() {
                b"yes" => bytes.append(&mut self.release()),
                b"no" => {
                    self.release();
                    eprintln!("switchboard: not sent");
                }
                _ if self.held.len() + line.len() > HELD_MAX_BYTES => {
                    self.release();
                    eprintln!("switchboard: not sent, because too many lines waited for the answer");
                }
                // Pasted lines arrive one by one, so they belong to the message before them.
                _ => self.held.extend(line),
            }
        }
    }

    /// Ends the question, and returns the held lines.
    fn release(&mut self) -> Vec<u8> {
        self.new_partner = None;
        std::mem::take(&mut self.held)
    }
}

fn ask(partner: &str) {
    let partner = sanitize(partner);
    eprintln!("switchboard: not sent yet, because {partner} has connected to you. Send it to {partner}? yes or no");
}

/// Whether the server takes the line for a `MSG`.
fn is_message(line: &[u8]) -> bool {
    let verb = line.trim_ascii().split(u8::is_ascii_whitespace).next();
    verb.is_some_and(|verb| verb.eq_ignore_ascii_case(b"MSG"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that are sent, for lines that are typed after Elias has connected.
    fn sent(typed: &[&str]) -> String {
        let mut guard = PartnerGuard::default();
        guard.partner_came("Elias");
        let sent = typed.iter().flat_map(|line| {
            let mut bytes = line.as_bytes().to_vec();
            guard.pass(&mut bytes);
            bytes
        });
        String::from_utf8(sent.collect()).expect("UTF-8")
    }

    #[test]
    fn message_waits_for_an_answer_after_a_new_partner_came() {
        let cases: &[(&[&str], &str)] = &[
            (&["MSG a\n"], ""),
            (&["MSG a\n", "yes\n"], "MSG a\n"),
            (&["MSG a\n", "no\n", "MSG b\n"], "MSG b\n"),
            // The answer holds until the next partner comes.
            (&["MSG a\n", "yes\n", "MSG b\n"], "MSG a\nMSG b\n"),
            // Other requests do not wait.
            (&["PING\n", " msg a\n"], "PING\n"),
            // A paste, in one read and in several.
            (&["MSG a\nMSG b\nDISCONNECT\n", "no\n"], ""),
            (&["MSG a\n", "MSG b\n", "\n", "yes\n", "WHO\n"], "MSG a\nMSG b\n\nWHO\n"),
            // A line that Ctrl-D sends in parts.
            (&["MSG ", "a\n", "no\n"], ""),
        ];
        for (typed, expected) in cases {
            assert_eq!(sent(typed), *expected, "typed {typed:?}");
        }
    }

    #[test]
    fn nothing_waits_without_a_new_partner() {
        let mut bytes = b"MSG a\nyes\n".to_vec();
        PartnerGuard::default().pass(&mut bytes);
        assert_eq!(bytes, b"MSG a\nyes\n");
    }

    #[test]
    fn held_lines_are_bounded() {
        let mut guard = PartnerGuard::default();
        guard.partner_came("Elias");
        let line = format!("MSG {}\n", "x".repeat(1000));
        for _ in 0..=HELD_MAX_BYTES / line.len() {
            let mut bytes = line.clone().into_bytes();
            guard.pass(&mut bytes);
            assert!(bytes.is_empty());
        }
        assert!(guard.held.is_empty());
    }
}
