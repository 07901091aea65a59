//! Runs the library's analysis on a capture and collects its results.

use switchboard_encap::analyze::{
    Conversation, Event, Focus, Side, StreamEvent, StreamItem, StreamListener, Streams, Totals,
};
use switchboard_encap::capture::Reader;

/// The conversations of a capture, and the data of their streams.
#[derive(Default)]
pub(crate) struct Analysis {
    pub(crate) conversations: Vec<Conversation>,
    /// The stream of each conversation's side: text, `[n]` for a gap of n bytes, `.` for FIN, `!` for a reset.
    streams: Vec<((u64, Side), String)>,
}

impl StreamListener for Analysis {
    fn on_event(&mut self, event: StreamEvent<'_>) {
        let key = (event.sender.number, event.sender.side);
        let index = self.streams.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
            self.streams.push((key, String::new()));
            self.streams.len() - 1
        });
        let text = &mut self.streams[index].1;
        match event.item {
            StreamItem::Data { bytes, .. } => text.push_str(&String::from_utf8_lossy(bytes)),
            StreamItem::Gap { bytes } => text.extend(["[", &bytes.to_string(), "]"]),
            StreamItem::Fin => text.push('.'),
            StreamItem::Reset => text.push('!'),
        }
    }

    fn on_end(&mut self, conversation: Conversation) {
        self.conversations.push(conversation);
    }
}

impl Analysis {
    /// The stream that one side of a conversation sent, in the notation of `streams`. It is empty if nothing was sent.
    pub(crate) fn stream(&self, conversation: u64, side: Side) -> &str {
        self.streams.iter().find(|(key, _)| *key == (conversation, side)).map_or("", |(_, text)| text)
    }

    /// The first conversation.
    pub(crate) fn first_conversation(&self) -> &Conversation {
        &self.conversations[0]
    }

    /// The reason that the analysis gives for an event of a frame. Without such an event, a text that says this.
    pub(crate) fn why(&self, frame: u64, event: Event) -> String {
        let mut flags = self.conversations.iter().flat_map(|conversation| &conversation.flags);
        let flag = flags.find(|flag| (flag.frame, flag.event) == (frame, event));
        flag.map_or_else(|| format!("frame {frame} has no event {event}"), |flag| flag.why().to_string())
    }
}

pub(crate) fn analyze(file: &[u8]) -> (Analysis, Totals) {
    let mut reader = Reader::new(file).unwrap();
    let (mut streams, mut analysis) = (Streams::new(Vec::<Focus>::new()), Analysis::default());
    while let Some(packet) = reader.next_packet().unwrap() {
        streams.packet(&packet, &mut analysis);
    }
    let totals = streams.finish(&mut analysis);
    analysis.conversations.sort_by_key(|conversation| conversation.first_frame);
    (analysis, totals)
}
