//! A small blocking client.
