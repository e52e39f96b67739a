//! What happens to a key that comes more than once, as the command line spells it and as people
//! are told.

use clap::ValueEnum;
use graven_format::Duplicates;

use crate::console::count;

/// [`Duplicates`] as the command line spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Keep {
    /// The last one; the number of replaced pairs is reported
    Last,
    /// The first one; the number of skipped pairs is reported
    First,
    /// None: a second value is an error
    Error,
    /// All of them, as a JSON array in the order of the input; a key with one value has an array too
    List,
}

impl Keep {
    /// What is said of `pairs` that are not in the table.
    pub(crate) fn report(self, pairs: u64) -> String {
        let (were, their) = if pairs == 1 { ("was", "its") } else { ("were", "their") };
        let what = match self {
            Self::First => format!("skipped, because {their} key had come before"),
            Self::Last | Self::Error | Self::List => format!("replaced, because {their} key came again"),
        };
        format!("{} {were} {what}", count(pairs, "pair"))
    }
}

/// Whether so many pairs whose key came more than once look like an input that is read wrongly:
/// more than half of all. `pairs` are those that are left.
pub(crate) fn are_too_many(duplicates: u64, pairs: u64) -> bool {
    duplicates > pairs
}

impl From<Keep> for Duplicates {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::Last => Self::Last,
            Keep::First => Self::First,
            // No key comes twice any more.
            Keep::Error | Keep::List => Self::Error,
        }
    }
}
