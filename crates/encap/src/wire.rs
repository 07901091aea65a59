//! Headers, one file each: field ranges, a checked view of untrusted bytes, a value to write.

mod link_type;

pub use link_type::LinkType;
