//! `encap`: the wire lab as a program.

fn main() {}
