//! `encap dissector`: a Wireshark dissector for the chat.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use switchboard_encap::dissector;

use super::failure::Failure;
use super::output;

/// Where Wireshark looks for plugins written in Lua, in the home folder.
const PLUGINS: &str = ".local/lib/wireshark/plugins";

/// How `tshark -G folders` names that folder.
const FOLDER: &str = "Personal Lua Plugins:";

/// Prints a Wireshark dissector for both dialects of the chat
///
/// With it, Wireshark and tshark show command, reply, error code, sender, target and text of each line, and filter on them:
/// switchboard.sender == "Noy". For ports other than 12345 and 8080, set its preferences or decode as: tshark -d
/// tcp.port==PORT,switchboard
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Place it in Wireshark's folder of personal plugins
    #[arg(long)]
    install: bool,
    /// Place it in this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let lua = dissector::lua();
    let mut stdout = io::stdout().lock();
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None if args.install => personal_plugins()?,
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

/// The folder that tshark names; where there is no tshark, the usual one.
fn personal_plugins() -> Result<PathBuf, Failure> {
    let folders = Command::new("tshark").args(["-G", "folders"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let named = folders.ok().and_then(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find_map(|line| line.strip_prefix(FOLDER)).map(|folder| PathBuf::from(folder.trim()))
    });
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(PLUGINS));
    named.or_else(home).ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::NotFound, "no home folder is known: name the folder with --dir");
        Failure::WriteFile { file: dissector::FILE_NAME.to_owned(), error }
    })
}
