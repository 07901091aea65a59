//! Reads the configuration from flags, `SWITCHBOARD_…` variables, a TOML file and defaults, in this order of
//! precedence.
//!
//! [`Options`] holds the keys of one source. The sources are layers, which are merged key by key into a [`Config`].

mod config;
mod config_error;
mod generate;
mod help;
mod keys;
mod layers;
mod reload;
#[cfg(test)]
mod tests;
mod unknown_name;
mod value;

pub use config::Config;
pub use config_error::{ConfigError, ConfigErrors};
pub(crate) use generate::{completions, man};
pub use keys::{Cli, LogFormat, Options};
pub use layers::Source;

const PROGRAM: &str = "switchboard-server";
