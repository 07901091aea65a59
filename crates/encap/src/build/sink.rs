//! The receiver of the frames of a build, and the frame that it receives.

use std::borrow::Cow;
use std::ops::Range;

use switchboard_protocol::sanitize;

use super::tcp::ControlKind;
use crate::rows::{AppProtocol, MessageId, RowRef};
use crate::time::Timestamp;

/// Receives the frames of a build in the order of their times.
pub trait FrameSink {
    /// The reason that the sink cannot take a frame. This error ends the build.
    type Error;

    /// Takes the next frame.
    ///
    /// # Errors
    ///
    /// If the sink cannot take the frame.
    fn frame(&mut self, frame: &BuiltFrame<'_>) -> Result<(), Self::Error>;
}

/// A frame of a build.
#[derive(Clone, Debug)]
pub struct BuiltFrame<'a> {
    /// The time at which its first byte is sent.
    pub time: Timestamp,
    /// The bytes from the link header to the padding.
    pub bytes: &'a [u8],
    /// The reason for sending it.
    pub purpose: FramePurpose<'a>,
}

/// The reason for sending a frame.
#[derive(Clone, Debug)]
pub enum FramePurpose<'a> {
    /// The frame carries a message, or a part of one.
    Message(MessagePart<'a>),
    /// The frame opens or closes a TCP connection, or acknowledges data, and carries no message.
    Control {
        /// The role of the frame in its connection.
        kind: ControlKind,
        /// The name of the sender, sanitized for display.
        sender: &'a str,
    },
}

/// A message, or the part of it that one frame carries.
#[derive(Clone, Debug)]
pub struct MessagePart<'a> {
    /// The row of the message.
    pub row: &'a RowRef<'a>,
    /// The bytes that the frame carries, as a range of the message, which may be a completed one.
    pub bytes: Range<usize>,
    /// The number of the segment, from 1, and the number of segments that carry the message.
    pub segment: (usize, usize),
    /// A text like `from Noy to Elias`, sanitized for display.
    pub route: &'a str,
    /// The deliberate faults of a [`BadTwin`](super::BadTwin).
    pub faults: &'a [&'static str],
}

impl FramePurpose<'_> {
    /// Writes the comment for the frame in a pcapng file. It replaces the text in `comment`.
    pub fn write_comment(&self, comment: &mut String) {
        comment.clear();
        match self {
            Self::Message(part) => part.write_comment(comment),
            Self::Control { kind, sender } => {
                let [name, action] = kind.describe();
                for text in ["layer=transport ", name, ": ", sender, " ", action] {
                    comment.push_str(text);
                }
            }
        }
    }
}

impl MessagePart<'_> {
    /// A text like `CHAT from Noy to Elias`, sanitized for display.
    pub(crate) fn title(&self) -> String {
        let mut title = String::new();
        self.write_title(&mut title);
        title
    }

    /// The `msg_id` of the row, sanitized for display.
    pub(crate) fn msg_id(&self) -> Cow<'_, str> {
        match self.row.number {
            MessageId::Number(number) => number.to_string().into(),
            MessageId::Text(text) => sanitize(text),
        }
    }

    fn write_comment(&self, comment: &mut String) {
        comment.push_str("msg_id=");
        match self.row.number {
            MessageId::Number(number) => push_number(comment, *number),
            MessageId::Text(text) => comment.push_str(&sanitize(text)),
        }
        comment.push_str(" layer=application ");
        self.write_title(comment);
        if let (number, count @ 2..) = self.segment {
            comment.push_str(", segment ");
            push_number(comment, number as u64);
            comment.push_str(" of ");
            push_number(comment, count as u64);
        }
        if !self.faults.is_empty() {
            comment.push_str(". Faults: ");
            comment.push_str(&self.faults.join("; "));
        }
    }

    fn write_title(&self, title: &mut String) {
        match self.row.protocol {
            AppProtocol::Other(name) => title.push_str(&sanitize(name)),
            known => title.push_str(known.name()),
        }
        title.push(' ');
        title.push_str(self.route);
    }
}

/// Appends a number in decimal. `write!` would take several times as long, and a build would take 2 % longer.
fn push_number(text: &mut String, number: u64) {
    if number >= 10 {
        push_number(text, number / 10);
    }
    text.extend(char::from_digit((number % 10) as u32, 10));
}
