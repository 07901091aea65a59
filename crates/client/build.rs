//! Finds the commit for `--version`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    switchboard_commit::set_version();
}
