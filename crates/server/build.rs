//! Drops the comments of the page's scripts and style sheets, compresses all of its files, and lists them with their
//! types and entity tags for `src/web/static_files.rs`. Also finds the commit for `--version`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// The types of the files that a page may have, by the ends of their names.
const CONTENT_TYPES: &[(&str, &str)] = &[
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("webmanifest", "application/manifest+json"),
    ("woff2", "font/woff2"),
];

fn main() {
    switchboard_commit::set_version();
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=web");
    let folder = Path::new("web");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let mut list = String::from("&[\n");
    for (number, file) in files.iter().enumerate() {
        let content = delivered(file);
        let path = url_path(folder, file);
        let content_type = content_type(file);
        let hash: String = Sha256::digest(&content).iter().take(8).fold(String::new(), |mut hash, byte| {
            let _ = write!(hash, "{byte:02x}");
            hash
        });
        let plain_file = out.join(format!("{number}.plain"));
        fs::write(&plain_file, &content).expect("the build folder can be written");
        let source = literal(&plain_file);
        let compressed = gzip(&content);
        let gzip = if compressed.len() < content.len() {
            let compressed_file = out.join(format!("{number}.gz"));
            fs::write(&compressed_file, compressed).expect("the build folder can be written");
            format!("Some(include_bytes!({}))", literal(&compressed_file))
        } else {
            "None".to_owned()
        };
        let _ = writeln!(
            list,
            "    StaticFile {{ path: {path:?}, content_type: {content_type:?}, hash: {hash:?}, \
             content: include_bytes!({source}), gzip: {gzip} }},"
        );
    }
    list.push(']');
    fs::write(out.join("static_files.rs"), list).expect("the build folder can be written");
}

/// Adds the files of a folder and its subfolders, except hidden ones.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The path in the address of a file. The page's own file has the path of its folder.
fn url_path(folder: &Path, file: &Path) -> String {
    let path = file.strip_prefix(folder).expect("the file is in the folder").to_str().expect("a name in ASCII");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    assert!(path.chars().all(is_plain), "{path}: use letters, digits, '-', '_' and '.', so that the address is plain");
    let path = format!("/{path}");
    path.strip_suffix("index.html").map_or(path.clone(), str::to_owned)
}

fn content_type(file: &Path) -> &'static str {
    let extension = file.extension().unwrap_or_default();
    let found = CONTENT_TYPES.iter().find(|(known, _)| extension == *known);
    let Some((_, content_type)) = found else {
        panic!("{}: build.rs knows no type for files of this kind", file.display());
    };
    content_type
}

/// A path as a string literal of Rust.
fn literal(path: &Path) -> String {
    format!("{:?}", path.to_str().expect("a path in UTF-8"))
}

/// The content of a file as browsers get it.
fn delivered(file: &Path) -> Vec<u8> {
    let content = fs::read(file).expect("the file can be read");
    if !file.extension().is_some_and(|extension| extension == "js" || extension == "css") {
        return content;
    }
    without_comments(&String::from_utf8(content).expect("the page is UTF-8")).into_bytes()
}

/// A script or style sheet without comments and indentation, which are a third of its weight. Only comments that begin
/// their line are dropped, so no text in quotes is taken for one.
fn without_comments(source: &str) -> String {
    let mut rest = String::with_capacity(source.len());
    let mut is_comment = false;
    for line in source.lines().map(str::trim) {
        is_comment |= line.starts_with("/*");
        if !is_comment && !line.starts_with("//") && !line.is_empty() {
            rest.push_str(line);
            rest.push('\n');
        }
        is_comment &= !line.ends_with("*/");
    }
    rest
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory takes all bytes");
    encoder.finish().expect("memory takes all bytes")
}
