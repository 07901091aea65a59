//! The socket file in the data directory.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The name of the socket in the data directory.
const FILE: &str = "control";

/// The longest path in an address of a unix socket (unix(7)), without the zero at its end.
const ADDRESS_MAX_BYTES: usize = 107;

/// The path of a socket, in a form that fits into an address.
#[derive(Debug)]
struct SocketPath {
    path: PathBuf,
    /// Keeps the file descriptor in `path` valid.
    _directory: Option<File>,
}

impl SocketPath {
    fn new(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        if path.as_os_str().len() <= ADDRESS_MAX_BYTES {
            return Ok(Self { path, _directory: None });
        }
        // Linux resolves the descriptor of the directory, however long its path is.
        let directory = File::open(directory)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{FILE}", directory.as_raw_fd()));
        Ok(Self { path, _directory: Some(directory) })
    }
}

/// The socket of a running server. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: SocketPath,
}

impl ControlSocket {
    /// Creates the socket. The caller has locked the directory, so an existing socket is that of a server that was
    /// killed.
    ///
    /// # Errors
    ///
    /// If the file cannot be created, or if it exists and is no socket.
    pub(crate) fn bind(directory: &Path) -> io::Result<Self> {
        let path = SocketPath::new(directory)?;
        match fs::symlink_metadata(&path.path) {
            Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(&path.path)?,
            Ok(_) => return Err(io::Error::other("the file is in the way of the control socket: remove it")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(&path.path)?;
        // Until here, the permissions of the directory protect it.
        fs::set_permissions(&path.path, Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // A file that is left is removed at the next start.
        let _ = fs::remove_file(&self.path.path);
    }
}

/// Connects to the server that uses this data directory.
///
/// # Errors
///
/// `NotFound` or `ConnectionRefused` if no server runs there.
pub(crate) async fn connect(directory: &Path) -> io::Result<UnixStream> {
    let path = SocketPath::new(directory)?;
    UnixStream::connect(&path.path).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn socket_works_in_a_directory_with_a_long_path() {
        let parent = tempfile::tempdir().expect("a directory");
        for directory in [parent.path().join("short"), parent.path().join("long".repeat(40)).join("longer".repeat(30))]
        {
            fs::create_dir_all(&directory).expect("a directory");
            let kind = |error: io::Error| error.kind();
            assert_eq!(connect(&directory).await.map_err(kind).err(), Some(io::ErrorKind::NotFound));
            let socket = ControlSocket::bind(&directory).expect("a socket");
            let mode = directory.join(FILE).metadata().expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let client = connect(&directory).await.expect("the server listens");
            socket.accept().await.expect("a client");
            drop((client, socket));
            assert!(!directory.join(FILE).exists());
        }
    }

    #[tokio::test]
    async fn stale_socket_is_replaced_and_another_file_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join(FILE);
        drop(std::os::unix::net::UnixListener::bind(&file).expect("a socket"));
        drop(ControlSocket::bind(directory.path()).expect("the file is replaced"));
        fs::write(&file, "text").expect("a file");
        let error = ControlSocket::bind(directory.path()).expect_err("the file is no socket").to_string();
        assert!(error.contains("remove it"), "{error}");
        assert_eq!(fs::read_to_string(&file).expect("the file"), "text");
    }
}
