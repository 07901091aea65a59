//! The JSON of a conversation in `encap analyze --json`.

use serde::ser::{SerializeMap as _, SerializeStruct as _};
use serde::{Serialize, Serializer};

use super::conversation::Conversation;
use super::event::{Event, FlaggedEvent};

/// The key of each event's count, in order. The count of retransmissions is not here, because it is a sum.
const COUNT_KEYS: [(&str, Event); 15] = [
    ("fast_retransmissions", Event::FastRetransmission),
    ("spurious_retransmissions", Event::SpuriousRetransmission),
    ("out_of_order", Event::OutOfOrder),
    ("lost_segments", Event::PreviousNotCaptured),
    ("acked_unseen", Event::AcknowledgesUnseen),
    ("duplicate_acks", Event::DuplicateAck),
    ("resets", Event::Reset),
    ("window_updates", Event::WindowUpdate),
    ("window_fulls", Event::WindowFull),
    ("zero_windows", Event::ZeroWindow),
    ("zero_window_probes", Event::ZeroWindowProbe),
    ("zero_window_probe_acks", Event::ZeroWindowProbeAck),
    ("keep_alives", Event::KeepAlive),
    ("keep_alive_acks", Event::KeepAliveAck),
    ("ports_reused", Event::PortReused),
];

impl Serialize for Conversation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("number", &self.number)?;
        map.serialize_entry("transport", &self.transport)?;
        map.serialize_entry("client", &self.client)?;
        map.serialize_entry("server", &self.server)?;
        map.serialize_entry("handshake", &self.handshake)?;
        map.serialize_entry("end", &self.end)?;
        map.serialize_entry("reset_cause", &self.reset_cause)?;
        map.serialize_entry("first_frame", &self.first_frame)?;
        map.serialize_entry("last_frame", &self.last_frame)?;
        map.serialize_entry("first_nanos", &self.first)?;
        map.serialize_entry("last_nanos", &self.last)?;
        map.serialize_entry("bytes_client", &self.from_client.bytes)?;
        map.serialize_entry("bytes_server", &self.from_server.bytes)?;
        map.serialize_entry("from_client", &self.from_client)?;
        map.serialize_entry("from_server", &self.from_server)?;
        map.serialize_entry("handshake_nanos", &self.handshake_nanos)?;
        map.serialize_entry("segments", &self.segments())?;
        map.serialize_entry("retransmissions", &self.counts.retransmissions())?;
        for (key, event) in COUNT_KEYS {
            map.serialize_entry(key, &self.counts.get(event))?;
        }
        map.serialize_entry("checksums", &self.checksums)?;
        map.serialize_entry("flags", &self.flags)?;
        map.serialize_entry("flags_not_listed", &self.flags_left_out())?;
        map.serialize_entry("retired", &self.retired)?;
        map.end()
    }
}

impl Serialize for FlaggedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("FlaggedEvent", 4)?;
        fields.serialize_field("frame", &self.frame)?;
        fields.serialize_field("from", &self.from)?;
        fields.serialize_field("event", &self.event)?;
        fields.serialize_field("why", &self.why().to_string())?;
        fields.end()
    }
}
