//! Signatures by `ssh-keygen`, which uses a key file or the SSH agent.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use super::identity::Signer;

/// The purpose of our signatures. A server accepts no signature for another purpose.
const NAMESPACE: &str = "switchboard";

/// Returns the base64 of the public key in `key` with `.pub`, or in `key` itself if that is the `.pub` file, and a
/// signer that runs `ssh-keygen -Y sign`.
///
/// `ssh-keygen` asks the SSH agent if `key` is a `.pub` file or if the agent has the key. Otherwise it reads the
/// private key, and asks for its passphrase at the terminal.
pub fn ssh_keygen_signer(key: &Path) -> io::Result<(String, Signer)> {
    let public_path = match key.extension() {
        Some(extension) if extension == "pub" => key.to_owned(),
        _ => {
            let mut name = key.as_os_str().to_owned();
            name.push(".pub");
            PathBuf::from(name)
        }
    };
    let line = std::fs::read_to_string(&public_path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {}: {error}", public_path.display())))?;
    let mut words = line.split_whitespace();
    let (Some("ssh-ed25519"), Some(base64)) = (words.next(), words.next()) else {
        let reason = format!(
            "{} is not a public key of the type ssh-ed25519: make one with ssh-keygen -t ed25519",
            public_path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    };
    let key = key.to_owned();
    let signer: Signer = Arc::new(move |challenge| {
        let key = key.clone();
        Box::pin(async move {
            let signing = tokio::task::spawn_blocking(move || sign(&key, &challenge));
            signing.await.map_err(io::Error::other)?
        })
    });
    Ok((base64.to_owned(), signer))
}

/// Runs `ssh-keygen`, which signs its standard input. Its questions and errors go to the terminal.
fn sign(key: &Path, challenge: &str) -> io::Result<String> {
    use std::io::Write as _;
    let mut child = std::process::Command::new("ssh-keygen")
        .args(["-Y", "sign", "-q", "-n", NAMESPACE, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot run ssh-keygen: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // If this fails, ssh-keygen has ended, and its exit status tells more.
        let _ = stdin.write_all(challenge.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("ssh-keygen did not sign with {}", key.display())));
    }
    String::from_utf8(output.stdout).map_err(|_| io::Error::other("ssh-keygen printed no text"))
}
