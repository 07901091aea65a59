//! Runs the library's analysis on a capture and collects its results.

use switchboard_encap::analyze::{
    Conversation, Event, Focus, Side, StreamEvent, StreamItem, StreamListener, Streams, Totals,
};
use switchboard_encap::capture::Reader;

/// The conversations of a capture, and their data.
#[derive(Default)]
pub(crate) struct Analysis {
    pub(crate) conversations: Vec<Conversation>,
    /// Data per conversation and side: text, `[n]` for a gap of n bytes, `.` for FIN, `!` for a reset.
    said: Vec<((u64, Side), String)>,
}

impl StreamListener for Analysis {
    fn on_event(&mut self, event: StreamEvent<'_>) {
        let key = (event.sender.number, event.sender.side);
        if !self.said.iter().any(|(known, _)| *known == key) {
            self.said.push((key, String::new()));
        }
        let text = &mut self.said.iter_mut().find(|(known, _)| *known == key).unwrap().1;
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
    pub(crate) fn said(&self, number: u64, side: Side) -> &str {
        self.said.iter().find(|(known, _)| *known == (number, side)).map_or("", |(_, text)| text)
    }

    /// The first conversation.
    pub(crate) fn first(&self) -> &Conversation {
        &self.conversations[0]
    }

    /// The reason that the analysis gives for an event of a frame.
    pub(crate) fn why(&self, frame: u64, event: Event) -> String {
        let mut flags = self.conversations.iter().flat_map(|conversation| &conversation.flags);
        let flag = flags.find(|flag| (flag.frame, flag.event) == (frame, event));
        flag.map_or_else(|| format!("frame {frame} is no {event}"), |flag| flag.why().to_string())
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
