//! A sink that writes the frames of a build to a capture file.

use std::io::Write;

use super::{BuiltFrame, FrameSink, Settings};
use crate::capture::{FileMetadata, Format, Interface, Record, WriteError, Writer};

/// Writes the frames of a build to a capture file. In pcapng, each frame has a comment on its purpose.
#[derive(Debug)]
pub struct CaptureSink<W: Write> {
    writer: Writer<W>,
    has_comments: bool,
    comment: String,
}

impl<W: Write> CaptureSink<W> {
    /// Begins a file of the format and link type in `settings`. `about` describes the origin of the file.
    ///
    /// # Errors
    ///
    /// If the beginning of the file cannot be written.
    pub fn new(output: W, settings: &Settings, about: &str) -> Result<Self, WriteError> {
        let mut interface = Interface::new(settings.link.link_type());
        interface.name = Some(settings.link.interface_name().to_owned());
        interface.description = Some("made up by encap build".to_owned());
        let writer = Writer::new(output, settings.format, FileMetadata { os: None, comments: &[about] }, &[interface])?;
        Ok(Self { writer, has_comments: settings.format == Format::Pcapng, comment: String::new() })
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// If the rest of the file cannot be written.
    pub fn finish(self) -> Result<W, WriteError> {
        self.writer.finish(&[])
    }
}

impl<W: Write> FrameSink for CaptureSink<W> {
    type Error = WriteError;

    fn frame(&mut self, frame: &BuiltFrame<'_>) -> Result<(), WriteError> {
        let BuiltFrame { time, bytes, purpose } = frame;
        if self.has_comments {
            purpose.write_comment(&mut self.comment);
        }
        let comments: &[&str] = if self.has_comments { &[&self.comment] } else { &[] };
        // The length of an IP packet has 16 bits, so the conversion cannot fail.
        let original_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.writer.write(&Record { time: *time, interface: 0, captured: bytes, original_len, comments })
    }
}
