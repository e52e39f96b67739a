//! Being told when something in a root in a file system changes.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::mpsc::Sender;

use crate::root::TableName;

/// What may have changed in a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RootChange {
    /// The root, and all its tables.
    All,
    /// These tables: nothing else has changed.
    Tables(BTreeSet<TableName>),
}

impl RootChange {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Tables(mut tables), Self::Tables(more)) => {
                tables.extend(more);
                Self::Tables(tables)
            }
            _ => Self::All,
        }
    }
}

/// Has `wake` sent to what may have changed in `root` or in its tables, until its receiver is
/// gone.
///
/// # Errors
/// When the system cannot watch it, as on file systems that others write to.
#[cfg(target_os = "linux")]
pub(crate) fn watch_directory(root: &Path, wake: Sender<RootChange>) -> io::Result<()> {
    let inotify = inotify::Inotify::init()?;
    let of_root = inotify.watches().add(root, linux::mask())?;
    let watches = inotify.watches();
    let mut watch = linux::Watch { root: root.to_owned(), of_root, watches, tables: Default::default() };
    watch.add_all();
    let run = move || watch.run(inotify, &wake);
    std::thread::Builder::new().name("watch".into()).spawn(run)?;
    Ok(())
}

/// Elsewhere nothing is watched: the root is looked at now and then.
#[cfg(not(target_os = "linux"))]
pub(crate) fn watch_directory(_: &Path, _: Sender<RootChange>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{BTreeSet, HashMap};
    use std::ffi::OsStr;
    use std::io;
    use std::path::PathBuf;
    use std::sync::mpsc::Sender;

    use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask, Watches};

    use super::RootChange;
    use crate::root::TableName;

    pub(super) fn mask() -> WatchMask {
        WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::CLOSE_WRITE | WatchMask::DELETE
    }

    pub(super) struct Watch {
        pub(super) root: PathBuf,
        pub(super) of_root: WatchDescriptor,
        pub(super) watches: Watches,
        /// Tables that one watch is for: several where they are links to one directory.
        pub(super) tables: HashMap<WatchDescriptor, BTreeSet<TableName>>,
    }

    impl Watch {
        pub(super) fn run(mut self, mut inotify: Inotify, wake: &Sender<RootChange>) {
            let mut room = [0; 4096];
            loop {
                let events = match inotify.read_events_blocking(&mut room) {
                    Ok(events) => events,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => return,
                };
                let look =
                    events.map(|event| self.look(&event.wd, event.mask, event.name)).reduce(RootChange::and);
                if look.is_some_and(|look| wake.send(look).is_err()) {
                    return;
                }
            }
        }

        /// What an event asks for.
        fn look(&mut self, of: &WatchDescriptor, mask: EventMask, name: Option<&OsStr>) -> RootChange {
            if mask.contains(EventMask::Q_OVERFLOW) {
                // They were too many, so that any may have been lost.
                self.add_all();
                return RootChange::All;
            }
            if *of == self.of_root {
                // A table that came may be a link to a directory.
                if let Some(name) = name {
                    self.add(name);
                }
                return RootChange::All;
            }
            if mask.contains(EventMask::IGNORED) {
                // Its directory is gone.
                self.tables.remove(of);
            }
            match self.tables.get(of) {
                Some(tables) => RootChange::Tables(tables.clone()),
                None => RootChange::All,
            }
        }

        pub(super) fn add_all(&mut self) {
            for entry in std::fs::read_dir(&self.root).into_iter().flatten().flatten() {
                self.add(&entry.file_name());
            }
        }

        /// Watches what may be a table. One that cannot be watched is seen at the next look.
        fn add(&mut self, name: &OsStr) {
            let Some(table) = name.to_str().and_then(|name| name.parse().ok()) else { return };
            let path = self.root.join(name);
            if path.is_dir()
                && let Ok(watch) = self.watches.add(path, mask())
            {
                self.tables.entry(watch).or_default().insert(table);
            }
        }
    }
}
