//! Writes each frame of the given captures to its own file, as seeds for the target `frame`.
//!
//! Usage: `frames OUT CAPTURE…`. `OUT` is the folder for the new files.

use std::error::Error;
use std::fs::{self, File};
use std::path::PathBuf;

use switchboard_encap::capture::Reader;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let out = args.next().ok_or("usage: frames OUT CAPTURE…")?;
    fs::create_dir_all(&out)?;
    for capture in args {
        let mut reader = Reader::new(File::open(&capture)?)?;
        while let Some(packet) = reader.next_packet()? {
            let name = format!("{}-{}", capture.file_stem().unwrap_or_default().display(), packet.number);
            fs::write(out.join(name), packet.captured)?;
        }
    }
    Ok(())
}
