//! `graven`: one binary, one file a subcommand; `main` tells the story.

fn main() {}
