//! The directory in which the program keeps its state across runs.

use std::env;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Returns the path `$XDG_STATE_HOME/switchboard`, by default `~/.local/state/switchboard`. `None` if there is no home
/// directory either.
pub(crate) fn path() -> Option<PathBuf> {
    of_user("XDG_STATE_HOME", ".local/state")
}

/// Returns the directory `switchboard` in the one that `variable` names, by default `default` in the home directory. A
/// relative path in the variable is ignored (XDG Base Directory Specification).
pub(crate) fn of_user(variable: &str, default: &str) -> Option<PathBuf> {
    let configured = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = configured.or_else(|| Some(env::home_dir()?.join(default)))?;
    Some(directory.join("switchboard"))
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
    // A file that was left there may have other permissions.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
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

/// The longest name that [`file_name`] returns, in bytes. File systems allow 255, and some files have an ending.
const FILE_NAME_MAX_BYTES: usize = 240;

/// Returns `name` as the name of a file: each byte that is no ASCII letter or digit, `-`, `_` or `#` becomes `%` and
/// two hexadecimal digits. A longer name ends with `~` and its hash. So two names never have the same file, and no name
/// leads out of the directory.
pub(crate) fn file_name(name: &str) -> String {
    let mut file_name = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'#') {
            file_name.push(char::from(byte));
        } else {
            file_name.push('%');
            file_name.extend(hex(byte));
        }
    }
    if file_name.len() > FILE_NAME_MAX_BYTES {
        let hash: String = Sha256::digest(name).into_iter().flat_map(hex).collect();
        file_name.truncate(FILE_NAME_MAX_BYTES - 1 - hash.len());
        file_name.push('~');
        file_name.push_str(&hash);
    }
    file_name
}

/// Returns the name for which [`file_name`] returns `file_name`. `None` if there is none, or only its hash is left.
pub(crate) fn name_of_file(file_name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = file_name.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (self::file_name(&name) == file_name).then_some(name)
}

fn hex(byte: u8) -> [char; 2] {
    [hex_digit(byte >> 4), hex_digit(byte & 0xf)]
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
            assert_eq!(name_of_file(expected).as_deref(), Some(name));
        }
        for other in ["%2", "%zz", "%ff", "%2E", "a b", "."] {
            assert_eq!(name_of_file(other), None, "{other}");
        }
        assert_eq!(name_of_file(&file_name(&"x".repeat(300))), None);
    }

    #[test]
    fn the_longest_names_are_names_of_files_and_differ() {
        let directory = tempfile::tempdir().expect("a directory");
        for last in ['一', '二'] {
            let name = format!("{}{last}", "丁".repeat(31));
            let path = directory.path().join(format!("{}.chat.log", file_name(&name)));
            File::create_new(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        // Names that earlier versions could store have kept their files.
        assert!(!file_name(&"丁".repeat(26)).contains('~'));
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
