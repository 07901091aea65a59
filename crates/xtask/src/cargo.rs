//! Cargo, as xtask starts it.

use std::env;
use std::process::Command;

/// A cargo command without the variables by which an outer cargo names its package. The build script of ring runs again
/// when they change, and everything above ring would be built again.
pub(crate) fn command() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let is_of_package =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if is_of_package {
            cargo.env_remove(name);
        }
    }
    cargo
}
