//! Rows: the messages of a CSV, and what is wrong with it.
