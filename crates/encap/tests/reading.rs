//! Analyses of captures that are built packet by packet: connections as real networks and programs produce them.

#[path = "reading/analysis.rs"]
mod analysis;
#[path = "reading/bounds.rs"]
mod bounds;
#[path = "reading/conversations.rs"]
mod conversations;
#[path = "reading/fragments.rs"]
mod fragments;
#[path = "reading/programs.rs"]
mod programs;
#[path = "reading/script.rs"]
mod script;
