//! Captures: files of packets, and interfaces to take them from.
