//! Analyses of captures that each test builds packet by packet. Their connections are like those of real networks.

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
