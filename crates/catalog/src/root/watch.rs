//! Being told when something in a root in a file system changes.

use std::io;
use std::path::Path;
use std::sync::mpsc::Sender;

/// Has `wake` sent to when something in `root` or in one of its tables may have changed, until its receiver is gone.
///
/// # Errors
/// When the system cannot watch it, as on file systems that others write to.
#[cfg(target_os = "linux")]
pub(crate) fn watch_directory(root: &Path, wake: Sender<()>) -> io::Result<()> {
    use std::thread;

    use inotify::{Event, EventMask, Inotify, WatchMask};

    let mask = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::CLOSE_WRITE | WatchMask::DELETE;
    let mut inotify = Inotify::init()?;
    let of_root = inotify.watches().add(root, mask)?;
    let watch_tables = {
        let (root, mut watches) = (root.to_owned(), inotify.watches());
        move || {
            for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    // One that cannot be watched is seen at the next look.
                    let _ = watches.add(entry.path(), mask);
                }
            }
        }
    };
    let mut watch_tables = watch_tables;
    watch_tables();
    let watch = move || {
        let mut room = [0; 4096];
        loop {
            let events = match inotify.read_events_blocking(&mut room) {
                Ok(events) => events,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            // A table that came may be a link to a directory; of events that were too many, any may have been lost.
            let is_of_tables =
                |event: Event<_>| event.wd == of_root || event.mask.contains(EventMask::Q_OVERFLOW);
            if events.into_iter().any(is_of_tables) {
                watch_tables();
            }
            if wake.send(()).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("watch".into()).spawn(watch)?;
    Ok(())
}

/// Elsewhere nothing is watched: the root is looked at now and then.
#[cfg(not(target_os = "linux"))]
pub(crate) fn watch_directory(_: &Path, _: Sender<()>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
