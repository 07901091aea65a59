//! Own messages that have no record yet.

use switchboard_client::conversations::UnansweredMessage;

use super::super::conversation::{Outgoing, OutgoingState, Status};
use super::super::conversation_id::ConversationId;
use super::App;

impl App {
    pub(super) fn said(&mut self, local: u64, seq: u64) {
        let own_name = self.own_name().to_owned();
        let now = self.now.unix_millis;
        let partner = self.chat.as_ref().and_then(|id| Some((id.clone(), self.conversations.get(id)?.target.clone())));
        for conversation in self.conversations.values_mut() {
            let Some(index) = conversation.outgoing.iter().position(|outgoing| outgoing.local == local) else {
                continue;
            };
            if seq == 0 {
                let Some(outgoing) = conversation.outgoing.remove(index) else { return };
                let place = conversation.timeline.add_message(now, &own_name, &outgoing.text, true, false);
                // The message crossed the end of its chat on the network, and the protocol names no receiver.
                if let Some(partner) = &partner
                    && partner.0 != conversation.id
                {
                    let text =
                        format!("The partner changed while this message was on its way: perhaps {} has it.", partner.1);
                    conversation.timeline.add_notice(now, &text, true);
                }
                let id = conversation.id.clone();
                self.new_messages(&id, &[place]);
                return;
            } else if conversation.status == Status::Open && !conversation.timeline.is_known(seq) {
                conversation.outgoing[index].state = OutgoingState::Stored(seq);
            } else if conversation.status == Status::Open {
                conversation.outgoing.remove(index);
            } else {
                // The conversation is not open: no record will arrive.
                conversation.outgoing.remove(index);
                conversation.last = conversation.last.max(seq);
            }
            return;
        }
    }

    pub(super) fn not_said(&mut self, local: u64, reason: String, is_unknown: bool) {
        for conversation in self.conversations.values_mut() {
            if let Some(outgoing) = conversation.outgoing.iter_mut().find(|outgoing| outgoing.local == local) {
                let text = format!("A message to {} was not sent: {reason}", conversation.target);
                outgoing.state =
                    if is_unknown { OutgoingState::Unknown(reason) } else { OutgoingState::Refused(reason) };
                if conversation.id != self.current {
                    self.error(&text);
                }
                return;
            }
        }
        self.error(&format!("A message was not sent: {reason}"));
    }

    /// Shows the messages that an earlier run of the program has left.
    pub(super) fn show_unanswered(&mut self, messages: Vec<UnansweredMessage>) {
        for UnansweredMessage { target, text } in messages {
            let id = ConversationId::of_target(&target);
            let at_millis = self.now.unix_millis;
            let conversation = self.conversation(&id, &target);
            // An earlier session of this run may have left it.
            let is_same = |outgoing: &Outgoing| {
                matches!(outgoing.state, OutgoingState::Unknown(_)) && outgoing.text.trim_end() == text.trim_end()
            };
            if let Some(index) = conversation.outgoing.iter().position(is_same) {
                conversation.outgoing.remove(index);
            }
            let (peer_generation, state) = (conversation.peer_generation, OutgoingState::Waiting);
            conversation.outgoing.push_back(Outgoing { local: 0, text, at_millis, peer_generation, state });
        }
    }

    /// The server has answered the messages of the earlier run.
    pub(super) fn forget_unanswered(&mut self) {
        for conversation in self.conversations.values_mut() {
            conversation.outgoing.retain(|outgoing| outgoing.local != 0);
        }
    }
}
