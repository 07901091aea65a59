//! Parses whole pcap files, and renders their first packet in full. Files of other formats stay out of the corpus.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use switchboard_encap::capture::Format;
use switchboard_fuzz::check_capture;

fuzz_target!(|file: &[u8]| -> Corpus {
    if check_capture(file, |packet| packet.number == 1) == Some(Format::Pcap) { Corpus::Keep } else { Corpus::Reject }
});
