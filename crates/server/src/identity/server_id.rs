//! The id of a server: random bytes that tell it from every other server, in the challenges that clients sign.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding as _};

use super::challenge::SERVER_ID_BYTES;
use super::random::random_bytes;

/// The file in the directory of the store.
const FILE: &str = "server-id";

/// Reads the id from the directory of the store, or creates it there. Without a directory, the id lasts as long as the
/// process.
///
/// # Errors
///
/// If the file cannot be read or written, or if it holds no id.
pub(crate) fn load(data: Option<&Path>) -> io::Result<[u8; SERVER_ID_BYTES]> {
    let Some(path) = data.map(|data| data.join(FILE)) else { return Ok(random_bytes()) };
    let describe = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text).ok_or_else(|| {
            let kind = io::ErrorKind::InvalidData;
            describe(io::Error::new(
                kind,
                "this is not the id of a server: restore the file, or delete it for a new id",
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = random_bytes();
            create(&path, &id).map_err(describe)?;
            Ok(id)
        }
        Err(error) => Err(describe(error)),
    }
}

/// Copies the id of a backup into the directory `data`. Returns whether the folder of the backup has one.
///
/// # Errors
///
/// As [`load`].
pub(crate) fn copy(folder: &Path, data: &Path) -> io::Result<bool> {
    if !folder.join(FILE).exists() {
        return Ok(false);
    }
    let id = load(Some(folder))?;
    let path = data.join(FILE);
    if path.exists() {
        // An interrupted restore has left it.
        fs::remove_file(&path)?;
    }
    create(&path, &id)?;
    Ok(true)
}

fn parse(text: &str) -> Option<[u8; SERVER_ID_BYTES]> {
    Base64UrlUnpadded::decode_vec(text.trim_end()).ok()?.try_into().ok()
}

fn create(path: &Path, id: &[u8; SERVER_ID_BYTES]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", Base64UrlUnpadded::encode_string(id))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_stays_the_same_in_a_directory() {
        let data = tempfile::tempdir().expect("a directory");
        let first = load(Some(data.path())).expect("a new id");
        assert_eq!(load(Some(data.path())).expect("the same id"), first);
        assert_ne!(load(None).expect("a random id"), first);
    }

    #[test]
    fn damaged_file_is_named() {
        let data = tempfile::tempdir().expect("a directory");
        fs::write(data.path().join(FILE), "not an id\n").expect("a file");
        let error = load(Some(data.path())).expect_err("the file holds no id").to_string();
        assert!(error.contains("server-id") && error.contains("delete it"), "{error}");
    }
}
