//! Reading a configuration again while the server runs.

use super::config::Config;
use super::config_error::{ConfigError, ConfigErrors};

impl Config {
    /// Reads the sources again.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] as for [`Config::from_process`], and if the file cannot be read twice, such as a pipe.
    pub fn read_again(&self) -> Result<Self, ConfigErrors> {
        if let Some(path) = &self.file
            && std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
        {
            let error = std::io::Error::other("it is not a regular file, so it can be read only once");
            return Err(ConfigErrors(vec![ConfigError::Unreadable { path: path.clone(), error }]));
        }
        Self::from_process(&self.passed_sockets)
    }

    /// The keys whose values differ between two configurations.
    #[must_use]
    pub fn changed_keys(&self, new: &Self) -> Vec<String> {
        let is_changed = |(key, value): &(&String, &toml::Value)| self.layers.values.get(*key) != Some(value);
        new.layers.values.iter().filter(is_changed).map(|(key, _)| key.clone()).collect()
    }
}
