//! The verbs of version 2, for help, completion and the parser.

/// The kind of an argument that follows a verb.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Argument {
    /// A conversation: `#room`, a name, or `@` and an account id.
    Target,
    /// A target, or `*` for all conversations.
    TargetOrAll,
    /// The name of a user or account.
    Name,
    /// The name of a device.
    Device,
    /// `password` and a secret, or `key` and a public key.
    Credential,
    /// `password` or `token` and a secret, or `key` and a public key.
    Proof,
    /// An SSH signature in Base64.
    Signature,
    /// A number.
    Number,
    /// An epoch and a number. They may be absent.
    Position,
    /// The number of a record, or the name of an author.
    Redaction,
    /// The name of a setting.
    Setting,
    /// How long, such as `10m`. It may be absent.
    Period,
    /// A number of uses. It may be absent.
    Uses,
    /// The word of a join link. It may be absent.
    Invitation,
    /// A text up to the end of the line.
    Text,
    /// A text up to the end of the line. It may be absent.
    OptionalText,
}

/// A verb of version 2.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    /// The word in capitals. The parser ignores case.
    pub word: &'static str,
    /// Its arguments, in order.
    pub arguments: &'static [Argument],
    /// A short description for help texts.
    pub about: &'static str,
}

impl Verb {
    const fn new(word: &'static str, arguments: &'static [Argument], about: &'static str) -> Self {
        Self { word, arguments, about }
    }

    /// Whether the first argument is a target, which an error repeats.
    pub(super) fn has_target(&self) -> bool {
        matches!(self.arguments.first(), Some(Argument::Target | Argument::TargetOrAll))
    }
}

use Argument::{
    Credential, Device, Invitation, Name, Number, OptionalText, Period, Position, Proof, Redaction, Setting, Signature,
    Target, TargetOrAll, Text, Uses,
};

/// All verbs, in the order in which a new user needs them. The parser looks them up here.
pub const VERBS: [Verb; 43] = [
    Verb::new("REGISTER", &[Name], "take a name as a guest"),
    Verb::new("WHO", &[], "list who is here"),
    Verb::new("CONNECT", &[Target], "join and open a conversation, and make it your partner"),
    Verb::new("MSG", &[Text], "say something to your partner"),
    Verb::new("DISCONNECT", &[], "have no partner any more"),
    Verb::new("PING", &[], "ask whether the server is there"),
    Verb::new("CLAIM", &[Credential], "turn your name into an account"),
    Verb::new("LOGIN", &[Name, Device, Proof], "log in to an account, as one of its devices"),
    Verb::new("PROVE", &[Signature], "answer a challenge with a signature"),
    Verb::new("TOKEN", &[], "make a token with which this device logs in"),
    Verb::new("PASSWD", &[Credential], "change the password or key of your account"),
    Verb::new("DEVICES", &[], "list the devices of your account"),
    Verb::new("REVOKE", &[Device], "remove a device from your account"),
    Verb::new("UNCLAIM", &[], "delete your account"),
    Verb::new("ROOMS", &[], "list the rooms"),
    Verb::new("JOIN", &[Target, Invitation], "become a member of a room"),
    Verb::new("LEAVE", &[Target], "leave a room"),
    Verb::new("SAY", &[Target, Text], "say something in a conversation"),
    Verb::new("OPEN", &[Target, Position], "hear a conversation from now on, or from a position"),
    Verb::new("CLOSE", &[Target], "no longer hear a conversation"),
    Verb::new("HISTORY", &[Target, Number, Number], "read older records: before a number, at most so many"),
    Verb::new("CONVERSATIONS", &[], "list your conversations"),
    Verb::new("READ", &[Target, Number], "set your read marker"),
    Verb::new("READERS", &[Target, Number], "list who has read a record"),
    Verb::new("SEARCH", &[TargetOrAll, Text], "find words in a conversation, or in all (*)"),
    Verb::new("MEMBERS", &[Target], "list the members of a room"),
    Verb::new("TOPIC", &[Target, OptionalText], "set the topic of a room"),
    Verb::new("INVITE", &[Target, Name, Period], "invite somebody into a room, for a time such as 2d"),
    Verb::new(
        "LINK",
        &[Target, Period, Uses],
        "make a join link of a room, for a time such as 2d and a number of uses",
    ),
    Verb::new("UNLINK", &[Target, Invitation], "end a join link of a room, or all"),
    Verb::new("KICK", &[TargetOrAll, Name], "remove somebody from a room; operators also from the server (*)"),
    Verb::new("BAN", &[TargetOrAll, Name], "keep somebody out of a room; operators also out of the server (*)"),
    Verb::new("UNBAN", &[TargetOrAll, Name], "let somebody in again"),
    Verb::new("MUTE", &[Target, Name, Period], "let somebody read in a room and not write, for a time such as 10m"),
    Verb::new("UNMUTE", &[Target, Name], "let somebody write in a room again"),
    Verb::new("REDACT", &[Target, Redaction], "empty a record, or all of an author"),
    Verb::new("ROOM", &[Target, Setting, Text], "change a setting of a room"),
    Verb::new("REPORT", &[Target, Number, OptionalText], "report a record to the operators, with a reason"),
    Verb::new("BLOCK", &[Name], "no longer hear somebody"),
    Verb::new("UNBLOCK", &[Name], "hear somebody again"),
    Verb::new("WATCH", &[], "hear who comes and goes"),
    Verb::new("UNWATCH", &[], "no longer hear who comes and goes"),
    Verb::new("WIRE", &[], "show the state of your connection"),
];

/// Finds the verb that `word` spells, in any case.
pub(super) fn find_verb(word: &str) -> Option<&'static Verb> {
    static TABLE: &[Verb] = &VERBS;
    TABLE.iter().find(|verb| verb.word.eq_ignore_ascii_case(word))
}
