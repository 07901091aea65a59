//! The settings of the chat, as the command line, the environment and the file have them.

use clap::ValueEnum as _;

use super::Cli;
use crate::program::cli_error::CliError;
use crate::program::settings::{Settings, Source};

impl Cli {
    /// Reads the file with the settings, and applies the environment and the command line to it.
    pub(crate) fn settings(&self) -> Result<Settings, CliError> {
        let mut settings = Settings::read()?;
        if let Some(addr) = &self.addr {
            let argument = Source::Option("the argument ADDR");
            let source = if self.is_addr_from_variable { Source::Variable("SWITCHBOARD_ADDR") } else { argument };
            settings.set("server", addr, source)?;
        }
        if let Some(name) = &self.options.name {
            settings.set("name", name, Source::Option("--name"))?;
        }
        if let Some(device) = &self.options.device {
            settings.set("device", device, Source::Option("--device"))?;
        }
        if let Some(color) = self.options.color.and_then(|color| color.to_possible_value()) {
            settings.set("color", color.get_name(), Source::Option("--color"))?;
        }
        if let Some(log) = &self.options.log {
            settings.set_log(log, Source::Option("--log"))?;
        }
        Ok(settings)
    }
}
