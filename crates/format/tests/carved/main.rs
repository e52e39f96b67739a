//! The carved file from outside: held against a model, damaged, killed while it is made, and read
//! by its page alone.

mod choice;
mod craft;
mod damage;
mod format_page;
mod golden;
mod kill;
mod messages;
mod model;
mod overwrite;
mod page;
#[cfg(target_os = "linux")]
mod room;
mod samples;
