//! Where a carved file is kept while it is served, and how that is chosen.

use graven_catalog::available_bytes;
use graven_format::Storage;

/// The words for where a carved file is kept, and what each means.
pub(crate) const WORDS: [(&str, Storage, &str); 3] = [
    ("ram", Storage::Memory, "In memory of its own, checked once"),
    (
        "mmap",
        Storage::Mapped,
        "In the system's page cache, checked at every lookup; it may be larger than memory",
    ),
    (
        "disk",
        Storage::Disk,
        "On disk, one read a lookup past the page cache; only its index and a cache are in memory",
    ),
];

/// The word for a storage that is chosen by the memory that there is.
pub(crate) const AUTO: &str = "auto";

/// The word for where a file is kept.
pub(crate) fn word(storage: Storage) -> &'static str {
    WORDS.iter().find(|(_, of, _)| *of == storage).map_or("", |(word, _, _)| word)
}

/// Where a file of `bytes` bytes is kept, and why, when `wish` was said.
pub(crate) fn choose(wish: Option<Storage>, bytes: u64) -> (Storage, String) {
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    match (wish, available_bytes()) {
        (Some(storage), _) => (storage, "as was asked for".into()),
        (None, None) => (Storage::Memory, "how much memory there is, the system does not say".into()),
        // A quarter stays for everything else.
        (None, Some(available)) if bytes <= available / 4 * 3 => {
            (Storage::Memory, format!("{} of memory are available", megabytes(available)))
        }
        (None, Some(available)) => {
            (Storage::Disk, format!("only {} of memory are available", megabytes(available)))
        }
    }
}
