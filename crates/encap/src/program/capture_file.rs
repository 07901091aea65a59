//! A capture file, as the subcommands read it: packets, and remarks on the file.

use std::io::{self, Read};
use std::path::Path;

use switchboard_encap::analyze::Totals;
use switchboard_encap::capture::{CapturedPacket, Interface, ReadError, Reader};
use switchboard_encap::show::count;
use switchboard_protocol::sanitize;

use super::failure::Failure;
use super::input::Input;

/// A capture file that is being read.
pub(crate) struct CaptureFile {
    reader: Reader<Box<dyn Read>>,
    name: String,
    damage: Option<ReadError>,
}

impl CaptureFile {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let input = Input::open(path)?;
        let name = input.name();
        Self::new(Box::new(input), name)
    }

    /// Reads a capture from `input`. `name` must be safe to show.
    pub(crate) fn new(input: Box<dyn Read>, name: String) -> Result<Self, Failure> {
        match Reader::new(input) {
            Ok(reader) => Ok(Self { reader, name, damage: None }),
            Err(error) => Err(Failure::Capture { file: name, error }),
        }
    }

    /// The name, safe to show.
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    /// Calls `take` for each packet, until the end of the file or a read error.
    pub(crate) fn read(&mut self, mut take: impl FnMut(&CapturedPacket<'_>) -> io::Result<()>) -> io::Result<()> {
        while let Some(packet) = self.next() {
            take(&packet)?;
        }
        Ok(())
    }

    /// The next packet. `None` at the end of the file, and after a read error, which [`finish`](Self::finish) returns.
    pub(crate) fn next(&mut self) -> Option<CapturedPacket<'_>> {
        match self.reader.next_packet() {
            Ok(packet) => packet,
            Err(error) => {
                self.damage = Some(error);
                None
            }
        }
    }

    /// Comments of the capture about itself, for example that it is synthesised. Output about packets begins with them.
    pub(crate) fn origin(&self) -> Vec<String> {
        sanitized(self.reader.section_comments())
    }

    /// Remarks on packets that interfaces dropped, and notes of the reader.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let drop_remark = |(number, interface): (usize, &Interface)| {
            let name = interface.name.as_deref().map_or_else(|| number.to_string(), |name| sanitize(name).into_owned());
            match (interface.received, interface.dropped) {
                (None, None) => None,
                (received, Some(dropped)) if dropped > 0 => {
                    let of_received = received.map_or_else(String::new, |received| format!(" of {received}"));
                    Some(format!(
                        "interface {name} dropped {dropped}{of_received} packets for lack of buffer space: \
                         they are not in the capture"
                    ))
                }
                (_, Some(_)) => Some(format!("interface {name} dropped no packet")),
                (Some(received), None) => Some(format!("interface {name} received {received} packets")),
            }
        };
        let mut remarks: Vec<String> = self.reader.interfaces().iter().enumerate().filter_map(drop_remark).collect();
        remarks.extend(self.reader.notes().lines());
        remarks
    }

    /// The reason why the file could not be read to its end.
    pub(crate) fn damage(&self) -> Option<String> {
        self.damage.as_ref().map(ToString::to_string)
    }

    /// Fails if the file could not be read to its end. Call it after the output of the packets that were read.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        match self.damage.take() {
            Some(error) => Err(Failure::Capture { file: self.name.clone(), error }),
            None => Ok(()),
        }
    }
}

/// Sanitizes texts of a capture.
pub(crate) fn sanitized(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| sanitize(text).into_owned()).collect()
}

/// A remark on packets that belong to no conversation, if there are any.
pub(crate) fn no_conversation(totals: &Totals) -> Option<String> {
    let amount = totals.no_conversation;
    let fragments = match totals.fragments.packets {
        0 => String::new(),
        n => format!("; of these, {} of incomplete packets", count(n, "fragment")),
    };
    (amount.packets > 0).then(|| {
        let (packets, bytes) = (count(amount.packets, "packet"), count(amount.bytes, "byte"));
        format!("in no conversation (neither TCP nor UDP, or unreadable): {packets}, {bytes}{fragments}")
    })
}
