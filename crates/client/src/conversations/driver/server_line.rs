//! Handles the lines of the server: records for the views, and answers for the requests in flight.

use switchboard_protocol::version2::{RecordLine, RecordVerb, Reply, TaggedReply, parse_reply};
use switchboard_protocol::{ErrorCode, Reply as Version1Reply, Username, sanitize};

use super::super::control::{Answer, Control, Purpose};
use super::super::handshake;
use super::super::identity::{Identity, Kind};
use super::super::item::{ConversationInfo, Gap, Record};
use super::super::news::News;
use super::super::views::Numbers;
use super::Driver;
use crate::error::Error;

/// The device of a session that has turned its name into an account.
const CLAIMED_DEVICE: &str = "main";

impl Driver {
    /// Takes one line of the server. Fails if the connection is of no more use.
    pub(super) async fn take_line(&mut self, line: &str) -> Result<(), Error> {
        let Ok(TaggedReply { n, reply }) = parse_reply(line) else {
            if let Some((n, error)) = unknown_error(line) {
                self.take_error(n, error, None).await;
            }
            // A line that this version does not know.
            return Ok(());
        };
        if let Some(error) = handshake::check_refusal(line) {
            let target = match reply {
                Reply::Error { target, .. } => target,
                _ => None,
            };
            self.take_error(n, error, target.as_deref()).await;
            return Ok(());
        }
        match reply {
            Reply::Record(record) if self.is_invitation(&record) => {
                self.push_news(News::Invited(Record::new(record, n)));
            }
            Reply::Record(record) if !record.is_past => {
                let controls = self.views.record(Record::new(record, n));
                self.controls.extend(controls);
            }
            Reply::Gap { target, from, to, reason, is_past } => {
                let gap = Gap { target: target.into_owned(), from, to, reason };
                let is_listed = self.in_flight.as_ref().is_some_and(|control| {
                    let reply = Reply::Gap { target: (&*gap.target).into(), from, to, reason, is_past };
                    control.takes_part(&reply)
                });
                if is_listed && !self.views.expects_gap(&gap) {
                    let Gap { target, .. } = gap;
                    let reply = Reply::Gap { target: target.into(), from, to, reason, is_past };
                    return self.take_part(TaggedReply { n, reply }, line.len());
                }
                let controls = self.views.gap(gap);
                self.controls.extend(controls);
            }
            Reply::Live { target, last } => {
                let controls = self.views.live(&target, last);
                self.controls.extend(controls);
            }
            Reply::OpenOk { target, epoch, first, last } if self.views.is_new_epoch(&target, &epoch) => {
                self.views.epoch_changed(&target, &epoch, Numbers { first, last });
            }
            Reply::Said { seq, .. } if n.is_some() => self.outgoing.said(n.unwrap_or_default(), seq),
            // Nobody asked for it.
            Reply::CloseOk { target } if self.views.is_open(&target) => {
                let probe = self.views.probe(&target);
                self.controls.extend(probe);
            }
            reply => match &self.in_flight {
                Some(control) if control.takes_part(&reply) => {
                    return self.take_part(TaggedReply { n, reply: reply.into_owned() }, line.len());
                }
                Some(control) if control.is_answered_by(&reply) => self.answer(reply.into_owned()),
                _ => self.take_news(reply),
            },
        }
        Ok(())
    }

    /// Whether a record invites this account into a room that is not open.
    fn is_invitation(&self, record: &RecordLine<'_>) -> bool {
        let invites = !record.is_past && record.verb == RecordVerb::Invited;
        invites && self.views.is_own_name(&record.text) && !self.views.is_open(&record.target)
    }

    /// A line that answers nothing.
    fn take_news(&mut self, reply: Reply<'_>) {
        let news = match reply {
            Reply::Conversation { target, epoch, first, last, read } => News::Conversation(ConversationInfo {
                target: target.into_owned(),
                epoch: epoch.into_owned(),
                first,
                last,
                read,
            }),
            Reply::Read { target, seq } => News::ReadMoved { target: target.into_owned(), seq },
            Reply::Came { name } => News::Came { name: name.into_owned() },
            Reply::Gone { name } => News::Gone { name: name.into_owned() },
            Reply::Notice { text } => News::Notice { text: text.into_owned() },
            Reply::Version1(Version1Reply::IncomingConnection { name }) => {
                self.chat_peer = Some(name.clone().into_owned());
                News::ChatBegan { name: name.into_owned(), is_incoming: true }
            }
            Reply::Version1(Version1Reply::From { name, text }) => {
                News::ChatMessage { name: name.into_owned(), text: text.into_owned() }
            }
            Reply::Version1(Version1Reply::PeerDisconnected) => {
                self.chat_peer = None;
                News::ChatEnded { by_peer: true }
            }
            _ => return,
        };
        self.push_news(news);
    }

    fn push_news(&self, news: News) {
        if let Some(queue) = &self.news {
            queue.push(news);
        }
    }

    pub(super) fn is_in_chat_with(&self, name: &str) -> bool {
        let fold = |name: &str| Username::new(name).map_or_else(|_| name.to_owned(), |name| name.folded().to_owned());
        self.chat_peer.as_deref().is_some_and(|peer| fold(peer) == fold(name))
    }

    /// This session has ended its chat, or has lost its connection.
    pub(super) fn end_chat(&mut self) {
        if self.chat_peer.take().is_some() {
            self.push_news(News::ChatEnded { by_peer: false });
        }
    }

    /// Adds a line of `n_bytes` bytes to the answer in flight.
    fn take_part(&mut self, part: TaggedReply<'static>, n_bytes: usize) -> Result<(), Error> {
        let Some(control) = &mut self.in_flight else { return Ok(()) };
        Ok(control.push_part(part, n_bytes)?)
    }

    /// An `ERROR`: for the message of number `n`, for the request in flight, or for the session.
    async fn take_error(&mut self, n: Option<u64>, error: Error, target: Option<&str>) {
        if let Error::Closed(reason) = error {
            self.close_reason = Some(reason);
            return;
        }
        if let Some(n) = n {
            self.outgoing.refused(n, error).await;
            return;
        }
        let is_unavailable = matches!(&error, Error::Refused { code: ErrorCode::Unavailable, .. });
        if is_unavailable
            && let Some(target) = target
            && self.views.unavailable(target)
        {
            // It may also answer the request in flight for the same conversation. Then its real answer, if one comes,
            // answers nothing.
            let names_target = |control: &Control| control.command_target().is_some_and(|word| word == target);
            if !self.in_flight.as_ref().is_some_and(names_target) {
                return;
            }
        }
        let Some(control) = self.in_flight.take() else { return };
        match control.purpose {
            Purpose::Open(id) => self.views.refused(id, error),
            Purpose::Close(Some(id)) => {
                let controls = self.views.closed(id);
                self.controls.extend(controls);
            }
            Purpose::Close(None) => {}
            Purpose::Answer(answer_tx) | Purpose::Claim(answer_tx, _) => drop(answer_tx.send(Err(error))),
        }
    }

    /// The line that ends the answer to the request in flight.
    fn answer(&mut self, last: Reply<'static>) {
        let Some(control) = self.in_flight.take() else { return };
        let parts = control.parts;
        // Among the other lines of the chat, so that the program gets them in their order.
        match &last {
            Reply::Version1(Version1Reply::ConnectOk { name }) => {
                self.chat_peer = Some(name.clone().into_owned());
                self.push_news(News::ChatBegan { name: name.clone().into_owned(), is_incoming: false });
            }
            Reply::Version1(Version1Reply::DisconnectOk) => self.end_chat(),
            _ => {}
        }
        match (control.purpose, last) {
            (Purpose::Open(id), Reply::OpenOk { target, epoch, first, last }) => {
                let next = self.views.opened(id, &target, &epoch, Numbers { first, last });
                self.controls.extend(next);
            }
            (Purpose::Close(Some(id)), _) => {
                let controls = self.views.closed(id);
                self.controls.extend(controls);
            }
            (Purpose::Close(None) | Purpose::Open(_), _) => {}
            (Purpose::Answer(answer_tx), last) => drop(answer_tx.send(Ok(Answer { parts, last }))),
            (Purpose::Claim(answer_tx, proof), last) => {
                if let Reply::ClaimOk { name } = &last {
                    let (name, device) = (name.clone().into_owned(), CLAIMED_DEVICE.to_owned());
                    self.identity = Identity(Kind::Account { name, device, proof });
                    self.is_account.send_replace(true);
                }
                drop(answer_tx.send(Ok(Answer { parts, last })));
            }
        }
    }
}

/// Reads an `ERROR` with a code that this version does not know. Returns its number and the error.
fn unknown_error(line: &str) -> Option<(Option<u64>, Error)> {
    let (tags, rest) = match line.strip_prefix('@') {
        Some(tagged) => tagged.split_once(' ')?,
        None => ("", line),
    };
    let n = tags.split(';').find_map(|tag| tag.strip_prefix("n=")?.parse().ok());
    let code = rest.strip_prefix("ERROR ")?.split(' ').next()?;
    Some((n, Error::RefusedWithUnknownCode { code: sanitize(code).into_owned(), detail: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_answers_the_message_of_its_number() {
        let (n, error) = unknown_error("@n=41 ERROR FUTURE_CODE #lab").expect("an error");
        assert_eq!((n, error.to_string().starts_with("FUTURE_CODE: ")), (Some(41), true));
        assert_eq!(unknown_error("ERROR FUTURE_CODE").expect("an error").0, None);
        assert!(unknown_error("@n=41 FUTURE_REPLY").is_none());
    }
}
