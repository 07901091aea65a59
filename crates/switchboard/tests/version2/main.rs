//! Version 2 of the protocol on the core alone, with a naive store: the bounds of an event, moderation, the commands of the
//! operator, and random requests of several devices.

mod bounds;
mod conversations;
#[expect(dead_code, reason = "the stage of the transcripts uses the rest")]
mod home;
mod moderation;
mod operator;
mod shell;
