//! `encap dissector`: a Wireshark dissector for the chat.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use switchboard_encap::dissector;

use super::failure::Failure;
use super::output;

/// Wireshark's default folder for Lua plugins, relative to the home folder.
const DEFAULT_FOLDER: &str = ".local/lib/wireshark/plugins";

/// The label of the folder for Lua plugins in the output of `tshark -G folders`.
const FOLDER_LABEL: &str = "Personal Lua Plugins:";

/// Prints a Wireshark dissector for both dialects of the chat
///
/// It lets Wireshark and tshark show the command, reply, error code, sender, target and text of each line, and filter
/// by them: switchboard.sender == "Noy". For ports other than 12345 and 8080, set the preferences of the dissector in
/// Wireshark, or use tshark -d tcp.port==PORT,switchboard
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the dissector to Wireshark's folder for personal plugins
    #[arg(long)]
    install: bool,
    /// Write the dissector to this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let lua = dissector::lua();
    let mut stdout = io::stdout().lock();
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None if args.install => plugin_folder()?,
        None => {
            stdout.write_all(lua.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let file = folder.join(dissector::FILE_NAME);
    let unwritable = |error| Failure::WriteFile { file: file.display().to_string(), error };
    fs::create_dir_all(&folder).map_err(unwritable)?;
    output::write(&file, &lua)?;
    writeln!(stdout, "{}", file.display())?;
    Ok(ExitCode::SUCCESS)
}

/// The folder for Lua plugins that tshark reports. Without tshark, the default one.
fn plugin_folder() -> Result<PathBuf, Failure> {
    let folders = Command::new("tshark").args(["-G", "folders"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let reported = folders.ok().and_then(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find_map(|line| line.strip_prefix(FOLDER_LABEL)).map(|folder| PathBuf::from(folder.trim()))
    });
    let default = || env::var_os("HOME").map(|home| PathBuf::from(home).join(DEFAULT_FOLDER));
    reported.or_else(default).ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::NotFound, "the home folder is unknown: name the folder with --dir");
        Failure::WriteFile { file: dissector::FILE_NAME.to_owned(), error }
    })
}
