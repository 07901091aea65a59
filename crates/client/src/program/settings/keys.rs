//! The table of keys: the form, the meaning and the place of each setting.

use std::env;
use std::path::PathBuf;

use clap::ValueEnum;
use switchboard_client::conversations::DeviceName;
use switchboard_client::{HostPort, JoinLink};
use switchboard_protocol::{Dialect, Username};

use super::{Settings, Source};

/// A key of the file. All values are texts.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Sentences for the reader of the file.
    pub(super) about: &'static str,
    /// A value for the comment of a key that is not set.
    pub(super) example: &'static str,
    /// The value as text. `None` if it is not set.
    pub(super) get: fn(&Settings) -> Option<String>,
    /// Sets a value, or says how to mend it.
    set: fn(&mut Settings, &str) -> Result<(), String>,
}

pub(super) const KEYS: [Key; 9] = [
    Key {
        name: "name",
        about: "Your name. Without it, the program asks. The option is --name.",
        example: "Noy",
        get: |settings| settings.name.clone(),
        set: |settings, text| {
            let name = Username::new(text).map_err(|error| error.to_string())?;
            settings.name = Some(name.as_str().to_owned());
            Ok(())
        },
    },
    Key {
        name: "server",
        about: "The server: HOST:PORT, or a link for TLS. Without it, the program shows the servers that it finds.\n\
                An argument of the command line and SWITCHBOARD_ADDR have priority.",
        example: "switchboard://chat.example:12346",
        get: |settings| settings.server.clone(),
        set: |settings, text| {
            settings.server = Some(server(text)?);
            Ok(())
        },
    },
    Key {
        name: "device",
        about: "The device of your account, for each program one of its own; by default named after this machine. The \
                option is --device.",
        example: "main",
        get: |settings| settings.device.clone(),
        set: |settings, text| {
            let device = DeviceName::new(text).map_err(|error| error.to_string())?;
            settings.device = Some(device.as_str().to_owned());
            Ok(())
        },
    },
    Key {
        name: "bell",
        about: "The messages that ring the bell: \"off\", \"mention\" (also direct messages) or \"all\".",
        example: "mention",
        get: |settings| word_of(settings.bell),
        set: |settings, text| {
            settings.bell = word(text)?;
            Ok(())
        },
    },
    Key {
        name: "notify",
        about: "The messages that show a notification on the desktop: \"off\", \"mention\" (also direct messages) or \
                \"all\".",
        example: "mention",
        get: |settings| word_of(settings.notify),
        set: |settings, text| {
            settings.notify = word(text)?;
            Ok(())
        },
    },
    Key {
        name: "color",
        about: "When to use colours: \"auto\" (on a terminal, unless NO_COLOR is set), \"always\", \"never\", or \"16\" \
                (only the\ncolours that the terminal's theme chooses). The option is --color.",
        example: "auto",
        get: |settings| word_of(settings.color),
        set: |settings, text| {
            settings.color = word(text)?;
            Ok(())
        },
    },
    Key {
        name: "clock",
        about: "The form of times: \"24h\" or \"12h\".",
        example: "24h",
        get: |settings| word_of(settings.clock),
        set: |settings, text| {
            settings.clock = word(text)?;
            Ok(())
        },
    },
    Key {
        name: "right-to-left",
        about: "Whether the program puts right-to-left text in its visual order: \"auto\" (unless the terminal is known \
                to do it),\n\"on\" or \"off\".",
        example: "auto",
        get: |settings| word_of(settings.right_to_left),
        set: |settings, text| {
            settings.right_to_left = word(text)?;
            Ok(())
        },
    },
    Key {
        name: "log",
        about: "The folder for a log of each conversation, as /PATH or ~/PATH. Without it, nothing that is said is \
                written to disk.\nThe option is --log.",
        example: "~/chat-logs",
        get: |settings| settings.log.as_ref().map(|log| log.to_string_lossy().into_owned()),
        set: |settings, text| {
            settings.log = Some(folder(text)?);
            Ok(())
        },
    },
];

impl Key {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        const { &KEYS }.iter().find(|key| key.name == name)
    }

    /// The names of all keys, for a message.
    pub(super) fn names() -> String {
        KEYS.map(|key| key.name).join(", ")
    }

    /// Sets a value and its source, or says how to mend the value.
    pub(super) fn apply(&self, settings: &mut Settings, text: &str, source: Source) -> Result<(), String> {
        (self.set)(settings, text)?;
        settings.sources.insert(self.name, source);
        Ok(())
    }
}

/// Checks an address as the command line does: HOST, HOST:PORT or a link.
fn server(text: &str) -> Result<String, String> {
    if JoinLink::is_link(text) {
        return text.parse::<JoinLink>().map(|link| link.to_string()).map_err(|error| error.to_string());
    }
    if text.contains("://") {
        return Err("write HOST:PORT, or a link that begins with switchboard://".to_owned());
    }
    let address = HostPort::parse_or_default_port(text, Dialect::Commands.port());
    address.map(|address| address.to_string()).map_err(|error| error.to_string())
}

/// Returns the absolute path of a folder. A relative one would depend on the folder in which the program starts.
fn folder(text: &str) -> Result<PathBuf, String> {
    let path = match text.strip_prefix("~/") {
        Some(rest) => env::home_dir().ok_or("there is no home directory: give an absolute path")?.join(rest),
        None => PathBuf::from(text),
    };
    if path.is_absolute() { Ok(path) } else { Err("give an absolute path, or one that begins with ~/".to_owned()) }
}

/// Returns the value that `text` names, or lists the allowed words.
fn word<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let words = T::value_variants().iter().filter_map(|value| word_of(value.clone()));
        let words: Vec<_> = words.map(|word| format!("\"{word}\"")).collect();
        let (last, others) = words.split_last().map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
        format!("give {} or {last}", others.join(", "))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the values are words, which are copied")]
fn word_of<T: ValueEnum>(value: T) -> Option<String> {
    Some(value.to_possible_value()?.get_name().to_owned())
}
