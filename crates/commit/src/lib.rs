//! The version of a program with its commit, for the build scripts of the programs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Variable that names the commit, for a build without a repository.
const VARIABLE: &str = "SWITCHBOARD_COMMIT";

/// Number of digits that identify a commit: enough for any repository of a size like ours.
const DIGITS: usize = 12;

/// Sets `SWITCHBOARD_VERSION` for the package whose build script calls this: `0.1.0 (0123456789ab)`, or `0.1.0` if the
/// commit is unknown.
///
/// A release build takes the commit from the variable `SWITCHBOARD_COMMIT`, or from the repository of the sources. All
/// other builds name no commit, because each commit would have to build the programs again.
///
/// # Panics
///
/// If it is not called by a build script.
pub fn set_version() {
    let variable = |name| std::env::var(name).expect("cargo sets the variable");
    let version = variable("CARGO_PKG_VERSION");
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    let commit = match std::env::var(VARIABLE) {
        Ok(given) => {
            Some(given.chars().filter(char::is_ascii_graphic).collect()).filter(|given: &String| !given.is_empty())
        }
        Err(_) if variable("PROFILE") == "release" => {
            // A crate is two folders below the root of the workspace.
            let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../..");
            let head = Head::of(&root);
            head.iter()
                .flat_map(|head| &head.files)
                .for_each(|file| println!("cargo:rerun-if-changed={}", file.display()));
            head.map(|head| head.commit)
        }
        Err(_) => None,
    };
    let version = match commit {
        Some(commit) => format!("{version} ({})", commit.chars().take(DIGITS).collect::<String>()),
        None => version,
    };
    println!("cargo:rustc-env=SWITCHBOARD_VERSION={version}");
}

/// The commit of a repository.
#[derive(Debug, Eq, PartialEq)]
struct Head {
    commit: String,
    /// The files of git that change with the commit.
    files: Vec<PathBuf>,
}

impl Head {
    /// The commit of the repository whose top folder is `root`. `None` without git, without a commit, and if `root` is
    /// only a folder in another repository.
    fn of(root: &Path) -> Option<Self> {
        let git = |args: &[&str]| {
            let output = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
            let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
            Some(text.trim_end().to_owned())
        };
        let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
        if top.canonicalize().ok()? != root.canonicalize().ok()? {
            return None;
        }
        let commit = git(&["rev-parse", "HEAD"])?;
        // The log of HEAD has a line for each commit. It may be switched off, and the file of the branch may be missing.
        let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
        let names = ["HEAD", "logs/HEAD"].into_iter().map(str::to_owned).chain(branch);
        let files = names.filter_map(|name| Some(root.join(git(&["rev-parse", "--git-path", &name])?)));
        Some(Self { commit, files: files.filter(|file| file.exists()).collect() })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        let identity = ["-c", "user.name=Noy", "-c", "user.email=noy@example.org"];
        let status = Command::new("git").arg("-C").arg(folder).args(identity).args(args).status();
        assert!(status.is_ok_and(|status| status.success()), "git {args:?} failed");
    }

    #[test]
    fn commit_is_that_of_the_repository_of_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        assert_eq!(Head::of(root), None, "there is no repository");
        git(root, &["init", "--quiet", "--initial-branch", "main"]);
        assert_eq!(Head::of(root), None, "there is no commit");

        git(root, &["commit", "--quiet", "--allow-empty", "--message", "first"]);
        let first = Head::of(root).expect("a commit");
        assert!(first.commit.len() == 40 && first.commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first:?}");
        let branch = root.join(".git/refs/heads/main");
        assert!(first.files.contains(&root.join(".git/HEAD")) && first.files.contains(&branch), "{first:?}");
        assert_eq!(fs::read_to_string(branch).expect("a file").trim(), first.commit);

        git(root, &["commit", "--quiet", "--allow-empty", "--message", "second"]);
        assert_ne!(Head::of(root).expect("a commit").commit, first.commit);

        let below = root.join("vendor");
        fs::create_dir(&below).expect("a folder");
        assert_eq!(Head::of(&below), None, "the commit of another project says nothing about a copy in it");
    }
}
