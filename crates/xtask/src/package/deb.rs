//! Packages for Debian, by dpkg-deb.
//!
//! `packaging/debian/PACKAGE` has the scripts of the package and its control file, without the fields that depend on the
//! build.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Package;
use super::stage::{self, FOLDER, copy_tree, read, write};
use crate::command::output_of;

/// The version of the package: that of the program, and a number of the packaging.
fn version() -> String {
    format!("{}-1", env!("CARGO_PKG_VERSION"))
}

/// Makes a package of the staged files. The same files give the same bytes.
pub(super) fn build(package: &Package) -> Result<PathBuf, String> {
    let root = Path::new(FOLDER).join("debian").join(package.name);
    let _ = fs::remove_dir_all(&root);
    copy_tree(&stage::folder(package), &root)?;
    let changelog = root.join("usr/share/doc").join(package.name).join("changelog.Debian.gz");
    write(&changelog, &stage::gzip(changes(package)?.as_bytes()))?;

    let control = root.join("DEBIAN");
    copy_tree(&Path::new("packaging/debian").join(package.name), &control)?;
    let mut files = Vec::new();
    collect(&root, Path::new(""), &mut files)?;
    let settings = files.iter().filter(|(file, _)| file.starts_with("etc"));
    let settings: String = settings.fold(String::new(), |mut list, (file, _)| {
        let _ = writeln!(list, "/{}", file.display());
        list
    });
    if !settings.is_empty() {
        write(&control.join("conffiles"), settings.as_bytes())?;
    }
    let mut md5sum = Command::new("md5sum");
    md5sum.current_dir(&root).args(files.iter().map(|(file, _)| file));
    write(&control.join("md5sums"), &output_of(&mut md5sum)?)?;
    let bytes = files.iter().map(|(_, bytes)| bytes).sum();
    write(&control.join("control"), control_file(package, bytes)?.as_bytes())?;
    set_modes(&root)?;

    let file = Path::new(FOLDER).join(format!("{}_{}_{}.deb", package.name, version(), architecture()?));
    let mut dpkg_deb = Command::new("dpkg-deb");
    dpkg_deb.env("SOURCE_DATE_EPOCH", stage::source_time().to_string());
    output_of(dpkg_deb.args(["--root-owner-group", "--build"]).arg(&root).arg(&file))?;
    Ok(file)
}

/// The control file with the fields that depend on the build.
fn control_file(package: &Package, bytes: u64) -> Result<String, String> {
    let file = Path::new("packaging/debian").join(package.name).join("control");
    let control = String::from_utf8_lossy(&read(&file)?).into_owned();
    let libraries = shared_libraries(package)?;
    let mut filled =
        format!("Version: {}\nArchitecture: {}\nInstalled-Size: {}\n", version(), architecture()?, bytes / 1024);
    if !control.contains("\nDepends: ") {
        let _ = writeln!(filled, "Depends: {libraries}");
    }
    let (first, rest) = control.split_once('\n').unwrap_or((&control, ""));
    Ok(format!("{first}\n{filled}{}", rest.replace("Depends: ", &format!("Depends: {libraries}, "))))
}

/// The packages of the libraries that the program loads, with their versions.
fn shared_libraries(package: &Package) -> Result<String, String> {
    // dpkg-shlibdeps works in the folder of a source package.
    let folder = Path::new(FOLDER).join("debian/source");
    write(&folder.join("debian/control"), b"Source: switchboard\n\nPackage: switchboard\nArchitecture: any\n")?;
    let program = stage::program(package).canonicalize().map_err(|error| error.to_string())?;
    let output = output_of(Command::new("dpkg-shlibdeps").current_dir(folder).arg("-O").arg(program))?;
    let output = String::from_utf8_lossy(&output);
    let libraries = output.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    libraries.map(|libraries| libraries.trim().to_owned()).ok_or_else(|| "dpkg-shlibdeps finds no libraries".to_owned())
}

fn architecture() -> Result<String, String> {
    let output = output_of(Command::new("dpkg").arg("--print-architecture"))?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

/// The changelog of the packaging. That of the program is another file.
fn changes(package: &Package) -> Result<String, String> {
    let control = read(&Path::new("packaging/debian").join(package.name).join("control"))?;
    let control = String::from_utf8_lossy(&control);
    let maintainer = control.lines().find_map(|line| line.strip_prefix("Maintainer: ")).unwrap_or_default();
    let time = format!("@{}", stage::source_time());
    let date = output_of(Command::new("date").args(["--utc", "--rfc-email", "--date", &time]))?;
    Ok(format!(
        "{} ({}) stable; urgency=medium\n\n  * changelog.gz has the changes of the program.\n\n -- {maintainer}  {}\n",
        package.name,
        version(),
        String::from_utf8_lossy(&date).trim(),
    ))
}

/// Adds the files below `root`, except those of the package itself, with their sizes.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<(), String> {
    let read = |error| format!("{}: {error}", root.join(folder).display());
    let mut entries: Vec<_> = fs::read_dir(root.join(folder)).map_err(read)?.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let file = folder.join(entry.file_name());
        let metadata = entry.metadata().map_err(read)?;
        match metadata.is_dir() {
            true if file == Path::new("DEBIAN") => {}
            true => collect(root, &file, files)?,
            false => files.push((file, metadata.len())),
        }
    }
    Ok(())
}

/// Sets the modes of a package's files: programs and scripts may be executed, and nobody but root may change anything.
fn set_modes(folder: &Path) -> Result<(), String> {
    const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(failed)?;
    for entry in fs::read_dir(folder).map_err(failed)?.flatten() {
        let path = entry.path();
        let is_executable = folder.ends_with("usr/bin") || SCRIPTS.iter().any(|script| path.ends_with(script));
        if path.is_dir() {
            set_modes(&path)?;
        } else {
            fs::set_permissions(&path, Permissions::from_mode(if is_executable { 0o755 } else { 0o644 }))
                .map_err(failed)?;
        }
    }
    Ok(())
}
