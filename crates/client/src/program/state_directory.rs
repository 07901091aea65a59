//! The directory in which the program keeps its state across runs.

use std::env;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Returns the path `$XDG_STATE_HOME/switchboard`. The default of the variable is `~/.local/state`, and a relative path
/// in the variable is ignored (XDG Base Directory Specification). `None` if there is no home directory either.
pub(crate) fn path() -> Option<PathBuf> {
    let configured = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state_home = configured.or_else(|| Some(env::home_dir()?.join(".local/state")))?;
    Some(state_home.join("switchboard"))
}

/// Creates `directory` and its parents, if they are missing. Only the owner can use a new directory.
pub(crate) fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Replaces the file at `path` by one with `text`, which only the owner can read. After a crash at any moment, the file
/// has the old text or the new one.
pub(crate) fn replace_private(path: &Path, text: &str) -> io::Result<()> {
    let mut new_path = path.as_os_str().to_owned();
    new_path.push(".new");
    let new_path = PathBuf::from(new_path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new_path)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    std::fs::rename(&new_path, path)?;
    if cfg!(unix)
        && let Some(directory) = path.parent()
    {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Returns `name` as the name of a file: each byte that is no ASCII letter or digit, `-`, `_` or `#` becomes `%` and
/// two hexadecimal digits. So two names never have the same file, and no name leads out of the directory.
pub(crate) fn file_name(name: &str) -> String {
    let mut file_name = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'#') {
            file_name.push(char::from(byte));
        } else {
            file_name.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 0xf)]);
        }
    }
    file_name
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let cases = [
            ("#lab", "#lab"),
            ("..", "%2e%2e"),
            ("a/b", "a%2fb"),
            ("%2e", "%252e"),
            ("127.0.0.1:12345", "127%2e0%2e0%2e1%3a12345"),
            ("נוי", "%d7%a0%d7%95%d7%99"),
        ];
        for (name, expected) in cases {
            assert_eq!(file_name(name), expected);
        }
    }

    #[test]
    fn a_replaced_file_belongs_to_its_owner() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        for text in ["one", "two"] {
            replace_private(&path, text).expect("room on the disk");
            assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        }
    }
}
