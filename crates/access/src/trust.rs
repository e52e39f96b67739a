//! Which servers a client trusts.

use std::path::PathBuf;

/// Which servers a client trusts that connects with TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerTrust {
    /// Those whose certificates the system's authorities have issued.
    #[default]
    System,
    /// Those whose certificates the authorities in a file of PEM have issued.
    File(PathBuf),
    /// Everyone, whatever it shows: that keeps out eavesdroppers, and not whoever is in between.
    Anyone,
}
