//! The carved file from outside: held against a model, damaged, killed while it is made, and read
//! by its page alone.

mod choice;
mod craft;
mod damage;
mod format_page;
mod golden;
#[cfg(unix)]
mod kill;
mod messages;
mod model;
#[cfg(unix)]
mod overwrite;
mod page;
#[cfg(target_os = "linux")]
mod room;
mod samples;
